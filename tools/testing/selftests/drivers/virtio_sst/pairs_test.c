// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of a device with several pairs of queues, on a machine with several CPUs.
 *
 * SST_QUEUES is how many pairs the device offers, 1 if it does not offer MULTI_QUEUE.
 * All tests but those of the fixture "any" need two pairs and two CPUs.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/epoll.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define CHILDREN	8
#define DEPTH		8
#define ROUNDS		1000

static unsigned int cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

static unsigned int offered_pairs(void)
{
	const char *n = getenv("SST_QUEUES");

	return n ? atoi(n) : 1;
}

static unsigned int expected_pairs(void)
{
	return cpus() < offered_pairs() ? cpus() : offered_pairs();
}

/* Run on a CPU from now on. Returns 0, or -errno. */
static int go_to(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

/* Returns a new file that has filled the queue of a CPU with requests, or -1. */
static int fill_queue_of(unsigned int cpu, const struct sst_info *info, unsigned int type)
{
	return go_to(cpu) ? -1 : sst_fill_queue(info, type);
}

static int send_on(unsigned int cpu, int fd, unsigned int type, unsigned long long user_data)
{
	return go_to(cpu) ?: sst_send(fd, type, user_data);
}

static int round_trip_on(unsigned int cpu, int fd)
{
	struct sst_response resp;
	int ret = send_on(cpu, fd, SST_REQUEST_ECHO, cpu);

	if (!ret)
		ret = sst_receive(fd, &resp);
	if (!ret && (resp.status || resp.user_data != htole64(cpu)))
		ret = -EBADMSG;
	return ret;
}

/* The same on each CPU, with a file of its own */
static int round_trip_everywhere(void)
{
	unsigned int cpu;
	int ret = 0;

	for (cpu = 0; cpu < cpus() && !ret; cpu++) {
		int fd = sst_open(O_RDWR);

		ret = fd < 0 ? -errno : round_trip_on(cpu, fd);
		close(fd);
	}
	return ret;
}

static struct child *alloc_children(void)
{
	void *p = mmap(NULL, CHILDREN * sizeof(struct child), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* What holds with any number of pairs */

FIXTURE(any)
{
	int fd;
	char name[NAME_MAX];
	struct sst_info info;
};

FIXTURE_SETUP(any)
{
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd) {
		TH_LOG("%s: %s", sst_device(), strerror(errno));
	}
	ASSERT_EQ(0, sst_virtio_name(self->name, sizeof(self->name)));
	ASSERT_EQ(0, sst_set_timeout(5000));
	/* What these tests are about must not be reset away. */
	ASSERT_EQ(0, sst_set_reset_after(0));
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &self->info));
}

FIXTURE_TEARDOWN(any)
{
	close(self->fd);
	EXPECT_TRUE(sst_stats_balance());
	EXPECT_EQ(0, sst_set_timeout(5000));
}

TEST_F(any, one_for_each_cpu)
{
	struct sst_info info;
	char text[64];
	int fd;

	EXPECT_EQ(expected_pairs(), self->info.queue_pairs);
	ASSERT_LT(0, sst_attr_get("queue_pairs", text, sizeof(text)));
	EXPECT_EQ(expected_pairs(), strtoul(text, NULL, 10));
	EXPECT_EQ(offered_pairs() > 1, !!(self->info.features & 1 << SST_F_MULTI_QUEUE));
	EXPECT_EQ(0, round_trip_everywhere());

	/* The same after a reset, and for a new device */
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(0, round_trip_everywhere());
	ASSERT_EQ(0, sst_rebind());
	fd = sst_open(O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, SST_IOCTL_GET_INFO, &info));
	EXPECT_EQ(self->info.queue_pairs, info.queue_pairs);
	EXPECT_EQ(self->info.queue_size, info.queue_size);
	EXPECT_EQ(0, round_trip_everywhere());
	close(fd);
}

