// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the file operations of /dev/sstN.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <liburing.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define LIMIT	64	/* requests of one file at once */

FIXTURE(sst)
{
	int fd;
	struct sst_info info;
	struct sst_request req;
	struct sst_response resp;
};

FIXTURE_SETUP(sst)
{
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd) {
		TH_LOG("%s: %s", sst_device(), strerror(errno));
	}
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &self->info));
	ASSERT_EQ(0, sst_set_timeout(5000));
	/* What these tests are about must not be reset away. */
	ASSERT_EQ(0, sst_set_reset_after(0));
}

FIXTURE_TEARDOWN(sst)
{
	close(self->fd);
	/* What is still at the device would be in the way of the next test. */
	if (sst_stat("zombies") > 0)
		EXPECT_EQ(0, sst_rebind());
	EXPECT_EQ(0, sst_set_timeout(5000));
}

/* write() */

TEST_F(sst, write_then_read)
{
	sst_prepare(&self->req, SST_REQUEST_ECHO, 0x0123456789abcdef);
	memset(self->req.payload, 0x5a, SST_PAYLOAD_SIZE);
	self->req.request_id = htole64(42);

	ASSERT_EQ(REQ, write(self->fd, &self->req, REQ));
	ASSERT_EQ(RESP, read(self->fd, &self->resp, RESP));
	EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
	EXPECT_EQ(0, self->resp.flags);
	EXPECT_EQ(htole64(0x0123456789abcdef), self->resp.user_data);
	EXPECT_NE(0, self->resp.request_id);
	EXPECT_NE(htole64(42), self->resp.request_id);
	EXPECT_TRUE(all_bytes(self->resp.payload, 0x5a, SST_PAYLOAD_SIZE));
	/* The request of the program stays as it was. */
	EXPECT_EQ(htole64(42), self->req.request_id);
}

TEST_F(sst, every_type)
{
	static const struct {
		unsigned int type;
		unsigned int status;
	} types[] = {
		{ SST_REQUEST_NOOP, SST_RESPONSE_OK },
		{ SST_REQUEST_ECHO, SST_RESPONSE_OK },
		{ SST_REQUEST_COMPUTE, SST_RESPONSE_OK },
		{ SST_REQUEST_WRITE, SST_RESPONSE_OK },
		{ SST_REQUEST_READ, SST_RESPONSE_OK },
		{ SST_REQUEST_RESET, SST_RESPONSE_OK },
		{ SST_REQUEST_GET_INFO, SST_RESPONSE_OK },
		{ SST_REQUEST_CONFIGURE, SST_RESPONSE_OK },
		{ TYPE_UNKNOWN, SST_RESPONSE_INVALID },
		{ TYPE_NO_DEVICE, SST_RESPONSE_NO_DEVICE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		ASSERT_EQ(0, sst_send(self->fd, types[i].type, i));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(types[i].status, le32toh(self->resp.status)) {
			TH_LOG("type %u", types[i].type);
		}
		EXPECT_EQ(htole64(i), self->resp.user_data);
		EXPECT_EQ(0, self->resp.flags);
	}
}

TEST_F(sst, compute_and_memory)
{
	sst_prepare(&self->req, SST_REQUEST_COMPUTE, 1);
	self->req.compute.compute_units = htole64(1000);
	ASSERT_EQ(REQ, write(self->fd, &self->req, REQ));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(100000), self->resp.compute.cycles);

	sst_prepare(&self->req, SST_REQUEST_WRITE, 2);
	self->req.memory.addr = htole64(0x1000);
	self->req.memory.size = htole32(5);
	memcpy(self->req.payload + sizeof(self->req.memory), "hello", 5);
	ASSERT_EQ(REQ, write(self->fd, &self->req, REQ));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));

	self->req.type = htole32(SST_REQUEST_READ);
	ASSERT_EQ(REQ, write(self->fd, &self->req, REQ));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(0, memcmp(self->resp.payload, "hello", 5));
}

TEST_F(sst, write_batch)
{
	enum { N = 5 };
	struct sst_request req[N];
	struct sst_response resp[N];
	long long kicks = sst_stat("kicks");
	unsigned int i, got = 0;
	uint64_t seen = 0;

	for (i = 0; i < N; i++)
		sst_prepare(&req[i], SST_REQUEST_ECHO, i);
	ASSERT_EQ(N * REQ, write(self->fd, req, sizeof(req)));
	EXPECT_GE(1, sst_stat("kicks") - kicks);
	while (got < N) {
		ssize_t n = read(self->fd, resp + got, (N - got) * RESP);

		ASSERT_LT(0, n);
		ASSERT_EQ(0, n % RESP);
		got += n / RESP;
	}
	for (i = 0; i < N; i++)
		seen |= 1ULL << le64toh(resp[i].user_data);
	EXPECT_EQ((1ULL << N) - 1, seen);
}

TEST_F(sst, write_short)
{
	static const size_t sizes[] = { 24, 25, 40, 4096, 4103 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t n = sizes[i] - SST_REQUEST_HEADER_SIZE;

		/* Leave something in the slot that must not come back. */
		sst_prepare(&self->req, SST_REQUEST_ECHO, 1);
		memset(self->req.payload, 0xff, SST_PAYLOAD_SIZE);
		ASSERT_EQ(REQ, write(self->fd, &self->req, REQ));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));

		memset(self->req.payload, 0x77, SST_PAYLOAD_SIZE);
		ASSERT_EQ(sizes[i], write(self->fd, &self->req, sizes[i]));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_TRUE(all_bytes(self->resp.payload, 0x77, n));
		EXPECT_TRUE(all_bytes(self->resp.payload + n, 0, SST_PAYLOAD_SIZE - n));
	}
}

TEST_F(sst, write_wrong_size)
{
	static const size_t sizes[] = { 1, 23, 4105, 8207, 8209, 12313 };
	static char buf[12313];
	long long requests = sst_stat("requests");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(-1, write(self->fd, buf, sizes[i]));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(requests, sst_stat("requests"));
}

