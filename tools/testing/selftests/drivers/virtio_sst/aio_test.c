// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of /dev/sstN by io_submit(): reads, writes and polls that complete later.
 *
 * The system calls are called as they are, without libaio.
 */
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <linux/aio_abi.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define LIMIT		64	/* requests of one file at once, by default */
#define EVENTS		128	/* of a context */
#define NOW_MS		300	/* io_submit() returns before this */
#define SOON_MS		5000	/* what does not hang ends before this */
#define CALLS		16

/* These return what the system call returns, or -errno. */

static int io_setup(unsigned int nr, aio_context_t *ctx)
{
	return syscall(SYS_io_setup, nr, ctx) ? -errno : 0;
}

static int io_destroy(aio_context_t ctx)
{
	return syscall(SYS_io_destroy, ctx) ? -errno : 0;
}

static int io_submit(aio_context_t ctx, long nr, struct iocb **calls)
{
	int ret = syscall(SYS_io_submit, ctx, nr, calls);

	return ret < 0 ? -errno : ret;
}

static int io_cancel(aio_context_t ctx, struct iocb *call)
{
	struct io_event event;

	return syscall(SYS_io_cancel, ctx, call, &event) ? -errno : 0;
}

/* Returns whether there is a completion within so many milliseconds, and takes it. */
static bool completes(aio_context_t ctx, struct io_event *event, unsigned int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
	int ret;

	do
		ret = syscall(SYS_io_getevents, ctx, 1, 1, event, &t);
	while (ret < 0 && errno == EINTR);
	return ret == 1;
}

/* Wait for the next completion. Returns its result. */
static long reap(aio_context_t ctx, unsigned long long *data)
{
	struct io_event event;

	if (!completes(ctx, &event, 10000))
		return -ETIME;
	if (data)
		*data = event.data;
	return event.res;
}

/* A context, and memory for calls */
struct aio {
	int fd;
	char name[NAME_MAX];
	struct sst_info info;
	aio_context_t ctx;
	struct iocb call[CALLS];
	struct sst_request req[CALLS];
	struct sst_response resp[CALLS];
};

FIXTURE(aio)
{
	struct aio a;
};

FIXTURE_SETUP(aio)
{
	self->a.fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->a.fd) {
		TH_LOG("%s: %s", sst_device(), strerror(errno));
	}
	ASSERT_EQ(0, sst_virtio_name(self->a.name, sizeof(self->a.name)));
	ASSERT_EQ(0, sst_set_timeout(5000));
	/* What these tests are about must not be reset away. */
	ASSERT_EQ(0, sst_set_reset_after(0));
	ASSERT_EQ(0, ioctl(self->a.fd, SST_IOCTL_GET_INFO, &self->a.info));
	ASSERT_EQ(0, io_setup(EVENTS, &self->a.ctx));
	memset(self->a.resp, 0xff, sizeof(self->a.resp));
}

FIXTURE_TEARDOWN(aio)
{
	if (self->a.ctx)
		EXPECT_EQ(0, io_destroy(self->a.ctx));
	close(self->a.fd);
	if (access(sst_device(), F_OK)) {
		EXPECT_EQ(0, sst_driver_do("bind", self->a.name));
		EXPECT_EQ(0, wait_for_device());
	} else if (sst_wait_stat("in_flight", 0) || sst_stat("zombies") > 0) {
		/* What is still at the device would be in the way of the next test. */
		EXPECT_EQ(0, sst_rebind());
	}
	EXPECT_EQ(0, sst_set_timeout(5000));
}

static void prepare(struct iocb *call, unsigned int opcode, int fd, void *buffer, size_t size,
		    unsigned long long data)
{
	*call = (struct iocb) {
		.aio_lio_opcode = opcode,
		.aio_fildes = fd,
		.aio_buf = (uintptr_t)buffer,
		.aio_nbytes = size,
		.aio_data = data,
	};
}

/* Submit one call, which must not take long. */
static void submit(struct __test_metadata *_metadata, aio_context_t ctx, struct iocb *call)
{
	unsigned long long from = now_ms();

	ASSERT_EQ(1, io_submit(ctx, 1, &call));
	EXPECT_GT(NOW_MS, now_ms() - from);
}

/* Submit a read into the response of that number. */
static void submit_read(struct __test_metadata *_metadata, struct aio *a,
			unsigned int i)
{
	prepare(&a->call[i], IOCB_CMD_PREAD, a->fd, &a->resp[i], RESP, i);
	submit(_metadata, a->ctx, &a->call[i]);
}

