// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the ioctls of /dev/sstN. They can be built as a 32-bit program, too.
 */
#include <pthread.h>
#include <stdint.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define LIMIT	64	/* requests of one file at once, by default */
#define CALLS	12

/* A transaction, of this process or of a child that shares the open file */
struct call {
	struct child child;
	struct sst_transaction t;
	struct sst_request req;
	struct sst_response resp;
};

static void prepare(struct call *c, unsigned int type, unsigned long long user_data)
{
	memset(c, 0, sizeof(*c));
	sst_prepare(&c->req, type, user_data);
	/* What has to be written over, or left alone */
	memset(&c->resp, 0xff, RESP);
	c->t.request = (uintptr_t)&c->req;
	c->t.response = (uintptr_t)&c->resp;
	c->t.request_size = REQ;
	c->t.response_size = RESP;
}

/* These return 0, or -errno. */

static int transact(int fd, struct call *c)
{
	c->t.request_id = UINT64_MAX;
	return ioctl(fd, SST_IOCTL_TRANSACT, &c->t) ? -errno : 0;
}

static int write_request(int fd, struct call *c)
{
	return write(fd, &c->req, REQ) == REQ ? 0 : -errno;
}

static int read_response(int fd, struct call *c)
{
	return sst_receive(fd, &c->resp);
}

static int poll_for_room(int fd, struct call *c)
{
	(void)c;
	return sst_poll(fd, POLLOUT, 10000) == POLLOUT ? 0 : -ETIMEDOUT;
}

/* Have a child do something through the open file. */
static void start(int fd, struct call *c, int (*what)(int fd, struct call *c))
{
	if (child_start(&c->child))
		child_exit(&c->child, what(fd, c));
}

static int end(struct call *c)
{
	return child_end(&c->child);
}

static bool asleep(const struct call *c)
{
	return child_asleep(&c->child);
}

/* The transaction ended as it should. */
static void expect_response(struct __test_metadata *_metadata, const struct call *c,
			    unsigned int status, unsigned int flags)
{
	EXPECT_EQ(status, le32toh(c->resp.status));
	EXPECT_EQ(flags, le32toh(c->resp.flags));
	EXPECT_EQ(c->req.user_data, c->resp.user_data);
	EXPECT_NE(0, c->t.request_id);
	EXPECT_NE(UINT64_MAX, c->t.request_id);
	EXPECT_EQ(c->t.request_id, le64toh(c->resp.request_id));
	if (flags & SST_RESPONSE_F_DRIVER) {
		EXPECT_EQ(0, c->resp.result);
		EXPECT_TRUE(all_bytes(c->resp.payload, 0,
				      c->t.response_size - SST_RESPONSE_HEADER_SIZE));
	}
}

/* The transaction failed, and what it missed is all that there is to read. */
static void expect_to_read_it(struct __test_metadata *_metadata, int fd, struct call *c,
			      unsigned int status, unsigned int flags)
{
	c->t.response_size = RESP;
	ASSERT_EQ(0, sst_receive(fd, &c->resp));
	expect_response(_metadata, c, status, flags);
	EXPECT_EQ(0, sst_poll(fd, POLLIN, 0));
}

/* Nothing is counted as submitted since there were so many requests. */
static void expect_not_submitted(struct __test_metadata *_metadata,
				 const struct call *c, long long requests)
{
	EXPECT_EQ(0, c->t.request_id);
	EXPECT_EQ(requests, sst_stat("requests"));
}

FIXTURE(sst)
{
	int fd;
	char name[NAME_MAX];
	struct sst_info info;
	struct call *call;	/* CALLS of them, shared with children */
	struct sst_response resp;
};

FIXTURE_SETUP(sst)
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
	self->call = mmap(NULL, CALLS * sizeof(*self->call), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(self->call != MAP_FAILED);
}

FIXTURE_TEARDOWN(sst)
{
	close(self->fd);
	if (access(sst_device(), F_OK)) {
		EXPECT_EQ(0, sst_driver_do("bind", self->name));
		wait_for_device();
	} else if (sst_stat("zombies") > 0) {
		/* What is still at the device would be in the way of the next test. */
		EXPECT_EQ(0, sst_rebind());
	}
	EXPECT_EQ(0, sst_set_timeout(5000));
}

/* TRANSACT */

TEST_F(sst, transact_echo)
{
	struct call *c = self->call;

	prepare(c, SST_REQUEST_ECHO, 0x0123456789abcdef);
	memset(c->req.payload, 0x5a, SST_PAYLOAD_SIZE);
	c->req.request_id = htole64(42);
	ASSERT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_OK, 0);
	EXPECT_EQ(htole64(0x0123456789abcdef), c->resp.user_data);
	EXPECT_TRUE(all_bytes(c->resp.payload, 0x5a, SST_PAYLOAD_SIZE));

	/* Nothing else of what the program gave has changed. */
	EXPECT_EQ(htole64(42), c->req.request_id);
	EXPECT_EQ((uintptr_t)&c->req, c->t.request);
	EXPECT_EQ((uintptr_t)&c->resp, c->t.response);
	EXPECT_EQ(REQ, c->t.request_size);
	EXPECT_EQ(RESP, c->t.response_size);
	EXPECT_EQ(0, c->t.flags);
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	EXPECT_EQ(0, sst_stat("in_flight"));
}

TEST_F(sst, transact_gives_what_the_device_says)
{
	struct call *c = self->call;

	prepare(c, SST_REQUEST_COMPUTE, 1);
	c->req.compute.compute_units = htole64(1000);
	ASSERT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_OK, 0);
	EXPECT_EQ(htole64(100000), c->resp.compute.cycles);

	prepare(c, TYPE_UNKNOWN, 2);
	ASSERT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_INVALID, 0);
	/* Of the device, not because the device is gone */
	prepare(c, TYPE_NO_DEVICE, 3);
	ASSERT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_NO_DEVICE, 0);
	prepare(c, TYPE_WRONG_ID, 4);
	ASSERT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_OK, 0);
	prepare(c, TYPE_LONG, 5);
	ASSERT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_ERROR, SST_RESPONSE_F_DRIVER);
}

TEST_F(sst, transact_short_request_is_filled_up_with_zeros)
{
	static const size_t sizes[] = { 24, 25, 4096, 4103 };
	struct call *c = self->call;
	struct sst_request *req;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t n = sizes[i] - SST_REQUEST_HEADER_SIZE;

		/* Leave something in the slot that must not come back. */
		prepare(c, SST_REQUEST_ECHO, 1);
		memset(c->req.payload, 0xff, SST_PAYLOAD_SIZE);
		ASSERT_EQ(0, transact(self->fd, c));

		prepare(c, SST_REQUEST_ECHO, 2);
		memset(c->req.payload, 0x77, SST_PAYLOAD_SIZE);
		req = end_of_memory(sizes[i]);
		ASSERT_TRUE(!!req);
		memcpy(req, &c->req, sizes[i]);
		c->t.request = (uintptr_t)req;
		c->t.request_size = sizes[i];
		ASSERT_EQ(0, transact(self->fd, c));
		expect_response(_metadata, c, SST_RESPONSE_OK, 0);
		EXPECT_TRUE(all_bytes(c->resp.payload, 0x77, n));
		EXPECT_TRUE(all_bytes(c->resp.payload + n, 0, SST_PAYLOAD_SIZE - n));
	}
}