TEST_F(sst, writev_is_the_concatenation)
{
	static const size_t splits[] = { 1, 7, 24, 4104, 4105, 2 * 4104 - 1 };
	struct sst_request req[2];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(splits); i++) {
		struct iovec iov[2] = {
			{ req, splits[i] },
			{ (char *)req + splits[i], sizeof(req) - splits[i] },
		};

		for (j = 0; j < 2; j++) {
			sst_prepare(&req[j], SST_REQUEST_ECHO, j);
			memset(req[j].payload, 'a' + j, SST_PAYLOAD_SIZE);
		}
		ASSERT_EQ(2 * REQ, writev(self->fd, iov, 2));
		for (j = 0; j < 2; j++) {
			ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
			EXPECT_TRUE(all_bytes(self->resp.payload,
					      'a' + le64toh(self->resp.user_data),
					      SST_PAYLOAD_SIZE));
		}
	}
}

TEST_F(sst, write_bad_pointer)
{
	long long requests = sst_stat("requests");

	ASSERT_EQ(-1, write(self->fd, bad_pointer(), REQ));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(-1, write(self->fd, bad_pointer(), 24));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(requests, sst_stat("requests"));
	/* Nothing was lost on the way: the file still takes all it may have. */
	EXPECT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	EXPECT_EQ(0, sst_receive(self->fd, &self->resp));
}

TEST_F(sst, write_fault_in_a_later_request)
{
	struct sst_request *req = end_of_memory(2 * REQ + 100);
	long long requests = sst_stat("requests");

	ASSERT_NE(NULL, req);
	sst_prepare(&req[0], SST_REQUEST_ECHO, 10);
	sst_prepare(&req[1], SST_REQUEST_ECHO, 11);
	ASSERT_EQ(2 * REQ, write(self->fd, req, 4 * REQ));
	EXPECT_EQ(requests + 2, sst_stat("requests"));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 50) & POLLIN);
}

TEST_F(sst, write_nonblocking_full)
{
	struct sst_request *req = calloc(LIMIT + 10, REQ);
	unsigned int i;

	ASSERT_NE(NULL, req);
	for (i = 0; i < LIMIT + 10; i++)
		sst_prepare(&req[i], TYPE_LATE, i);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(LIMIT * REQ, write(self->fd, req, (LIMIT + 10) * REQ));
	EXPECT_EQ(-1, write(self->fd, req, REQ));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, sst_poll(self->fd, POLLOUT, 0));

	/* The answers alone make no room, reading one does. */
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	EXPECT_EQ(0, sst_poll(self->fd, POLLOUT, 0));
	EXPECT_EQ(-EAGAIN, sst_send(self->fd, TYPE_LATE, 0));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(POLLOUT, sst_poll(self->fd, POLLOUT, 0));
	EXPECT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	free(req);
}

TEST_F(sst, write_full_of_unread_responses)
{
	unsigned int i;

	for (i = 0; i < LIMIT; i++) {
		ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, i));
	}
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	EXPECT_EQ(-ENOBUFS, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	for (i = 0; i < LIMIT; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	}
	EXPECT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 0));
}

TEST_F(sst, write_blocked_by_its_file_fails_when_nothing_is_in_flight)
{
	unsigned long long start = now_ms();
	unsigned int i;

	for (i = 0; i < LIMIT; i++) {
		ASSERT_EQ(0, sst_send(self->fd, TYPE_LATE, i));
	}
	/* Waits for those in flight, until all of them are unread. */
	EXPECT_EQ(-ENOBUFS, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	EXPECT_LE(LATE_MS / 2, now_ms() - start);
}

/*
 * Have a file full of requests, one of which never ends, so that they are never
 * all unread.
 */
static int fill_file(int fd)
{
	unsigned int i;
	int ret;

	for (i = 1; i < LIMIT; i++) {
		ret = sst_send(fd, SST_REQUEST_NOOP, i);
		if (ret)
			return ret;
	}
	return sst_send(fd, TYPE_NEVER, 0);
}

struct pipeline {
	int fd;
	int error;
};

#define PIPELINE_REQUESTS	1000

static void *read_all(void *arg)
{
	struct pipeline *p = arg;
	struct sst_response resp;
	int i;

	for (i = 0; i < PIPELINE_REQUESTS && !p->error; i++) {
		p->error = sst_receive(p->fd, &resp);
		if (i % 100 == 0)
			sleep_ms(5);
	}
	return NULL;
}

TEST_F(sst, a_thread_writes_and_another_reads)
{
	struct pipeline p = { .fd = self->fd };
	pthread_t reader;
	int i;

	ASSERT_EQ(0, pthread_create(&reader, NULL, read_all, &p));
	for (i = 0; i < PIPELINE_REQUESTS; i++) {
		ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, i));
	}
	pthread_join(reader, NULL);
	EXPECT_EQ(0, p.error);
}

TEST_F(sst, write_blocked_by_its_file_goes_on_after_a_read)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, fill_file(self->fd));
	pid = fork();
	if (!pid)
		_exit(-sst_send(self->fd, SST_REQUEST_NOOP, 1000));
	sleep_ms(100);
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Fill the queue with requests of as many files as it takes. */
static int fill_queue(const struct sst_info *info, int *fds, unsigned int type)
{
	unsigned int i;

	for (i = 0; i < info->queue_size; i++) {
		if (i % LIMIT == 0)
			fds[i / LIMIT] = sst_open(O_RDWR);
		if (sst_send(fds[i / LIMIT], type, i))
			return -1;
	}
	return (info->queue_size + LIMIT - 1) / LIMIT;
}