/* Submit a write of a request of that number. */
static void submit_write(struct __test_metadata *_metadata, struct aio *a,
			 unsigned int i, unsigned int type)
{
	sst_prepare(&a->req[i], type, i);
	memset(a->req[i].payload, i + 1, SST_PAYLOAD_SIZE);
	prepare(&a->call[i], IOCB_CMD_PWRITE, a->fd, &a->req[i], REQ, i);
	submit(_metadata, a->ctx, &a->call[i]);
}

static void expect_nothing_yet(struct __test_metadata *_metadata, struct aio *a)
{
	struct io_event event;

	EXPECT_FALSE(completes(a->ctx, &event, 50)) {
		TH_LOG("result %lld of %llu", event.res, event.data);
	}
}

/* Poll */

static void submit_poll(struct __test_metadata *_metadata, struct aio *a,
			unsigned int i, short events)
{
	prepare(&a->call[i], IOCB_CMD_POLL, a->fd, (void *)(uintptr_t)events, 0, i);
	submit(_metadata, a->ctx, &a->call[i]);
}

TEST_F(aio, poll)
{
	unsigned long long data;

	submit_poll(_metadata, &self->a, 0, POLLIN);
	expect_nothing_yet(_metadata, &self->a);
	submit_poll(_metadata, &self->a, 1, POLLOUT);
	EXPECT_EQ(POLLOUT, reap(self->a.ctx, &data) & POLLOUT);
	EXPECT_EQ(1, data);
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_LATE, 0));
	/* Others of the same meaning may be set, too. */
	EXPECT_EQ(POLLIN, reap(self->a.ctx, &data) & (POLLIN | POLLOUT));
	EXPECT_EQ(0, data);
	/* It is there already. */
	submit_poll(_metadata, &self->a, 2, POLLIN | POLLOUT);
	EXPECT_EQ(POLLIN | POLLOUT, reap(self->a.ctx, &data) & (POLLIN | POLLOUT));
	ASSERT_EQ(0, sst_receive(self->a.fd, &self->a.resp[0]));
}

TEST_F(aio, poll_for_room)
{
	int other;

	ASSERT_EQ(0, file_set_limit(self->a.fd, 1));
	ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, 0));
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	submit_poll(_metadata, &self->a, 0, POLLOUT);
	expect_nothing_yet(_metadata, &self->a);
	ASSERT_EQ(0, sst_receive(self->a.fd, &self->a.resp[0]));
	EXPECT_EQ(POLLOUT, reap(self->a.ctx, NULL) & POLLOUT);

	other = sst_fill_queue(&self->a.info, TYPE_LATE);
	ASSERT_LE(0, other);
	submit_poll(_metadata, &self->a, 0, POLLOUT);
	expect_nothing_yet(_metadata, &self->a);
	EXPECT_EQ(POLLOUT, reap(self->a.ctx, NULL) & POLLOUT);
	close(other);
}

TEST_F(aio, poll_ends_with_the_device)
{
	submit_poll(_metadata, &self->a, 0, POLLIN);
	ASSERT_EQ(0, sst_driver_do("unbind", self->a.name));
	EXPECT_EQ(POLLHUP | POLLERR, reap(self->a.ctx, NULL) & (POLLHUP | POLLERR));
}

TEST_F(aio, poll_cancelled_and_destroyed)
{
	unsigned long long from = now_ms();

	submit_poll(_metadata, &self->a, 0, POLLIN);
	submit_poll(_metadata, &self->a, 1, POLLIN);
	EXPECT_EQ(-EINPROGRESS, io_cancel(self->a.ctx, &self->a.call[0]));
	EXPECT_LE(0, reap(self->a.ctx, NULL));
	EXPECT_EQ(0, io_destroy(self->a.ctx));
	self->a.ctx = 0;
	EXPECT_GE(SOON_MS, now_ms() - from);
}

/* Reads */

TEST_F(aio, read_what_is_there)
{
	unsigned long long data;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, sst_send(self->a.fd, TYPE_FILL, i));
	}
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	/* As many as fit */
	prepare(&self->a.call[0], IOCB_CMD_PREAD, self->a.fd, self->a.resp, 3 * RESP + 100, 77);
	submit(_metadata, self->a.ctx, &self->a.call[0]);
	EXPECT_EQ(3 * RESP, reap(self->a.ctx, &data));
	EXPECT_EQ(77, data);
	submit_read(_metadata, &self->a, 3);
	submit_read(_metadata, &self->a, 4);
	EXPECT_EQ(RESP, reap(self->a.ctx, NULL));
	EXPECT_EQ(RESP, reap(self->a.ctx, NULL));
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(htole64(i), self->a.resp[i].user_data);
		EXPECT_TRUE(all_bytes(self->a.resp[i].payload, FILL_BYTE, SST_PAYLOAD_SIZE));
	}
}