TEST_F(sst, transact_small_buffer_for_a_response_with_zeros_at_its_end)
{
	static const size_t sizes[] = { 32, 33, 4096, 4111 };
	struct call *c = self->call;
	struct sst_response *resp;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		resp = end_of_memory(sizes[i]);
		ASSERT_TRUE(!!resp);
		prepare(c, SST_REQUEST_ECHO, i);
		memset(c->req.payload, 0x77, sizes[i] - SST_RESPONSE_HEADER_SIZE);
		c->t.response = (uintptr_t)resp;
		c->t.response_size = sizes[i];
		ASSERT_EQ(0, transact(self->fd, c));
		memcpy(&c->resp, resp, sizes[i]);
		expect_response(_metadata, c, SST_RESPONSE_OK, 0);
		EXPECT_TRUE(all_bytes(c->resp.payload, 0x77,
				      sizes[i] - SST_RESPONSE_HEADER_SIZE));
	}

	/* In a buffer that has more room, the rest stays as it was. */
	prepare(c, SST_REQUEST_NOOP, 10);
	c->t.response_size = 32;
	ASSERT_EQ(0, transact(self->fd, c));
	EXPECT_TRUE(all_bytes(c->resp.payload, 0xff, SST_PAYLOAD_SIZE));
	prepare(c, TYPE_NEVER, 11);
	c->t.response_size = 32;
	ASSERT_EQ(0, file_set_timeout(self->fd, 20));
	ASSERT_EQ(0, transact(self->fd, c));
	EXPECT_EQ(htole32(SST_RESPONSE_TIMEOUT), c->resp.status);
	EXPECT_TRUE(all_bytes(c->resp.payload, 0xff, SST_PAYLOAD_SIZE));
}

TEST_F(sst, transact_response_that_does_not_fit_can_be_read)
{
	static const size_t sizes[] = { 32, 4111 };
	struct call *c = self->call;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		prepare(c, SST_REQUEST_ECHO, i);
		c->req.payload[SST_PAYLOAD_SIZE - 1] = 1;
		c->t.response_size = sizes[i];
		ASSERT_EQ(-EMSGSIZE, transact(self->fd, c));
		EXPECT_TRUE(all_bytes(&c->resp, 0xff, RESP));
		expect_to_read_it(_metadata, self->fd, c, SST_RESPONSE_OK, 0);
		EXPECT_EQ(1, c->resp.payload[SST_PAYLOAD_SIZE - 1]);
	}
	/* A child's can be read by its parent. */
	prepare(c, TYPE_FILL, 10);
	c->t.response_size = 100;
	start(self->fd, c, transact);
	ASSERT_EQ(-EMSGSIZE, end(c));
	expect_to_read_it(_metadata, self->fd, c, SST_RESPONSE_OK, 0);
	EXPECT_TRUE(all_bytes(c->resp.payload, FILL_BYTE, SST_PAYLOAD_SIZE));
}

TEST_F(sst, transact_response_is_not_read_by_others)
{
	struct call *caller = &self->call[0], *reader = &self->call[1];

	prepare(reader, 0, 0);
	start(self->fd, reader, read_response);
	ASSERT_TRUE(asleep(reader));
	prepare(caller, TYPE_LATE, 1);
	start(self->fd, caller, transact);
	ASSERT_EQ(0, end(caller));
	expect_response(_metadata, caller, SST_RESPONSE_OK, 0);
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	EXPECT_TRUE(asleep(reader));

	/* What was written is for the reader, even while there is a transaction. */
	prepare(caller, TYPE_LATE, 2);
	start(self->fd, caller, transact);
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 3));
	ASSERT_EQ(0, end(reader));
	EXPECT_EQ(htole64(3), reader->resp.user_data);
	ASSERT_EQ(0, end(caller));
	expect_response(_metadata, caller, SST_RESPONSE_OK, 0);
}

enum { MIX = 3, ROUNDS = 100 };

/* What a process does that shares an open file with others */
struct mixer {
	int fd;
	unsigned int number;
	unsigned int errors;
	unsigned int *seen;	/* for each request that is written */
};

static void *transact_in_turn(void *arg)
{
	struct mixer *m = arg;
	struct call c;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		prepare(&c, SST_REQUEST_ECHO, 1ULL << 32 | m->number << 16 | i);
		memset(c.req.payload, m->number + 1, SST_PAYLOAD_SIZE);
		if (transact(m->fd, &c) || c.resp.user_data != c.req.user_data ||
		    le64toh(c.resp.request_id) != c.t.request_id ||
		    !all_bytes(c.resp.payload, m->number + 1, SST_PAYLOAD_SIZE))
			m->errors++;
	}
	return NULL;
}

/* Whose responses it reads does not matter, as long as somebody wrote for them. */
static void write_and_read(struct mixer *m)
{
	struct sst_response resp;
	unsigned long long n;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		if (sst_send(m->fd, SST_REQUEST_ECHO, m->number * ROUNDS + i) ||
		    sst_receive(m->fd, &resp))
			_exit(1);
		n = le64toh(resp.user_data);
		if (n >= MIX * ROUNDS || __atomic_add_fetch(&m->seen[n], 1, __ATOMIC_SEQ_CST) > 1)
			_exit(2);
	}
}

static int mix(int fd, struct call *c)
{
	struct mixer m = {
		.fd = fd,
		.number = le64toh(c->req.user_data),
		.seen = (void *)(uintptr_t)c->t.response,
	};
	pthread_t thread;

	if (pthread_create(&thread, NULL, transact_in_turn, &m))
		return -EAGAIN;
	write_and_read(&m);
	pthread_join(thread, NULL);
	return -m.errors;
}

TEST_F(sst, transact_while_others_transact_and_write_and_read)
{
	unsigned int *seen = mmap(NULL, MIX * ROUNDS * sizeof(*seen), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int i;

	ASSERT_TRUE(seen != MAP_FAILED);
	for (i = 0; i < MIX; i++) {
		prepare(&self->call[i], SST_REQUEST_ECHO, i);
		self->call[i].t.response = (uintptr_t)seen;
		start(self->fd, &self->call[i], mix);
	}
	for (i = 0; i < MIX; i++) {
		EXPECT_EQ(0, end(&self->call[i]));
	}
	for (i = 0; i < MIX * ROUNDS; i++) {
		EXPECT_EQ(1, seen[i]);
	}
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	EXPECT_TRUE(sst_stats_balance());
}

TEST_F(sst, transact_interrupted_sends_nothing_twice)
{
	static const int flags[] = { 0, SA_RESTART };
	struct call *c = self->call;
	long long requests;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		requests = sst_stat("requests");
		catch_signal(flags[i]);
		prepare(c, TYPE_LATE, i);
		start(self->fd, c, transact);
		ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
		ASSERT_EQ(0, kill(c->child.pid, SIGUSR1));
		ASSERT_EQ(-EINTR, end(c));
		EXPECT_TRUE(all_bytes(&c->resp, 0xff, RESP));
		expect_to_read_it(_metadata, self->fd, c, SST_RESPONSE_OK, 0);
		EXPECT_EQ(requests + 1, sst_stat("requests"));
		EXPECT_EQ(0, sst_stat("in_flight"));
	}
}

static int send_signals(int fd, struct call *c)
{
	struct timespec t = { 0, 100000 };

	(void)fd;
	while (!kill(le64toh(c->req.user_data), SIGUSR1))
		nanosleep(&t, NULL);
	return 0;
}

TEST_F(sst, transact_interrupted_all_the_time)
{
	struct call *sender = &self->call[0], *c = &self->call[1];
	unsigned int n = 1000, interrupted = 0, i;
	long long requests = sst_stat("requests");
	int ret;

	catch_signal(SA_RESTART);
	prepare(sender, 0, getpid());
	start(self->fd, sender, send_signals);
	for (i = 0; i < n; i++) {
		prepare(c, SST_REQUEST_NOOP, i);
		ret = transact(self->fd, c);
		if (ret) {
			ASSERT_EQ(-EINTR, ret);
			interrupted++;
			ASSERT_EQ(0, sst_receive(self->fd, &c->resp));
		}
		/* Read or not, it is this one, and there is no other. */
		expect_response(_metadata, c, SST_RESPONSE_OK, 0);
	}
	kill(sender->child.pid, SIGKILL);
	waitpid(sender->child.pid, NULL, 0);
	TH_LOG("%u of %u interrupted", interrupted, n);
	EXPECT_EQ(requests + n, sst_stat("requests"));
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

TEST_F(sst, transact_interrupted_then_timed_out)
{
	struct call *c = self->call;

	catch_signal(SA_RESTART);
	ASSERT_EQ(0, file_set_timeout(self->fd, 300));
	prepare(c, TYPE_NEVER, 1);
	start(self->fd, c, transact);
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	ASSERT_EQ(0, kill(c->child.pid, SIGUSR1));
	ASSERT_EQ(-EINTR, end(c));
	expect_to_read_it(_metadata, self->fd, c, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER);
}

TEST_F(sst, transact_killed_leaves_the_response_to_others)
{
	struct call *c = self->call;
	int status;

	prepare(c, TYPE_LATE, 7);
	start(self->fd, c, transact);
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	ASSERT_EQ(0, kill(c->child.pid, SIGKILL));
	ASSERT_EQ(c->child.pid, waitpid(c->child.pid, &status, 0));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(7), self->resp.user_data);
}