TEST_F(sst, write_blocked_by_the_queue)
{
	int fds[1024 / LIMIT];
	pid_t pid[3];
	int status, n, i;

	n = fill_queue(&self->info, fds, TYPE_LATE);
	ASSERT_LT(0, n);

	/* Who must not wait is told so. */
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(0, sst_poll(self->fd, POLLOUT, 0));
	EXPECT_EQ(-EAGAIN, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, 0));

	/* Several wait, and all get their turn, though nobody reads. */
	for (i = 0; i < 3; i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(-sst_send(self->fd, SST_REQUEST_NOOP, 1000 + i));
	}
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	for (i = 0; i < n; i++)
		close(fds[i]);
}

TEST_F(sst, write_blocked_by_the_queue_and_interrupted)
{
	int fds[1024 / LIMIT];
	int status, n, i;
	pid_t pid[2];

	n = fill_queue(&self->info, fds, TYPE_LATE);
	ASSERT_LT(0, n);
	pid[0] = fork();
	if (!pid[0])
		_exit(-sst_send(self->fd, SST_REQUEST_NOOP, 1000));
	sleep_ms(20);
	pid[1] = fork();
	if (!pid[1])
		_exit(-sst_send(self->fd, SST_REQUEST_NOOP, 1001));
	/* The first in the row goes away; the other one must not wait for it. */
	kill(pid[0], SIGKILL);
	ASSERT_EQ(pid[0], waitpid(pid[0], &status, 0));
	ASSERT_EQ(pid[1], waitpid(pid[1], &status, 0));
	EXPECT_EQ(0, status);
	for (i = 0; i < n; i++)
		close(fds[i]);
}

TEST_F(sst, a_poller_does_not_take_the_wakeup_of_a_writer)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLEXCLUSIVE };
	int fds[1024 / LIMIT], status, n, i;
	pid_t poller, writer;

	n = fill_queue(&self->info, fds, TYPE_LATE);
	ASSERT_LT(0, n);
	poller = fork();
	if (!poller) {
		int ep = epoll_create1(EPOLL_CLOEXEC);
		int fd = sst_open(O_RDWR);

		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
		epoll_wait(ep, &ev, 1, 10000);
		_exit(0);
	}
	sleep_ms(20);
	writer = fork();
	if (!writer)
		_exit(-sst_send(self->fd, SST_REQUEST_NOOP, 0));
	ASSERT_EQ(writer, waitpid(writer, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(poller, waitpid(poller, &status, 0));
	for (i = 0; i < n; i++)
		close(fds[i]);
}

/*
 * Children that wait for EPOLLOUT with EPOLLEXCLUSIVE, the first of them through
 * a file that is at its limit.
 */
static pid_t exclusive_poller(int fd)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLEXCLUSIVE };
	pid_t pid = fork();
	int ep;

	if (pid)
		return pid;
	ep = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	_exit(epoll_wait(ep, &ev, 1, 5000) == 1 ? 0 : 1);
}

TEST_F(sst, a_poller_does_not_take_the_wakeup_of_another_file)
{
	int fds[1024 / LIMIT], status, n, i;
	pid_t full, idle;

	n = fill_queue(&self->info, fds, TYPE_LATE);
	ASSERT_LT(0, n);
	full = exclusive_poller(fds[0]);
	sleep_ms(20);
	idle = exclusive_poller(self->fd);
	ASSERT_EQ(idle, waitpid(idle, &status, 0));
	EXPECT_EQ(0, status);
	kill(full, SIGKILL);
	ASSERT_EQ(full, waitpid(full, &status, 0));
	for (i = 0; i < n; i++)
		close(fds[i]);
}

TEST_F(sst, unread_responses_of_others_are_not_in_the_way)
{
	enum { FILES = 10 };
	int fds[FILES];
	unsigned int i, j;

	for (i = 0; i < FILES; i++) {
		fds[i] = sst_open(O_RDWR);
		for (j = 0; j < LIMIT; j++) {
			ASSERT_EQ(0, sst_send(fds[i], SST_REQUEST_NOOP, i * LIMIT + j));
		}
	}
	ASSERT_LT(self->info.queue_size, FILES * LIMIT);
	ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	for (i = 0; i < FILES; i++) {
		for (j = 0; j < LIMIT; j++) {
			ASSERT_EQ(0, sst_receive(fds[i], &self->resp));
			EXPECT_EQ(htole64(i * LIMIT + j), self->resp.user_data);
		}
		close(fds[i]);
	}
}

static void on_signal(int number)
{
	(void)number;
}

/* Have SIGALRM interrupt, once, after some milliseconds. */
static void interrupt_after(unsigned int ms)
{
	struct itimerval t = { .it_value = { ms / 1000, ms % 1000 * 1000 } };
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

TEST_F(sst, write_interrupted)
{
	long long requests;
	unsigned int i;

	ASSERT_EQ(0, fill_file(self->fd));
	requests = sst_stat("requests");
	interrupt_after(100);
	EXPECT_EQ(-EINTR, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	EXPECT_EQ(requests, sst_stat("requests"));
	for (i = 1; i < LIMIT; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	}
}

TEST_F(sst, access_modes)
{
	int reader = sst_open(O_RDONLY);
	int writer = sst_open(O_WRONLY);

	ASSERT_LE(0, reader);
	ASSERT_LE(0, writer);
	EXPECT_EQ(-EBADF, sst_send(reader, SST_REQUEST_NOOP, 0));
	EXPECT_EQ(-EBADF, sst_receive(writer, &self->resp));
	EXPECT_EQ(0, sst_send(writer, SST_REQUEST_NOOP, 0));
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	close(reader);
	close(writer);
}

/* read() */

TEST_F(sst, several_writes_then_several_reads)
{
	enum { N = 32 };
	uint64_t ids[N];
	unsigned int i, j;
	uint32_t seen = 0;

	for (i = 0; i < N; i++) {
		sst_prepare(&self->req, SST_REQUEST_ECHO, i);
		memset(self->req.payload, i, SST_PAYLOAD_SIZE);
		ASSERT_EQ(REQ, write(self->fd, &self->req, REQ));
	}
	for (i = 0; i < N; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		j = le64toh(self->resp.user_data);
		ASSERT_GT(N, j);
		EXPECT_TRUE(all_bytes(self->resp.payload, j, SST_PAYLOAD_SIZE));
		seen |= 1U << j;
		ids[i] = self->resp.request_id;
		for (j = 0; j < i; j++) {
			EXPECT_NE(ids[i], ids[j]);
		}
	}
	EXPECT_EQ(UINT32_MAX, seen);
}

TEST_F(sst, read_in_the_order_of_completion)
{
	static const unsigned int orders[2][3] = { { 2, 3, 1 }, { 1, 2, 3 } };
	const unsigned int *order = orders[sst_serial()];
	unsigned int i;

	ASSERT_EQ(0, sst_send(self->fd, TYPE_LATE, 1));
	ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 2));
	ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 3));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(htole64(order[i]), self->resp.user_data);
	}
}