TEST_F(aio, read_what_comes_later)
{
	submit_read(_metadata, &self->a, 0);
	expect_nothing_yet(_metadata, &self->a);
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_LATE, 5));
	expect_nothing_yet(_metadata, &self->a);
	EXPECT_EQ(RESP, reap(self->a.ctx, NULL));
	EXPECT_EQ(htole64(5), self->a.resp[0].user_data);
	EXPECT_EQ(0, sst_poll(self->a.fd, POLLIN, 0));
}

TEST_F(aio, reads_are_served_in_their_order)
{
	unsigned long long data;
	unsigned int i;

	for (i = 0; i < CALLS; i++) {
		submit_read(_metadata, &self->a, i);
	}
	expect_nothing_yet(_metadata, &self->a);
	for (i = 0; i < CALLS / 2; i++) {
		ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, i));
		EXPECT_EQ(RESP, reap(self->a.ctx, &data));
		EXPECT_EQ(i, data);
		EXPECT_EQ(htole64(i), self->a.resp[i].user_data);
	}
	/* Many at once */
	for (i = CALLS / 2; i < CALLS; i++)
		sst_prepare(&self->a.req[i], SST_REQUEST_NOOP, i);
	ASSERT_EQ(CALLS / 2 * REQ, write(self->a.fd, &self->a.req[CALLS / 2], CALLS / 2 * REQ));
	for (i = CALLS / 2; i < CALLS; i++) {
		EXPECT_EQ(RESP, reap(self->a.ctx, &data));
		EXPECT_EQ(i, data);
		EXPECT_EQ(htole64(i), self->a.resp[i].user_data);
	}
}

/* A process that reads one response and tells which one it was */
static pid_t start_reader(int fd)
{
	struct sst_response resp;
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (sst_receive(fd, &resp))
			_exit(100);
		_exit(le64toh(resp.user_data));
	}
	sleep_ms(200);
	return pid;
}

TEST_F(aio, reader_that_sleeps_gets_what_a_cancelled_read_leaves)
{
	unsigned int i;
	int status, ret;
	pid_t pid;

	for (i = 0; i < 4; i++) {
		submit_read(_metadata, &self->a, i);
	}
	pid = start_reader(self->a.fd);
	for (i = 0; i < 4; i++) {
		ret = io_cancel(self->a.ctx, &self->a.call[i]);
		EXPECT_TRUE(ret == 0 || ret == -EINPROGRESS || ret == -EINVAL);
	}
	if (ret == -EINVAL) {
		ASSERT_EQ(0, io_destroy(self->a.ctx));
		self->a.ctx = 0;
	}
	for (i = 0; self->a.ctx && i < 4; i++) {
		EXPECT_EQ(-ECANCELED, reap(self->a.ctx, NULL));
	}
	ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, 9));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(9, WEXITSTATUS(status));
	EXPECT_TRUE(all_bytes(self->a.resp, 0xff, sizeof(self->a.resp)));
}

TEST_F(aio, read_that_fails_leaves_the_response_to_the_next)
{
	unsigned long long data;
	unsigned int i;

	/* Too small, and nowhere; then one that is right */
	prepare(&self->a.call[0], IOCB_CMD_PREAD, self->a.fd, &self->a.resp[0], 100, 0);
	prepare(&self->a.call[1], IOCB_CMD_PREAD, self->a.fd, bad_pointer(), RESP, 1);
	submit(_metadata, self->a.ctx, &self->a.call[0]);
	submit(_metadata, self->a.ctx, &self->a.call[1]);
	submit_read(_metadata, &self->a, 2);
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_FILL, 9));
	for (i = 0; i < 3; i++) {
		static const int results[] = { -EMSGSIZE, -EFAULT, RESP };

		EXPECT_EQ(results[i], reap(self->a.ctx, &data));
		EXPECT_EQ(i, data);
	}
	EXPECT_EQ(htole64(9), self->a.resp[2].user_data);
	EXPECT_TRUE(all_bytes(self->a.resp[2].payload, FILL_BYTE, SST_PAYLOAD_SIZE));

	/* Never possible: told at once */
	prepare(&self->a.call[0], IOCB_CMD_PREAD, self->a.fd, &self->a.resp[0], 31, 0);
	submit(_metadata, self->a.ctx, &self->a.call[0]);
	EXPECT_EQ(-EINVAL, reap(self->a.ctx, NULL));
}

TEST_F(aio, read_into_memory_that_goes_away)
{
	struct sst_response *resp = end_of_memory(RESP);

	ASSERT_TRUE(!!resp);
	prepare(&self->a.call[0], IOCB_CMD_PREAD, self->a.fd, resp, RESP, 0);
	submit(_metadata, self->a.ctx, &self->a.call[0]);
	munmap((void *)((uintptr_t)resp & -getpagesize()), 2 * getpagesize());
	ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, 9));
	EXPECT_EQ(-EFAULT, reap(self->a.ctx, NULL));
	ASSERT_EQ(0, sst_receive(self->a.fd, &self->a.resp[0]));
	EXPECT_EQ(htole64(9), self->a.resp[0].user_data);
}