TEST_F(sst, transact_interrupted_while_waiting_for_room_sends_nothing)
{
	struct call *c = self->call;
	long long requests;

	ASSERT_EQ(0, file_set_limit(self->fd, 1));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 1));
	requests = sst_stat("requests");

	catch_signal(0);
	prepare(c, SST_REQUEST_NOOP, 2);
	start(self->fd, c, transact);
	ASSERT_TRUE(asleep(c));
	ASSERT_EQ(0, kill(c->child.pid, SIGUSR1));
	ASSERT_EQ(-EINTR, end(c));
	expect_not_submitted(_metadata, c, requests);

	/* There it may be restarted. */
	catch_signal(SA_RESTART);
	prepare(c, TYPE_NEVER, 3);
	start(self->fd, c, transact);
	ASSERT_TRUE(asleep(c));
	ASSERT_EQ(0, kill(c->child.pid, SIGUSR1));
	ASSERT_TRUE(asleep(c));
	EXPECT_EQ(requests, sst_stat("requests"));
	/* It is not in flight, and not cancelled with those that are. */
	EXPECT_EQ(-ENOENT, file_cancel(self->fd, 3, 0));
	ASSERT_EQ(0, file_set_timeout(self->fd, 50));
	ASSERT_EQ(1, file_cancel(self->fd, 0, SST_CANCEL_ALL));
	EXPECT_TRUE(asleep(c));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(1), self->resp.user_data);
	ASSERT_EQ(0, end(c));
	expect_response(_metadata, c, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER);
	EXPECT_EQ(requests + 1, sst_stat("requests"));
}

TEST_F(sst, transact_waits_for_room_in_the_queue)
{
	struct call *c = self->call;
	long long requests;
	int other;

	other = sst_fill_queue(&self->info, TYPE_LATE);
	ASSERT_LE(0, other);
	requests = sst_stat("requests");

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	prepare(c, SST_REQUEST_NOOP, 1);
	EXPECT_EQ(-EAGAIN, transact(self->fd, c));
	expect_not_submitted(_metadata, c, requests);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, 0));

	catch_signal(0);
	prepare(c, SST_REQUEST_NOOP, 2);
	start(self->fd, c, transact);
	ASSERT_TRUE(asleep(c));
	ASSERT_EQ(0, kill(c->child.pid, SIGUSR1));
	EXPECT_EQ(-EINTR, end(c));
	expect_not_submitted(_metadata, c, requests);

	/* A serial device gets to it only after all the others. */
	ASSERT_EQ(0, file_set_timeout(self->fd, 1000));
	prepare(c, SST_REQUEST_NOOP, 3);
	ASSERT_EQ(0, transact(self->fd, c));
	if (!sst_serial()) {
		expect_response(_metadata, c, SST_RESPONSE_OK, 0);
	}
	EXPECT_EQ(requests + 1, sst_stat("requests"));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	close(other);
}

TEST_F(sst, transact_with_pointers_that_cannot_be_read)
{
	long long requests = sst_stat("requests");
	struct call *c = self->call;
	struct sst_transaction *t;
	void *p;

	prepare(c, SST_REQUEST_NOOP, 1);
	c->t.request = (uintptr_t)bad_pointer();
	EXPECT_EQ(-EFAULT, transact(self->fd, c));
	expect_not_submitted(_metadata, c, requests);

	prepare(c, SST_REQUEST_NOOP, 2);
	p = end_of_memory(REQ - 1);
	ASSERT_TRUE(!!p);
	c->t.request = (uintptr_t)p;
	EXPECT_EQ(-EFAULT, transact(self->fd, c));
	expect_not_submitted(_metadata, c, requests);

	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_TRANSACT, bad_pointer()));
	EXPECT_EQ(EFAULT, errno);
	prepare(c, SST_REQUEST_NOOP, 3);
	p = end_of_memory(sizeof(*t) - 1);
	ASSERT_TRUE(!!p);
	memcpy(p, &c->t, sizeof(*t) - 1);
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_TRANSACT, p));
	EXPECT_EQ(EFAULT, errno);
	/* The request_id could not be stored. */
	t = readonly_memory(&c->t, sizeof(*t));
	ASSERT_TRUE(!!t);
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_TRANSACT, t));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(requests, sst_stat("requests"));

	/* Nothing was lost on the way: the file still has all its room. */
	ASSERT_EQ(0, file_set_limit(self->fd, 1));
	EXPECT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_OK, 0);
}

TEST_F(sst, transact_response_that_cannot_be_stored_can_be_read)
{
	struct call *c = self->call;
	struct sst_response *resp;

	prepare(c, TYPE_FILL, 1);
	c->t.response = (uintptr_t)bad_pointer();
	ASSERT_EQ(-EFAULT, transact(self->fd, c));
	expect_to_read_it(_metadata, self->fd, c, SST_RESPONSE_OK, 0);
	EXPECT_TRUE(all_bytes(c->resp.payload, FILL_BYTE, SST_PAYLOAD_SIZE));

	/* In the header, in the payload, in the zeros after it, and read-only */
	prepare(c, TYPE_FILL, 2);
	resp = end_of_memory(16);
	ASSERT_TRUE(!!resp);
	c->t.response = (uintptr_t)resp;
	ASSERT_EQ(-EFAULT, transact(self->fd, c));
	expect_to_read_it(_metadata, self->fd, c, SST_RESPONSE_OK, 0);

	prepare(c, TYPE_FILL, 3);
	resp = end_of_memory(RESP - 1);
	ASSERT_TRUE(!!resp);
	c->t.response = (uintptr_t)resp;
	ASSERT_EQ(-EFAULT, transact(self->fd, c));
	expect_to_read_it(_metadata, self->fd, c, SST_RESPONSE_OK, 0);

	prepare(c, TYPE_SHORT, 4);
	c->t.response = (uintptr_t)resp;
	ASSERT_EQ(-EFAULT, transact(self->fd, c));
	expect_to_read_it(_metadata, self->fd, c, SST_RESPONSE_OK, 0);

	prepare(c, SST_REQUEST_NOOP, 5);
	resp = readonly_memory(&c->resp, RESP);
	ASSERT_TRUE(!!resp);
	c->t.response = (uintptr_t)resp;
	ASSERT_EQ(-EFAULT, transact(self->fd, c));
	expect_to_read_it(_metadata, self->fd, c, SST_RESPONSE_OK, 0);
}

/* Take away write access to a transaction when its request is in flight. */
static void *protect_later(void *page)
{
	if (sst_wait_stat("in_flight", 1) == 1)
		mprotect(page, getpagesize(), PROT_READ);
	return NULL;
}

TEST_F(sst, transact_whose_id_cannot_be_stored_can_be_read)
{
	struct call *c = self->call;
	struct sst_transaction *t;
	pthread_t thread;

	t = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(t != MAP_FAILED);
	prepare(c, TYPE_LATE, 9);
	*t = c->t;
	ASSERT_EQ(0, pthread_create(&thread, NULL, protect_later, t));
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_TRANSACT, t));
	EXPECT_EQ(EFAULT, errno);
	pthread_join(thread, NULL);
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(9), self->resp.user_data);
}

