// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what the driver does when memory is short, or a page of the program is gone: the
 * kernel lets the first of the allocations and copies in a system call fail, then the second,
 * and so on. The call either fails, with nothing left behind, or does without.
 *
 * They need a kernel with CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC and
 * CONFIG_FAULT_INJECTION_USERCOPY.
 */
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define MOST_FAULTS	5000	/* No call here has so many places to fail. */
#define SLOTS		20	/* more than a chunk of them */

/* What is tried with a file, which takes along what is left of it: returns 0, or -errno. */
typedef int (*action)(int fd);

/* The kernel's file for this process */
static int nth_file;

static int set_knobs(const char *value)
{
	return write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0") ?:
		write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", value) ?:
		write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", value);
}

/*
 * Let the nth chance of this process to fail be taken, or none if it is 0. The last one may
 * come in here.
 */
static void arm(unsigned int nth)
{
	unsigned int tries = 2;
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	while (pwrite(nth_file, text, strlen(text), 0) < 0) {
		if (!--tries)
			ksft_exit_fail_msg("fail-nth: %s\n", strerror(errno));
	}
}

/* Whether the chance has come, and not only in here */
static bool was_taken(void)
{
	char text[16] = "";

	return pread(nth_file, text, sizeof(text) - 1, 0) > 0 && !atoi(text);
}

static bool is_fault(int ret)
{
	return ret == -ENOMEM || ret == -EFAULT || ret == -EAGAIN;
}

static int with_file(action use)
{
	int fd = sst_open(O_RDWR);
	int ret;

	if (fd < 0)
		return -errno;
	ret = use(fd);
	close(fd);
	return ret;
}

/*
 * Try an action with one fault after the other until there is none left. Returns how
 * often it failed, or -errno if that was for another reason.
 */
static int try_faults(action use)
{
	unsigned int nth;
	int failures = 0;
	bool taken = true;
	int ret;

	for (nth = 1; taken && nth < MOST_FAULTS; nth++) {
		arm(nth);
		ret = with_file(use);
		taken = was_taken();
		arm(0);
		if (ret && !(taken && is_fault(ret))) {
			ksft_print_msg("fault %u: %s\n", nth, strerror(-ret));
			return ret;
		}
		failures += !!ret;
	}
	ksft_print_msg("%u faults, %d failures\n", nth - 2, failures);
	return taken ? -E2BIG : failures;
}

FIXTURE(fault) {
};

FIXTURE_SETUP(fault)
{
	ASSERT_EQ(0, set_knobs("N"));
	nth_file = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, nth_file);
}

/* The device has come through. */
FIXTURE_TEARDOWN(fault)
{
	struct sst_response resp;
	int fd = sst_open(O_RDWR);

	EXPECT_EQ(0, set_knobs("Y"));
	close(nth_file);
	EXPECT_EQ(0, sst_wait_stat("in_flight", 0));
	EXPECT_TRUE(sst_stats_balance());
	EXPECT_EQ(0, sst_send(fd, SST_REQUEST_ECHO, 7));
	EXPECT_EQ(0, sst_receive(fd, &resp));
	EXPECT_EQ(htole64(7), resp.user_data);
	close(fd);
}

static int write_and_read(int fd)
{
	struct sst_response resp;

	return sst_send(fd, SST_REQUEST_ECHO, 1) ?: sst_receive(fd, &resp);
}

TEST_F_TIMEOUT(fault, write_and_read, 300)
{
	ASSERT_LT(0, try_faults(write_and_read));
}

static int transact(int fd)
{
	struct sst_response resp;
	struct sst_request req;
	struct sst_transaction t = {
		.request = (uintptr_t)&req, .request_size = REQ,
		.response = (uintptr_t)&resp, .response_size = RESP,
	};

	sst_prepare(&req, SST_REQUEST_ECHO, 1);
	return ioctl(fd, SST_IOCTL_TRANSACT, &t) ? -errno : 0;
}

TEST_F_TIMEOUT(fault, transaction, 300)
{
	ASSERT_LT(0, try_faults(transact));
}

static int use_slots(int fd)
{
	struct sst_slot_setup setup = { .nr = SLOTS };
	void *slots;

	if (ioctl(fd, SST_IOCTL_SETUP_SLOTS, &setup))
		return -errno;
	slots = mmap(NULL, setup.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (slots == MAP_FAILED)
		return -errno;
	return munmap(slots, setup.size) ? -errno : 0;
}

TEST_F_TIMEOUT(fault, slots, 300)
{
	ASSERT_LT(0, try_faults(use_slots));
}

static int get_event_fd(int fd)
{
	struct sst_event_setup setup = {};
	int events = ioctl(fd, SST_IOCTL_EVENT_FD, &setup);

	if (events < 0)
		return -errno;
	close(events);
	return 0;
}

TEST_F_TIMEOUT(fault, event_fd, 300)
{
	ASSERT_LT(0, try_faults(get_event_fd));
}

/* Two calls, as the second one has to wait for the first. */
static int submit_reads(int fd, aio_context_t ctx)
{
	struct sst_response resp[2];
	struct iocb calls[2], *list[] = { &calls[0], &calls[1] };
	struct iovec parts[2][2];
	struct io_event events[2];
	int i, nr;

	memset(calls, 0, sizeof(calls));
	for (i = 0; i < 2; i++) {
		parts[i][0] = (struct iovec){ &resp[i], 1000 };
		parts[i][1] = (struct iovec){ (char *)&resp[i] + 1000, RESP - 1000 };
		calls[i].aio_fildes = fd;
		calls[i].aio_lio_opcode = IOCB_CMD_PREADV;
		calls[i].aio_buf = (uintptr_t)parts[i];
		calls[i].aio_nbytes = 2;
	}
	nr = syscall(SYS_io_submit, ctx, 2, list);
	if (nr < 0)
		return -errno;
	for (i = 0; i < nr; i++) {
		int ret = sst_send(fd, SST_REQUEST_ECHO, i);

		if (ret)
			return ret;
	}
	if (syscall(SYS_io_getevents, ctx, nr, nr, events, NULL) != nr)
		return -errno;
	for (i = 0; i < nr; i++) {
		if (events[i].res != (long long)RESP)
			return events[i].res;
	}
	return nr == 2 ? 0 : -EAGAIN;
}

static int use_aio(int fd)
{
	aio_context_t ctx = 0;
	int ret;

	if (syscall(SYS_io_setup, 2, &ctx))
		return -errno;
	ret = submit_reads(fd, ctx);
	syscall(SYS_io_destroy, ctx);
	return ret;
}

TEST_F_TIMEOUT(fault, aio, 300)
{
	ASSERT_LT(0, try_faults(use_aio));
}

TEST_HARNESS_MAIN