TEST_F(aio, not_waiting)
{
	ASSERT_EQ(0, fcntl(self->a.fd, F_SETFL, O_NONBLOCK));
	submit_read(_metadata, &self->a, 0);
	EXPECT_EQ(-EAGAIN, reap(self->a.ctx, NULL));
	ASSERT_EQ(0, file_set_limit(self->a.fd, 1));
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_LATE, 0));
	submit_write(_metadata, &self->a, 1, SST_REQUEST_NOOP);
	EXPECT_EQ(-EAGAIN, reap(self->a.ctx, NULL));
	ASSERT_EQ(0, fcntl(self->a.fd, F_SETFL, 0));
	prepare(&self->a.call[0], IOCB_CMD_PREAD, self->a.fd, &self->a.resp[0], RESP, 0);
	self->a.call[0].aio_rw_flags = RWF_NOWAIT;
	submit(_metadata, self->a.ctx, &self->a.call[0]);
	EXPECT_EQ(-EAGAIN, reap(self->a.ctx, NULL));
}

TEST_F(aio, access_modes)
{
	struct iocb *call = &self->a.call[0];
	int reader = sst_open(O_RDONLY);
	int writer = sst_open(O_WRONLY);

	prepare(call, IOCB_CMD_PWRITE, reader, &self->a.req[0], REQ, 0);
	EXPECT_EQ(-EBADF, io_submit(self->a.ctx, 1, &call));
	prepare(call, IOCB_CMD_PREAD, writer, &self->a.resp[0], RESP, 0);
	EXPECT_EQ(-EBADF, io_submit(self->a.ctx, 1, &call));
	close(reader);
	close(writer);
}

/* Writes */

TEST_F(aio, write_at_once)
{
	long long requests = sst_stat("requests");
	unsigned int i;

	submit_write(_metadata, &self->a, 3, SST_REQUEST_ECHO);
	EXPECT_EQ(REQ, reap(self->a.ctx, NULL));
	ASSERT_EQ(0, sst_receive(self->a.fd, &self->a.resp[0]));
	EXPECT_EQ(htole64(3), self->a.resp[0].user_data);
	EXPECT_TRUE(all_bytes(self->a.resp[0].payload, 4, SST_PAYLOAD_SIZE));

	/* As many as there is room for */
	ASSERT_EQ(0, file_set_limit(self->a.fd, 3));
	for (i = 0; i < 5; i++)
		sst_prepare(&self->a.req[i], SST_REQUEST_NOOP, i);
	prepare(&self->a.call[0], IOCB_CMD_PWRITE, self->a.fd, self->a.req, 5 * REQ, 0);
	submit(_metadata, self->a.ctx, &self->a.call[0]);
	EXPECT_EQ(3 * REQ, reap(self->a.ctx, NULL));
	EXPECT_EQ(requests + 4, sst_stat("requests"));

	prepare(&self->a.call[0], IOCB_CMD_PWRITE, self->a.fd, self->a.req, REQ + 1, 0);
	submit(_metadata, self->a.ctx, &self->a.call[0]);
	EXPECT_EQ(-EINVAL, reap(self->a.ctx, NULL));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sst_receive(self->a.fd, &self->a.resp[0]));
	}
	prepare(&self->a.call[0], IOCB_CMD_PWRITE, self->a.fd, bad_pointer(), REQ, 0);
	submit(_metadata, self->a.ctx, &self->a.call[0]);
	EXPECT_EQ(-EFAULT, reap(self->a.ctx, NULL));
	EXPECT_EQ(requests + 4, sst_stat("requests"));
}

TEST_F(aio, writes_wait_for_the_limit_of_the_file)
{
	long long requests;
	unsigned long long data;
	unsigned int i;

	ASSERT_EQ(0, file_set_limit(self->a.fd, 1));
	ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, 100));
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	requests = sst_stat("requests");
	for (i = 0; i < 4; i++) {
		submit_write(_metadata, &self->a, i, SST_REQUEST_ECHO);
	}
	expect_nothing_yet(_metadata, &self->a);
	EXPECT_EQ(requests, sst_stat("requests"));
	ASSERT_EQ(0, sst_receive(self->a.fd, &self->a.resp[0]));
	EXPECT_EQ(htole64(100), self->a.resp[0].user_data);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(REQ, reap(self->a.ctx, &data));
		EXPECT_EQ(i, data);
		ASSERT_EQ(0, sst_receive(self->a.fd, &self->a.resp[0]));
		EXPECT_EQ(htole64(i), self->a.resp[0].user_data);
		EXPECT_TRUE(all_bytes(self->a.resp[0].payload, i + 1, SST_PAYLOAD_SIZE));
	}
	EXPECT_EQ(requests + 4, sst_stat("requests"));
}