TEST_F(sst, read_as_many_as_fit)
{
	enum { N = 6 };
	struct sst_response *resp = calloc(N + 1, RESP);
	unsigned int i;

	ASSERT_NE(NULL, resp);
	for (i = 0; i < N; i++) {
		ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, i));
	}
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	/* Not a multiple of the size: as many as fit. */
	EXPECT_EQ(2 * RESP, read(self->fd, resp, 3 * RESP - 1));
	EXPECT_EQ(0, le64toh(resp[0].user_data));
	EXPECT_EQ(1, le64toh(resp[1].user_data));
	/* More room than responses: those that are ready. */
	EXPECT_EQ((N - 2) * RESP, read(self->fd, resp, (N + 1) * RESP));
	EXPECT_EQ(2, le64toh(resp[0].user_data));
	free(resp);
}

TEST_F(sst, read_short)
{
	unsigned char buf[RESP];
	struct sst_response *resp = (void *)buf;

	/* As much of the payload as does not fit is zero: fine. */
	ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 7));
	memset(buf, 0xff, sizeof(buf));
	ASSERT_EQ(32, read(self->fd, buf, 32));
	EXPECT_EQ(htole64(7), resp->user_data);
	EXPECT_TRUE(all_bytes(buf + 32, 0xff, sizeof(buf) - 32));

	sst_prepare(&self->req, SST_REQUEST_ECHO, 8);
	self->req.payload[4096 - 32 - 1] = 1;
	ASSERT_EQ(REQ, write(self->fd, &self->req, REQ));
	ASSERT_EQ(4096, read(self->fd, buf, 4096));
	EXPECT_EQ(1, buf[4095]);
}

TEST_F(sst, read_too_small)
{
	char buf[4111];

	sst_prepare(&self->req, SST_REQUEST_ECHO, 9);
	self->req.payload[SST_PAYLOAD_SIZE - 1] = 1;
	ASSERT_EQ(REQ, write(self->fd, &self->req, REQ));
	EXPECT_EQ(-1, read(self->fd, buf, 31));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, read(self->fd, buf, 32));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(-1, read(self->fd, buf, 4111));
	EXPECT_EQ(EMSGSIZE, errno);
	/* It is still there. */
	EXPECT_EQ(POLLIN, sst_poll(self->fd, POLLIN, 0));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(1, self->resp.payload[SST_PAYLOAD_SIZE - 1]);
}

TEST_F(sst, read_nothing_there)
{
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

TEST_F(sst, read_bad_pointer)
{
	ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 11));
	ASSERT_EQ(POLLIN, sst_poll(self->fd, POLLIN, 5000));
	EXPECT_EQ(-1, read(self->fd, bad_pointer(), RESP));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(11), self->resp.user_data);
}

TEST_F(sst, read_fault_in_a_later_response)
{
	struct sst_response *resp = end_of_memory(2 * RESP + 100);
	unsigned int i;

	ASSERT_NE(NULL, resp);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, i));
	}
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	EXPECT_EQ(2 * RESP, read(self->fd, resp, 4 * RESP));
	/* The others are still there, in their order. */
	for (i = 2; i < 4; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(htole64(i), self->resp.user_data);
	}
}

TEST_F(sst, readv_is_the_concatenation)
{
	struct sst_response resp[2];
	struct iovec iov[3] = {
		{ resp, 5 },
		{ (char *)resp + 5, 4112 },
		{ (char *)resp + 4117, sizeof(resp) - 4117 },
	};

	ASSERT_EQ(0, sst_send(self->fd, TYPE_FILL, 1));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_FILL, 2));
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	ASSERT_EQ(2 * RESP, readv(self->fd, iov, 3));
	EXPECT_EQ(htole64(1), resp[0].user_data);
	EXPECT_EQ(htole64(2), resp[1].user_data);
	EXPECT_TRUE(all_bytes(resp[1].payload, FILL_BYTE, SST_PAYLOAD_SIZE));
}

TEST_F(sst, read_interrupted)
{
	ASSERT_EQ(0, sst_send(self->fd, TYPE_LATE, 12));
	interrupt_after(50);
	EXPECT_EQ(-EINTR, sst_receive(self->fd, &self->resp));
	/* The response comes to the next reader. */
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(12), self->resp.user_data);
}

TEST_F(sst, readers_are_served_in_their_order)
{
	pid_t pid[3];
	int status, i;

	for (i = 0; i < 3; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			if (sst_receive(self->fd, &self->resp))
				_exit(100);
			_exit(le64toh(self->resp.user_data));
		}
		sleep_ms(200);
	}
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, i));
		ASSERT_EQ(pid[i], waitpid(-1, &status, 0));
		EXPECT_EQ(i, WEXITSTATUS(status));
	}
}