TEST_F(sst, transact_with_invalid_arguments)
{
	static const unsigned int request_sizes[] = { 0, 23, 4105, 8208, UINT32_MAX };
	static const unsigned int response_sizes[] = { 0, 31, 4113, 8224, UINT32_MAX };
	static const unsigned int flags[] = { 1, 2, 0x80000000 };
	long long requests = sst_stat("requests");
	struct call *c = self->call;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(request_sizes); i++) {
		prepare(c, SST_REQUEST_NOOP, 1);
		c->t.request_size = request_sizes[i];
		EXPECT_EQ(-EINVAL, transact(self->fd, c)) {
			TH_LOG("request_size %u", request_sizes[i]);
		}
		expect_not_submitted(_metadata, c, requests);
	}
	for (i = 0; i < ARRAY_SIZE(response_sizes); i++) {
		prepare(c, SST_REQUEST_NOOP, 2);
		c->t.response_size = response_sizes[i];
		EXPECT_EQ(-EINVAL, transact(self->fd, c)) {
			TH_LOG("response_size %u", response_sizes[i]);
		}
		expect_not_submitted(_metadata, c, requests);
	}
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		prepare(c, SST_REQUEST_NOOP, 3);
		c->t.flags = flags[i];
		EXPECT_EQ(-EINVAL, transact(self->fd, c)) {
			TH_LOG("flags %#x", flags[i]);
		}
		expect_not_submitted(_metadata, c, requests);
	}
	for (i = 0; i < ARRAY_SIZE(c->t.reserved); i++) {
		prepare(c, SST_REQUEST_NOOP, 4);
		c->t.reserved[i] = 1;
		EXPECT_EQ(-EINVAL, transact(self->fd, c)) {
			TH_LOG("reserved[%u]", i);
		}
		expect_not_submitted(_metadata, c, requests);
	}
}

TEST_F(sst, transact_needs_reading_and_writing)
{
	static const int modes[] = { O_RDONLY, O_WRONLY };
	long long requests = sst_stat("requests");
	struct call *c = self->call;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		fd = sst_open(modes[i]);
		ASSERT_LE(0, fd);
		prepare(c, SST_REQUEST_NOOP, i);
		EXPECT_EQ(-EBADF, transact(fd, c));
		EXPECT_EQ(requests, sst_stat("requests"));
		close(fd);
	}
}

TEST_F(sst, transact_nonblocking_waits_for_its_response_only)
{
	struct call *c = self->call;
	unsigned long long from;
	long long requests;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	prepare(c, TYPE_LATE, 1);
	from = now_ms();
	ASSERT_EQ(0, transact(self->fd, c));
	EXPECT_LE(LATE_MS / 2, now_ms() - from);
	expect_response(_metadata, c, SST_RESPONSE_OK, 0);

	ASSERT_EQ(0, file_set_limit(self->fd, 1));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_LATE, 2));
	requests = sst_stat("requests");
	prepare(c, SST_REQUEST_NOOP, 3);
	EXPECT_EQ(-EAGAIN, transact(self->fd, c));
	expect_not_submitted(_metadata, c, requests);
	/* No better when it is answered, and not read yet */
	ASSERT_EQ(POLLIN, sst_poll(self->fd, POLLIN, 5000));
	EXPECT_EQ(-EAGAIN, transact(self->fd, c));
	expect_not_submitted(_metadata, c, requests);
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_OK, 0);
}

TEST_F(sst, transact_full_of_unread_responses)
{
	long long requests = sst_stat("requests");
	struct call *c = self->call;
	unsigned int i;

	for (i = 0; i < LIMIT; i++) {
		ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, i));
	}
	/* Those in flight are waited for, then there is nobody else to read. */
	prepare(c, SST_REQUEST_NOOP, 1000);
	EXPECT_EQ(-ENOBUFS, transact(self->fd, c));
	expect_not_submitted(_metadata, c, requests + LIMIT);

	/* A child has a parent that may read. */
	start(self->fd, c, transact);
	ASSERT_TRUE(asleep(c));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	ASSERT_EQ(0, end(c));
	expect_response(_metadata, c, SST_RESPONSE_OK, 0);
	for (i = 1; i < LIMIT; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	}
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

TEST_F(sst, transact_counts_against_the_limit)
{
	struct call *first = &self->call[0], *second = &self->call[1];

	ASSERT_EQ(0, file_set_limit(self->fd, 1));
	prepare(first, TYPE_LATE, 1);
	start(self->fd, first, transact);
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	prepare(second, SST_REQUEST_NOOP, 2);
	start(self->fd, second, transact);
	ASSERT_TRUE(asleep(second));
	EXPECT_EQ(1, sst_stat("in_flight"));
	EXPECT_EQ(0, sst_poll(self->fd, POLLOUT, 0));

	/* Its place comes back with its end, nobody needs to read. */
	EXPECT_EQ(0, end(first));
	EXPECT_EQ(0, end(second));
	expect_response(_metadata, first, SST_RESPONSE_OK, 0);
	expect_response(_metadata, second, SST_RESPONSE_OK, 0);
	EXPECT_EQ(POLLOUT, sst_poll(self->fd, POLLOUT, 0));
}

TEST_F(sst, transact_unanswered)
{
	long long timeouts = sst_stat("timeouts");
	struct call *c = self->call;
	unsigned long long from, took;

	ASSERT_EQ(0, sst_set_timeout(200));
	prepare(c, TYPE_NEVER, 21);
	from = now_ms();
	ASSERT_EQ(0, transact(self->fd, c));
	took = now_ms() - from;
	EXPECT_LE(200, took);
	EXPECT_GE(2000, took);
	expect_response(_metadata, c, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER);
	EXPECT_EQ(timeouts + 1, sst_stat("timeouts"));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	EXPECT_EQ(0, sst_stat("in_flight"));
}

TEST_F(sst, transact_answered_too_late)
{
	long long late = sst_stat("late");
	struct call *c = self->call;

	ASSERT_EQ(0, file_set_timeout(self->fd, 50));
	prepare(c, TYPE_LATE, 22);
	ASSERT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER);
	EXPECT_EQ(late + 1, sst_wait_stat("late", late + 1));
	EXPECT_EQ(0, sst_wait_stat("zombies", 0));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

struct thread {
	pthread_t thread;
	int fd;
	int error;
	struct call call;
};

static void *transact_late(void *arg)
{
	struct thread *t = arg;

	t->error = transact(t->fd, &t->call);
	return NULL;
}

TEST_F(sst, transact_in_threads_at_the_same_time)
{
	unsigned int n = sst_serial() ? 2 : 8, i;
	unsigned long long from, took;
	static struct thread t[8];

	from = now_ms();
	for (i = 0; i < n; i++) {
		t[i].fd = self->fd;
		prepare(&t[i].call, TYPE_LATE, i);
		memset(t[i].call.req.payload, i, SST_PAYLOAD_SIZE);
		ASSERT_EQ(0, pthread_create(&t[i].thread, NULL, transact_late, &t[i]));
	}
	for (i = 0; i < n; i++) {
		pthread_join(t[i].thread, NULL);
		EXPECT_EQ(0, t[i].error);
		expect_response(_metadata, &t[i].call, SST_RESPONSE_OK, 0);
		EXPECT_TRUE(all_bytes(t[i].call.resp.payload, i, SST_PAYLOAD_SIZE));
	}
	took = now_ms() - from;
	EXPECT_LE(LATE_MS / 2, took);
	if (!sst_serial()) {
		EXPECT_GT(2 * LATE_MS, took);
	}
}

TEST_F(sst, transact_while_the_queue_breaks)
{
	struct call *waiting = &self->call[0], *c = &self->call[1];
	long long requests;

	ASSERT_EQ(0, file_set_limit(self->fd, 1));
	prepare(waiting, TYPE_BREAK, 1);
	start(self->fd, waiting, transact);
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	requests = sst_stat("requests");
	/* Who waits for room is told when it breaks, and so are the next ones. */
	prepare(c, SST_REQUEST_NOOP, 3);
	EXPECT_EQ(-EIO, transact(self->fd, c));
	expect_not_submitted(_metadata, c, requests);
	EXPECT_EQ(-EIO, transact(self->fd, c));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EIO, transact(self->fd, c));
	expect_not_submitted(_metadata, c, requests);
	/* Who waits for a response waits on, and can be helped. */
	EXPECT_EQ(1, sst_stat("in_flight"));
	EXPECT_EQ(1, file_cancel(self->fd, 1, 0));
	EXPECT_EQ(0, end(waiting));
	expect_response(_metadata, waiting, SST_RESPONSE_ERROR, SST_RESPONSE_F_DRIVER);
}