TEST_F(aio, writes_wait_for_room_in_the_queue)
{
	long long requests;
	unsigned long long data;
	unsigned int i;
	int other;

	other = sst_fill_queue(&self->a.info, TYPE_LATE);
	ASSERT_LE(0, other);
	requests = sst_stat("requests");
	for (i = 0; i < 3; i++) {
		submit_write(_metadata, &self->a, i, SST_REQUEST_ECHO);
	}
	expect_nothing_yet(_metadata, &self->a);
	EXPECT_EQ(requests, sst_stat("requests"));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(REQ, reap(self->a.ctx, &data));
		EXPECT_EQ(i, data);
	}
	EXPECT_EQ(requests + 3, sst_stat("requests"));
	/* A serial device has others to do before. */
	for (i = 0; i < 3 && !sst_serial(); i++) {
		ASSERT_EQ(0, sst_receive(self->a.fd, &self->a.resp[0]));
		EXPECT_EQ(htole64(i), self->a.resp[0].user_data);
		EXPECT_TRUE(all_bytes(self->a.resp[0].payload, i + 1, SST_PAYLOAD_SIZE));
	}
	close(other);
}

TEST_F(aio, writes_wait_for_a_higher_limit)
{
	unsigned int i;

	ASSERT_EQ(0, file_set_limit(self->a.fd, 1));
	ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, 0));
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	submit_write(_metadata, &self->a, 1, SST_REQUEST_NOOP);
	submit_write(_metadata, &self->a, 2, SST_REQUEST_NOOP);
	expect_nothing_yet(_metadata, &self->a);
	ASSERT_EQ(0, file_set_limit(self->a.fd, 2));
	EXPECT_EQ(REQ, reap(self->a.ctx, NULL));
	expect_nothing_yet(_metadata, &self->a);
	ASSERT_EQ(0, file_set_limit(self->a.fd, 3));
	EXPECT_EQ(REQ, reap(self->a.ctx, NULL));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sst_receive(self->a.fd, &self->a.resp[0]));
		EXPECT_EQ(htole64(i), self->a.resp[0].user_data);
	}
}

TEST_F(aio, write_of_what_cannot_be_read_later)
{
	struct sst_request *req = end_of_memory(REQ);
	long long requests;

	ASSERT_TRUE(!!req);
	ASSERT_EQ(0, file_set_limit(self->a.fd, 1));
	ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, 0));
	prepare(&self->a.call[0], IOCB_CMD_PWRITE, self->a.fd, req, REQ, 0);
	submit(_metadata, self->a.ctx, &self->a.call[0]);
	munmap((void *)((uintptr_t)req & -getpagesize()), 2 * getpagesize());
	requests = sst_stat("requests");
	ASSERT_EQ(0, sst_receive(self->a.fd, &self->a.resp[0]));
	EXPECT_EQ(-EFAULT, reap(self->a.ctx, NULL));
	EXPECT_EQ(requests, sst_stat("requests"));
	/* Its room came back. */
	submit_write(_metadata, &self->a, 0, SST_REQUEST_NOOP);
	EXPECT_EQ(REQ, reap(self->a.ctx, NULL));
}

/* Both */

TEST_F(aio, several_in_one_call)
{
	struct iocb *calls[] = {
		&self->a.call[0], &self->a.call[1], &self->a.call[2], &self->a.call[3],
	};
	unsigned long long data;
	unsigned int i, seen = 0;

	for (i = 0; i < 2; i++) {
		sst_prepare(&self->a.req[i], SST_REQUEST_ECHO, i);
		prepare(&self->a.call[i], IOCB_CMD_PREAD, self->a.fd, &self->a.resp[i], RESP, i);
		prepare(&self->a.call[2 + i], IOCB_CMD_PWRITE, self->a.fd, &self->a.req[i], REQ,
			2 + i);
	}
	ASSERT_EQ(4, io_submit(self->a.ctx, 4, calls));
	for (i = 0; i < 4; i++) {
		EXPECT_LT(0, reap(self->a.ctx, &data));
		seen |= 1 << data;
	}
	EXPECT_EQ(15, seen);
	EXPECT_EQ(htole64(0), self->a.resp[0].user_data);
	EXPECT_EQ(htole64(1), self->a.resp[1].user_data);
}