/* Requests reach the device in order, wherever the program runs meanwhile. */
TEST_F(any, order_while_hopping)
{
	unsigned int sent = 0, got = 0, in_order = 0;
	struct sst_response resp;

	while (got < ROUNDS) {
		while (sent < ROUNDS && sent - got < 1 + rand() % DEPTH) {
			ASSERT_EQ(0, send_on(rand() % cpus(), self->fd, SST_REQUEST_NOOP, sent));
			sent++;
		}
		ASSERT_EQ(0, sst_receive(self->fd, &resp));
		in_order += le64toh(resp.user_data) == got;
		got++;
	}
	EXPECT_EQ(ROUNDS, in_order);
	EXPECT_EQ(0, sst_stat("in_flight"));
}

TEST_F(any, statistics_add_up)
{
	long long requests = sst_stat("requests"), responses = sst_stat("responses");
	long long cancelled = sst_stat("cancelled"), kicks = sst_stat("kicks");
	unsigned int cpu, i, n = 0;
	struct sst_response resp;

	for (cpu = 0; cpu < cpus(); cpu++) {
		int fd = sst_open(O_RDWR);

		ASSERT_LE(0, fd);
		for (i = 0; i <= cpu; i++) {
			ASSERT_EQ(0, send_on(cpu, fd, SST_REQUEST_NOOP, i));
			ASSERT_EQ(0, sst_receive(fd, &resp));
			n++;
		}
		close(fd);
		/* One on each pair that is cancelled */
		fd = sst_open(O_RDWR);
		ASSERT_EQ(0, send_on(cpu, fd, TYPE_NO_RESPONSE, 4711));
		EXPECT_EQ(1, sst_stat("in_flight"));
		/* From wherever it is */
		ASSERT_EQ(0, go_to(0));
		EXPECT_EQ(1, file_cancel(fd, 4711, 0));
		close(fd);
		n++;
	}
	EXPECT_EQ(requests + n, sst_stat("requests"));
	EXPECT_EQ(responses + n - cpus(), sst_stat("responses"));
	EXPECT_EQ(cancelled + cpus(), sst_stat("cancelled"));
	EXPECT_LT(kicks, sst_stat("kicks"));
	EXPECT_GE(kicks + n + cpus(), sst_stat("kicks"));
	EXPECT_TRUE(sst_stats_balance());
}

/* A request_id tells a request from all others, whichever pair these went to. */
TEST_F(any, request_ids_differ)
{
	struct sst_response resp;
	unsigned int i, k;
	uint64_t id[16];
	int fd;

	/* All pairs count from the start. */
	ASSERT_EQ(0, sst_rebind());
	fd = sst_open(O_RDWR);
	ASSERT_LE(0, fd);
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(0, send_on(i % cpus(), fd, SST_REQUEST_NOOP, i));
		ASSERT_EQ(0, sst_receive(fd, &resp));
		id[i] = le64toh(resp.request_id);
		EXPECT_NE(0, id[i]);
		for (k = 0; k < i; k++)
			EXPECT_NE(id[k], id[i]);
	}
	close(fd);
}

/* Two pairs or more */

FIXTURE(pairs)
{
	int fd;
	char name[NAME_MAX];
	struct sst_info info;
	struct child *child;	/* CHILDREN of them */
	struct sst_response resp;
};

FIXTURE_SETUP(pairs)
{
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd) {
		TH_LOG("%s: %s", sst_device(), strerror(errno));
	}
	ASSERT_EQ(0, sst_virtio_name(self->name, sizeof(self->name)));
	ASSERT_EQ(0, sst_set_timeout(5000));
	ASSERT_EQ(0, sst_set_reset_after(0));
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &self->info));
	ASSERT_LE(2, self->info.queue_pairs) {
		TH_LOG("%u CPUs, %u pairs offered", cpus(), offered_pairs());
	}
	self->child = alloc_children();
	ASSERT_TRUE(!!self->child);
}

