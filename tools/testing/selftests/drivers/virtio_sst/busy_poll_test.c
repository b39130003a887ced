// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of busy polling: the attribute busy_poll_us, and what those notice who wait for
 * a device that is polled.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define NOBODY	65534
#define MOST_US	"10000"
#define ROUNDS	200

FIXTURE(busy)
{
	int fd;
	struct sst_request req;
	struct sst_response resp;
	struct child *child;
};

FIXTURE_SETUP(busy)
{
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd) {
		TH_LOG("%s: %s", sst_device(), strerror(errno));
	}
	ASSERT_EQ(0, sst_set_timeout(5000));
	ASSERT_EQ(0, sst_set_reset_after(0));
	ASSERT_EQ(0, sst_attr_set("busy_poll_us", "0"));
	self->child = mmap(NULL, 4 * sizeof(*self->child), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(self->child != MAP_FAILED);
}

FIXTURE_TEARDOWN(busy)
{
	close(self->fd);
	EXPECT_EQ(0, sst_attr_set("busy_poll_us", "0"));
	EXPECT_TRUE(sst_stats_balance());
	if (sst_stat("zombies") > 0)
		EXPECT_EQ(0, sst_rebind());
	EXPECT_EQ(0, sst_set_timeout(5000));
}

static bool busy_poll_is(const char *expected)
{
	char text[32];

	return sst_attr_get("busy_poll_us", text, sizeof(text)) > 0 && !strcmp(text, expected);
}

static int transact(int fd, unsigned int type, struct sst_response *resp)
{
	struct sst_request req;
	struct sst_transaction t = {
		.request = (uintptr_t)&req,
		.response = (uintptr_t)resp,
		.request_size = REQ,
		.response_size = RESP,
	};

	sst_prepare(&req, type, 4711);
	return ioctl(fd, SST_IOCTL_TRANSACT, &t) ? -errno : 0;
}

/* Returns 0, or an error of the first call that did not end as it should. */
static int transact_often(int fd, unsigned int n, unsigned int type)
{
	struct sst_response resp;
	int ret = 0;

	while (n-- && !ret) {
		ret = transact(fd, type, &resp);
		if (!ret && (resp.status || resp.flags || resp.user_data != htole64(4711)))
			ret = -EBADMSG;
	}
	return ret;
}

TEST_F(busy, attribute)
{
	static const char *const good[] = { "0", "1", "100", MOST_US, "0x10" };
	static const char *const as[] = { "0\n", "1\n", "100\n", "10000\n", "16\n" };
	static const char *const bad[] = { "10001", "-1", "x", "1x", "1 2", " ", "4294967295" };
	char path[PATH_MAX];
	unsigned int i;
	struct stat st;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		ASSERT_EQ(0, sst_attr_set("busy_poll_us", good[i]));
		EXPECT_TRUE(busy_poll_is(as[i]));
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, sst_attr_set("busy_poll_us", bad[i])) {
			TH_LOG("'%s' was taken", bad[i]);
		}
	}
	EXPECT_EQ(-ERANGE, sst_attr_set("busy_poll_us", "4294967296"));
	EXPECT_TRUE(busy_poll_is("16\n"));

	sst_attr_path(path, "busy_poll_us");
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0644, st.st_mode & 0777);
	if (child_start(self->child))
		child_exit(self->child, setuid(NOBODY) ?: sst_attr_set("busy_poll_us", "1"));
	EXPECT_EQ(-EACCES, child_end(self->child));

	/* Off, for a new device */
	ASSERT_EQ(0, sst_rebind());
	EXPECT_TRUE(busy_poll_is("0\n"));
}

/*
 * Returns how many interrupts came in the best of some attempts. The answers are not
 * there yet when the notification of the device is over.
 */
static long long interrupts(int fd, bool fewest)
{
	long long best = fewest ? LLONG_MAX : 0;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		long long n = sst_stat("interrupts");

		if (transact_often(fd, ROUNDS, TYPE_SOON))
			return -1;
		n = sst_stat("interrupts") - n;
		if (fewest ? n < best : n > best)
			best = n;
	}
	return best;
}

/* As far as others leave the CPU to it */
TEST_F(busy, who_polls_needs_no_interrupt)
{
	long long without, with;

	without = interrupts(self->fd, false);
	ASSERT_EQ(0, sst_attr_set("busy_poll_us", MOST_US));
	with = interrupts(self->fd, true);
	TH_LOG("%lld interrupts with polling, %lld without, for %u requests", with, without,
	       ROUNDS);
	EXPECT_LE(0, with);
	EXPECT_LT(ROUNDS / 2, without);
	EXPECT_GT(without / 2, with);
}

TEST_F(busy, reader_who_polls_gets_all)
{
	unsigned int i;

	ASSERT_EQ(0, sst_attr_set("busy_poll_us", MOST_US));
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, sst_send(self->fd, i % 8 ? SST_REQUEST_ECHO : TYPE_QUEUE, i));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(htole64(i), self->resp.user_data);
	}
	/* Some that is not there yet when the time for it is over */
	ASSERT_EQ(0, sst_attr_set("busy_poll_us", "1"));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_LATE, 1000));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(1000), self->resp.user_data);
}

static long long cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec * 1000LL + usage.ru_utime.tv_usec / 1000 +
	       usage.ru_stime.tv_sec * 1000LL + usage.ru_stime.tv_usec / 1000;
}

