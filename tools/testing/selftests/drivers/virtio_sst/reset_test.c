// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of resets: asked for by root, and made by the driver because the device
 * does not answer or is broken.
 */
#include <signal.h>
#include <sys/stat.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define LIMIT	64	/* requests of one file at once */
#define NOBODY	65534

/* A time-out of the device that tests can wait for */
#define SHORT_MS	100

FIXTURE(reset)
{
	int fd;
	long long resets;
	struct sst_info info;
	struct sst_request req;
	struct sst_response resp;
};

FIXTURE_SETUP(reset)
{
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &self->info));
	ASSERT_EQ(0, sst_set_timeout(5000));
	ASSERT_EQ(0, sst_set_reset_after(0));
	/* Brings a device back that a test before has left silent. */
	ASSERT_EQ(0, sst_reset());
	self->resets = sst_stat("resets");
}

FIXTURE_TEARDOWN(reset)
{
	EXPECT_EQ(0, sst_set_reset_after(0));
	EXPECT_TRUE(sst_stats_balance());
	close(self->fd);
}

static int send_many(int fd, unsigned int type, unsigned int n)
{
	int ret = 0;

	while (n-- && !ret)
		ret = sst_send(fd, type, n);
	return ret;
}

static int set_file(int fd, unsigned int timeout_ms, unsigned int limit)
{
	struct sst_settings settings = {
		.flags = (timeout_ms ? SST_SETTING_TIMEOUT : 0) |
			 (limit ? SST_SETTING_LIMIT : 0),
		.request_timeout_ms = timeout_ms,
		.request_limit = limit,
	};

	return ioctl(fd, SST_IOCTL_SET_SETTINGS, &settings) ? -errno : 0;
}

/* Read responses that must all have been made by the driver. */
static int receive_driver_made(int fd, unsigned int n, unsigned int status)
{
	struct sst_response resp;
	int ret = 0;

	while (n-- && !ret) {
		ret = sst_receive(fd, &resp);
		if (!ret && (le32toh(resp.status) != status ||
			     le32toh(resp.flags) != SST_RESPONSE_F_DRIVER ||
			     !all_bytes(resp.payload, 0, SST_PAYLOAD_SIZE)))
			ret = -EBADMSG;
	}
	return ret;
}

static int round_trip(int fd)
{
	struct sst_response resp;
	int ret = sst_send(fd, SST_REQUEST_ECHO, 4711);

	if (!ret)
		ret = sst_receive(fd, &resp);
	if (!ret && (resp.status != htole32(SST_RESPONSE_OK) ||
		     resp.user_data != htole64(4711)))
		ret = -EBADMSG;
	return ret;
}

TEST_F(reset, ends_what_is_in_flight_and_keeps_the_rest)
{
	long long aborted = sst_stat("aborted");
	unsigned int i;
	bool seen[10] = {};

	ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_ECHO, 100));
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	for (i = 0; i < ARRAY_SIZE(seen); i++) {
		ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, i));
	}
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(aborted + 10, sst_stat("aborted"));
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_EQ(0, sst_stat("zombies"));

	/* What had been answered stays, and comes first. */
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
	EXPECT_EQ(htole64(100), self->resp.user_data);
	for (i = 0; i < ARRAY_SIZE(seen); i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(SST_RESPONSE_ERROR, le32toh(self->resp.status));
		EXPECT_EQ(SST_RESPONSE_F_DRIVER, le32toh(self->resp.flags));
		ASSERT_GT(ARRAY_SIZE(seen), le64toh(self->resp.user_data));
		EXPECT_FALSE(seen[le64toh(self->resp.user_data)]);
		seen[le64toh(self->resp.user_data)] = true;
	}
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	EXPECT_EQ(0, round_trip(self->fd));
}

TEST_F(reset, wakes_who_waits_for_a_response)
{
	struct sst_transaction t = {
		.request = (uintptr_t)&self->req,
		.response = (uintptr_t)&self->resp,
		.request_size = sizeof(self->req),
		.response_size = sizeof(self->resp),
	};
	unsigned long long start = now_ms();
	int status, i;
	pid_t pid[3];

	for (i = 0; i < 3; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			int fd = sst_open(O_RDWR);

			sst_prepare(&self->req, TYPE_NEVER, 0);
			if (i == 2)
				_exit(ioctl(fd, SST_IOCTL_TRANSACT, &t) ||
				      self->resp.status != htole32(SST_RESPONSE_ERROR));
			if (sst_send(fd, TYPE_NEVER, 0))
				_exit(1);
			if (i == 1 && sst_poll(fd, POLLIN, 10000) != POLLIN)
				_exit(2);
			_exit(-receive_driver_made(fd, 1, SST_RESPONSE_ERROR));
		}
	}
	ASSERT_EQ(3, sst_wait_stat("in_flight", 3));
	sleep_ms(100);
	ASSERT_EQ(0, sst_reset());
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_GT(4000, now_ms() - start);
}