TEST_F(sst, a_reader_that_fails_leaves_the_response_to_the_next)
{
	pid_t small, large;
	char buf[32];
	int status;

	small = fork();
	if (!small)
		_exit(read(self->fd, buf, sizeof(buf)) < 0 ? errno : 0);
	sleep_ms(200);
	large = fork();
	if (!large)
		_exit(-sst_receive(self->fd, &self->resp));
	sleep_ms(200);
	ASSERT_EQ(0, sst_send(self->fd, TYPE_FILL, 0));
	ASSERT_EQ(small, waitpid(small, &status, 0));
	EXPECT_EQ(EMSGSIZE, WEXITSTATUS(status));
	ASSERT_EQ(large, waitpid(large, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(sst, a_batch_wakes_as_many_readers)
{
	struct sst_request *req = calloc(4, REQ);
	int i, status, sum = 0;

	ASSERT_NE(NULL, req);
	for (i = 0; i < 4; i++) {
		sst_prepare(&req[i], SST_REQUEST_NOOP, 1 << i);
		if (fork())
			continue;
		if (sst_receive(self->fd, &self->resp))
			_exit(100);
		_exit(le64toh(self->resp.user_data));
	}
	sleep_ms(200);
	ASSERT_EQ(4 * REQ, write(self->fd, req, 4 * REQ));
	for (i = 0; i < 4; i++) {
		ASSERT_LT(0, wait(&status));
		sum += WEXITSTATUS(status);
	}
	EXPECT_EQ(15, sum);
	free(req);
}

/* poll() and friends */

TEST_F(sst, poll_sees_a_response)
{
	EXPECT_EQ(POLLOUT, sst_poll(self->fd, POLLIN | POLLOUT, 0));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_LATE, 0));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	/* It wakes; it does not find out by itself after a time-out. */
	EXPECT_EQ(POLLIN, sst_poll(self->fd, POLLIN, 5000));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

TEST_F(sst, epoll_edge_triggered)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int i;

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &ev));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, epoll_wait(ep, &ev, 1, 0));
		ASSERT_EQ(0, sst_send(self->fd, TYPE_LATE, i));
		ASSERT_EQ(1, epoll_wait(ep, &ev, 1, 5000));
		EXPECT_EQ(EPOLLIN, ev.events);
	}
	close(ep);
}

TEST_F(sst, epoll_edge_triggered_for_room)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int fds[1024 / LIMIT];
	int n, i;

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &ev));
	ASSERT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	n = fill_queue(&self->info, fds, TYPE_LATE);
	ASSERT_LT(0, n);
	/* Nobody has polled since: the write itself makes the next edge come. */
	ASSERT_EQ(-EAGAIN, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	ASSERT_EQ(1, epoll_wait(ep, &ev, 1, 5000));
	EXPECT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	close(ep);
	for (i = 0; i < n; i++)
		close(fds[i]);
}

TEST_F(sst, poll_sees_room)
{
	pid_t pid;

	ASSERT_EQ(0, fill_file(self->fd));
	EXPECT_EQ(0, sst_poll(self->fd, POLLOUT, 0));
	pid = fork();
	if (!pid) {
		sleep_ms(100);
		_exit(sst_receive(self->fd, &self->resp) ? 1 : 0);
	}
	EXPECT_EQ(POLLOUT, sst_poll(self->fd, POLLOUT, 5000));
	waitpid(pid, NULL, 0);
}

TEST_F(sst, poll_sees_room_in_the_queue)
{
	int fds[1024 / LIMIT];
	int n, i;

	n = fill_queue(&self->info, fds, TYPE_LATE);
	ASSERT_LT(0, n);
	EXPECT_EQ(0, sst_poll(self->fd, POLLOUT, 0));
	EXPECT_EQ(POLLOUT, sst_poll(self->fd, POLLOUT, 5000));
	EXPECT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	for (i = 0; i < n; i++)
		close(fds[i]);
}

/* io_uring */

TEST_F(sst, uring_write_and_read)
{
	enum { N = 8 };
	struct sst_request *req = calloc(N, REQ);
	struct sst_response *resp = calloc(N, RESP);
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	unsigned int i, answers = 0;
	uint64_t seen = 0;

	ASSERT_NE(NULL, req);
	ASSERT_NE(NULL, resp);
	ASSERT_EQ(0, io_uring_queue_init(2 * N, &ring, 0));
	/* The reads first: none of them can be done at once. */
	for (i = 0; i < N; i++) {
		sqe = io_uring_get_sqe(&ring);
		io_uring_prep_read(sqe, self->fd, &resp[i], RESP, 0);
		sqe->user_data = 100 + i;
	}
	ASSERT_EQ(N, io_uring_submit(&ring));
	for (i = 0; i < N; i++) {
		sst_prepare(&req[i], i ? SST_REQUEST_ECHO : TYPE_LATE, i);
		sqe = io_uring_get_sqe(&ring);
		io_uring_prep_write(sqe, self->fd, &req[i], REQ, 0);
		sqe->user_data = i;
	}
	ASSERT_EQ(N, io_uring_submit(&ring));
	for (i = 0; i < 2 * N; i++) {
		ASSERT_EQ(0, io_uring_wait_cqe(&ring, &cqe));
		if (cqe->user_data < 100) {
			EXPECT_EQ((int)REQ, cqe->res);
		} else {
			EXPECT_EQ((int)RESP, cqe->res);
			seen |= 1 << le64toh(resp[cqe->user_data - 100].user_data);
			answers++;
		}
		io_uring_cqe_seen(&ring, cqe);
	}
	EXPECT_EQ(N, answers);
	EXPECT_EQ((1 << N) - 1, seen);
	io_uring_queue_exit(&ring);
	free(req);
	free(resp);
}

TEST_F(sst, uring_write_waits_for_room)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;

	ASSERT_EQ(0, fill_file(self->fd));
	ASSERT_EQ(0, io_uring_queue_init(2, &ring, 0));
	sst_prepare(&self->req, SST_REQUEST_NOOP, 1000);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_write(sqe, self->fd, &self->req, REQ, 0);
	ASSERT_EQ(1, io_uring_submit(&ring));
	sleep_ms(100);
	ASSERT_EQ(-EAGAIN, io_uring_peek_cqe(&ring, &cqe));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	ASSERT_EQ(0, io_uring_wait_cqe(&ring, &cqe));
	EXPECT_EQ((int)REQ, cqe->res);
	io_uring_queue_exit(&ring);
}