FIXTURE_TEARDOWN(pairs)
{
	close(self->fd);
	if (access(sst_device(), F_OK)) {
		EXPECT_EQ(0, sst_driver_do("bind", self->name));
		EXPECT_EQ(0, wait_for_device());
	} else {
		EXPECT_TRUE(sst_stats_balance());
		EXPECT_EQ(0, sst_rebind());
	}
}

TEST_F(pairs, each_has_room_of_its_own)
{
	unsigned int n = self->info.queue_pairs, size = self->info.queue_size, i, cpu;
	int fds[64], other;

	ASSERT_GE(64, n);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	for (i = 0; i < n; i++) {
		EXPECT_EQ(0, send_on(i, self->fd, SST_REQUEST_NOOP, i));
		ASSERT_EQ(POLLIN, sst_poll(self->fd, POLLIN, 5000));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		fds[i] = fill_queue_of(i, &self->info, TYPE_NEVER);
		ASSERT_LE(0, fds[i]);
		EXPECT_EQ((i + 1) * size, sst_stat("in_flight"));
		/* This file has nothing in flight: it goes with its user. */
		EXPECT_EQ(-EAGAIN, send_on(i, self->fd, SST_REQUEST_NOOP, i));
	}
	for (cpu = 0; cpu < cpus(); cpu++) {
		EXPECT_EQ(-EAGAIN, send_on(cpu, self->fd, SST_REQUEST_NOOP, cpu));
	}
	/* The limit of a file is about all of its requests, on one pair at a time. */
	EXPECT_EQ(n * size, sst_stat("in_flight"));
	EXPECT_EQ(size, file_cancel(fds[1], 0, SST_CANCEL_ALL) + 0);
	EXPECT_EQ((n - 1) * size, sst_stat("in_flight"));
	other = sst_open(O_RDWR | O_NONBLOCK);
	/* The device still has them. */
	EXPECT_EQ(-EAGAIN, send_on(1, other, SST_REQUEST_NOOP, 0));
	close(other);
	for (i = 0; i < n; i++)
		close(fds[i]);
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_EQ(n * size, sst_stat("zombies"));
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(0, sst_stat("zombies"));
	EXPECT_EQ(0, round_trip_everywhere());
}

TEST_F(pairs, file_keeps_its_pair_while_it_has_requests)
{
	int full;

	ASSERT_EQ(0, send_on(0, self->fd, TYPE_NEVER, 1));
	/* What is left of the room of its pair */
	self->info.queue_size--;
	full = fill_queue_of(0, &self->info, TYPE_NEVER);
	ASSERT_LE(0, full);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, send_on(1, self->fd, SST_REQUEST_NOOP, 2));
	/* One that is unread counts as well. */
	ASSERT_EQ(1, file_cancel(self->fd, 1, 0));
	EXPECT_EQ(-EAGAIN, send_on(1, self->fd, SST_REQUEST_NOOP, 3));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(1), self->resp.user_data);
	EXPECT_EQ(0, send_on(1, self->fd, SST_REQUEST_NOOP, 4));
	ASSERT_EQ(POLLIN, sst_poll(self->fd, POLLIN, 5000));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(4), self->resp.user_data);
	close(full);
}

TEST_F(pairs, file_with_slots_keeps_its_pair)
{
	struct sst_slot_setup setup = { .nr = 4 };
	int full;

	ASSERT_EQ(0, round_trip_on(0, self->fd));
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_SETUP_SLOTS, &setup));
	full = fill_queue_of(0, &self->info, TYPE_NEVER);
	ASSERT_LE(0, full);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, send_on(1, self->fd, SST_REQUEST_NOOP, 1));
	close(full);
	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, 0));
	EXPECT_EQ(0, round_trip_on(1, self->fd));
}