TEST_F(reset, gives_room_to_who_waits_for_it)
{
	int status, full;
	pid_t pid;

	full = sst_open(O_RDWR);
	ASSERT_LE(0, full);
	ASSERT_EQ(0, set_file(full, 0, SST_REQUEST_LIMIT_MAX));
	ASSERT_EQ(0, send_many(full, TYPE_NEVER, self->info.queue_size));
	pid = fork();
	if (!pid)
		_exit(-round_trip(self->fd));
	sleep_ms(200);
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, receive_driver_made(full, self->info.queue_size, SST_RESPONSE_ERROR));
	close(full);
}

TEST_F(reset, brings_home_what_timed_out_or_was_closed)
{
	int other = sst_open(O_RDWR);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, send_many(other, TYPE_NEVER, 5));
	close(other);
	ASSERT_EQ(0, set_file(self->fd, 50, 0));
	ASSERT_EQ(0, send_many(self->fd, TYPE_NEVER, 5));
	/* One of them is unread while the device is reset. */
	ASSERT_EQ(0, receive_driver_made(self->fd, 4, SST_RESPONSE_TIMEOUT));
	ASSERT_EQ(10, sst_wait_stat("zombies", 10));
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(0, sst_stat("zombies"));
	EXPECT_EQ(0, receive_driver_made(self->fd, 1, SST_RESPONSE_TIMEOUT));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	EXPECT_EQ(0, round_trip(self->fd));
}

TEST_F(reset, requests_after_the_asking_are_not_hit)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, sst_attr_set("reset", "1"));
		EXPECT_EQ(0, round_trip(self->fd));
	}
	EXPECT_LT(self->resets, sst_stat("resets"));
}

TEST_F(reset, time_outs_work_afterwards)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		/* The clock runs when the device is reset. */
		ASSERT_EQ(0, set_file(self->fd, 5000, 0));
		ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 1));
		ASSERT_EQ(0, sst_reset());
		ASSERT_EQ(0, receive_driver_made(self->fd, 1, SST_RESPONSE_ERROR));
		ASSERT_EQ(0, set_file(self->fd, 50, 0));
		ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 2));
		EXPECT_EQ(POLLIN, sst_poll(self->fd, POLLIN, 3000));
		ASSERT_EQ(0, receive_driver_made(self->fd, 1, SST_RESPONSE_TIMEOUT));
	}
}

TEST_F(reset, events_go_on)
{
	bool any = self->info.features & 1 << SST_F_EVENTS;
	long long events;

	ASSERT_EQ(0, sst_reset());
	events = sst_stat("events");
	sleep_ms(500);
	EXPECT_EQ(any, sst_stat("events") > events + 1);
	EXPECT_EQ(0, sst_stat("lost_event_buffers"));
}

TEST_F(reset, only_root_may)
{
	static const char *const bad[] = { "0", "", "2", "x", "reset" };
	char path[PATH_MAX];
	unsigned int i;
	struct stat st;
	int status;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		/* Nothing at all is not even passed to the driver. */
		EXPECT_EQ(*bad[i] ? -EINVAL : 0, sst_attr_set("reset", bad[i]));
	}
	sst_attr_path(path, "reset");
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0200, st.st_mode & 0777);
	EXPECT_EQ(self->resets, sst_stat("resets"));

	/* Not even if the file is given away: the right is asked for as well. */
	ASSERT_EQ(0, chmod(path, 0666));
	pid = fork();
	if (!pid)
		_exit(setuid(NOBODY) ? 255 : -sst_attr_set("reset", "1"));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(EPERM, WEXITSTATUS(status));
	ASSERT_EQ(0, chmod(path, 0200));
	pid = fork();
	if (!pid)
		_exit(setuid(NOBODY) ? 255 : -sst_attr_set("reset", "1"));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(EACCES, WEXITSTATUS(status));
	sleep_ms(100);
	EXPECT_EQ(self->resets, sst_stat("resets"));
}