/* ioctl() */

TEST_F(sst, get_info)
{
	char text[64];

	EXPECT_EQ(SST_ABI_VERSION, self->info.abi_version);
	EXPECT_EQ(1, self->info.queue_pairs);
	EXPECT_EQ(LIMIT, self->info.request_limit);
	EXPECT_EQ(5000, self->info.request_timeout_ms);
	EXPECT_LE(LIMIT, self->info.queue_size);
	EXPECT_EQ(0, self->info.features & ~0x3fULL);
	EXPECT_TRUE(all_bytes(self->info.reserved, 0, sizeof(self->info.reserved)));

	ASSERT_LT(0, sst_attr_get("device_id", text, sizeof(text)));
	EXPECT_EQ(self->info.device_id, strtoul(text, NULL, 10));
	ASSERT_LT(0, sst_attr_get("version", text, sizeof(text)));
	EXPECT_EQ(self->info.version, strtoul(text, NULL, 16));
	EXPECT_EQ(SST_WIRE_VERSION, self->info.version);
	ASSERT_LT(0, sst_attr_get("features", text, sizeof(text)));
	EXPECT_EQ(self->info.features, strtoull(text, NULL, 16));
	ASSERT_LT(0, sst_attr_get("queue_pairs", text, sizeof(text)));
	EXPECT_STREQ("1\n", text);
	ASSERT_LT(0, sst_attr_get("queue_size", text, sizeof(text)));
	EXPECT_EQ(self->info.queue_size, strtoul(text, NULL, 10));
}

TEST_F(sst, ioctl_errors)
{
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_GET_INFO, bad_pointer()));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IO(SST_IOCTL_TYPE, 0xff), 0));
	EXPECT_EQ(ENOTTY, errno);
	/* The same number with another size is another ioctl. */
	EXPECT_EQ(-1, ioctl(self->fd, _IOR(SST_IOCTL_TYPE, 0, char), &self->req));
	EXPECT_EQ(ENOTTY, errno);
}

/* What the device may do wrong, and time-outs */

TEST_F(sst, timeout)
{
	unsigned long long start, took;
	long long timeouts = sst_stat("timeouts");

	ASSERT_EQ(0, sst_set_timeout(200));
	start = now_ms();
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 21));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	took = now_ms() - start;
	EXPECT_LE(200, took);
	EXPECT_GE(2000, took);
	EXPECT_EQ(SST_RESPONSE_TIMEOUT, le32toh(self->resp.status));
	EXPECT_EQ(SST_RESPONSE_F_DRIVER, le32toh(self->resp.flags));
	EXPECT_EQ(htole64(21), self->resp.user_data);
	EXPECT_NE(0, self->resp.request_id);
	EXPECT_EQ(0, self->resp.result);
	EXPECT_TRUE(all_bytes(self->resp.payload, 0, SST_PAYLOAD_SIZE));
	EXPECT_EQ(timeouts + 1, sst_stat("timeouts"));
	EXPECT_EQ(1, sst_stat("zombies"));
	EXPECT_EQ(0, sst_stat("in_flight"));
}

TEST_F(sst, late_answer_is_dropped)
{
	long long late = sst_stat("late");

	ASSERT_EQ(0, sst_set_timeout(50));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_LATE, 22));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_TIMEOUT, le32toh(self->resp.status));
	EXPECT_EQ(late + 1, sst_wait_stat("late", late + 1));
	EXPECT_EQ(0, sst_stat("zombies"));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 100));
	ASSERT_EQ(0, sst_set_timeout(5000));
	ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 23));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(23), self->resp.user_data);
}

TEST_F(sst, late_answer_before_the_timeout_is_read)
{
	long long late = sst_stat("late");

	ASSERT_EQ(0, sst_set_timeout(50));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_LATE, 24));
	ASSERT_EQ(late + 1, sst_wait_stat("late", late + 1));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_TIMEOUT, le32toh(self->resp.status));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 100));
}

TEST_F(sst, timeouts_of_a_batch)
{
	struct sst_request *req = calloc(LIMIT, REQ);
	unsigned int i;

	ASSERT_NE(NULL, req);
	for (i = 0; i < LIMIT; i++)
		sst_prepare(&req[i], i < LIMIT / 2 ? SST_REQUEST_NOOP : TYPE_NEVER, i);
	ASSERT_EQ(0, sst_set_timeout(200));
	ASSERT_EQ(LIMIT * REQ, write(self->fd, req, LIMIT * REQ));
	for (i = 0; i < LIMIT; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(le64toh(self->resp.user_data) < LIMIT / 2 ? SST_RESPONSE_OK :
			  SST_RESPONSE_TIMEOUT, le32toh(self->resp.status));
	}
	EXPECT_EQ(LIMIT / 2, sst_stat("zombies"));
	free(req);
}

TEST_F(sst, too_many_unanswered)
{
	unsigned int most = self->info.queue_size / 2, i;

	ASSERT_EQ(0, sst_set_timeout(100));
	for (i = 0; i <= most; i++) {
		if (i % LIMIT == 0 && i)
			while (sst_poll(self->fd, POLLIN, 500)) {
				ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
			}
		ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, i));
	}
	while (sst_poll(self->fd, POLLIN, 500)) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	}
	ASSERT_EQ(most + 1, sst_stat("zombies"));
	EXPECT_EQ(-EIO, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	EXPECT_EQ(POLLOUT, sst_poll(self->fd, POLLOUT, 0));
}

TEST_F(sst, too_many_abandoned_and_unanswered)
{
	int fds[1024 / LIMIT], n, i;

	ASSERT_EQ(0, sst_set_timeout(1000));
	n = fill_queue(&self->info, fds, TYPE_NEVER);
	ASSERT_LT(0, n);
	for (i = 0; i < n; i++)
		close(fds[i]);
	/* The device still has time: a write waits. */
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	sleep_ms(2000);
	EXPECT_EQ(-EIO, sst_send(self->fd, SST_REQUEST_NOOP, 0));
}