TEST_F(aio, vectors)
{
	struct iovec out[3] = {
		{ self->a.req, 7 },
		{ (char *)self->a.req + 7, REQ },
		{ (char *)self->a.req + 7 + REQ, REQ - 7 },
	};
	struct iovec in[2] = {
		{ self->a.resp, RESP + 100 },
		{ (char *)self->a.resp + RESP + 100, RESP - 100 },
	};
	unsigned long long data;
	unsigned int i;

	/* Both wait, and the vectors are used for something else meanwhile. */
	ASSERT_EQ(0, file_set_limit(self->a.fd, 2));
	ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, 100));
	ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, 101));
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	for (i = 0; i < 2; i++) {
		sst_prepare(&self->a.req[i], SST_REQUEST_ECHO, i);
		memset(self->a.req[i].payload, i + 1, SST_PAYLOAD_SIZE);
	}
	prepare(&self->a.call[0], IOCB_CMD_PWRITEV, self->a.fd, out, 3, 0);
	submit(_metadata, self->a.ctx, &self->a.call[0]);
	memset(out, 0xee, sizeof(out));
	expect_nothing_yet(_metadata, &self->a);
	ASSERT_EQ(2 * RESP, read(self->a.fd, self->a.resp, 2 * RESP));
	EXPECT_EQ(2 * REQ, reap(self->a.ctx, NULL));

	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	prepare(&self->a.call[1], IOCB_CMD_PREADV, self->a.fd, in, 2, 1);
	submit(_metadata, self->a.ctx, &self->a.call[1]);
	EXPECT_EQ(2 * RESP, reap(self->a.ctx, &data));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(htole64(i), self->a.resp[i].user_data);
		EXPECT_TRUE(all_bytes(self->a.resp[i].payload, i + 1, SST_PAYLOAD_SIZE));
	}
	memset(self->a.resp, 0xff, sizeof(self->a.resp));
	submit(_metadata, self->a.ctx, &self->a.call[1]);
	memset(in, 0xee, sizeof(in));
	expect_nothing_yet(_metadata, &self->a);
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_FILL, 5));
	EXPECT_EQ(RESP, reap(self->a.ctx, &data));
	EXPECT_EQ(htole64(5), self->a.resp[0].user_data);
	EXPECT_TRUE(all_bytes(self->a.resp[0].payload, FILL_BYTE, SST_PAYLOAD_SIZE));
}

TEST_F(aio, eventfd)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	unsigned int i;
	uint64_t n;

	ASSERT_LE(0, event);
	for (i = 0; i < 2; i++) {
		prepare(&self->a.call[i], IOCB_CMD_PREAD, self->a.fd, &self->a.resp[i], RESP, i);
		self->a.call[i].aio_flags = IOCB_FLAG_RESFD;
		self->a.call[i].aio_resfd = event;
		submit(_metadata, self->a.ctx, &self->a.call[i]);
	}
	EXPECT_EQ(0, sst_poll(event, POLLIN, 50));
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_LATE, 0));
	EXPECT_EQ(POLLIN, sst_poll(event, POLLIN, 5000));
	ASSERT_EQ(sizeof(n), read(event, &n, sizeof(n)));
	EXPECT_EQ(1, n);
	EXPECT_EQ(RESP, reap(self->a.ctx, NULL));
	expect_nothing_yet(_metadata, &self->a);
	ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, 0));
	EXPECT_EQ(POLLIN, sst_poll(event, POLLIN, 5000));
	EXPECT_EQ(RESP, reap(self->a.ctx, NULL));
	close(event);
}

/* Other ends */

TEST_F(aio, ends_made_by_the_driver)
{
	ASSERT_EQ(0, file_set_timeout(self->a.fd, 100));
	submit_read(_metadata, &self->a, 0);
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_NEVER, 1));
	EXPECT_EQ(RESP, reap(self->a.ctx, NULL));
	EXPECT_EQ(htole32(SST_RESPONSE_TIMEOUT), self->a.resp[0].status);
	EXPECT_EQ(htole32(SST_RESPONSE_F_DRIVER), self->a.resp[0].flags);

	ASSERT_EQ(0, file_set_timeout(self->a.fd, 5000));
	submit_read(_metadata, &self->a, 0);
	submit_read(_metadata, &self->a, 1);
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_NEVER, 2));
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_NEVER, 3));
	EXPECT_EQ(1, file_cancel(self->a.fd, 2, 0));
	EXPECT_EQ(RESP, reap(self->a.ctx, NULL));
	EXPECT_EQ(htole32(SST_RESPONSE_ERROR), self->a.resp[0].status);
	EXPECT_EQ(htole64(2), self->a.resp[0].user_data);
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(RESP, reap(self->a.ctx, NULL));
	EXPECT_EQ(htole32(SST_RESPONSE_ERROR), self->a.resp[1].status);
	EXPECT_EQ(htole64(3), self->a.resp[1].user_data);
}