/* A device that is silent until it is reset */

/* Fill more than half of the places with what is never answered. */
static int make_overdue(int fd, unsigned int queue_size)
{
	int ret = set_file(fd, 0, SST_REQUEST_LIMIT_MAX);

	if (!ret)
		ret = sst_set_timeout(SHORT_MS);
	if (!ret)
		ret = send_many(fd, TYPE_NEVER, queue_size / 2 + 1);
	if (!ret)
		ret = receive_driver_made(fd, queue_size / 2 + 1, SST_RESPONSE_TIMEOUT);
	return ret;
}

TEST_F(reset, silent_device_comes_back_with_a_reset)
{
	ASSERT_EQ(0, sst_send(self->fd, TYPE_SILENCE, 0));
	ASSERT_EQ(0, make_overdue(self->fd, self->info.queue_size));
	EXPECT_EQ(-EIO, sst_send(self->fd, SST_REQUEST_ECHO, 0));
	EXPECT_EQ(POLLOUT, sst_poll(self->fd, POLLOUT, 0));
	EXPECT_EQ(self->resets, sst_stat("resets"));

	ASSERT_EQ(0, sst_set_timeout(5000));
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(0, sst_stat("zombies"));
	/* The first one had the long time-out that was there before. */
	ASSERT_EQ(0, receive_driver_made(self->fd, 1, SST_RESPONSE_ERROR));
	EXPECT_EQ(0, round_trip(self->fd));
}

TEST_F(reset, silent_device_comes_back_by_itself)
{
	unsigned int n = self->info.queue_size / 2 + 2;
	long long late = sst_stat("late");

	ASSERT_EQ(0, set_file(self->fd, 0, SST_REQUEST_LIMIT_MAX));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_PAUSE, 0));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	ASSERT_EQ(0, sst_set_timeout(SHORT_MS));
	ASSERT_EQ(0, send_many(self->fd, SST_REQUEST_ECHO, n));
	ASSERT_EQ(0, receive_driver_made(self->fd, n, SST_RESPONSE_TIMEOUT));
	EXPECT_EQ(-EIO, sst_send(self->fd, SST_REQUEST_ECHO, 0));

	/* All that it owed comes late, and without any reset the queue works. */
	ASSERT_EQ(0, sst_wait_stat("zombies", 0));
	EXPECT_EQ(late + n, sst_stat("late"));
	ASSERT_EQ(0, sst_set_timeout(5000));
	EXPECT_EQ(0, round_trip(self->fd));
	EXPECT_EQ(self->resets, sst_stat("resets"));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

/* Resets that the driver makes */

TEST_F(reset, after_some_overdue_in_a_row)
{
	ASSERT_EQ(0, sst_set_timeout(SHORT_MS));
	ASSERT_EQ(0, sst_set_reset_after(3));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_SILENCE, 0));
	ASSERT_EQ(0, send_many(self->fd, SST_REQUEST_ECHO, 2));
	ASSERT_EQ(0, receive_driver_made(self->fd, 3, SST_RESPONSE_TIMEOUT));
	EXPECT_EQ(self->resets + 1, sst_wait_stat("resets", self->resets + 1));
	EXPECT_EQ(0, sst_stat("zombies"));
	ASSERT_EQ(0, sst_set_timeout(5000));
	EXPECT_EQ(0, round_trip(self->fd));
}

TEST_F(reset, not_if_there_is_an_answer_in_between)
{
	unsigned int i;

	ASSERT_EQ(0, sst_set_timeout(SHORT_MS));
	ASSERT_EQ(0, sst_set_reset_after(3));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, send_many(self->fd, TYPE_LATE, 2));
		ASSERT_EQ(0, receive_driver_made(self->fd, 2, SST_RESPONSE_TIMEOUT));
		/* Late answers are answers. */
		ASSERT_EQ(0, sst_wait_stat("zombies", 0));
	}
	EXPECT_EQ(self->resets, sst_stat("resets"));
}

/* It is overdue already when the driver is allowed to do something about it. */
TEST_F(reset, with_the_next_request_if_it_was_not_allowed_before)
{
	ASSERT_EQ(0, make_overdue(self->fd, self->info.queue_size));
	EXPECT_EQ(self->resets, sst_stat("resets"));
	ASSERT_EQ(0, sst_set_reset_after(1));
	EXPECT_EQ(-EIO, sst_send(self->fd, SST_REQUEST_ECHO, 0));
	EXPECT_EQ(self->resets + 1, sst_wait_stat("resets", self->resets + 1));
	EXPECT_EQ(0, sst_stat("zombies"));
	ASSERT_EQ(0, sst_set_timeout(5000));
	EXPECT_EQ(0, round_trip(self->fd));
}