TEST_F(sst, transact_while_the_device_is_reset)
{
	long long aborted = sst_stat("aborted");
	struct call *c = self->call;

	prepare(c, TYPE_NEVER, 1);
	start(self->fd, c, transact);
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(0, end(c));
	expect_response(_metadata, c, SST_RESPONSE_ERROR, SST_RESPONSE_F_DRIVER);
	EXPECT_EQ(aborted + 1, sst_stat("aborted"));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	prepare(c, SST_REQUEST_NOOP, 2);
	ASSERT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_OK, 0);
}

/* Settings */

TEST_F(sst, settings_of_a_new_file)
{
	struct sst_settings s;

	memset(&s, 0xff, sizeof(s));
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_SETTINGS, &s));
	EXPECT_EQ(0, s.flags);
	EXPECT_EQ(5000, s.request_timeout_ms);
	EXPECT_EQ(LIMIT, s.request_limit);
	EXPECT_TRUE(all_bytes(s.reserved, 0, sizeof(s.reserved)));

	/* The time-out is the device's, whatever that is. */
	ASSERT_EQ(0, sst_set_timeout(4321));
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_SETTINGS, &s));
	EXPECT_EQ(0, s.flags);
	EXPECT_EQ(4321, s.request_timeout_ms);
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &self->info));
	EXPECT_EQ(4321, self->info.request_timeout_ms);
	EXPECT_EQ(LIMIT, self->info.request_limit);
}

TEST_F(sst, settings_one_leaves_the_other)
{
	/* A field without its flag may have any value. */
	struct sst_settings s = { .flags = SST_SETTING_LIMIT, .request_limit = 10 };
	int other = sst_open(O_RDWR);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_SET_SETTINGS, &s));
	ASSERT_EQ(0, sst_set_timeout(4321));
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_SETTINGS, &s));
	EXPECT_EQ(SST_SETTING_LIMIT, s.flags);
	EXPECT_EQ(4321, s.request_timeout_ms);
	EXPECT_EQ(10, s.request_limit);

	s = (struct sst_settings){
		.flags = SST_SETTING_TIMEOUT,
		.request_timeout_ms = 777,
		.request_limit = UINT32_MAX,
	};
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_SET_SETTINGS, &s));
	/* What the device has is for others now. */
	ASSERT_EQ(0, sst_set_timeout(1234));
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_SETTINGS, &s));
	EXPECT_EQ(SST_SETTING_LIMIT | SST_SETTING_TIMEOUT, s.flags);
	EXPECT_EQ(777, s.request_timeout_ms);
	EXPECT_EQ(10, s.request_limit);
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &self->info));
	EXPECT_EQ(777, self->info.request_timeout_ms);
	EXPECT_EQ(10, self->info.request_limit);

	ASSERT_EQ(0, ioctl(other, SST_IOCTL_GET_SETTINGS, &s));
	EXPECT_EQ(0, s.flags);
	EXPECT_EQ(1234, s.request_timeout_ms);
	EXPECT_EQ(LIMIT, s.request_limit);
	close(other);

	/* Both at once */
	s = (struct sst_settings){
		.flags = SST_SETTING_LIMIT | SST_SETTING_TIMEOUT,
		.request_timeout_ms = 888,
		.request_limit = 20,
	};
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_SET_SETTINGS, &s));
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_SETTINGS, &s));
	EXPECT_EQ(888, s.request_timeout_ms);
	EXPECT_EQ(20, s.request_limit);
}

TEST_F(sst, settings_are_shared_with_children)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(-file_set_limit(self->fd, 17));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &self->info));
	EXPECT_EQ(17, self->info.request_limit);
}

TEST_F(sst, settings_within_their_bounds)
{
	EXPECT_EQ(0, file_set_timeout(self->fd, SST_REQUEST_TIMEOUT_MIN_MS));
	EXPECT_EQ(0, file_set_timeout(self->fd, SST_REQUEST_TIMEOUT_MAX_MS));
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &self->info));
	EXPECT_EQ(SST_REQUEST_TIMEOUT_MAX_MS, self->info.request_timeout_ms);
	EXPECT_EQ(0, file_set_limit(self->fd, SST_REQUEST_LIMIT_MIN));
	EXPECT_EQ(0, file_set_limit(self->fd, SST_REQUEST_LIMIT_MAX));
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &self->info));
	EXPECT_EQ(SST_REQUEST_LIMIT_MAX, self->info.request_limit);
	/* The device's time-out has the same. */
	EXPECT_EQ(0, sst_set_timeout(SST_REQUEST_TIMEOUT_MIN_MS));
	EXPECT_EQ(0, sst_set_timeout(SST_REQUEST_TIMEOUT_MAX_MS));
	EXPECT_EQ(-EINVAL, sst_set_timeout(SST_REQUEST_TIMEOUT_MAX_MS + 1));
}

TEST_F(sst, settings_invalid_change_nothing)
{
	enum { BOTH = SST_SETTING_TIMEOUT | SST_SETTING_LIMIT };
	static const struct sst_settings bad[] = {
		{ 0, 100, 10, {} },
		{ 0x4, 100, 10, {} },
		{ BOTH | 0x80000000, 100, 10, {} },
		{ BOTH, SST_REQUEST_TIMEOUT_MIN_MS - 1, 10, {} },
		{ BOTH, SST_REQUEST_TIMEOUT_MAX_MS + 1, 10, {} },
		{ BOTH, UINT32_MAX, 10, {} },
		{ BOTH, 100, SST_REQUEST_LIMIT_MIN - 1, {} },
		{ BOTH, 100, SST_REQUEST_LIMIT_MAX + 1, {} },
		{ BOTH, 100, UINT32_MAX, {} },
		{ SST_SETTING_TIMEOUT, 0, 10, {} },
		{ SST_SETTING_LIMIT, 100, 0, {} },
		{ BOTH, 100, 10, { 1 } },
		{ BOTH, 100, 10, { 0, 1 } },
		{ BOTH, 100, 10, { 0, 0, 1 } },
		{ BOTH, 100, 10, { 0, 0, 0, 1 } },
		{ BOTH, 100, 10, { 0, 0, 0, 0, 0x80000000 } },
	};
	struct sst_settings s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		s = bad[i];
		EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_SET_SETTINGS, &s)) {
			TH_LOG("number %u was taken", i);
		}
		EXPECT_EQ(EINVAL, errno);
		ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_SETTINGS, &s));
		EXPECT_EQ(0, s.flags);
		EXPECT_EQ(5000, s.request_timeout_ms);
		EXPECT_EQ(LIMIT, s.request_limit);
	}
}

TEST_F(sst, settings_bad_pointer)
{
	struct sst_settings s = { .flags = SST_SETTING_LIMIT, .request_limit = 10 };
	void *p = readonly_memory(&s, sizeof(s));

	ASSERT_TRUE(!!p);
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_SET_SETTINGS, bad_pointer()));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_GET_SETTINGS, bad_pointer()));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_GET_SETTINGS, p));
	EXPECT_EQ(EFAULT, errno);
	/* What is only read may be read-only. */
	EXPECT_EQ(0, ioctl(self->fd, SST_IOCTL_SET_SETTINGS, p));
}

TEST_F(sst, settings_timeout_of_one_file)
{
	unsigned long long from, took;
	int other = sst_open(O_RDWR);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, sst_send(other, TYPE_NEVER, 1));
	/* Settings are for what comes after them. */
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 2));
	ASSERT_EQ(0, file_set_timeout(self->fd, 50));
	from = now_ms();
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 3));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	took = now_ms() - from;
	EXPECT_LE(50, took);
	EXPECT_GE(1000, took);
	EXPECT_EQ(htole64(3), self->resp.user_data);
	EXPECT_EQ(htole32(SST_RESPONSE_TIMEOUT), self->resp.status);
	EXPECT_EQ(htole32(SST_RESPONSE_F_DRIVER), self->resp.flags);
	/* The others have all the time that the device has. */
	EXPECT_EQ(2, sst_stat("in_flight"));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	EXPECT_EQ(0, sst_poll(other, POLLIN, 0));
	EXPECT_EQ(1, file_cancel(self->fd, 2, 0));
	EXPECT_EQ(1, file_cancel(other, 1, 0));
	close(other);
}