TEST_F(sst, who_waits_for_room_learns_that_there_will_be_none)
{
	int fds[1024 / LIMIT], status, n, i;
	pid_t pid[3];

	ASSERT_EQ(0, sst_set_timeout(500));
	n = fill_queue(&self->info, fds, TYPE_NEVER);
	ASSERT_LT(0, n);
	for (i = 0; i < 2; i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(-sst_send(self->fd, SST_REQUEST_NOOP, 0));
	}
	pid[2] = fork();
	if (!pid[2])
		_exit(sst_poll(self->fd, POLLOUT, 10000));
	ASSERT_EQ(pid[2], waitpid(pid[2], &status, 0));
	EXPECT_EQ(POLLOUT, WEXITSTATUS(status));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(EIO, WEXITSTATUS(status));
	}
	for (i = 0; i < n; i++)
		close(fds[i]);
}

TEST_F(sst, answers_of_impossible_length)
{
	static const unsigned int types[] = { TYPE_LONG, TYPE_TINY };
	long long malformed = sst_stat("malformed");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		ASSERT_EQ(0, sst_send(self->fd, types[i], 30 + i));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(SST_RESPONSE_ERROR, le32toh(self->resp.status));
		EXPECT_EQ(SST_RESPONSE_F_DRIVER, le32toh(self->resp.flags));
		EXPECT_EQ(htole64(30 + i), self->resp.user_data);
		EXPECT_TRUE(all_bytes(self->resp.payload, 0, SST_PAYLOAD_SIZE));
	}
	EXPECT_EQ(malformed + 2, sst_stat("malformed"));
}

TEST_F(sst, short_answer_is_filled_with_zeros)
{
	ASSERT_EQ(0, sst_send(self->fd, TYPE_FILL, 0));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_SHORT, 33));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(33), self->resp.user_data);
	EXPECT_EQ(0, self->resp.flags);
	EXPECT_TRUE(all_bytes(self->resp.payload + 100 - 32, 0,
			      SST_PAYLOAD_SIZE - (100 - 32)));
}

TEST_F(sst, wrong_id_and_user_data)
{
	long long mismatches = sst_stat("mismatches");

	ASSERT_EQ(0, sst_send(self->fd, TYPE_WRONG_ID, 34));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
	EXPECT_EQ(htole64(34), self->resp.user_data);
	EXPECT_EQ(mismatches + 1, sst_stat("mismatches"));
}

TEST_F(sst, nothing_of_another_file_is_seen)
{
	unsigned int i;
	int other;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, sst_send(self->fd, TYPE_FILL, i));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		ASSERT_TRUE(all_bytes(self->resp.payload, FILL_BYTE, SST_PAYLOAD_SIZE));

		other = sst_open(O_RDWR);
		ASSERT_LE(0, other);
		ASSERT_EQ(0, sst_send(other, TYPE_DIRTY, i));
		ASSERT_EQ(0, sst_receive(other, &self->resp));
		EXPECT_TRUE(all_bytes(self->resp.payload, 0, SST_PAYLOAD_SIZE));
		close(other);
	}
}

TEST_F(sst, who_waits_for_room_learns_that_the_queue_broke)
{
	struct sst_info rest = self->info;
	int fds[1024 / LIMIT], status, n, i;
	unsigned long long start = now_ms();
	int other = sst_open(O_RDWR);
	pid_t pid;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, sst_send(self->fd, TYPE_BREAK, 0));
	rest.queue_size--;
	n = fill_queue(&rest, fds, TYPE_NEVER);
	ASSERT_LT(0, n);
	pid = fork();
	if (!pid)
		_exit(-sst_send(other, SST_REQUEST_NOOP, 0));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(EIO, WEXITSTATUS(status));
	/*
	 * Not before the queue broke, after LATE_MS / 2 by the device's clock, which can be
	 * faster than a virtual machine's; but long before any time-out
	 */
	EXPECT_LE(LATE_MS / 4, now_ms() - start);
	EXPECT_GE(3000, now_ms() - start);
	close(other);
	for (i = 0; i < n; i++)
		close(fds[i]);
}

TEST_F(sst, broken_queue)
{
	ASSERT_EQ(0, sst_set_timeout(600));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_BREAK, 40));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_TIMEOUT, le32toh(self->resp.status));
	EXPECT_EQ(-EIO, sst_send(self->fd, SST_REQUEST_NOOP, 41));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EIO, sst_send(self->fd, SST_REQUEST_NOOP, 41));
}

/* Files and processes */

TEST_F(sst, responses_reach_the_file_that_asked)
{
	int other = sst_open(O_RDWR);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 1));
	ASSERT_EQ(0, sst_send(other, SST_REQUEST_NOOP, 2));
	ASSERT_EQ(0, sst_receive(other, &self->resp));
	EXPECT_EQ(htole64(2), self->resp.user_data);
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(1), self->resp.user_data);
	EXPECT_EQ(0, sst_poll(other, POLLIN, 0));
	close(other);
}

TEST_F(sst, dup_and_fork_share)
{
	int copy = dup(self->fd);
	int status;
	pid_t pid;

	ASSERT_LE(0, copy);
	pid = fork();
	if (!pid)
		_exit(-sst_send(self->fd, SST_REQUEST_NOOP, 50));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	close(self->fd);
	/* Neither the child's exit nor this close has closed the open file. */
	ASSERT_EQ(0, sst_receive(copy, &self->resp));
	EXPECT_EQ(htole64(50), self->resp.user_data);
	self->fd = copy;
}

TEST_F(sst, close_with_requests_in_flight)
{
	long long abandoned = sst_stat("abandoned");
	int i, other = sst_open(O_RDWR);

	ASSERT_LE(0, other);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, sst_send(other, TYPE_LATE, i));
	}
	close(other);
	EXPECT_EQ(abandoned + 10, sst_stat("abandoned"));
	EXPECT_EQ(10, sst_stat("zombies"));
	EXPECT_EQ(0, sst_wait_stat("zombies", 0));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