TEST_F(busy, who_has_polled_long_enough_sleeps)
{
	static const unsigned int types[] = { TYPE_LATE, TYPE_QUEUE_LATE };
	unsigned int i;

	ASSERT_EQ(0, sst_attr_set("busy_poll_us", MOST_US));
	/* The first answers on a ring interrupt in any case. */
	ASSERT_EQ(0, transact_often(self->fd, 10, SST_REQUEST_NOOP));
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		unsigned long long start = now_ms();
		long long used = cpu_ms();

		ASSERT_EQ(0, transact(self->fd, types[i], &self->resp));
		EXPECT_EQ(0, self->resp.status);
		EXPECT_LE(LATE_MS - 50, now_ms() - start);
		/* By interrupt, and not when it would be late */
		EXPECT_GT(LATE_MS + 2000, now_ms() - start);
		EXPECT_GT(LATE_MS / 2, cpu_ms() - used);
	}
	ASSERT_EQ(0, file_set_timeout(self->fd, 100));
	ASSERT_EQ(0, transact(self->fd, TYPE_NEVER, &self->resp));
	EXPECT_EQ(htole32(SST_RESPONSE_TIMEOUT), self->resp.status);
}

TEST_F(busy, time_outs_shorter_than_polling)
{
	unsigned int i;

	ASSERT_EQ(0, sst_attr_set("busy_poll_us", MOST_US));
	ASSERT_EQ(0, file_set_timeout(self->fd, 1));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, transact(self->fd, TYPE_NO_RESPONSE, &self->resp));
		EXPECT_EQ(htole32(SST_RESPONSE_TIMEOUT), self->resp.status);
	}
}

/* Others' responses do not wait until somebody polls. */
static int poll_and_read(unsigned int n)
{
	int fd = sst_open(O_RDWR | O_NONBLOCK);
	struct sst_response resp;
	unsigned long long start;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < n && !ret; i++) {
		start = now_ms();
		ret = sst_send(fd, SST_REQUEST_ECHO, i);
		if (!ret && sst_poll(fd, POLLIN, 3000) != POLLIN)
			ret = -ETIMEDOUT;
		ret = ret ?: sst_receive(fd, &resp);
		if (!ret && le64toh(resp.user_data) != i)
			ret = -EBADMSG;
		if (now_ms() - start > 3000)
			ret = -ETIME;
	}
	close(fd);
	return ret;
}

TEST_F(busy, others_are_told_by_interrupt)
{
	struct child *poller = &self->child[0], *other = &self->child[1];
	struct child *late = &self->child[2];

	ASSERT_EQ(0, sst_attr_set("busy_poll_us", MOST_US));
	if (child_start(poller))
		child_exit(poller, transact_often(sst_open(O_RDWR), 10 * ROUNDS, SST_REQUEST_NOOP));
	/* All the time there is one that is polled, and one that is not. */
	if (child_start(late)) {
		struct sst_response resp;

		child_exit(late, transact(sst_open(O_RDWR), TYPE_LATE, &resp));
	}
	if (child_start(other))
		child_exit(other, poll_and_read(5 * ROUNDS));
	EXPECT_EQ(0, child_end(other));
	EXPECT_EQ(0, child_end(late));
	EXPECT_EQ(0, child_end(poller));
	/* The last one to be answered is not polled either. */
	EXPECT_EQ(0, poll_and_read(1));
	EXPECT_EQ(0, sst_stat("in_flight"));
}

/* Responses that nobody has polled for, since the caller was interrupted */
TEST_F(busy, interrupted)
{
	struct child *caller = &self->child[0];
	unsigned int i;

	ASSERT_EQ(0, sst_attr_set("busy_poll_us", MOST_US));
	catch_signal(0);
	for (i = 0; i < 3; i++) {
		if (child_start(caller))
			child_exit(caller, transact(self->fd, TYPE_LATE, &self->resp));
		ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
		ASSERT_EQ(0, kill(caller->pid, SIGUSR1));
		EXPECT_EQ(-EINTR, child_end(caller));
		EXPECT_EQ(POLLIN, sst_poll(self->fd, POLLIN, 5000));
		EXPECT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(htole64(4711), self->resp.user_data);
	}
}

TEST_F(busy, unbound_and_reset)
{
	struct child *caller = &self->child[0];
	char name[NAME_MAX];

	ASSERT_EQ(0, sst_virtio_name(name, sizeof(name)));
	ASSERT_EQ(0, sst_attr_set("busy_poll_us", MOST_US));
	if (child_start(caller))
		child_exit(caller, transact(self->fd, TYPE_NEVER, &self->resp) ?:
			   (int)le32toh(self->resp.status));
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(SST_RESPONSE_ERROR, child_end(caller));
	/* It polls afterwards as before. */
	EXPECT_TRUE(busy_poll_is("10000\n"));
	EXPECT_EQ(0, transact_often(self->fd, ROUNDS, SST_REQUEST_NOOP));

	if (child_start(caller))
		child_exit(caller, transact(self->fd, TYPE_NEVER, &self->resp));
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	ASSERT_EQ(0, sst_driver_do("unbind", name));
	EXPECT_EQ(-ENODEV, child_end(caller));
	ASSERT_EQ(0, sst_driver_do("bind", name));
	EXPECT_EQ(0, wait_for_device());
}

TEST_HARNESS_MAIN