/* Who polls for room is told when the file goes to a pair that has some. */
TEST_F(pairs, pollers_go_with_their_file)
{
	struct epoll_event e = { .events = EPOLLOUT | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC), full;
	struct child *poller = &self->child[0];

	ASSERT_EQ(0, round_trip_on(0, self->fd));
	full = fill_queue_of(0, &self->info, TYPE_NEVER);
	ASSERT_LE(0, full);
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd, &e));
	EXPECT_EQ(0, epoll_wait(epoll, &e, 1, 0));
	if (child_start(poller))
		child_exit(poller, sst_poll(self->fd, POLLOUT, 10000));
	ASSERT_TRUE(child_asleep(poller));
	EXPECT_EQ(0, epoll_wait(epoll, &e, 1, 0));

	ASSERT_EQ(0, send_on(1, self->fd, TYPE_NEVER, 1));
	EXPECT_EQ(1, epoll_wait(epoll, &e, 1, 5000));
	EXPECT_EQ(EPOLLOUT, e.events);
	EXPECT_EQ(POLLOUT, child_end(poller));
	EXPECT_EQ(0, epoll_wait(epoll, &e, 1, 0));
	close(epoll);
	close(full);
}

/* After that they are told of room on the new pair. */
TEST_F(pairs, pollers_are_told_of_room_where_the_file_is)
{
	struct epoll_event e = { .events = EPOLLOUT | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC), full[2];

	ASSERT_EQ(0, round_trip_on(0, self->fd));
	full[0] = fill_queue_of(0, &self->info, TYPE_NO_RESPONSE);
	ASSERT_LE(0, full[0]);
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd, &e));
	EXPECT_EQ(0, epoll_wait(epoll, &e, 1, 0));
	ASSERT_EQ(0, send_on(1, self->fd, TYPE_NO_RESPONSE, 1));
	EXPECT_EQ(1, epoll_wait(epoll, &e, 1, 5000));
	self->info.queue_size--;
	full[1] = fill_queue_of(1, &self->info, TYPE_NO_RESPONSE);
	ASSERT_LE(0, full[1]);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, sst_send(self->fd, SST_REQUEST_NOOP, 2));

	/* Chains are back soon, so that a cancellation makes room. */
	sleep_ms(100);
	EXPECT_EQ(0, epoll_wait(epoll, &e, 1, 0));
	EXPECT_LT(0, file_cancel(full[1], 0, SST_CANCEL_ALL));
	/* Before time-outs make room */
	EXPECT_EQ(1, epoll_wait(epoll, &e, 1, 2000));
	EXPECT_EQ(EPOLLOUT, e.events);
	EXPECT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 3));
	close(full[0]);
	close(full[1]);
	close(epoll);
}

/* Wait for an answer that never comes, on some CPU and in one of several ways. */
static int wait_in_vain(unsigned int i)
{
	int fd = sst_open(O_RDWR);
	struct sst_response resp;
	struct sst_request req;
	struct sst_transaction t = {
		.request = (uintptr_t)&req,
		.response = (uintptr_t)&resp,
		.request_size = REQ,
		.response_size = RESP,
	};
	int ret;

	sst_prepare(&req, TYPE_NEVER, i);
	if (fd < 0 || go_to(i % cpus()))
		return -errno;
	if (i & 4) {
		ret = ioctl(fd, SST_IOCTL_TRANSACT, &t) ? -errno : 0;
	} else {
		ret = sst_send(fd, TYPE_NEVER, i);
		ret = ret ?: sst_receive(fd, &resp);
	}
	if (ret)
		return ret;
	return le32toh(resp.status) << 8 | le32toh(resp.flags);
}

static void start_all(struct __test_metadata *_metadata, struct child *child)
{
	unsigned int i;

	for (i = 0; i < CHILDREN; i++)
		if (child_start(&child[i]))
			child_exit(&child[i], wait_in_vain(i));
	ASSERT_EQ(CHILDREN, sst_wait_stat("in_flight", CHILDREN));
	for (i = 0; i < CHILDREN; i++) {
		ASSERT_TRUE(child_asleep(&child[i]));
	}
}