TEST_F(aio, unbound)
{
	unsigned long long from;
	unsigned int i;

	ASSERT_EQ(0, file_set_limit(self->a.fd, 1));
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_NEVER, 0));
	for (i = 0; i < 3; i++) {
		submit_read(_metadata, &self->a, i);
	}
	submit_write(_metadata, &self->a, 3, SST_REQUEST_NOOP);
	submit_write(_metadata, &self->a, 4, SST_REQUEST_NOOP);
	expect_nothing_yet(_metadata, &self->a);
	from = now_ms();
	ASSERT_EQ(0, sst_driver_do("unbind", self->a.name));
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(-ENODEV, reap(self->a.ctx, NULL));
	}
	EXPECT_GE(SOON_MS, now_ms() - from);
	submit_read(_metadata, &self->a, 0);
	submit_write(_metadata, &self->a, 1, SST_REQUEST_NOOP);
	EXPECT_EQ(-ENODEV, reap(self->a.ctx, NULL));
	EXPECT_EQ(-ENODEV, reap(self->a.ctx, NULL));
}

TEST_F(aio, unbound_with_responses_to_be_read)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, i));
	}
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	ASSERT_EQ(0, sst_driver_do("unbind", self->a.name));
	for (i = 0; i < 3; i++) {
		submit_read(_metadata, &self->a, i);
		EXPECT_EQ(i < 2 ? (long)RESP : -ENODEV, reap(self->a.ctx, NULL));
	}
	EXPECT_EQ(htole64(1), self->a.resp[1].user_data);
}

TEST_F(aio, destroyed)
{
	long long abandoned = sst_stat("abandoned");
	unsigned long long from;
	unsigned int i;

	ASSERT_EQ(0, file_set_limit(self->a.fd, 2));
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_LATE, 7));
	ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, 8));
	/* More than will ever be answered */
	for (i = 0; i < 8; i++) {
		submit_read(_metadata, &self->a, i);
	}
	for (i = 8; i < 11; i++) {
		submit_write(_metadata, &self->a, i, SST_REQUEST_NOOP);
	}
	from = now_ms();
	ASSERT_EQ(0, io_destroy(self->a.ctx));
	EXPECT_GE(SOON_MS, now_ms() - from);
	self->a.ctx = 0;
	/* The file goes on; whoever it was that read, all of them come home. */
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	EXPECT_EQ(abandoned, sst_stat("abandoned"));
	ASSERT_EQ(0, fcntl(self->a.fd, F_SETFL, O_NONBLOCK));
	while (!sst_receive(self->a.fd, &self->a.resp[0]))
		;
	EXPECT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, 0));
	EXPECT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, 1));
	EXPECT_EQ(-EAGAIN, sst_send(self->a.fd, SST_REQUEST_NOOP, 2));
}

TEST_F(aio, file_is_closed_below_it)
{
	long long abandoned = sst_stat("abandoned");
	unsigned long long from = now_ms();

	submit_read(_metadata, &self->a, 0);
	submit_read(_metadata, &self->a, 1);
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_LATE, 1));
	ASSERT_EQ(0, sst_send(self->a.fd, TYPE_NEVER, 1));
	close(self->a.fd);
	EXPECT_EQ(RESP, reap(self->a.ctx, NULL));
	/* The last call has the file. */
	EXPECT_EQ(abandoned, sst_stat("abandoned"));
	ASSERT_EQ(0, io_destroy(self->a.ctx));
	self->a.ctx = 0;
	EXPECT_EQ(abandoned + 1, sst_wait_stat("abandoned", abandoned + 1));
	EXPECT_GE(SOON_MS, now_ms() - from);
	self->a.fd = sst_open(O_RDWR);
}

TEST_F(aio, process_ends)
{
	unsigned long long from;
	unsigned int i;
	int status;
	pid_t pid;

	for (i = 0; i < 4; i++) {
		from = now_ms();
		pid = fork();
		if (!pid) {
			aio_context_t ctx = 0;
			int fd = i < 2 ? self->a.fd : sst_open(O_RDWR);
			unsigned int j;

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (io_setup(EVENTS, &ctx) || sst_send(fd, TYPE_NEVER, 1))
				_exit(1);
			for (j = 0; j < CALLS; j++) {
				struct iocb *call = &self->a.call[j];

				prepare(call, IOCB_CMD_PREAD, fd, &self->a.resp[j], RESP, j);
				if (io_submit(ctx, 1, &call) != 1)
					_exit(2);
			}
			if (i % 2)
				_exit(0);
			raise(SIGSTOP);
		}
		/* It has come that far, however busy the machine is. */
		ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		if (i % 2) {
			EXPECT_EQ(0, status);
		} else {
			EXPECT_TRUE(WIFSTOPPED(status));
			from = now_ms();
			kill(pid, SIGKILL);
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			EXPECT_EQ(SIGKILL, status);
		}
		EXPECT_GE(3000, now_ms() - from);
	}
	/* The open file that was shared goes on, and nobody takes what comes. */
	EXPECT_EQ(2, file_cancel(self->a.fd, 1, 0));
	ASSERT_EQ(0, sst_receive(self->a.fd, &self->a.resp[0]));
	ASSERT_EQ(0, sst_receive(self->a.fd, &self->a.resp[0]));
	EXPECT_EQ(htole32(SST_RESPONSE_ERROR), self->a.resp[0].status);
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_TRUE(sst_stats_balance());
}