TEST_F(sst, settings_timeout_longer_than_the_device_s)
{
	long long timeouts = sst_stat("timeouts");
	struct call *c = self->call;

	ASSERT_EQ(0, sst_set_timeout(50));
	ASSERT_EQ(0, file_set_timeout(self->fd, 5000));
	prepare(c, TYPE_LATE, 1);
	ASSERT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_OK, 0);
	EXPECT_EQ(timeouts, sst_stat("timeouts"));
}

TEST_F(sst, settings_limit_is_kept)
{
	static const unsigned int limits[] = { 1, 3, 100, SST_REQUEST_LIMIT_MAX };
	enum { BATCH = 5 };
	struct sst_request req[BATCH];
	unsigned int i, j, sent;
	ssize_t n;

	for (i = 0; i < BATCH; i++)
		sst_prepare(&req[i], SST_REQUEST_NOOP, i);
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		ASSERT_EQ(0, file_set_limit(self->fd, limits[i]));
		for (sent = 0; (n = write(self->fd, req, sizeof(req))) > 0; sent += n / REQ)
			;
		EXPECT_EQ(ENOBUFS, errno);
		EXPECT_EQ(limits[i], sent);
		EXPECT_EQ(0, sst_poll(self->fd, POLLOUT, 0));
		for (j = 0; j < sent; j++) {
			ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		}
	}
}

TEST_F(sst, settings_raised_limit_wakes_who_waits)
{
	struct call *writer = &self->call[0], *caller = &self->call[1];
	struct call *poller = &self->call[2];

	/* What is unread fills the file, and nothing else is going to happen. */
	ASSERT_EQ(0, file_set_limit(self->fd, 1));
	ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	prepare(writer, SST_REQUEST_NOOP, 1);
	start(self->fd, writer, write_request);
	prepare(caller, SST_REQUEST_NOOP, 2);
	start(self->fd, caller, transact);
	ASSERT_TRUE(asleep(writer));
	ASSERT_TRUE(asleep(caller));
	prepare(poller, 0, 0);
	start(self->fd, poller, poll_for_room);
	ASSERT_TRUE(asleep(poller));

	/* Room for all of them, with one to spare */
	ASSERT_EQ(0, file_set_limit(self->fd, 4));
	EXPECT_EQ(0, end(writer));
	EXPECT_EQ(0, end(poller));
	EXPECT_EQ(0, end(caller));
	expect_response(_metadata, caller, SST_RESPONSE_OK, 0);
}

TEST_F(sst, settings_limit_lower_than_what_is_in_use)
{
	unsigned int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, i));
	}
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	/* All that are there stay, and no more come until they are few enough. */
	ASSERT_EQ(0, file_set_limit(self->fd, 5));
	for (i = 0; i < 6; i++) {
		EXPECT_EQ(0, sst_poll(self->fd, POLLOUT, 0));
		EXPECT_EQ(-ENOBUFS, sst_send(self->fd, SST_REQUEST_NOOP, 100));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(htole64(i), self->resp.user_data);
	}
	EXPECT_EQ(POLLOUT, sst_poll(self->fd, POLLOUT, 0));
	EXPECT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 10));
	EXPECT_EQ(0, sst_poll(self->fd, POLLOUT, 0));
	for (i = 6; i < 11; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(htole64(i), self->resp.user_data);
	}
}

/* Send many requests that have next to no time. Returns that file, or -1. */
static int send_impatiently(unsigned int n, unsigned int type)
{
	long long timeouts = sst_stat("timeouts");
	struct sst_request *req = calloc(n, REQ);
	int fd = sst_open(O_RDWR);
	unsigned int i;

	if (!req || fd < 0 || file_set_limit(fd, n) || file_set_timeout(fd, 1))
		return -1;
	for (i = 0; i < n; i++)
		sst_prepare(&req[i], type, i);
	if (write(fd, req, n * REQ) != n * REQ)
		return -1;
	free(req);
	return sst_wait_stat("timeouts", timeouts + n) == timeouts + n ? fd : -1;
}

TEST_F(sst, settings_short_timeout_does_not_fail_the_device_for_others)
{
	unsigned int n = self->info.queue_size / 2 + 10;
	long long late = sst_stat("late"), resets = sst_stat("resets");
	struct call *c = self->call;
	int impatient;

	ASSERT_EQ(0, sst_set_timeout(60000));
	/* If that counted as silence of the device, it would be reset. */
	ASSERT_EQ(0, sst_set_reset_after(1));
	impatient = send_impatiently(n, TYPE_NEVER);
	ASSERT_LE(0, impatient);
	EXPECT_EQ(0, sst_stat("in_flight"));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(0, sst_send(self->fd, SST_REQUEST_NOOP, 1));
	if (!sst_serial()) {
		ASSERT_EQ(POLLIN, sst_poll(self->fd, POLLIN, 5000));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(htole64(1), self->resp.user_data);
	}
	EXPECT_EQ(resets, sst_stat("resets"));
	close(impatient);

	/* The same with a device that is only slow; a serial one would take too long. */
	if (sst_serial())
		return;
	ASSERT_EQ(0, sst_set_reset_after(0));
	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(0, sst_set_reset_after(1));
	impatient = send_impatiently(n, TYPE_LATE);
	ASSERT_LE(0, impatient);
	prepare(c, SST_REQUEST_NOOP, 2);
	EXPECT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_OK, 0);
	EXPECT_EQ(late + n, sst_wait_stat("late", late + n));
	EXPECT_EQ(0, sst_wait_stat("zombies", 0));
	EXPECT_EQ(resets + 1, sst_stat("resets"));
	close(impatient);
}

TEST_F(sst, settings_short_timeout_leaves_the_device_its_own)
{
	unsigned int n = self->info.queue_size / 2 + 10;
	unsigned long long until = now_ms() + 10000;
	int impatient, ret;

	/* When the device's own time is over, it has failed for everybody. */
	ASSERT_EQ(0, sst_set_timeout(300));
	impatient = send_impatiently(n, TYPE_NEVER);
	ASSERT_LE(0, impatient);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	do {
		sleep_ms(10);
		ret = sst_send(self->fd, SST_REQUEST_NOOP, 1);
	} while ((!ret || ret == -EAGAIN) && now_ms() < until);
	EXPECT_EQ(-EIO, ret);
	close(impatient);
}

/* CANCEL */

TEST_F(sst, cancel_those_with_one_user_data)
{
	static const unsigned long long user_data[] = {
		5, 0xfedcba9876543210, 5, 5, 0, 0xfedcba9876543210, 0x76543210,
	};
	long long cancelled = sst_stat("cancelled");
	uint64_t last = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(user_data); i++) {
		ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, user_data[i]));
	}
	EXPECT_EQ(-ENOENT, file_cancel(self->fd, 4, 0));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	EXPECT_EQ(3, file_cancel(self->fd, 5, 0));
	EXPECT_EQ(4, sst_stat("in_flight"));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(htole32(SST_RESPONSE_ERROR), self->resp.status);
		EXPECT_EQ(htole32(SST_RESPONSE_F_DRIVER), self->resp.flags);
		EXPECT_EQ(htole64(5), self->resp.user_data);
		EXPECT_NE(0, self->resp.request_id);
		EXPECT_NE(last, self->resp.request_id);
		EXPECT_EQ(0, self->resp.result);
		EXPECT_TRUE(all_bytes(self->resp.payload, 0, SST_PAYLOAD_SIZE));
		last = self->resp.request_id;
	}
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	/* All 64 bits count, and 0 is a value like others. */
	EXPECT_EQ(-ENOENT, file_cancel(self->fd, 5, 0));
	EXPECT_EQ(2, file_cancel(self->fd, 0xfedcba9876543210, 0));
	EXPECT_EQ(1, file_cancel(self->fd, 0, 0));
	EXPECT_EQ(1, sst_stat("in_flight"));
	EXPECT_EQ(cancelled + 6, sst_stat("cancelled"));
	EXPECT_TRUE(sst_stats_balance());
}