TEST_F(pairs, unbound_ends_all_of_them)
{
	unsigned int i;

	start_all(_metadata, self->child);
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	for (i = 0; i < CHILDREN; i++) {
		EXPECT_EQ(-ENODEV, child_end(&self->child[i]));
	}
	for (i = 0; i < cpus(); i++) {
		EXPECT_EQ(-ENODEV, send_on(i, self->fd, SST_REQUEST_NOOP, i));
	}
	ASSERT_EQ(0, sst_driver_do("bind", self->name));
	ASSERT_EQ(0, wait_for_device());
	EXPECT_EQ(0, round_trip_everywhere());
}

TEST_F(pairs, reset_ends_all_of_them)
{
	long long aborted = sst_stat("aborted");
	unsigned int i;

	start_all(_metadata, self->child);
	ASSERT_EQ(0, sst_reset());
	for (i = 0; i < CHILDREN; i++) {
		EXPECT_EQ(SST_RESPONSE_ERROR << 8 | SST_RESPONSE_F_DRIVER,
			  child_end(&self->child[i]));
	}
	EXPECT_EQ(aborted + CHILDREN, sst_stat("aborted"));
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_EQ(0, sst_stat("zombies"));
	EXPECT_EQ(0, round_trip_everywhere());
}

TEST_F(pairs, time_out_on_all_of_them)
{
	long long timeouts = sst_stat("timeouts");
	unsigned int i;

	ASSERT_EQ(0, sst_set_timeout(1000));
	start_all(_metadata, self->child);
	for (i = 0; i < CHILDREN; i++) {
		EXPECT_EQ(SST_RESPONSE_TIMEOUT << 8 | SST_RESPONSE_F_DRIVER,
			  child_end(&self->child[i]));
	}
	EXPECT_EQ(timeouts + CHILDREN, sst_stat("timeouts"));
	EXPECT_EQ(0, sst_stat("in_flight"));
}

TEST_F(pairs, broken_one_leaves_the_others_alone)
{
	int other = sst_open(O_RDWR);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, file_set_timeout(other, 1000));
	ASSERT_EQ(0, send_on(1, other, TYPE_BREAK, 1));
	ASSERT_EQ(0, sst_receive(other, &self->resp));
	EXPECT_EQ(-EIO, send_on(1, other, SST_REQUEST_NOOP, 2));
	EXPECT_EQ(0, round_trip_on(0, other));
	EXPECT_EQ(0, round_trip_on(0, self->fd));
	/* A reset is one of all. */
	ASSERT_EQ(0, send_on(0, self->fd, TYPE_NEVER, 3));
	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole32(SST_RESPONSE_ERROR), self->resp.status);
	EXPECT_EQ(htole64(3), self->resp.user_data);
	EXPECT_EQ(0, round_trip_everywhere());
	close(other);
}

TEST_F(pairs, reset_by_the_driver_because_of_one)
{
	long long resets = sst_stat("resets");

	ASSERT_EQ(0, sst_set_reset_after(2));
	ASSERT_EQ(0, send_on(0, self->fd, TYPE_NEVER, 1));
	ASSERT_EQ(0, sst_set_timeout(100));
	/* One on each of two pairs is not two in a row on one. */
	if (child_start(self->child)) {
		int fd = sst_open(O_RDWR);

		child_exit(self->child, send_on(1, fd, TYPE_NEVER, 2) ?:
			   sst_receive(fd, &self->resp));
	}
	EXPECT_EQ(0, child_end(self->child));
	sleep_ms(300);
	EXPECT_EQ(resets, sst_stat("resets"));
	if (child_start(self->child)) {
		int fd = sst_open(O_RDWR);

		child_exit(self->child, send_on(1, fd, TYPE_NEVER, 3) ?:
			   sst_receive(fd, &self->resp));
	}
	EXPECT_EQ(0, child_end(self->child));
	EXPECT_EQ(resets + 1, sst_wait_stat("resets", resets + 1));
	/* The requests of all pairs end. */
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole32(SST_RESPONSE_ERROR), self->resp.status);
	ASSERT_EQ(0, sst_set_reset_after(0));
	ASSERT_EQ(0, sst_set_timeout(5000));
	EXPECT_EQ(0, round_trip_everywhere());
}

TEST_HARNESS_MAIN