/* Many processes */

enum { WORKERS = 3, ROUNDS = 300, DEPTH = 4 };

/* What workers know of the requests that they write, whoever reads the responses */
struct ledger {
	unsigned int seen[WORKERS * ROUNDS];
	unsigned int ended;
};

/* Have reads and writes pending all the time. Returns 0 or an error code. */
static int work(int fd, unsigned int number, struct ledger *ledger)
{
	struct sst_response resp[DEPTH];
	struct sst_request req[DEPTH];
	struct iocb calls[2 * DEPTH];
	unsigned int sent = 0, pending = 0, i;
	unsigned long long data;
	aio_context_t ctx = 0;
	struct iocb *call;
	struct io_event event;

	if (io_setup(EVENTS, &ctx))
		return 1;
	for (i = 0; i < DEPTH; i++) {
		call = &calls[i];
		prepare(call, IOCB_CMD_PREAD, fd, &resp[i], RESP, i);
		if (io_submit(ctx, 1, &call) != 1)
			return 2;
	}
	while (__atomic_load_n(&ledger->ended, __ATOMIC_SEQ_CST) < WORKERS * ROUNDS) {
		for (; sent < ROUNDS && pending < DEPTH; pending++) {
			i = sent % DEPTH;
			call = &calls[DEPTH + i];
			sst_prepare(&req[i], SST_REQUEST_ECHO, number * ROUNDS + sent++);
			memset(req[i].payload, sent, SST_PAYLOAD_SIZE);
			prepare(call, IOCB_CMD_PWRITE, fd, &req[i], REQ, DEPTH + i);
			if (io_submit(ctx, 1, &call) != 1)
				return 3;
		}
		if (!completes(ctx, &event, 50))
			continue;
		if (event.data >= DEPTH) {
			if (event.res != REQ)
				return 4;
			/* Writes complete in their order, so that this one's place is free. */
			pending--;
			continue;
		}
		if (event.res != RESP)
			return 5;
		data = le64toh(resp[event.data].user_data);
		if (data >= WORKERS * ROUNDS ||
		    !all_bytes(resp[event.data].payload, data % ROUNDS + 1, SST_PAYLOAD_SIZE))
			return 6;
		__atomic_add_fetch(&ledger->seen[data], 1, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&ledger->ended, 1, __ATOMIC_SEQ_CST);
		call = &calls[event.data];
		if (io_submit(ctx, 1, &call) != 1)
			return 7;
	}
	/* Reads are pending still. */
	return io_destroy(ctx) ? 8 : 0;
}

TEST_F_TIMEOUT(aio, processes_share_a_file, 100)
{
	struct ledger *ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid[WORKERS];
	unsigned int i;
	int status;

	ASSERT_TRUE(ledger != MAP_FAILED);
	/* Less than they want, so that they wait */
	ASSERT_EQ(0, file_set_limit(self->a.fd, 5));
	for (i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(work(self->a.fd, i, ledger));
		}
	}
	for (i = 0; i < WORKERS; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	for (i = 0; i < WORKERS * ROUNDS; i++) {
		EXPECT_EQ(1, ledger->seen[i]);
	}
	EXPECT_EQ(0, sst_poll(self->a.fd, POLLIN, 0));
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_TRUE(sst_stats_balance());
}

TEST_F_TIMEOUT(aio, exits_under_load, 100)
{
	static struct ledger ledger;
	unsigned int i;
	pid_t pid;

	for (i = 0; i < 30; i++) {
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(work(i % 2 ? self->a.fd : sst_open(O_RDWR), 0, &ledger));
		}
		usleep(2000 + 1000 * i);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	}
	EXPECT_EQ(0, sst_wait_stat("in_flight", 0));
	EXPECT_TRUE(sst_stats_balance());
	ASSERT_EQ(0, fcntl(self->a.fd, F_SETFL, O_NONBLOCK));
	while (!sst_receive(self->a.fd, &self->a.resp[0]))
		;
	for (i = 0; i < LIMIT; i++) {
		ASSERT_EQ(0, sst_send(self->a.fd, SST_REQUEST_NOOP, i));
	}
}

TEST_HARNESS_MAIN