TEST_F(sst, close_with_unread_responses)
{
	unsigned int i, j;
	int other;

	/* Far more in all than the queue has slots */
	for (i = 0; i < 20; i++) {
		other = sst_open(O_RDWR);
		ASSERT_LE(0, other);
		for (j = 0; j < LIMIT; j++) {
			ASSERT_EQ(0, sst_send(other, SST_REQUEST_NOOP, j));
		}
		close(other);
	}
	ASSERT_EQ(0, sst_wait_stat("zombies", 0));
	EXPECT_EQ(0, sst_stat("in_flight"));
}

TEST_F(sst, close_frees_the_memory_of_unread_responses)
{
	enum { FILES = 10 };
	unsigned int i, j;
	int fds[FILES];

	for (i = 0; i < FILES; i++) {
		fds[i] = sst_open(O_RDWR);
		ASSERT_LE(0, fds[i]);
		for (j = 0; j < LIMIT; j++) {
			ASSERT_EQ(0, sst_send(fds[i], SST_REQUEST_NOOP, j));
		}
	}
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	EXPECT_LE(FILES * LIMIT, sst_stat("slots"));
	for (i = 0; i < FILES; i++)
		close(fds[i]);
	EXPECT_GT(self->info.queue_size + LIMIT, sst_stat("slots"));
}

struct thread {
	pthread_t thread;
	int fd;
	unsigned int number;
	unsigned int errors;
};

static void *write_and_read(void *arg)
{
	struct thread *t = arg;
	struct sst_response resp;
	struct sst_request req;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		sst_prepare(&req, SST_REQUEST_ECHO, (uint64_t)t->number << 32 | i);
		memset(req.payload, t->number, SST_PAYLOAD_SIZE);
		if (write(t->fd, &req, REQ) != REQ ||
		    read(t->fd, &resp, RESP) != RESP ||
		    resp.user_data != req.user_data ||
		    !all_bytes(resp.payload, t->number, SST_PAYLOAD_SIZE))
			t->errors++;
	}
	return NULL;
}

TEST_F(sst, threads_with_a_file_each)
{
	struct thread t[8];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		t[i] = (struct thread){ .fd = sst_open(O_RDWR), .number = i };
		ASSERT_LE(0, t[i].fd);
		ASSERT_EQ(0, pthread_create(&t[i].thread, NULL, write_and_read, &t[i]));
	}
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		pthread_join(t[i].thread, NULL);
		EXPECT_EQ(0, t[i].errors);
		close(t[i].fd);
	}
}

/* Events and sysfs */

TEST_F(sst, events_are_counted)
{
	long long events = sst_stat("events");

	sleep_ms(500);
	if (self->info.features & 1 << SST_F_EVENTS) {
		EXPECT_LE(events + 10, sst_stat("events"));
	} else {
		EXPECT_EQ(0, sst_stat("events"));
	}
	EXPECT_EQ(0, sst_stat("malformed_events"));
}

TEST_F(sst, request_timeout_attribute)
{
	static const char *const bad[] = { "0", "-1", "86400001", "x", "\n", "1x" };
	char text[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_GT(0, sst_attr_set("request_timeout_ms", bad[i])) {
			TH_LOG("'%s' was taken", bad[i]);
		}
	}
	EXPECT_EQ(-EINVAL, sst_set_timeout(0));
	ASSERT_EQ(0, sst_set_timeout(86400000));
	ASSERT_LT(0, sst_attr_get("request_timeout_ms", text, sizeof(text)));
	EXPECT_STREQ("86400000\n", text);
}

TEST_F(sst, in_flight_attribute)
{
	char text[64];

	ASSERT_LT(0, sst_attr_get("in_flight", text, sizeof(text)));
	EXPECT_STREQ("0\n", text);
	ASSERT_EQ(0, sst_set_timeout(500));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 0));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 0));
	ASSERT_LT(0, sst_attr_get("in_flight", text, sizeof(text)));
	EXPECT_STREQ("2\n", text);
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	ASSERT_LT(0, sst_attr_get("in_flight", text, sizeof(text)));
	EXPECT_STREQ("0\n", text);
}

TEST_F(sst, attributes_are_read_only)
{
	static const char *const names[] = {
		"device_id", "features", "in_flight", "queue_pairs", "queue_size", "stats",
		"version",
	};
	char path[PATH_MAX];
	struct stat st;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		sst_attr_path(path, names[i]);
		ASSERT_EQ(0, stat(path, &st));
		EXPECT_EQ(0444, st.st_mode & 0777);
		EXPECT_GT(0, sst_attr_set(names[i], "1"));
	}
}

TEST_F(sst, stats_attribute)
{
	char text[4096];
	unsigned long long requests = sst_stat("requests");
	unsigned long long responses = sst_stat("responses");
	long long interrupts = sst_stat("interrupts");

	/* Its answer is not there yet when the notification of the device is over. */
	ASSERT_EQ(0, sst_send(self->fd, TYPE_SOON, 0));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(requests + 1, sst_stat("requests"));
	EXPECT_EQ(responses + 1, sst_stat("responses"));
	EXPECT_TRUE(sst_stats_balance());
	EXPECT_EQ(sst_stat("errors"), sst_stat("timeouts") + sst_stat("malformed") +
		  sst_stat("malformed_events"));
	EXPECT_LT(interrupts, sst_stat("interrupts"));
	/* The four that users know come first. */
	ASSERT_LT(0, sst_attr_get("stats", text, sizeof(text)));
	ASSERT_EQ(0, strncmp(text, "requests ", 9));
	ASSERT_NE(NULL, strstr(text, "\nresponses "));
	ASSERT_NE(NULL, strstr(text, "\nevents "));
	ASSERT_NE(NULL, strstr(text, "\nerrors "));
}

TEST_HARNESS_MAIN