TEST_F(sst, cancel_all)
{
	struct sst_cancel c = { .flags = SST_CANCEL_ALL };
	int other = sst_open(O_RDWR);
	uint64_t seen = 0;
	unsigned int i;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, sst_send(other, TYPE_NEVER, 100));
	EXPECT_EQ(-ENOENT, file_cancel(self->fd, 0, SST_CANCEL_ALL));
	for (i = 0; i < LIMIT; i++) {
		ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, i));
	}
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_CANCEL, &c));
	EXPECT_EQ(LIMIT, c.count);
	EXPECT_EQ(0, c.user_data);
	EXPECT_EQ(SST_CANCEL_ALL, c.flags);
	for (i = 0; i < LIMIT; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(htole32(SST_RESPONSE_ERROR), self->resp.status);
		seen |= 1ULL << le64toh(self->resp.user_data);
	}
	EXPECT_EQ(UINT64_MAX, seen);
	EXPECT_EQ(-ENOENT, file_cancel(self->fd, 0, SST_CANCEL_ALL));
	/* Those of the other file are none of its business. */
	EXPECT_EQ(-ENOENT, file_cancel(self->fd, 100, 0));
	EXPECT_EQ(1, sst_stat("in_flight"));
	EXPECT_EQ(0, sst_poll(other, POLLIN, 0));
	EXPECT_EQ(1, file_cancel(other, 100, 0));
	EXPECT_EQ(POLLIN, sst_poll(other, POLLIN, 0));
	EXPECT_TRUE(sst_stats_balance());
	close(other);
}

TEST_F(sst, cancel_by_a_file_that_only_writes)
{
	int fd = sst_open(O_WRONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sst_send(fd, TYPE_NEVER, 1));
	EXPECT_EQ(1, file_cancel(fd, 1, 0));
	close(fd);
}

TEST_F(sst, cancel_leaves_unread_responses_alone)
{
	ASSERT_EQ(0, sst_send(self->fd, TYPE_FILL, 1));
	ASSERT_EQ(POLLIN, sst_poll(self->fd, POLLIN, 5000));
	EXPECT_EQ(-ENOENT, file_cancel(self->fd, 1, 0));
	EXPECT_EQ(-ENOENT, file_cancel(self->fd, 0, SST_CANCEL_ALL));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
	EXPECT_TRUE(all_bytes(self->resp.payload, FILL_BYTE, SST_PAYLOAD_SIZE));
	EXPECT_EQ(-ENOENT, file_cancel(self->fd, 1, 0));
}

TEST_F(sst, cancelled_request_is_answered_in_vain)
{
	unsigned int n = sst_serial() ? 2 : LIMIT, i;
	long long late = sst_stat("late");
	struct call *c = self->call;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, sst_send(self->fd, TYPE_LATE, i));
	}
	ASSERT_EQ(n, file_cancel(self->fd, 0, SST_CANCEL_ALL));
	/* Some endings are read before the late answer comes, others after it. */
	for (i = 0; i < n / 2; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	}
	EXPECT_EQ(late + n, sst_wait_stat("late", late + n));
	EXPECT_EQ(0, sst_wait_stat("zombies", 0));
	for (; i < n; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(htole32(SST_RESPONSE_ERROR), self->resp.status);
		EXPECT_TRUE(all_bytes(self->resp.payload, 0, SST_PAYLOAD_SIZE));
	}
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	/* All that was occupied is free again. */
	prepare(c, SST_REQUEST_NOOP, 1000);
	EXPECT_EQ(0, transact(self->fd, c));
	expect_response(_metadata, c, SST_RESPONSE_OK, 0);
	EXPECT_TRUE(sst_stats_balance());
}

TEST_F(sst, cancel_makes_room_when_its_endings_are_read)
{
	struct call *c = self->call;

	ASSERT_EQ(0, file_set_limit(self->fd, 1));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 1));
	prepare(c, TYPE_NEVER, 2);
	start(self->fd, c, write_request);
	ASSERT_TRUE(asleep(c));
	ASSERT_EQ(1, file_cancel(self->fd, 1, 0));
	EXPECT_TRUE(asleep(c));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(0, end(c));
	EXPECT_EQ(1, file_cancel(self->fd, 2, 0));
}

TEST_F(sst, cancel_wakes_a_reader)
{
	struct call *c = self->call;

	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 1));
	prepare(c, 0, 0);
	start(self->fd, c, read_response);
	ASSERT_TRUE(asleep(c));
	ASSERT_EQ(1, file_cancel(self->fd, 1, 0));
	ASSERT_EQ(0, end(c));
	EXPECT_EQ(htole32(SST_RESPONSE_ERROR), c->resp.status);
}

TEST_F(sst, cancel_what_others_transact)
{
	long long cancelled = sst_stat("cancelled");
	unsigned int i;

	for (i = 0; i < CALLS; i++) {
		prepare(&self->call[i], TYPE_NEVER, i);
		start(self->fd, &self->call[i], transact);
	}
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, CALLS));
	ASSERT_EQ(CALLS + 1, sst_wait_stat("in_flight", CALLS + 1));
	EXPECT_EQ(1, file_cancel(self->fd, 3, 0));
	EXPECT_EQ(0, end(&self->call[3]));
	EXPECT_EQ(CALLS, sst_stat("in_flight"));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));

	EXPECT_EQ(CALLS, file_cancel(self->fd, 0, SST_CANCEL_ALL));
	for (i = 0; i < CALLS; i++) {
		if (i != 3) {
			EXPECT_EQ(0, end(&self->call[i]));
		}
		expect_response(_metadata, &self->call[i], SST_RESPONSE_ERROR,
				SST_RESPONSE_F_DRIVER);
	}
	/* Only what was written is there to read. */
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(CALLS), self->resp.user_data);
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	EXPECT_EQ(cancelled + CALLS + 1, sst_stat("cancelled"));
	EXPECT_TRUE(sst_stats_balance());
}

TEST_F(sst, cancel_with_invalid_arguments)
{
	static const struct sst_cancel bad[] = {
		{ .user_data = 1, .flags = SST_CANCEL_ALL },
		{ .user_data = 1ULL << 63, .flags = SST_CANCEL_ALL },
		{ .user_data = 1, .flags = 2 },
		{ .user_data = 1, .flags = 0x80000000 },
		{ .flags = SST_CANCEL_ALL | 2 },
		{ .user_data = 1, .reserved = { 1 } },
		{ .user_data = 1, .reserved = { 0, 1 } },
		{ .user_data = 1, .reserved = { 0, 0, 1 } },
		{ .flags = SST_CANCEL_ALL, .reserved = { 0, 0, 0, 0x80000000 } },
	};
	struct sst_cancel c = { .user_data = 1 };
	unsigned int i;
	void *p;

	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 1));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		c = bad[i];
		EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_CANCEL, &c)) {
			TH_LOG("number %u was taken", i);
		}
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_CANCEL, bad_pointer()));
	EXPECT_EQ(EFAULT, errno);
	/* The count could not be stored. */
	c = (struct sst_cancel){ .user_data = 1 };
	p = readonly_memory(&c, sizeof(c));
	ASSERT_TRUE(!!p);
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_CANCEL, p));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(1, sst_stat("in_flight"));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	/* What goes in as the count does not matter. */
	c.count = UINT32_MAX;
	EXPECT_EQ(0, ioctl(self->fd, SST_IOCTL_CANCEL, &c));
	EXPECT_EQ(1, c.count);
}

enum { RACE_BATCH = LIMIT - 1, RACE_REQUESTS = 100 * RACE_BATCH };

/* What two children and their parent know of each other in a race */
struct race {
	bool over;
	unsigned int first;	/* of the batch that is on its way */
	unsigned int cancelled;
	unsigned int ok;
	unsigned int error;
};

static struct race *race_of(struct call *c)
{
	return (void *)(uintptr_t)c->t.response;
}

/* Mostly single ones, so that the device has a chance to be the first. */
static int cancel_until_it_is_over(int fd, struct call *c)
{
	struct race *race = race_of(c);
	unsigned int i;
	int n;

	for (i = 0; !__atomic_load_n(&race->over, __ATOMIC_SEQ_CST); i++) {
		if (i % 16 == 0)
			n = file_cancel(fd, 0, SST_CANCEL_ALL);
		else
			n = file_cancel(fd, __atomic_load_n(&race->first, __ATOMIC_SEQ_CST) +
				   rand() % RACE_BATCH, 0);
		if (n > 0)
			race->cancelled += n;
		else if (n != -ENOENT)
			return n;
	}
	return 0;
}