TEST_F(reset, not_because_of_the_short_time_out_of_a_file)
{
	unsigned int n = self->info.queue_size / 2 + 2;
	int other = sst_open(O_RDWR);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, set_file(other, 1, SST_REQUEST_LIMIT_MAX));
	ASSERT_EQ(0, sst_set_reset_after(1));
	ASSERT_EQ(0, send_many(other, TYPE_NEVER, n));
	ASSERT_EQ(0, receive_driver_made(other, n, SST_RESPONSE_TIMEOUT));
	sleep_ms(200);
	EXPECT_EQ(self->resets, sst_stat("resets"));
	/* Nor do the others' requests fail. */
	EXPECT_EQ(0, sst_send(self->fd, SST_REQUEST_ECHO, 0));
	close(other);
}

TEST_F(reset, because_of_the_time_of_the_device)
{
	unsigned long long start = now_ms();

	/* The file would wait for long. */
	ASSERT_EQ(0, set_file(self->fd, 60000, 0));
	ASSERT_EQ(0, sst_set_timeout(SHORT_MS));
	ASSERT_EQ(0, sst_set_reset_after(2));
	ASSERT_EQ(0, send_many(self->fd, TYPE_NEVER, 1));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 3 * SHORT_MS));
	/* The overdue requests are closed ones. */
	if (!fork()) {
		_exit(send_many(sst_open(O_RDWR), TYPE_NEVER, 2) ? 1 : 0);
	}
	wait(NULL);
	EXPECT_EQ(0, receive_driver_made(self->fd, 1, SST_RESPONSE_ERROR));
	EXPECT_EQ(self->resets + 1, sst_wait_stat("resets", self->resets + 1));
	EXPECT_GT(5000, now_ms() - start);
}

TEST_F(reset, when_more_than_half_is_overdue)
{
	ASSERT_EQ(0, sst_set_reset_after(UINT_MAX));
	ASSERT_EQ(0, make_overdue(self->fd, self->info.queue_size));
	ASSERT_EQ(0, sst_set_timeout(5000));
	EXPECT_EQ(0, round_trip(self->fd));
	EXPECT_EQ(self->resets + 1, sst_wait_stat("resets", self->resets + 1));
	EXPECT_EQ(0, sst_stat("zombies"));
}

TEST_F(reset, when_the_queue_is_broken)
{
	unsigned long long start = now_ms();

	ASSERT_EQ(0, sst_set_reset_after(UINT_MAX));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_BREAK, 0));
	ASSERT_EQ(0, receive_driver_made(self->fd, 1, SST_RESPONSE_ERROR));
	/* Long before the time-out */
	EXPECT_GT(4000, now_ms() - start);
	EXPECT_EQ(self->resets + 1, sst_wait_stat("resets", self->resets + 1));
	EXPECT_EQ(0, round_trip(self->fd));
}

TEST_F(reset, at_most_once_a_second)
{
	unsigned long long start;
	unsigned int i;

	ASSERT_EQ(0, sst_set_timeout(20));
	ASSERT_EQ(0, sst_set_reset_after(1));
	start = now_ms();
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 0));
		ASSERT_EQ(self->resets + i, sst_wait_stat("resets", self->resets + i));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	}
	EXPECT_LE(1900, now_ms() - start);
}

TEST_F(reset, root_need_not_wait_for_an_automatic_one)
{
	unsigned long long start;

	ASSERT_EQ(0, sst_set_timeout(20));
	ASSERT_EQ(0, sst_set_reset_after(1));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 0));
	ASSERT_EQ(self->resets + 1, sst_wait_stat("resets", self->resets + 1));
	start = now_ms();
	/* The next automatic one is due in about a second. */
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 0));
	ASSERT_EQ(0, receive_driver_made(self->fd, 2, SST_RESPONSE_TIMEOUT));
	ASSERT_EQ(self->resets + 1, sst_stat("resets"));
	ASSERT_EQ(0, sst_set_timeout(5000));
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(0, round_trip(self->fd));
	EXPECT_GT(800, now_ms() - start);
}

TEST_HARNESS_MAIN