/* Count how a response says that its request ended. Returns false if it can't be. */
static bool race_count(struct race *race, const struct sst_response *resp)
{
	unsigned int status = le32toh(resp->status), flags = le32toh(resp->flags);

	if (status == SST_RESPONSE_OK && !flags)
		race->ok++;
	else if (status == SST_RESPONSE_ERROR && flags == SST_RESPONSE_F_DRIVER)
		race->error++;
	else
		return false;
	return true;
}

static int transact_until_it_is_over(int fd, struct call *c)
{
	struct race *race = race_of(c);
	struct call own;
	unsigned int i;
	int ret;

	for (i = 0; !__atomic_load_n(&race->over, __ATOMIC_SEQ_CST); i++) {
		prepare(&own, SST_REQUEST_NOOP, 1ULL << 32 | i);
		ret = transact(fd, &own);
		if (ret)
			return ret;
		if (own.resp.user_data != own.req.user_data ||
		    le64toh(own.resp.request_id) != own.t.request_id ||
		    !race_count(race, &own.resp))
			return -EPROTO;
	}
	return 0;
}

TEST_F(sst, cancel_while_the_device_answers)
{
	struct call *canceller = &self->call[0], *caller = &self->call[1];
	struct race *races = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long long cancelled = sst_stat("cancelled"), responses = sst_stat("responses");
	long long requests = sst_stat("requests"), late = sst_stat("late");
	static unsigned char seen[RACE_REQUESTS];
	struct sst_request req[RACE_BATCH];
	struct race own = {};
	unsigned int i, j;

	ASSERT_TRUE(races != MAP_FAILED);
	prepare(canceller, 0, 0);
	canceller->t.response = (uintptr_t)&races[0];
	start(self->fd, canceller, cancel_until_it_is_over);
	prepare(caller, 0, 0);
	caller->t.response = (uintptr_t)&races[1];
	start(self->fd, caller, transact_until_it_is_over);

	for (i = 0; i < RACE_REQUESTS; i += RACE_BATCH) {
		__atomic_store_n(&races[0].first, i, __ATOMIC_SEQ_CST);
		for (j = 0; j < RACE_BATCH; j++)
			sst_prepare(&req[j], SST_REQUEST_NOOP, i + j);
		/* There may be room for fewer at a time. */
		for (j = 0; j < RACE_BATCH;) {
			ssize_t n = write(self->fd, &req[j], (RACE_BATCH - j) * REQ);

			ASSERT_LT(0, n);
			j += n / REQ;
		}
		for (j = 0; j < RACE_BATCH; j++) {
			ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
			ASSERT_GT(i + RACE_BATCH, le64toh(self->resp.user_data));
			ASSERT_LE(i, le64toh(self->resp.user_data));
			seen[le64toh(self->resp.user_data)]++;
			EXPECT_TRUE(race_count(&own, &self->resp));
		}
	}
	__atomic_store_n(&races[0].over, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&races[1].over, true, __ATOMIC_SEQ_CST);
	EXPECT_EQ(0, end(canceller));
	EXPECT_EQ(0, end(caller));

	/* Each ended once, and everybody agrees on how. */
	EXPECT_TRUE(all_bytes(seen, 1, RACE_REQUESTS));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
	EXPECT_EQ(0, sst_stat("in_flight"));
	own.ok += races[1].ok;
	own.error += races[1].error;
	TH_LOG("%u requests answered, %u cancelled", own.ok, own.error);
	EXPECT_EQ(own.error, races[0].cancelled);
	EXPECT_EQ(cancelled + own.error, sst_stat("cancelled"));
	EXPECT_EQ(responses + own.ok, sst_stat("responses"));
	EXPECT_EQ(requests + own.ok + own.error, sst_stat("requests"));
	EXPECT_TRUE(sst_stats_balance());
	/* The device has answered all of them. */
	EXPECT_EQ(late + own.error, sst_wait_stat("late", late + own.error));
	EXPECT_EQ(0, sst_wait_stat("zombies", 0));
}

/* All of them */

TEST_F(sst, ioctl_unknown)
{
	static const unsigned int unknown[] = {
		_IO(SST_IOCTL_TYPE, 0xff),
		_IO(SST_IOCTL_TYPE, 0x01),
		_IO('t', 0x01),
		_IOR(SST_IOCTL_TYPE, 0x01, struct sst_transaction),
		/* The same number with another size is another ioctl. */
		_IOWR(SST_IOCTL_TYPE, 0x01, char),
		_IOW(SST_IOCTL_TYPE, 0x03, char),
		_IOWR(SST_IOCTL_TYPE, 0x04, char),
	};
	struct call *c = self->call;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		prepare(c, SST_REQUEST_NOOP, i);
		EXPECT_EQ(-1, ioctl(self->fd, unknown[i], &c->t)) {
			TH_LOG("number %u was taken", i);
		}
		EXPECT_EQ(ENOTTY, errno);
	}
}

TEST_F(sst, ioctl_while_the_driver_is_unbound)
{
	struct call *waiting = &self->call[0], *blocked = &self->call[1];
	struct call *reader = &self->call[2];
	long long requests;
	unsigned long long from;

	ASSERT_EQ(0, file_set_limit(self->fd, 1));
	prepare(waiting, TYPE_NEVER, 1);
	start(self->fd, waiting, transact);
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	requests = sst_stat("requests");
	prepare(blocked, SST_REQUEST_NOOP, 2);
	start(self->fd, blocked, transact);
	ASSERT_TRUE(asleep(blocked));
	prepare(reader, 0, 0);
	start(self->fd, reader, read_response);
	ASSERT_TRUE(asleep(reader));
	EXPECT_EQ(requests, sst_stat("requests"));

	from = now_ms();
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	EXPECT_EQ(-ENODEV, end(waiting));
	EXPECT_EQ(-ENODEV, end(blocked));
	EXPECT_EQ(-ENODEV, end(reader));
	EXPECT_GE(3000, now_ms() - from);
	/* It was submitted, but the response never came. */
	EXPECT_NE(0, waiting->t.request_id);
	EXPECT_NE(UINT64_MAX, waiting->t.request_id);
	EXPECT_EQ(0, blocked->t.request_id);
	EXPECT_TRUE(all_bytes(&waiting->resp, 0xff, RESP));
	EXPECT_EQ(-ENODEV, sst_receive(self->fd, &self->resp));
}

TEST_F(sst, ioctl_after_the_driver_is_unbound)
{
	static const unsigned int all[] = {
		SST_IOCTL_GET_INFO, SST_IOCTL_TRANSACT, SST_IOCTL_GET_SETTINGS,
		SST_IOCTL_SET_SETTINGS, SST_IOCTL_CANCEL, _IO(SST_IOCTL_TYPE, 0xff),
	};
	struct call *c = self->call;
	unsigned int i;

	/* What failed to be stored, and what was cancelled, can still be read. */
	prepare(c, TYPE_FILL, 1);
	c->t.response_size = 32;
	ASSERT_EQ(-EMSGSIZE, transact(self->fd, c));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 2));
	ASSERT_EQ(1, file_cancel(self->fd, 2, 0));
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		struct call unused;

		prepare(&unused, SST_REQUEST_NOOP, 3);
		EXPECT_EQ(-1, ioctl(self->fd, all[i], &unused.t));
		EXPECT_EQ(ENODEV, errno);
		/* Wrong arguments don't matter any more. */
		EXPECT_EQ(-1, ioctl(self->fd, all[i], bad_pointer()));
		EXPECT_EQ(ENODEV, errno);
	}
	c->t.response_size = RESP;
	ASSERT_EQ(0, sst_receive(self->fd, &c->resp));
	expect_response(_metadata, c, SST_RESPONSE_OK, 0);
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole32(SST_RESPONSE_ERROR), self->resp.status);
	EXPECT_EQ(htole64(2), self->resp.user_data);
	EXPECT_EQ(-ENODEV, sst_receive(self->fd, &self->resp));
}

TEST_HARNESS_MAIN
