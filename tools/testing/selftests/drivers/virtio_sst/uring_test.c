// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of /dev/sstN by io_uring: commands above all, and reads, writes and polls.
 *
 * Most of them run on several kinds of rings. SST_CYCLES is how often the driver is
 * unbound, and the device reset, below commands on each of them.
 */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include <liburing.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define LIMIT		64	/* requests of one file at once, by default */
#define ENTRIES		64	/* of a ring */
#define CMD_SIZE	80	/* what a command has in an entry */
#define SQ_IDLE_MS	20	/* then the kernel's thread that submits sleeps */
#define POLL_US		"50"	/* for rings that are polled */

/* A ring, and memory for more requests and responses than the device can have at once */
struct uring {
	struct io_uring ring;
	unsigned int flags;	/* of the ring */
	unsigned int sqe_flags;	/* of the entries */
	bool fixed;		/* the memory is a registered buffer, and the file one, too */
	bool open;
	int fd;
	char name[NAME_MAX];
	struct sst_info info;
	void *memory;
	size_t size;
	struct sst_request *req;
	struct sst_response *resp;
};

/* Kernels before 6.7 leave commands to their time-outs when a ring goes away. */
static bool kernel_cancels(const struct uring *u)
{
	unsigned long major, minor;
	struct utsname name;
	char *end;

	/* Nor can those be cancelled that are polled. */
	if (u->flags & IORING_SETUP_IOPOLL)
		return false;
	uname(&name);
	major = strtoul(name.release, &end, 10);
	minor = strtoul(end + 1, NULL, 10);
	return major > 6 || (major == 6 && minor >= 7);
}

/* Returns 0, or -errno */
static int open_ring(struct uring *u)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SQE128 | u->flags,
		.sq_thread_idle = SQ_IDLE_MS,
	};
	struct iovec buffer = { u->memory, u->size };
	int ret;

	ret = io_uring_queue_init_params(ENTRIES, &u->ring, &p);
	u->open = !ret;
	if (!ret && u->fixed)
		ret = io_uring_register_buffers(&u->ring, &buffer, 1);
	if (!ret && u->fixed)
		ret = io_uring_register_files(&u->ring, &u->fd, 1);
	return ret;
}

static void close_ring(struct uring *u)
{
	if (u->open)
		io_uring_queue_exit(&u->ring);
	u->open = false;
}

static void set_up(struct __test_metadata *_metadata, struct uring *u)
{
	unsigned int n;

	u->fd = sst_open(O_RDWR);
	ASSERT_LE(0, u->fd) {
		TH_LOG("%s: %s", sst_device(), strerror(errno));
	}
	ASSERT_EQ(0, sst_virtio_name(u->name, sizeof(u->name)));
	ASSERT_EQ(0, sst_set_timeout(5000));
	/* What these tests are about must not be reset away. */
	ASSERT_EQ(0, sst_set_reset_after(0));
	ASSERT_EQ(0, ioctl(u->fd, SST_IOCTL_GET_INFO, &u->info));
	if (u->flags & IORING_SETUP_IOPOLL)
		ASSERT_EQ(0, sst_attr_set("busy_poll_us", POLL_US));

	n = u->info.queue_size + LIMIT + 2;
	u->size = n * (REQ + RESP);
	u->memory = mmap(NULL, u->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(u->memory != MAP_FAILED);
	u->req = u->memory;
	u->resp = u->memory + n * REQ;
	ASSERT_EQ(0, open_ring(u));
}

static void tear_down(struct __test_metadata *_metadata, struct uring *u)
{
	close_ring(u);
	close(u->fd);
	if (access(sst_device(), F_OK)) {
		EXPECT_EQ(0, sst_driver_do("bind", u->name));
		EXPECT_EQ(0, wait_for_device());
	} else if (sst_wait_stat("in_flight", 0) || sst_stat("zombies") > 0) {
		/* What is still at the device would be in the way of the next test. */
		EXPECT_EQ(0, sst_rebind());
	}
	EXPECT_EQ(0, sst_set_timeout(5000));
	if (u->flags & IORING_SETUP_IOPOLL)
		EXPECT_EQ(0, sst_attr_set("busy_poll_us", "0"));
}

static void prepare(struct uring *u, unsigned int i, unsigned int type,
		    unsigned long long user_data)
{
	sst_prepare(&u->req[i], type, user_data);
	/* What has to be written over, or left alone */
	memset(&u->resp[i], 0xff, RESP);
}

static struct sst_uring_transact transaction(const struct uring *u, unsigned int first,
					     unsigned int nr)
{
	return (struct sst_uring_transact) {
		.requests = (uintptr_t)&u->req[first],
		.responses = (uintptr_t)&u->resp[first],
		.nr = nr,
		.request_size = REQ,
		.response_size = RESP,
	};
}

/* Returns an entry of any operation, to be filled in. */
static struct io_uring_sqe *next_entry(struct uring *u)
{
	struct io_uring_sqe *sqe;

	/* The kernel's thread may not have taken the last ones yet. */
	while (!(sqe = io_uring_get_sqe(&u->ring)))
		io_uring_submit(&u->ring);
	memset(sqe, 0, sizeof(*sqe) + sizeof(*sqe));
	return sqe;
}

static void set_file(const struct uring *u, struct io_uring_sqe *sqe)
{
	sqe->fd = u->fixed ? 0 : u->fd;
	sqe->flags = u->sqe_flags | (u->fixed ? IOSQE_FIXED_FILE : 0);
}

static struct io_uring_sqe *queue(struct uring *u, unsigned int op, const void *cmd, size_t size,
				  unsigned long long user_data)
{
	struct io_uring_sqe *sqe = next_entry(u);

	sqe->opcode = IORING_OP_URING_CMD;
	set_file(u, sqe);
	sqe->cmd_op = op;
	sqe->uring_cmd_flags = u->fixed ? IORING_URING_CMD_FIXED : 0;
	sqe->user_data = user_data;
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, cmd), cmd, size);
	return sqe;
}

/* Queue requests as one command, with the number of the first of them. */
static struct io_uring_sqe *queue_requests(struct uring *u, unsigned int first, unsigned int nr)
{
	struct sst_uring_transact t = transaction(u, first, nr);

	return queue(u, SST_URING_CMD_TRANSACT, &t, sizeof(t), first);
}

/* Returns whether there is a completion within so many milliseconds. */
static bool completes(struct uring *u, unsigned int ms)
{
	struct __kernel_timespec t = { ms / 1000, ms % 1000 * 1000000LL };
	unsigned long long end = now_ms() + ms;
	struct io_uring_cqe *cqe;

	if (!(u->flags & IORING_SETUP_IOPOLL))
		return !io_uring_wait_cqe_timeout(&u->ring, &cqe, &t);
	/* The kernel would not look at the time. */
	do {
		io_uring_get_events(&u->ring);
		if (!io_uring_peek_cqe(&u->ring, &cqe))
			return true;
		usleep(100);
	} while (now_ms() < end);
	return false;
}

/* Wait for a completion. Returns its result and, unless @user_data is NULL, which one it was. */
static int reap(struct uring *u, unsigned long long *user_data)
{
	struct io_uring_cqe *cqe;
	int ret;

	if (!completes(u, 15000) || io_uring_peek_cqe(&u->ring, &cqe))
		return -ETIME;
	if (user_data)
		*user_data = cqe->user_data;
	ret = cqe->res;
	io_uring_cqe_seen(&u->ring, cqe);
	return ret;
}

/* Submit what is queued, and wait for the one completion of it. Returns its result. */
static int submit_and_reap(struct uring *u, unsigned long long expected)
{
	unsigned long long user_data;
	int ret = io_uring_submit(&u->ring);

	if (ret < 0)
		return ret;
	ret = reap(u, &user_data);
	return user_data == expected ? ret : -EPROTO;
}

static int do_command(struct uring *u, unsigned int op, const void *cmd, size_t size)
{
	queue(u, op, cmd, size, 4711);
	return submit_and_reap(u, 4711);
}

static int transact(struct uring *u, unsigned int first, unsigned int nr)
{
	queue_requests(u, first, nr);
	return submit_and_reap(u, first);
}

/* A command with a structure that is not quite as usual */
static int transact_as(struct uring *u, const struct sst_uring_transact *t)
{
	return do_command(u, SST_URING_CMD_TRANSACT, t, sizeof(*t));
}

/* Wait until so many requests are in flight, looking for the ends of others if need be. */
static void expect_in_flight(struct __test_metadata *_metadata, struct uring *u,
			     unsigned int n)
{
	unsigned long long end = now_ms() + 5000;

	while (sst_stat("in_flight") != n && now_ms() < end)
		completes(u, 1);
	ASSERT_EQ(n, sst_stat("in_flight"));
}

/* Have a request of the type in flight as a command of its own. */
static void have_in_flight(struct __test_metadata *_metadata, struct uring *u, unsigned int i,
			   unsigned int type)
{
	long long in_flight = sst_stat("in_flight");

	prepare(u, i, type, i);
	queue_requests(u, i, 1);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	ASSERT_EQ(in_flight + 1, sst_wait_stat("in_flight", in_flight + 1));
}

static void expect_response(struct __test_metadata *_metadata, const struct sst_request *req,
			    const struct sst_response *resp, unsigned int status,
			    unsigned int flags)
{
	EXPECT_EQ(status, le32toh(resp->status));
	EXPECT_EQ(flags, le32toh(resp->flags));
	EXPECT_EQ(req->user_data, resp->user_data);
	EXPECT_NE(0, resp->request_id);
	if (flags & SST_RESPONSE_F_DRIVER) {
		EXPECT_EQ(0, resp->result);
		EXPECT_TRUE(all_bytes(resp->payload, 0, SST_PAYLOAD_SIZE));
	}
}

static void expect_ok(struct __test_metadata *_metadata, const struct uring *u, unsigned int i)
{
	expect_response(_metadata, &u->req[i], &u->resp[i], SST_RESPONSE_OK, 0);
}

static void expect_by_driver(struct __test_metadata *_metadata, const struct uring *u,
			     unsigned int i, unsigned int status)
{
	expect_response(_metadata, &u->req[i], &u->resp[i], status, SST_RESPONSE_F_DRIVER);
}

/* What could not be stored is what is to be read next. */
static void expect_to_read(struct __test_metadata *_metadata, const struct uring *u,
			   unsigned int i)
{
	struct sst_response resp;

	ASSERT_EQ(POLLIN, sst_poll(u->fd, POLLIN, 1000));
	ASSERT_EQ(0, sst_receive(u->fd, &resp));
	expect_response(_metadata, &u->req[i], &resp, SST_RESPONSE_OK, 0);
	if (u->req[i].type == htole32(TYPE_FILL)) {
		EXPECT_TRUE(all_bytes(resp.payload, FILL_BYTE, SST_PAYLOAD_SIZE));
	}
}

/* Nothing is in flight or to be read, and the file has all of its room. */
static void expect_nothing_left(struct __test_metadata *_metadata, const struct uring *u)
{
	struct sst_response resp;
	struct sst_info info;
	unsigned int i;

	EXPECT_EQ(0, sst_wait_stat("in_flight", 0));
	EXPECT_EQ(0, sst_poll(u->fd, POLLIN, 0));
	EXPECT_TRUE(sst_stats_balance());

	ASSERT_EQ(0, ioctl(u->fd, SST_IOCTL_GET_INFO, &info));
	info.request_limit = info.request_limit < LIMIT ? info.request_limit : LIMIT;
	ASSERT_EQ(0, file_set_limit(u->fd, info.request_limit));
	ASSERT_EQ(0, fcntl(u->fd, F_SETFL, O_NONBLOCK));
	for (i = 0; i < info.request_limit; i++) {
		ASSERT_EQ(0, sst_send(u->fd, SST_REQUEST_NOOP, i));
	}
	ASSERT_EQ(0, fcntl(u->fd, F_SETFL, 0));
	for (; i; i--) {
		ASSERT_EQ(0, sst_receive(u->fd, &resp));
	}
}

static int cancel_by_command(struct uring *u, unsigned long long user_data, unsigned int flags)
{
	struct sst_cancel c = { .user_data = user_data, .flags = flags };

	return do_command(u, SST_URING_CMD_CANCEL, &c, sizeof(c));
}

static unsigned int cycles(unsigned int few)
{
	const char *n = getenv("SST_CYCLES");

	return n && atoi(n) < few ? atoi(n) : few;
}

/* On rings of each kind */

FIXTURE(uring)
{
	struct uring u;
};

FIXTURE_VARIANT(uring)
{
	unsigned int flags;
	unsigned int sqe_flags;
	bool fixed;
};

FIXTURE_VARIANT_ADD(uring, plain) {};

FIXTURE_VARIANT_ADD(uring, defer_taskrun)
{
	.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(uring, sqpoll)
{
	.flags = IORING_SETUP_SQPOLL,
};

FIXTURE_VARIANT_ADD(uring, async)
{
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(uring, fixed)
{
	.fixed = true,
};

FIXTURE_VARIANT_ADD(uring, iopoll)
{
	.flags = IORING_SETUP_IOPOLL,
};

FIXTURE_SETUP(uring)
{
	self->u = (struct uring) {
		.flags = variant->flags,
		.sqe_flags = variant->sqe_flags,
		.fixed = variant->fixed,
	};
	set_up(_metadata, &self->u);
}

FIXTURE_TEARDOWN(uring)
{
	tear_down(_metadata, &self->u);
}

TEST_F(uring, one)
{
	struct uring *u = &self->u;
	long long requests = sst_stat("requests");

	prepare(u, 0, SST_REQUEST_ECHO, 0x0123456789abcdef);
	memset(u->req[0].payload, 0x5a, SST_PAYLOAD_SIZE);
	u->req[0].request_id = htole64(42);
	ASSERT_EQ(1, transact(u, 0, 1));
	expect_ok(_metadata, u, 0);
	EXPECT_EQ(htole64(0x0123456789abcdef), u->resp[0].user_data);
	EXPECT_TRUE(all_bytes(u->resp[0].payload, 0x5a, SST_PAYLOAD_SIZE));
	/* The request of the program stays as it was, and what is behind it. */
	EXPECT_EQ(htole64(42), u->req[0].request_id);
	EXPECT_TRUE(all_bytes(&u->req[1], 0, REQ));
	EXPECT_TRUE(all_bytes(&u->resp[1], 0, RESP));
	EXPECT_EQ(requests + 1, sst_stat("requests"));
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, vectors)
{
	struct uring *u = &self->u;
	const unsigned int sizes[] = { 1, 2, 3, 16, u->info.request_limit, u->info.queue_size };
	long long kicks, requests;
	unsigned int i, j;

	ASSERT_EQ(0, file_set_limit(u->fd, SST_REQUEST_LIMIT_MAX));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < sizes[i]; j++) {
			prepare(u, j, SST_REQUEST_ECHO, i << 16 | j);
			memset(u->req[j].payload, j + 1, SST_PAYLOAD_SIZE);
		}
		kicks = sst_stat("kicks");
		requests = sst_stat("requests");
		ASSERT_EQ(sizes[i], transact(u, 0, sizes[i]));
		EXPECT_GE(1, sst_stat("kicks") - kicks);
		EXPECT_EQ(requests + sizes[i], sst_stat("requests"));
		for (j = 0; j < sizes[i]; j++) {
			expect_ok(_metadata, u, j);
			EXPECT_TRUE(all_bytes(u->resp[j].payload, j + 1, SST_PAYLOAD_SIZE));
			if (j) {
				EXPECT_NE(u->resp[0].request_id, u->resp[j].request_id);
			}
		}
	}
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, responses_in_the_order_of_the_requests)
{
	struct uring *u = &self->u;
	unsigned int i;

	/* The device answers the first one last, unless it is serial. */
	for (i = 0; i < 5; i++) {
		prepare(u, i, i ? SST_REQUEST_ECHO : TYPE_LATE, 100 - i);
		memset(u->req[i].payload, i + 1, SST_PAYLOAD_SIZE);
	}
	ASSERT_EQ(5, transact(u, 0, 5));
	for (i = 0; i < 5; i++) {
		expect_ok(_metadata, u, i);
		EXPECT_TRUE(all_bytes(u->resp[i].payload, i + 1, SST_PAYLOAD_SIZE));
	}
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, each_end_of_a_request_in_one_vector)
{
	static const struct {
		unsigned int type;
		unsigned int status;
		unsigned int flags;
	} ends[] = {
		{ SST_REQUEST_NOOP, SST_RESPONSE_OK, 0 },
		{ TYPE_UNKNOWN, SST_RESPONSE_INVALID, 0 },
		/* Of the device, not because the device is gone */
		{ TYPE_NO_DEVICE, SST_RESPONSE_NO_DEVICE, 0 },
		{ TYPE_WRONG_ID, SST_RESPONSE_OK, 0 },
		{ TYPE_LONG, SST_RESPONSE_ERROR, SST_RESPONSE_F_DRIVER },
		{ TYPE_QUEUE, SST_RESPONSE_OK, 0 },
		{ TYPE_EARLY, SST_RESPONSE_OK, 0 },
		{ TYPE_FILL, SST_RESPONSE_OK, 0 },
		{ TYPE_NO_RESPONSE, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER },
		/* A serial device does nothing behind it. */
		{ TYPE_NEVER, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER },
	};
	struct uring *u = &self->u;
	unsigned int n = ARRAY_SIZE(ends), i;

	ASSERT_EQ(0, file_set_timeout(u->fd, 1000));
	for (i = 0; i < n; i++)
		prepare(u, i, ends[i].type, i);
	ASSERT_EQ(n, transact(u, 0, n));
	for (i = 0; i < n; i++) {
		expect_response(_metadata, &u->req[i], &u->resp[i], ends[i].status, ends[i].flags);
	}
	EXPECT_TRUE(all_bytes(u->resp[n - 3].payload, FILL_BYTE, SST_PAYLOAD_SIZE));
	EXPECT_EQ(0, sst_poll(u->fd, POLLIN, 0));
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_TRUE(sst_stats_balance());
}

TEST_F(uring, short_requests_are_filled_up_with_zeros)
{
	static const size_t sizes[] = { 24, 25, 4096, 4103 };
	enum { N = 3 };
	struct uring *u = &self->u;
	struct sst_uring_transact t;
	unsigned int i, j;
	size_t n;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		/* Leave something in the slots that must not come back. */
		for (j = 0; j < N; j++) {
			prepare(u, j, SST_REQUEST_ECHO, 1);
			memset(u->req[j].payload, 0xff, SST_PAYLOAD_SIZE);
		}
		ASSERT_EQ(N, transact(u, 0, N));

		/* One behind the other, with something else behind them */
		n = sizes[i] - SST_REQUEST_HEADER_SIZE;
		memset(u->req, 0xff, (N + 1) * REQ);
		memset(u->resp, 0xff, (N + 1) * RESP);
		for (j = 0; j < N; j++) {
			struct sst_request req;

			sst_prepare(&req, SST_REQUEST_ECHO, j);
			memset(req.payload, j + 1, SST_PAYLOAD_SIZE);
			memcpy((char *)u->req + j * sizes[i], &req, sizes[i]);
		}
		t = transaction(u, 0, N);
		t.request_size = sizes[i];
		ASSERT_EQ(N, transact_as(u, &t));
		for (j = 0; j < N; j++) {
			EXPECT_EQ(htole64(j), u->resp[j].user_data);
			EXPECT_TRUE(all_bytes(u->resp[j].payload, j + 1, n));
			EXPECT_TRUE(all_bytes(u->resp[j].payload + n, 0, SST_PAYLOAD_SIZE - n));
		}
		EXPECT_TRUE(all_bytes(&u->resp[N], 0xff, RESP));
	}
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, short_responses_that_end_in_zeros)
{
	static const size_t sizes[] = { 32, 33, 4096, 4111 };
	enum { N = 3 };
	struct uring *u = &self->u;
	struct sst_uring_transact t;
	struct sst_response resp;
	unsigned int i, j;
	size_t n;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		n = sizes[i] - SST_RESPONSE_HEADER_SIZE;
		for (j = 0; j <= N; j++) {
			prepare(u, j, SST_REQUEST_ECHO, j);
			memset(u->req[j].payload, j + 1, n);
		}
		t = transaction(u, 0, N);
		t.response_size = sizes[i];
		ASSERT_EQ(N, transact_as(u, &t));
		for (j = 0; j < N; j++) {
			memcpy(&resp, (char *)u->resp + j * sizes[i], sizes[i]);
			expect_response(_metadata, &u->req[j], &resp, SST_RESPONSE_OK, 0);
			EXPECT_TRUE(all_bytes(resp.payload, j + 1, n));
		}
		/* Not a byte more */
		EXPECT_TRUE(all_bytes((char *)u->resp + N * sizes[i], 0xff,
				      (N + 1) * RESP - N * sizes[i]));
	}
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, a_response_that_does_not_fit_is_read_with_those_behind_it)
{
	enum { N = 5, SIZE = 100 };
	struct uring *u = &self->u;
	struct sst_uring_transact t;
	struct sst_response resp;
	unsigned int first, i;

	/* The third one, and then the first one */
	for (first = 2; first < N; first -= 2) {
		for (i = 0; i < N; i++)
			prepare(u, i, i == first ? TYPE_FILL : SST_REQUEST_NOOP, first << 8 | i);
		t = transaction(u, 0, N);
		t.response_size = SIZE;
		ASSERT_EQ(first ?: -EMSGSIZE, transact_as(u, &t));
		for (i = 0; i < first; i++) {
			memcpy(&resp, (char *)u->resp + i * SIZE, SIZE);
			expect_response(_metadata, &u->req[i], &resp, SST_RESPONSE_OK, 0);
		}
		EXPECT_TRUE(all_bytes((char *)u->resp + first * SIZE, 0xff,
				      N * RESP - first * SIZE));
		for (i = first; i < N; i++) {
			expect_to_read(_metadata, u, i);
		}
		expect_nothing_left(_metadata, u);
	}
}

TEST_F(uring, many_at_once)
{
	enum { N = LIMIT / 2 };
	struct uring *u = &self->u;
	bool seen[N] = {};
	unsigned long long user_data;
	unsigned int i;

	for (i = 0; i < N; i++) {
		prepare(u, 2 * i, SST_REQUEST_ECHO, i);
		prepare(u, 2 * i + 1, i % 8 ? SST_REQUEST_ECHO : TYPE_QUEUE, i + 1000);
		memset(u->req[2 * i].payload, i, SST_PAYLOAD_SIZE);
		queue_requests(u, 2 * i, 2);
	}
	ASSERT_LE(1, io_uring_submit(&u->ring));
	for (i = 0; i < N; i++) {
		ASSERT_EQ(2, reap(u, &user_data));
		ASSERT_GT(2 * N, user_data);
		EXPECT_FALSE(seen[user_data / 2]);
		seen[user_data / 2] = true;
		expect_ok(_metadata, u, user_data);
		expect_ok(_metadata, u, user_data + 1);
		EXPECT_TRUE(all_bytes(u->resp[user_data].payload, user_data / 2, SST_PAYLOAD_SIZE));
	}
	EXPECT_FALSE(completes(u, 50));
	expect_nothing_left(_metadata, u);
}

/* The kernel keeps what the ring has no room for. */
TEST_F(uring, more_completions_than_fit_into_the_ring)
{
	enum { N = 3 * ENTRIES };
	struct uring *u = &self->u;
	bool seen[N] = {};
	unsigned long long user_data;
	unsigned int i;

	ASSERT_EQ(0, file_set_limit(u->fd, 4));
	for (i = 0; i < 4; i++)
		prepare(u, i, SST_REQUEST_NOOP, i);
	for (i = 0; i < N; i++) {
		queue_requests(u, i % 4, 1)->user_data = i;
		if (i % ENTRIES == ENTRIES - 1)
			ASSERT_LE(1, io_uring_submit(&u->ring));
	}
	for (i = 0; i < N; i++) {
		ASSERT_EQ(1, reap(u, &user_data));
		ASSERT_GT(N, user_data);
		EXPECT_FALSE(seen[user_data]);
		seen[user_data] = true;
	}
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, responses_are_not_read_by_others)
{
	struct uring *u = &self->u;
	struct sst_response resp;
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (sst_receive(u->fd, &resp))
			_exit(100);
		_exit(le64toh(resp.user_data));
	}
	prepare(u, 0, TYPE_LATE, 1);
	ASSERT_EQ(1, transact(u, 0, 1));
	expect_ok(_metadata, u, 0);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_EQ(0, sst_poll(u->fd, POLLIN, 0));

	/* What was written is for the reader, even while there is a command. */
	have_in_flight(_metadata, u, 0, TYPE_LATE);
	ASSERT_EQ(0, sst_send(u->fd, SST_REQUEST_NOOP, 33));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(33, WEXITSTATUS(status));
	ASSERT_EQ(1, reap(u, NULL));
	expect_ok(_metadata, u, 0);
	expect_nothing_left(_metadata, u);
}

/* Bad input */

static void expect_invalid(struct __test_metadata *_metadata, struct uring *u,
			   const struct sst_uring_transact *t, const char *what,
			   unsigned int value)
{
	EXPECT_EQ(-EINVAL, transact_as(u, t)) {
		TH_LOG("%s %u", what, value);
	}
}

TEST_F(uring, transact_with_invalid_arguments)
{
	static const unsigned int request_sizes[] = { 0, 23, 4105, 8208, UINT32_MAX };
	static const unsigned int response_sizes[] = { 0, 31, 4113, 8224, UINT32_MAX };
	static const unsigned int flags[] = { 1, 2, 0x80000000 };
	const unsigned int nr[] = { 0, LIMIT + 1, 0x80000000, UINT32_MAX };
	struct uring *u = &self->u;
	long long requests = sst_stat("requests");
	struct sst_uring_transact t;
	char rest[CMD_SIZE];
	unsigned int i;

	prepare(u, 0, SST_REQUEST_NOOP, 0);
	for (i = 0; i < ARRAY_SIZE(nr); i++) {
		t = transaction(u, 0, nr[i]);
		expect_invalid(_metadata, u, &t, "nr", nr[i]);
	}
	for (i = 0; i < ARRAY_SIZE(request_sizes); i++) {
		t = transaction(u, 0, 1);
		t.request_size = request_sizes[i];
		expect_invalid(_metadata, u, &t, "request_size", request_sizes[i]);
	}
	for (i = 0; i < ARRAY_SIZE(response_sizes); i++) {
		t = transaction(u, 0, 1);
		t.response_size = response_sizes[i];
		expect_invalid(_metadata, u, &t, "response_size", response_sizes[i]);
	}
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		t = transaction(u, 0, 1);
		t.flags = flags[i];
		expect_invalid(_metadata, u, &t, "flags", flags[i]);
	}
	for (i = 0; i < ARRAY_SIZE(t.reserved); i++) {
		t = transaction(u, 0, 1);
		t.reserved[i] = 1;
		expect_invalid(_metadata, u, &t, "reserved", i);
	}
	for (i = sizeof(t); i < CMD_SIZE; i++) {
		memset(rest, 0, sizeof(rest));
		t = transaction(u, 0, 1);
		memcpy(rest, &t, sizeof(t));
		rest[i] = 1;
		EXPECT_EQ(-EINVAL, do_command(u, SST_URING_CMD_TRANSACT, rest, sizeof(rest))) {
			TH_LOG("byte %u", i);
		}
	}
	/* Never so many at once, whatever the file may have */
	ASSERT_EQ(0, file_set_limit(u->fd, SST_REQUEST_LIMIT_MAX));
	t = transaction(u, 0, u->info.queue_size + 1);
	expect_invalid(_metadata, u, &t, "nr", t.nr);
	EXPECT_EQ(requests, sst_stat("requests"));
	/* Nothing was lost on the way. */
	EXPECT_EQ(1, transact(u, 0, 1));
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, cancel_with_invalid_arguments)
{
	static const struct sst_cancel bad[] = {
		{ .user_data = 1, .flags = SST_CANCEL_ALL },
		{ .user_data = 1, .flags = 2 },
		{ .flags = SST_CANCEL_ALL | 0x80000000 },
		{ .user_data = 1, .count = 1 },
		{ .user_data = 1, .reserved = { 1 } },
		{ .user_data = 1, .reserved = { 0, 1 } },
		{ .user_data = 1, .reserved = { 0, 0, 1 } },
		{ .flags = SST_CANCEL_ALL, .reserved = { 0, 0, 0, 1 } },
	};
	struct uring *u = &self->u;
	struct sst_cancel good = { .user_data = 1 };
	char rest[CMD_SIZE];
	unsigned int i;

	ASSERT_EQ(0, sst_send(u->fd, TYPE_NEVER, 1));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, do_command(u, SST_URING_CMD_CANCEL, &bad[i], sizeof(bad[i]))) {
			TH_LOG("number %u was taken", i);
		}
	}
	for (i = sizeof(good); i < CMD_SIZE; i++) {
		memset(rest, 0, sizeof(rest));
		memcpy(rest, &good, sizeof(good));
		rest[i] = 1;
		EXPECT_EQ(-EINVAL, do_command(u, SST_URING_CMD_CANCEL, rest, sizeof(rest))) {
			TH_LOG("byte %u", i);
		}
	}
	EXPECT_EQ(1, sst_stat("in_flight"));
	EXPECT_EQ(1, do_command(u, SST_URING_CMD_CANCEL, &good, sizeof(good)));
	EXPECT_EQ(0, sst_stat("in_flight"));
}

TEST_F(uring, unknown_commands)
{
	static const unsigned int unknown[] = {
		0, 0x10, UINT32_MAX,
		SST_IOCTL_GET_INFO, SST_IOCTL_TRANSACT, SST_IOCTL_SET_SETTINGS, SST_IOCTL_CANCEL,
		_IO(SST_IOCTL_TYPE, 0x10), _IOWR(SST_IOCTL_TYPE, 0x10, char),
		_IOW(SST_IOCTL_TYPE, 0x10, struct sst_uring_transact),
		_IO(SST_IOCTL_TYPE, 0x7f),
	};
	struct uring *u = &self->u;
	struct sst_uring_transact t = transaction(u, 0, 1);
	long long requests = sst_stat("requests");
	unsigned int i;

	prepare(u, 0, SST_REQUEST_NOOP, 0);
	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_EQ(-EINVAL, do_command(u, unknown[i], &t, sizeof(t))) {
			TH_LOG("number %u was taken", i);
		}
	}
	EXPECT_EQ(requests, sst_stat("requests"));
}

TEST_F(uring, needs_reading_and_writing)
{
	static const int modes[] = { O_RDONLY, O_WRONLY };
	struct uring *u = &self->u;
	long long requests = sst_stat("requests");
	struct uring other;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		other = *u;
		other.fd = sst_open(modes[i]);
		ASSERT_LE(0, other.fd);
		ASSERT_EQ(0, open_ring(&other));
		prepare(u, 0, SST_REQUEST_NOOP, 0);
		EXPECT_EQ(-EBADF, transact(&other, 0, 1));
		EXPECT_EQ(-ENOENT, cancel_by_command(&other, 0, SST_CANCEL_ALL));
		close_ring(&other);
		close(other.fd);
	}
	EXPECT_EQ(requests, sst_stat("requests"));
}

/* Room */

TEST_F(uring, waits_for_the_limit_of_the_file)
{
	struct uring *u = &self->u;
	unsigned long long user_data;
	long long requests;
	unsigned int i;

	ASSERT_EQ(0, file_set_limit(u->fd, 2));
	have_in_flight(_metadata, u, 0, TYPE_LATE);
	requests = sst_stat("requests");
	/* There is room for one of the two: none is submitted. */
	prepare(u, 1, SST_REQUEST_NOOP, 1);
	prepare(u, 2, SST_REQUEST_NOOP, 2);
	queue_requests(u, 1, 2);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	EXPECT_FALSE(completes(u, LATE_MS / 4));
	EXPECT_EQ(requests, sst_stat("requests"));

	EXPECT_EQ(1, reap(u, &user_data));
	EXPECT_EQ(0, user_data);
	EXPECT_EQ(2, reap(u, &user_data));
	EXPECT_EQ(1, user_data);
	for (i = 0; i < 3; i++) {
		expect_ok(_metadata, u, i);
	}
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, waits_until_responses_are_read)
{
	struct uring *u = &self->u;
	struct sst_response resp;

	/* Nobody but the waiting command knows that somebody will read. */
	ASSERT_EQ(0, file_set_limit(u->fd, 1));
	ASSERT_EQ(0, sst_send(u->fd, SST_REQUEST_NOOP, 7));
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	prepare(u, 0, SST_REQUEST_NOOP, 0);
	queue_requests(u, 0, 1);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	EXPECT_FALSE(completes(u, 100));
	ASSERT_EQ(0, sst_receive(u->fd, &resp));
	EXPECT_EQ(1, reap(u, NULL));
	expect_ok(_metadata, u, 0);
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, waits_until_the_limit_is_another)
{
	struct uring *u = &self->u;
	struct sst_response resp;
	long long requests;

	ASSERT_EQ(0, file_set_limit(u->fd, 3));
	ASSERT_EQ(0, sst_send(u->fd, SST_REQUEST_NOOP, 0));
	ASSERT_EQ(POLLIN, sst_poll(u->fd, POLLIN, 5000));
	requests = sst_stat("requests");
	prepare(u, 1, SST_REQUEST_NOOP, 1);
	prepare(u, 2, SST_REQUEST_NOOP, 2);
	prepare(u, 3, SST_REQUEST_NOOP, 3);
	queue_requests(u, 1, 3);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	EXPECT_FALSE(completes(u, 100));
	ASSERT_EQ(0, file_set_limit(u->fd, 4));
	EXPECT_EQ(3, reap(u, NULL));
	EXPECT_EQ(requests + 3, sst_stat("requests"));

	/* Never so many at once any more */
	queue_requests(u, 1, 3)->user_data = 77;
	ASSERT_EQ(0, file_set_limit(u->fd, 3));
	ASSERT_LE(1, io_uring_submit(&u->ring));
	EXPECT_FALSE(completes(u, 100));
	ASSERT_EQ(0, file_set_limit(u->fd, 2));
	EXPECT_EQ(-EINVAL, reap(u, NULL));
	EXPECT_EQ(requests + 3, sst_stat("requests"));
	ASSERT_EQ(0, sst_receive(u->fd, &resp));
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, waits_for_room_in_the_queue)
{
	struct uring *u = &self->u;
	struct sst_info rest = u->info;
	long long requests;
	int other;

	/* All places but one */
	rest.queue_size--;
	other = sst_fill_queue(&rest, TYPE_LATE);
	ASSERT_LE(0, other);
	requests = sst_stat("requests");
	prepare(u, 0, SST_REQUEST_NOOP, 0);
	prepare(u, 1, SST_REQUEST_NOOP, 1);

	/* A serial device gets to it only after all the others. */
	ASSERT_EQ(0, file_set_timeout(u->fd, 1000));
	queue_requests(u, 0, 2);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	EXPECT_FALSE(completes(u, LATE_MS / 4));
	EXPECT_EQ(requests, sst_stat("requests"));
	EXPECT_EQ(2, reap(u, NULL));
	EXPECT_EQ(requests + 2, sst_stat("requests"));
	if (!sst_serial()) {
		expect_ok(_metadata, u, 0);
		expect_ok(_metadata, u, 1);
	}
	EXPECT_EQ(0, sst_poll(u->fd, POLLIN, 0));
	close(other);
}

/* The device answers all but one, the last. */
TEST_F(uring, small_one_waits_behind_one_that_waits_for_all_room)
{
	struct uring *u = &self->u;
	struct uring second = *u;
	unsigned int i;
	int other;

	other = sst_open(O_RDWR);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, file_set_limit(other, SST_REQUEST_LIMIT_MAX));
	for (i = 0; i < u->info.queue_size - 1; i++) {
		ASSERT_EQ(0, sst_send(other, i && sst_serial() ? SST_REQUEST_NOOP : TYPE_LATE, i));
	}
	ASSERT_EQ(0, sst_send(other, TYPE_NEVER, i));
	ASSERT_EQ(0, file_set_limit(u->fd, SST_REQUEST_LIMIT_MAX));
	for (i = 0; i < u->info.queue_size; i++)
		prepare(u, i, SST_REQUEST_NOOP, i);
	queue_requests(u, 0, u->info.queue_size);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	EXPECT_FALSE(completes(u, 50));

	second.fd = sst_open(O_RDWR);
	ASSERT_LE(0, second.fd);
	ASSERT_EQ(0, file_set_timeout(second.fd, 1000));
	ASSERT_EQ(0, open_ring(&second));
	prepare(&second, i, SST_REQUEST_NOOP, i);
	EXPECT_EQ(1, transact(&second, i, 1));
	if (!sst_serial())
		expect_ok(_metadata, &second, i);
	EXPECT_FALSE(completes(u, 50));
	/* What has kept the other one waiting goes. */
	close(other);
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(u->info.queue_size, reap(u, NULL));
	close_ring(&second);
	close(second.fd);
}

TEST_F(uring, nonblocking_does_not_wait_for_room)
{
	struct uring *u = &self->u;
	struct sst_info rest = u->info;
	struct sst_response resp;
	long long requests;
	int other;

	ASSERT_EQ(0, fcntl(u->fd, F_SETFL, O_NONBLOCK));
	/* For its response it does. */
	prepare(u, 0, TYPE_LATE, 0);
	ASSERT_EQ(1, transact(u, 0, 1));
	expect_ok(_metadata, u, 0);

	ASSERT_EQ(0, file_set_limit(u->fd, 2));
	ASSERT_EQ(0, sst_send(u->fd, SST_REQUEST_NOOP, 1));
	requests = sst_stat("requests");
	prepare(u, 0, SST_REQUEST_NOOP, 0);
	prepare(u, 1, SST_REQUEST_NOOP, 1);
	EXPECT_EQ(-EAGAIN, transact(u, 0, 2));
	EXPECT_EQ(requests, sst_stat("requests"));
	EXPECT_EQ(1, transact(u, 0, 1));
	ASSERT_EQ(POLLIN, sst_poll(u->fd, POLLIN, 5000));
	ASSERT_EQ(0, sst_receive(u->fd, &resp));

	rest.queue_size--;
	other = sst_fill_queue(&rest, TYPE_LATE);
	ASSERT_LE(0, other);
	requests = sst_stat("requests");
	EXPECT_EQ(-EAGAIN, transact(u, 0, 2));
	EXPECT_EQ(requests, sst_stat("requests"));
	close(other);
}

/* Ends of requests other than by the device */

TEST_F(uring, unanswered)
{
	struct uring *u = &self->u;
	long long timeouts = sst_stat("timeouts");
	unsigned long long from, took;

	ASSERT_EQ(0, file_set_timeout(u->fd, 200));
	prepare(u, 0, SST_REQUEST_NOOP, 20);
	prepare(u, 1, TYPE_NEVER, 21);
	from = now_ms();
	ASSERT_EQ(2, transact(u, 0, 2));
	took = now_ms() - from;
	EXPECT_LE(200, took);
	EXPECT_GE(2000, took);
	expect_ok(_metadata, u, 0);
	expect_by_driver(_metadata, u, 1, SST_RESPONSE_TIMEOUT);
	EXPECT_EQ(timeouts + 1, sst_stat("timeouts"));
	EXPECT_EQ(1, sst_stat("zombies"));
	EXPECT_EQ(0, sst_poll(u->fd, POLLIN, 0));
}

TEST_F(uring, answered_too_late)
{
	struct uring *u = &self->u;
	long long late = sst_stat("late");

	ASSERT_EQ(0, file_set_timeout(u->fd, 50));
	prepare(u, 0, TYPE_LATE, 22);
	ASSERT_EQ(1, transact(u, 0, 1));
	expect_by_driver(_metadata, u, 0, SST_RESPONSE_TIMEOUT);
	EXPECT_EQ(late + 1, sst_wait_stat("late", late + 1));
	EXPECT_EQ(0, sst_wait_stat("zombies", 0));
	ASSERT_EQ(0, file_set_timeout(u->fd, 5000));
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, cancelled)
{
	static const unsigned int order[] = { 5, 6, 5, 7 };
	struct uring *u = &self->u;
	long long cancelled = sst_stat("cancelled");
	unsigned int i;

	EXPECT_EQ(-ENOENT, cancel_by_command(u, 0, SST_CANCEL_ALL));
	for (i = 0; i < 4; i++)
		prepare(u, i, TYPE_NEVER, order[i]);
	queue_requests(u, 0, 3);
	queue_requests(u, 3, 1);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	ASSERT_EQ(4, sst_wait_stat("in_flight", 4));

	EXPECT_EQ(-ENOENT, file_cancel(u->fd, 4, 0));
	EXPECT_EQ(2, file_cancel(u->fd, 5, 0));
	EXPECT_FALSE(completes(u, 50));
	EXPECT_EQ(1, file_cancel(u->fd, 6, 0));
	EXPECT_EQ(3, reap(u, NULL));
	for (i = 0; i < 3; i++) {
		expect_by_driver(_metadata, u, i, SST_RESPONSE_ERROR);
	}
	EXPECT_EQ(1, file_cancel(u->fd, 0, SST_CANCEL_ALL));
	EXPECT_EQ(1, reap(u, NULL));
	expect_by_driver(_metadata, u, 3, SST_RESPONSE_ERROR);
	EXPECT_EQ(cancelled + 4, sst_stat("cancelled"));
	EXPECT_EQ(4, sst_stat("zombies"));
	EXPECT_EQ(0, sst_poll(u->fd, POLLIN, 0));
}

TEST_F(uring, cancelled_by_a_command)
{
	struct uring *u = &self->u;
	struct sst_cancel c = { .user_data = 5 };
	unsigned long long user_data;
	unsigned int i;
	int ret;

	for (i = 0; i < 4; i++)
		prepare(u, i, TYPE_NEVER, i < 2 ? 5 : 6);
	queue_requests(u, 0, 3);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	ASSERT_EQ(3, sst_wait_stat("in_flight", 3));
	EXPECT_EQ(-ENOENT, cancel_by_command(u, 4, 0));
	EXPECT_EQ(2, cancel_by_command(u, 5, 0));
	EXPECT_FALSE(completes(u, 50));

	/* Two completions, in whatever order: that of the cancellation, and the other. */
	c = (struct sst_cancel) { .flags = SST_CANCEL_ALL };
	queue(u, SST_URING_CMD_CANCEL, &c, sizeof(c), 1000);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	for (i = 0; i < 2; i++) {
		ret = reap(u, &user_data);
		EXPECT_EQ(user_data == 1000 ? 1 : 3, ret);
	}
	for (i = 0; i < 3; i++) {
		expect_by_driver(_metadata, u, i, SST_RESPONSE_ERROR);
	}
	/* Only what is in flight: not what waits for room. */
	ASSERT_EQ(0, file_set_limit(u->fd, 1));
	ASSERT_EQ(0, file_set_timeout(u->fd, 1000));
	have_in_flight(_metadata, u, 0, TYPE_NEVER);
	prepare(u, 3, SST_REQUEST_NOOP, 3);
	queue_requests(u, 3, 1);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	EXPECT_FALSE(completes(u, 50));
	EXPECT_EQ(-ENOENT, file_cancel(u->fd, 3, 0));
	EXPECT_EQ(1, file_cancel(u->fd, 0, 0));
	EXPECT_EQ(1, reap(u, &user_data));
	EXPECT_EQ(1, reap(u, &user_data));
	if (!sst_serial()) {
		expect_ok(_metadata, u, 3);
	}
}

TEST_F(uring, device_reset)
{
	struct uring *u = &self->u;
	long long aborted = sst_stat("aborted");

	prepare(u, 0, SST_REQUEST_NOOP, 0);
	prepare(u, 1, TYPE_NEVER, 1);
	prepare(u, 2, TYPE_NEVER, 2);
	queue_requests(u, 0, 3);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	expect_in_flight(_metadata, u, 2);
	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(3, reap(u, NULL));
	expect_ok(_metadata, u, 0);
	expect_by_driver(_metadata, u, 1, SST_RESPONSE_ERROR);
	expect_by_driver(_metadata, u, 2, SST_RESPONSE_ERROR);
	EXPECT_EQ(aborted + 2, sst_stat("aborted"));
	prepare(u, 0, SST_REQUEST_NOOP, 3);
	EXPECT_EQ(1, transact(u, 0, 1));
	expect_ok(_metadata, u, 0);
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, device_reset_while_it_waits_for_room)
{
	struct uring *u = &self->u;
	int other = sst_fill_queue(&u->info, TYPE_NEVER);

	ASSERT_LE(0, other);
	prepare(u, 0, SST_REQUEST_NOOP, 0);
	queue_requests(u, 0, 1);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	EXPECT_FALSE(completes(u, 100));
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(1, reap(u, NULL));
	expect_ok(_metadata, u, 0);
	close(other);
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, queue_breaks)
{
	struct uring *u = &self->u;

	have_in_flight(_metadata, u, 0, TYPE_BREAK);
	EXPECT_FALSE(completes(u, LATE_MS));
	prepare(u, 1, SST_REQUEST_NOOP, 1);
	EXPECT_EQ(-EIO, transact(u, 1, 1));
	/* Who waits for a response waits on, and can be helped. */
	EXPECT_FALSE(completes(u, 50));
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(1, reap(u, NULL));
	expect_by_driver(_metadata, u, 0, SST_RESPONSE_ERROR);
	expect_nothing_left(_metadata, u);
}

TEST_F(uring, unbound)
{
	struct uring *u = &self->u;
	/* A serial device does nothing behind one that it does not answer. */
	unsigned int behind = sst_serial() ? 0 : 2, i;
	unsigned long long user_data, from;
	struct sst_response resp;
	int ret;

	ASSERT_EQ(0, file_set_limit(u->fd, 5));
	/* One that has a response to be kept, one without, and one that waits for room */
	for (i = 0; i < 6; i++)
		prepare(u, i, SST_REQUEST_NOOP, i);
	u->req[1].type = htole32(TYPE_NEVER);
	u->req[3].type = htole32(TYPE_NEVER);
	queue_requests(u, 0, 3);
	queue_requests(u, 3, 2);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	expect_in_flight(_metadata, u, 4 - behind);
	queue_requests(u, 5, 1);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	EXPECT_FALSE(completes(u, 50));

	from = now_ms();
	ASSERT_EQ(0, sst_driver_do("unbind", u->name));
	for (i = 0; i < 3; i++) {
		ret = reap(u, &user_data);
		EXPECT_EQ(user_data == 0 ? 1 : -ENODEV, ret);
	}
	EXPECT_GE(3000, now_ms() - from);
	expect_ok(_metadata, u, 0);
	EXPECT_TRUE(all_bytes(&u->resp[1], 0xff, 5 * RESP));
	EXPECT_FALSE(completes(u, 50));

	/* What was answered behind the one that was lost can be read. */
	for (i = 0; i < behind; i++) {
		ASSERT_EQ(0, sst_receive(u->fd, &resp));
		user_data = le64toh(resp.user_data);
		EXPECT_TRUE(user_data == 2 || user_data == 4);
		EXPECT_EQ(htole32(SST_RESPONSE_OK), resp.status);
	}
	EXPECT_EQ(-ENODEV, sst_receive(u->fd, &resp));

	/* Wrong arguments don't matter any more. */
	EXPECT_EQ(-ENODEV, transact(u, 0, 1));
	EXPECT_EQ(-ENODEV, transact(u, 0, 0));
	EXPECT_EQ(-ENODEV, do_command(u, 0, NULL, 0));
	EXPECT_EQ(-ENODEV, cancel_by_command(u, 0, SST_CANCEL_ALL));
}

/* Rings that go away */

TEST_F(uring, ring_exits)
{
	struct uring *u = &self->u;
	long long abandoned = sst_stat("abandoned"), timeouts = sst_stat("timeouts");
	unsigned long long from = now_ms();
	struct sst_response resp;
	long long requests, more;
	unsigned int i;

	ASSERT_EQ(0, file_set_timeout(u->fd, kernel_cancels(u) ? 5000 : 500));
	ASSERT_EQ(0, file_set_limit(u->fd, 6));
	for (i = 0; i < 7; i++)
		prepare(u, i, i ? TYPE_NEVER : SST_REQUEST_NOOP, i);
	queue_requests(u, 0, 3);
	queue_requests(u, 3, 2);
	queue_requests(u, 5, 1);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	expect_in_flight(_metadata, u, 5);
	requests = sst_stat("requests");
	/* One that waits for room */
	queue_requests(u, 6, 1);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	EXPECT_FALSE(completes(u, 50));

	close_ring(u);
	EXPECT_EQ(0, sst_wait_stat("in_flight", 0));
	sleep_ms(100);
	/* It may have come before its own end. */
	more = sst_stat("requests") - requests;
	EXPECT_TRUE(more == 0 || more == 1);
	if (kernel_cancels(u)) {
		EXPECT_GT(3000, now_ms() - from);
		EXPECT_EQ(timeouts, sst_stat("timeouts"));
		more = sst_stat("abandoned") - abandoned - more;
		EXPECT_TRUE(more == 5 || more == 4);
	} else {
		EXPECT_EQ(abandoned, sst_stat("abandoned"));
		EXPECT_LE(timeouts + 5, sst_stat("timeouts"));
	}
	EXPECT_LE(5, sst_stat("zombies"));
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_TRUE(sst_stats_balance());

	/* The file goes on, with all of its room. What nobody took may be read. */
	ASSERT_EQ(0, fcntl(u->fd, F_SETFL, O_NONBLOCK));
	while (!sst_receive(u->fd, &resp))
		;
	ASSERT_EQ(0, fcntl(u->fd, F_SETFL, 0));
	ASSERT_EQ(0, open_ring(u));
	for (i = 0; i < 6; i++)
		prepare(u, i, SST_REQUEST_NOOP, i);
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(6, transact(u, 0, 6));
	expect_ok(_metadata, u, 5);
	EXPECT_EQ(0, sst_poll(u->fd, POLLIN, 0));
}

/* Wait until two requests are in flight, or more if nobody looks for their ends. */
static bool wait_for_two(void)
{
	unsigned long long end = now_ms() + 5000;

	while (sst_stat("in_flight") < 2)
		if (now_ms() > end)
			return false;
	return true;
}

TEST_F(uring, process_is_killed)
{
	struct uring *u = &self->u;
	struct uring other;
	unsigned int i;
	int status;
	pid_t pid;

	for (i = 0; i < 4; i++) {
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			other = *u;
			/* An open file of its own, or that of its parent */
			if (i % 2)
				other.fd = sst_open(O_RDWR);
			if (open_ring(&other) || file_set_timeout(other.fd, 1000))
				_exit(1);
			prepare(&other, 0, SST_REQUEST_NOOP, 0);
			prepare(&other, 1, TYPE_NEVER, 1);
			prepare(&other, 2, TYPE_LATE, 2);
			queue_requests(&other, 0, 2);
			queue_requests(&other, 2, 1);
			io_uring_submit(&other.ring);
			if (i < 2)
				for (;;)
					pause();
			_exit(!wait_for_two());
		}
		if (i < 2) {
			EXPECT_TRUE(wait_for_two());
			kill(pid, SIGKILL);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(i < 2 ? SIGKILL : 0, status);
		EXPECT_EQ(0, sst_wait_stat("in_flight", 0));
		EXPECT_TRUE(sst_stats_balance());
	}
	/* The device goes on, and the file that was shared. */
	ASSERT_EQ(0, fcntl(u->fd, F_SETFL, O_NONBLOCK));
	sleep_ms(100);
	while (!sst_receive(u->fd, &u->resp[0]))
		;
	ASSERT_EQ(0, fcntl(u->fd, F_SETFL, 0));
	for (i = 0; i < LIMIT; i++)
		prepare(u, i, SST_REQUEST_NOOP, i);
	EXPECT_EQ(LIMIT, transact(u, 0, LIMIT));
	EXPECT_EQ(0, sst_poll(u->fd, POLLIN, 0));
}

TEST_F(uring, file_is_closed_below_it)
{
	struct uring *u = &self->u;

	have_in_flight(_metadata, u, 0, TYPE_LATE);
	close(u->fd);
	EXPECT_EQ(1, reap(u, NULL));
	expect_ok(_metadata, u, 0);
	u->fd = sst_open(O_RDWR);
	ASSERT_LE(0, u->fd);
	expect_nothing_left(_metadata, u);
}

/* Together with other operations */

TEST_F(uring, links)
{
	struct uring *u = &self->u;
	unsigned long long user_data;
	unsigned int i;

	prepare(u, 0, SST_REQUEST_WRITE, 0);
	u->req[0].memory.addr = htole64(0x2000);
	u->req[0].memory.size = htole32(5);
	memcpy(u->req[0].payload + sizeof(u->req[0].memory), "hello", 5);
	prepare(u, 1, SST_REQUEST_READ, 1);
	u->req[1].memory = u->req[0].memory;
	prepare(u, 2, TYPE_LATE, 2);
	prepare(u, 3, SST_REQUEST_NOOP, 3);
	queue_requests(u, 0, 1)->flags |= IOSQE_IO_LINK;
	queue_requests(u, 1, 1)->flags |= IOSQE_IO_LINK;
	queue_requests(u, 2, 1)->flags |= IOSQE_IO_LINK;
	queue_requests(u, 3, 1);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(1, reap(u, &user_data));
		EXPECT_EQ(i, user_data);
		expect_ok(_metadata, u, i);
	}
	EXPECT_EQ(0, memcmp(u->resp[1].payload, "hello", 5));

	/* One that fails ends those behind it, a response of whatever status does not. */
	prepare(u, 0, TYPE_UNKNOWN, 0);
	queue_requests(u, 0, 1)->flags |= IOSQE_IO_LINK;
	queue_requests(u, 1, 0)->flags |= IOSQE_IO_LINK;
	queue_requests(u, 2, 1);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	for (i = 0; i < 3; i++) {
		static const int results[] = { 1, -EINVAL, -ECANCELED };
		int ret = reap(u, &user_data);

		ASSERT_GT(3, user_data);
		EXPECT_EQ(results[user_data], ret);
	}
	expect_nothing_left(_metadata, u);
}

static void queue_rw(struct uring *u, unsigned int opcode, void *buffer, size_t size,
		     unsigned long long user_data)
{
	struct io_uring_sqe *sqe = next_entry(u);

	io_uring_prep_rw(opcode, sqe, u->fd, buffer, size, 0);
	set_file(u, sqe);
	sqe->user_data = user_data;
}

TEST_F(uring, reads_and_writes)
{
	enum { N = 8 };
	struct uring *u = &self->u;
	unsigned int read_op = u->fixed ? IORING_OP_READ_FIXED : IORING_OP_READ;
	unsigned int write_op = u->fixed ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE;
	unsigned int i, j, seen = 0;
	unsigned long long user_data;

	/* The reads first: none of them can be done at once. */
	for (i = 0; i < N; i++) {
		prepare(u, i, i ? SST_REQUEST_ECHO : TYPE_LATE, i);
		memset(u->req[i].payload, i, SST_PAYLOAD_SIZE);
		queue_rw(u, read_op, &u->resp[i], RESP, 100 + i);
	}
	ASSERT_LE(1, io_uring_submit(&u->ring));
	if (u->flags & IORING_SETUP_IOPOLL) {
		/* A ring that is polled has commands only. */
		for (i = 0; i < N; i++) {
			EXPECT_EQ(-EOPNOTSUPP, reap(u, &user_data));
		}
		return;
	}
	EXPECT_FALSE(completes(u, 50));
	for (i = 0; i < N; i++)
		queue_rw(u, write_op, &u->req[i], REQ, i);
	ASSERT_LE(1, io_uring_submit(&u->ring));
	for (i = 0; i < 2 * N; i++) {
		int ret = reap(u, &user_data);

		ASSERT_EQ(user_data < 100 ? REQ : RESP, ret);
		if (user_data >= 100) {
			j = le64toh(u->resp[user_data - 100].user_data);
			EXPECT_TRUE(all_bytes(u->resp[user_data - 100].payload, j,
					      SST_PAYLOAD_SIZE));
			seen |= 1 << j;
		}
	}
	EXPECT_EQ((1 << N) - 1, seen);
	expect_nothing_left(_metadata, u);
}

/* Many processes */

enum { WORKERS = 3, DEPTH = 8, VECTOR = 4, ROUNDS = 200 };

/* What a process with a ring of its own knows of its requests */
struct worker {
	struct uring u;
	unsigned int number;
	unsigned int sent;	/* requests */
	unsigned int ok;
	unsigned int error;	/* ended by the driver */
	unsigned int lost;	/* with the device */
	unsigned int nr[DEPTH];	/* requests of each command in flight */
	unsigned int in_flight;	/* commands */
	unsigned int random;
	bool slow;		/* some requests take long */
	bool over;
};

static unsigned int next_random(struct worker *w)
{
	/* Numerical Recipes' linear congruence: repeatable from the seed */
	w->random = w->random * 1664525 + 1013904223;
	return w->random >> 8;
}

static unsigned int pick_type(struct worker *w)
{
	unsigned int n = next_random(w) % 128;

	if (w->slow && n % 64 == 1 && (n == 1 || !sst_serial()))
		return TYPE_LATE;
	return n % 8 ? SST_REQUEST_ECHO : TYPE_QUEUE;
}

/* Submit commands until so many are in flight. */
static void submit_some(struct worker *w, unsigned int depth)
{
	unsigned int i, j;

	for (i = 0; i < DEPTH && w->in_flight < depth; i++) {
		if (w->nr[i])
			continue;
		w->nr[i] = 1 + next_random(w) % VECTOR;
		for (j = i * VECTOR; j < i * VECTOR + w->nr[i]; j++)
			prepare(&w->u, j, pick_type(w),
				(unsigned long long)w->number << 32 | w->sent++);
		queue_requests(&w->u, i * VECTOR, w->nr[i]);
		w->in_flight++;
	}
	io_uring_submit(&w->u.ring);
}

/*
 * Take a completion. Returns 0, 1 if it tells that the device is gone, or an error
 * that it cannot have.
 */
static int take_one(struct worker *w)
{
	unsigned long long first;
	unsigned int i, n;
	int ret = reap(&w->u, &first);

	if (ret == -ETIME)
		return ret;
	if (first % VECTOR || first >= DEPTH * VECTOR || !w->nr[first / VECTOR])
		return -EBADMSG;
	n = w->nr[first / VECTOR];
	w->nr[first / VECTOR] = 0;
	w->in_flight--;
	if (ret > (int)n || (ret < 0 && ret != -ENODEV) || !ret)
		return ret ?: -EPROTO;
	for (i = first; (int)(i - first) < ret; i++) {
		const struct sst_response *resp = &w->u.resp[i];

		if (resp->user_data != w->u.req[i].user_data)
			return -EILSEQ;
		if (resp->status == htole32(SST_RESPONSE_OK) && !resp->flags)
			w->ok++;
		else if (resp->status == htole32(SST_RESPONSE_ERROR) &&
			 resp->flags == htole32(SST_RESPONSE_F_DRIVER))
			w->error++;
		else
			return -EIO;
	}
	return ret == (int)n ? 0 : 1;
}

/* What was not stored is lost, or there to be read. */
static int read_the_rest(struct worker *w)
{
	struct sst_response resp;
	unsigned int n = 0;
	int ret;

	while (!(ret = sst_receive(w->u.fd, &resp))) {
		if (le64toh(resp.user_data) >> 32 != w->number)
			return -EILSEQ;
		n++;
	}
	if (ret != -ENODEV)
		return ret;
	w->ok += n;
	w->lost = w->sent - w->ok - w->error;
	return w->lost <= w->sent ? 0 : -EPROTO;
}

/* Until it is told to stop, the device is gone, or something is wrong */
static int work(struct worker *w)
{
	bool gone = false;
	unsigned int i;
	int ret;

	if (open_ring(&w->u))
		return -ENOSPC;
	for (i = 0; !gone && !(w->over && (w->slow || i >= ROUNDS)); i++) {
		submit_some(w, 1 + i % DEPTH);
		while (w->in_flight > i % 3) {
			ret = take_one(w);
			if (ret < 0)
				return ret;
			gone = gone || ret;
		}
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	while (w->in_flight) {
		ret = take_one(w);
		if (ret < 0)
			return ret;
		gone = gone || ret;
	}
	if (completes(&w->u, 20))
		return -EEXIST;
	close_ring(&w->u);
	return gone ? read_the_rest(w) : 0;
}

/* Start processes, each with a file of its own unless the file is to be shared. */
static struct worker *start_workers(const struct uring *u, pid_t *pids, bool shared, bool slow)
{
	size_t size = DEPTH * VECTOR * (REQ + RESP);
	struct worker *workers;
	unsigned int i;

	workers = mmap(NULL, WORKERS * (sizeof(*workers) + size), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (workers == MAP_FAILED)
		return NULL;
	for (i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		w->u = *u;
		w->u.memory = (char *)(workers + WORKERS) + i * size;
		w->u.size = size;
		w->u.req = w->u.memory;
		w->u.resp = (void *)(w->u.req + DEPTH * VECTOR);
		w->number = i;
		w->random = i + now_ms();
		w->slow = slow;
		if (!shared)
			w->u.fd = sst_open(O_RDWR);
		pids[i] = fork();
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(-work(w));
		}
		if (!shared)
			close(w->u.fd);
	}
	return workers;
}

/* Wait for their ends. The first adds up what all of them have counted. */
static void end_workers(struct __test_metadata *_metadata, struct worker *workers,
			const pid_t *pids)
{
	unsigned int i;
	int status;

	for (i = 0; i < WORKERS; i++)
		__atomic_store_n(&workers[i].over, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < WORKERS; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status) {
			TH_LOG("process %u: %s", i, strerror(WEXITSTATUS(status)));
		}
		if (!i)
			continue;
		workers->sent += workers[i].sent;
		workers->ok += workers[i].ok;
		workers->error += workers[i].error;
		workers->lost += workers[i].lost;
	}
}

TEST_F(uring, cancel_storm)
{
	struct uring *u = &self->u;
	long long cancelled = sst_stat("cancelled"), responses = sst_stat("responses");
	long long requests = sst_stat("requests"), late = sst_stat("late");
	unsigned long long end = now_ms() + 400, number = 0;
	pid_t pids[WORKERS];
	struct worker *w;
	unsigned int i;
	int n;

	w = start_workers(u, pids, true, false);
	ASSERT_TRUE(!!w);
	for (i = 0; now_ms() < end; i++) {
		if (i % 64 == 0)
			n = file_cancel(u->fd, 0, SST_CANCEL_ALL);
		else if (i % 64 == 32)
			n = cancel_by_command(u, 0, SST_CANCEL_ALL);
		else
			/* One that is perhaps in flight */
			n = file_cancel(u->fd, (i % WORKERS + 0ULL) << 32 |
					(w[i % WORKERS].sent - i / WORKERS % 8), 0);
		EXPECT_TRUE(n > 0 || n == -ENOENT);
		if (n > 0)
			number += n;
	}
	end_workers(_metadata, w, pids);
	TH_LOG("%u requests answered, %u cancelled", w->ok, w->error);
	EXPECT_EQ(0, w->lost);
	EXPECT_EQ(w->sent, w->ok + w->error);
	EXPECT_EQ(number, w->error);
	EXPECT_EQ(cancelled + w->error, sst_stat("cancelled"));
	EXPECT_EQ(responses + w->ok, sst_stat("responses"));
	EXPECT_EQ(requests + w->sent, sst_stat("requests"));
	/* The device has answered all of them. */
	EXPECT_EQ(late + w->error, sst_wait_stat("late", late + w->error));
	EXPECT_EQ(0, sst_wait_stat("zombies", 0));
	expect_nothing_left(_metadata, u);
}

TEST_F_TIMEOUT(uring, resets_under_load, 300)
{
	struct uring *u = &self->u;
	long long aborted = sst_stat("aborted"), responses = sst_stat("responses");
	pid_t pids[WORKERS];
	struct worker *w;
	unsigned int i;

	w = start_workers(u, pids, false, true);
	ASSERT_TRUE(!!w);
	for (i = 0; i < cycles(5); i++) {
		sleep_ms(20 + i % 7);
		ASSERT_EQ(0, sst_reset());
	}
	end_workers(_metadata, w, pids);
	TH_LOG("%u requests answered, %u ended by resets", w->ok, w->error);
	EXPECT_EQ(w->sent, w->ok + w->error);
	EXPECT_EQ(aborted + w->error, sst_stat("aborted"));
	EXPECT_EQ(responses + w->ok, sst_stat("responses"));
	EXPECT_TRUE(sst_stats_balance());
}

TEST_F_TIMEOUT(uring, unbinds_under_load, 300)
{
	struct uring *u = &self->u;
	unsigned int ok = 0, lost = 0, i;
	pid_t pids[WORKERS];
	struct worker *w;

	for (i = 0; i < cycles(5); i++) {
		w = start_workers(u, pids, false, true);
		ASSERT_TRUE(!!w);
		sleep_ms(20 + i % 7);
		ASSERT_EQ(0, sst_driver_do("unbind", u->name));
		end_workers(_metadata, w, pids);
		EXPECT_EQ(0, w->error);
		EXPECT_EQ(w->sent, w->ok + w->lost);
		ok += w->ok;
		lost += w->lost;
		ASSERT_EQ(0, sst_driver_do("bind", u->name));
		ASSERT_EQ(0, wait_for_device());
		if (u->flags & IORING_SETUP_IOPOLL)
			ASSERT_EQ(0, sst_attr_set("busy_poll_us", POLL_US));
	}
	TH_LOG("%u requests answered, %u lost", ok, lost);
}

/* Processes that go away, by themselves or not, in the middle of what they do */
TEST_F_TIMEOUT(uring, exits_under_load, 300)
{
	enum { TIMES = 20 };
	struct uring *u = &self->u;
	unsigned long long until;
	struct sst_response resp;
	unsigned int i, j;
	pid_t pid;
	int ret;

	ASSERT_EQ(0, file_set_timeout(u->fd, 500));
	for (i = 0; i < TIMES; i++) {
		pid = fork();
		if (!pid) {
			struct worker w = { .u = *u, .random = i };

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (j = 0; j < 50; j++) {
				if (open_ring(&w.u))
					_exit(1);
				memset(w.nr, 0, sizeof(w.nr));
				w.in_flight = 0;
				submit_some(&w, 1 + j % DEPTH);
				if (i % 4 == 0 && j == 5)
					have_in_flight(_metadata, &w.u, DEPTH * VECTOR, TYPE_NEVER);
				if (j % 3 == 0)
					take_one(&w);
				close_ring(&w.u);
			}
			_exit(0);
		}
		usleep(5000 + i * 1000);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	}
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	EXPECT_TRUE(sst_stats_balance());
	ASSERT_EQ(0, file_set_timeout(u->fd, 5000));
	/* What a process was too dead to take can be read once a worker of io_uring has seen it. */
	ASSERT_EQ(0, fcntl(u->fd, F_SETFL, O_NONBLOCK));
	for (i = 0; i < LIMIT; i++)
		prepare(u, i, SST_REQUEST_NOOP, i);
	until = now_ms() + 10000;
	do {
		while (!sst_receive(u->fd, &resp))
			;
		ret = transact(u, 0, LIMIT);
	} while (ret == -EAGAIN && now_ms() < until);
	EXPECT_EQ(LIMIT, ret);
}

/* On a plain ring, or one that is made for the purpose */

FIXTURE(own)
{
	struct uring u;
};

FIXTURE_SETUP(own)
{
	set_up(_metadata, &self->u);
}

FIXTURE_TEARDOWN(own)
{
	tear_down(_metadata, &self->u);
}

TEST_F(own, ring_with_small_entries)
{
	struct uring *u = &self->u;
	struct sst_uring_transact t = transaction(u, 0, 1);
	long long requests = sst_stat("requests");
	struct io_uring_sqe *sqe;

	close_ring(u);
	ASSERT_EQ(0, io_uring_queue_init(ENTRIES, &u->ring, 0));
	u->open = true;
	prepare(u, 0, SST_REQUEST_NOOP, 0);
	sqe = next_entry(u);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = u->fd;
	sqe->cmd_op = SST_URING_CMD_TRANSACT;
	/* As much of it as there is room for */
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, cmd), &t, 16);
	EXPECT_EQ(-EINVAL, submit_and_reap(u, 0));
	sqe = next_entry(u);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = u->fd;
	sqe->cmd_op = SST_URING_CMD_CANCEL;
	EXPECT_EQ(-EINVAL, submit_and_reap(u, 0));
	EXPECT_EQ(requests, sst_stat("requests"));
}

TEST_F(own, commands_are_no_ioctls)
{
	struct sst_uring_transact t = transaction(&self->u, 0, 1);

	EXPECT_EQ(-1, ioctl(self->u.fd, SST_URING_CMD_TRANSACT, &t));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->u.fd, SST_URING_CMD_CANCEL, &t));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(own, requests_that_cannot_be_read)
{
	struct uring *u = &self->u;
	long long requests = sst_stat("requests");
	struct sst_uring_transact t;
	struct sst_request *req;

	prepare(u, 0, SST_REQUEST_NOOP, 0);
	t = transaction(u, 0, 1);
	t.requests = (uintptr_t)bad_pointer();
	EXPECT_EQ(-EFAULT, transact_as(u, &t));
	t.requests = UINT64_MAX - 100;
	EXPECT_EQ(-EFAULT, transact_as(u, &t));

	/* The third of four */
	req = end_of_memory(3 * REQ - 1);
	ASSERT_TRUE(!!req);
	memcpy(req, u->req, REQ);
	memcpy(req + 1, u->req, REQ);
	t = transaction(u, 0, 4);
	t.requests = (uintptr_t)req;
	EXPECT_EQ(-EFAULT, transact_as(u, &t));
	EXPECT_EQ(requests, sst_stat("requests"));

	/* No byte more than there are is read. */
	prepare(u, 1, SST_REQUEST_NOOP, 0);
	t = transaction(u, 0, 2);
	t.requests = (uintptr_t)req;
	EXPECT_EQ(2, transact_as(u, &t));
	req = end_of_memory(2 * 25);
	ASSERT_TRUE(!!req);
	t.requests = (uintptr_t)req;
	t.request_size = 25;
	EXPECT_EQ(2, transact_as(u, &t));
	expect_nothing_left(_metadata, u);
}

TEST_F(own, responses_that_cannot_be_stored)
{
	struct uring *u = &self->u;
	struct sst_response *resp;
	struct sst_uring_transact t;
	unsigned int i;

	for (i = 0; i < 4; i++)
		prepare(u, i, TYPE_FILL, i);
	/* The third of them, and those behind it */
	resp = end_of_memory(3 * RESP - 1);
	ASSERT_TRUE(!!resp);
	t = transaction(u, 0, 4);
	t.responses = (uintptr_t)resp;
	EXPECT_EQ(2, transact_as(u, &t));
	for (i = 0; i < 2; i++) {
		expect_response(_metadata, &u->req[i], &resp[i], SST_RESPONSE_OK, 0);
		EXPECT_TRUE(all_bytes(resp[i].payload, FILL_BYTE, SST_PAYLOAD_SIZE));
	}
	expect_to_read(_metadata, u, 2);
	expect_to_read(_metadata, u, 3);
	expect_nothing_left(_metadata, u);

	/* All of them */
	t.responses = (uintptr_t)bad_pointer();
	EXPECT_EQ(-EFAULT, transact_as(u, &t));
	for (i = 0; i < 4; i++) {
		expect_to_read(_metadata, u, i);
	}
	t.nr = 1;
	t.responses = UINT64_MAX - 100;
	EXPECT_EQ(-EFAULT, transact_as(u, &t));
	expect_to_read(_metadata, u, 0);
	resp = readonly_memory(u->resp, RESP);
	ASSERT_TRUE(!!resp);
	t.responses = (uintptr_t)resp;
	EXPECT_EQ(-EFAULT, transact_as(u, &t));
	expect_to_read(_metadata, u, 0);
	/* In the header, and in the zeros behind what a short response has */
	resp = end_of_memory(16);
	ASSERT_TRUE(!!resp);
	t.responses = (uintptr_t)resp;
	EXPECT_EQ(-EFAULT, transact_as(u, &t));
	expect_to_read(_metadata, u, 0);
	prepare(u, 0, TYPE_SHORT, 0);
	resp = end_of_memory(RESP - 1);
	ASSERT_TRUE(!!resp);
	t.responses = (uintptr_t)resp;
	EXPECT_EQ(-EFAULT, transact_as(u, &t));
	expect_to_read(_metadata, u, 0);
	expect_nothing_left(_metadata, u);
}

TEST_F(own, memory_goes_away_meanwhile)
{
	struct uring *u = &self->u;
	struct sst_response *resp = end_of_memory(RESP);
	struct sst_uring_transact t = transaction(u, 0, 1);

	ASSERT_TRUE(!!resp);
	prepare(u, 0, TYPE_LATE, 9);
	t.responses = (uintptr_t)resp;
	queue(u, SST_URING_CMD_TRANSACT, &t, sizeof(t), 0);
	ASSERT_EQ(1, io_uring_submit(&u->ring));
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	/* The request may change, and the entry. */
	memset(&u->req[0], 0xee, REQ);
	munmap((void *)((uintptr_t)resp & -getpagesize()), 2 * getpagesize());
	EXPECT_EQ(-EFAULT, reap(u, NULL));
	prepare(u, 0, SST_REQUEST_ECHO, 9);
	expect_to_read(_metadata, u, 0);
	expect_nothing_left(_metadata, u);
}

TEST_F(own, registered_buffer_must_have_all_of_it)
{
	struct uring *u = &self->u;
	struct iovec buffer = { &u->req[1], 2 * REQ };
	long long requests = sst_stat("requests");
	struct sst_uring_transact t;
	unsigned int i;
	const struct {
		const void *requests;
		unsigned int index;
	} bad[] = {
		{ &u->req[1], 1 },
		{ &u->req[1], 0xffff },
		{ &u->req[0], 0 },
		{ &u->req[2], 0 },
		{ (char *)&u->req[1] - 1, 0 },
		{ (char *)&u->req[1] + 1, 0 },
		{ &u->resp[0], 0 },
		{ NULL, 0 },
		{ (void *)UINTPTR_MAX, 0 },
		{ (void *)(UINTPTR_MAX - REQ + 1), 0 },
	};

	/* Without any buffer */
	prepare(u, 1, SST_REQUEST_NOOP, 1);
	prepare(u, 2, SST_REQUEST_NOOP, 2);
	queue_requests(u, 1, 2)->uring_cmd_flags = IORING_URING_CMD_FIXED;
	EXPECT_EQ(-EFAULT, submit_and_reap(u, 1));

	ASSERT_EQ(0, io_uring_register_buffers(&u->ring, &buffer, 1));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct io_uring_sqe *sqe;

		t = transaction(u, 1, 2);
		t.requests = (uintptr_t)bad[i].requests;
		sqe = queue(u, SST_URING_CMD_TRANSACT, &t, sizeof(t), 1);
		sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
		sqe->buf_index = bad[i].index;
		EXPECT_EQ(-EFAULT, submit_and_reap(u, 1)) {
			TH_LOG("number %u", i);
		}
	}
	/* Flags that nobody knows */
	queue_requests(u, 1, 2)->uring_cmd_flags = 1U << 31;
	EXPECT_EQ(-EINVAL, submit_and_reap(u, 1));
	EXPECT_EQ(requests, sst_stat("requests"));
	expect_nothing_left(_metadata, u);
	requests = sst_stat("requests");

	/* The responses are not in it: that is found out when there are any. */
	queue_requests(u, 1, 2)->uring_cmd_flags = IORING_URING_CMD_FIXED;
	EXPECT_EQ(-EFAULT, submit_and_reap(u, 1));
	EXPECT_EQ(requests + 2, sst_stat("requests"));
	expect_to_read(_metadata, u, 1);
	expect_to_read(_metadata, u, 2);
	expect_nothing_left(_metadata, u);
}

TEST_F(own, registered_buffer_of_several)
{
	struct uring *u = &self->u;
	char *memory = mmap(NULL, 64 * 1024, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec buffers[] = {
		{ u->memory, u->size }, { memory, 4096 }, { memory + 7, 30000 },
	};
	struct sst_uring_transact t;
	struct io_uring_sqe *sqe;
	struct sst_response *resp;
	unsigned int i;

	ASSERT_TRUE(memory != MAP_FAILED);
	ASSERT_EQ(0, io_uring_register_buffers(&u->ring, buffers, 3));
	/* At odd addresses, over pages that are not next to each other */
	for (i = 0; i < 2; i++) {
		prepare(u, i, SST_REQUEST_ECHO, i);
		memset(u->req[i].payload, i + 1, SST_PAYLOAD_SIZE);
	}
	memcpy(memory + 7, u->req, 2 * REQ);
	t = transaction(u, 0, 2);
	t.requests = (uintptr_t)memory + 7;
	t.responses = (uintptr_t)memory + 30007 - 2 * RESP;
	sqe = queue(u, SST_URING_CMD_TRANSACT, &t, sizeof(t), 1);
	sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
	sqe->buf_index = 2;
	EXPECT_EQ(2, submit_and_reap(u, 1));
	resp = malloc(2 * RESP);
	memcpy(resp, memory + 30007 - 2 * RESP, 2 * RESP);
	for (i = 0; i < 2; i++) {
		expect_response(_metadata, &u->req[i], &resp[i], SST_RESPONSE_OK, 0);
		EXPECT_TRUE(all_bytes(resp[i].payload, i + 1, SST_PAYLOAD_SIZE));
	}
	EXPECT_EQ(0, memory[30007]);
	free(resp);
	expect_nothing_left(_metadata, u);
}

static void *unregister_buffers(void *arg)
{
	struct uring *u = arg;

	return (void *)(intptr_t)io_uring_unregister_buffers(&u->ring);
}

TEST_F(own, registered_buffer_is_unregistered_meanwhile)
{
	struct uring *u = &self->u;
	struct iovec buffer = { u->memory, u->size };
	pthread_t thread;
	void *ret;

	ASSERT_EQ(0, io_uring_register_buffers(&u->ring, &buffer, 1));
	prepare(u, 0, TYPE_LATE, 1);
	queue_requests(u, 0, 1)->uring_cmd_flags = IORING_URING_CMD_FIXED;
	ASSERT_EQ(1, io_uring_submit(&u->ring));
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	/* Older kernels wait there for the end of the command. */
	ASSERT_EQ(0, pthread_create(&thread, NULL, unregister_buffers, u));
	EXPECT_EQ(1, reap(u, NULL));
	pthread_join(thread, &ret);
	EXPECT_EQ(NULL, ret);
	expect_ok(_metadata, u, 0);
	queue_requests(u, 0, 1)->uring_cmd_flags = IORING_URING_CMD_FIXED;
	EXPECT_EQ(-EFAULT, submit_and_reap(u, 0));
	expect_nothing_left(_metadata, u);
}

static void *have_two_in_flight(void *arg)
{
	struct uring *u = arg;

	queue_requests(u, 0, 2);
	io_uring_submit(&u->ring);
	sst_wait_stat("in_flight", 1);
	return NULL;
}

/* A command belongs to the thread that has submitted it: nobody else takes responses. */
TEST_F(own, thread_exits)
{
	struct uring *u = &self->u;
	struct sst_response resp;
	pthread_t thread;

	ASSERT_EQ(0, file_set_timeout(u->fd, 500));
	prepare(u, 0, TYPE_FILL, 0);
	prepare(u, 1, TYPE_NEVER, 1);
	ASSERT_EQ(0, pthread_create(&thread, NULL, have_two_in_flight, u));
	pthread_join(thread, NULL);
	EXPECT_EQ(-ECANCELED, reap(u, NULL));
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_TRUE(all_bytes(&u->resp[0], 0xff, 2 * RESP));
	/* But they can be read. */
	expect_to_read(_metadata, u, 0);
	ASSERT_EQ(0, sst_receive(u->fd, &resp));
	expect_response(_metadata, &u->req[1], &resp, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER);
	EXPECT_EQ(0, sst_poll(u->fd, POLLIN, 0));
	EXPECT_TRUE(sst_stats_balance());
}

/* io_uring itself can cancel what waits for room; it leaves alone what is in flight. */
TEST_F(own, async_cancel)
{
	struct uring *u = &self->u;
	long long requests;
	unsigned long long user_data;
	unsigned int i;
	int ret;

	ASSERT_EQ(0, file_set_limit(u->fd, 1));
	have_in_flight(_metadata, u, 0, TYPE_NEVER);
	requests = sst_stat("requests");
	prepare(u, 1, SST_REQUEST_NOOP, 1);
	queue_requests(u, 1, 1);
	ASSERT_EQ(1, io_uring_submit(&u->ring));
	EXPECT_FALSE(completes(u, 100));

	io_uring_prep_cancel64(next_entry(u), 1, 0);
	io_uring_submit(&u->ring);
	for (i = 0; i < 2; i++) {
		ret = reap(u, &user_data);
		/* It was asleep in the middle of it. */
		EXPECT_EQ(user_data == 1 ? -EINTR : -EALREADY, ret);
	}
	io_uring_prep_cancel64(next_entry(u), 0, 0);
	ret = submit_and_reap(u, 0);
	EXPECT_TRUE(ret == -EALREADY || ret == -ENOENT);
	EXPECT_FALSE(completes(u, 50));
	EXPECT_EQ(1, sst_stat("in_flight"));
	EXPECT_EQ(1, file_cancel(u->fd, 0, 0));
	EXPECT_EQ(1, reap(u, &user_data));
	EXPECT_EQ(requests, sst_stat("requests"));
	EXPECT_EQ(0, sst_poll(u->fd, POLLIN, 0));
}

TEST_F(own, two_rings_share_a_file)
{
	struct uring *u = &self->u, other = *u;
	unsigned int i;

	ASSERT_EQ(0, open_ring(&other));
	have_in_flight(_metadata, u, 0, TYPE_LATE);
	have_in_flight(_metadata, &other, 1, TYPE_LATE);
	prepare(&other, 2, SST_REQUEST_NOOP, 2);
	if (!sst_serial())
		EXPECT_EQ(1, transact(&other, 2, 1));
	EXPECT_EQ(1, reap(u, NULL));
	EXPECT_EQ(1, reap(&other, NULL));
	for (i = 0; i < 2; i++) {
		expect_ok(_metadata, u, i);
	}

	/* The end of one does not harm the other. */
	have_in_flight(_metadata, u, 0, TYPE_LATE);
	have_in_flight(_metadata, &other, 1, TYPE_LATE);
	close_ring(&other);
	EXPECT_EQ(1, reap(u, NULL));
	expect_ok(_metadata, u, 0);
	EXPECT_EQ(0, sst_wait_stat("zombies", 0));
}

static int reap_poll(struct uring *u, bool *more)
{
	struct io_uring_cqe *cqe;
	int ret;

	if (!completes(u, 5000) || io_uring_peek_cqe(&u->ring, &cqe))
		return -ETIME;
	ret = cqe->res;
	*more = cqe->flags & IORING_CQE_F_MORE;
	io_uring_cqe_seen(&u->ring, cqe);
	return ret;
}

TEST_F(own, poll_again_and_again)
{
	struct uring *u = &self->u;
	struct uring other = *u;
	struct sst_response resp;
	unsigned int i;
	bool more;

	ASSERT_EQ(0, open_ring(&other));
	io_uring_prep_poll_multishot(next_entry(u), u->fd, POLLIN);
	ASSERT_EQ(1, io_uring_submit(&u->ring));
	EXPECT_FALSE(completes(u, 50));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, sst_send(u->fd, i % 2 ? TYPE_LATE : SST_REQUEST_NOOP, i));
		EXPECT_EQ(POLLIN, reap_poll(u, &more));
		EXPECT_TRUE(more);
		ASSERT_EQ(0, sst_receive(u->fd, &resp));
	}
	/* The response of a command is for nobody else. */
	prepare(u, 0, TYPE_LATE, 0);
	EXPECT_EQ(1, transact(&other, 0, 1));
	EXPECT_FALSE(completes(u, 50));
	close_ring(&other);

	ASSERT_EQ(0, sst_driver_do("unbind", u->name));
	EXPECT_EQ(POLLHUP | POLLERR, reap_poll(u, &more) & (POLLHUP | POLLERR));
}

TEST_F(own, readv_and_writev)
{
	struct uring *u = &self->u;
	struct iovec out[3] = {
		{ u->req, 7 }, { (char *)u->req + 7, REQ }, { (char *)u->req + 7 + REQ, REQ - 7 },
	};
	struct iovec in[2] = {
		{ u->resp, RESP + 100 }, { (char *)u->resp + RESP + 100, RESP - 100 },
	};
	unsigned int i;

	for (i = 0; i < 2; i++) {
		prepare(u, i, SST_REQUEST_ECHO, i);
		memset(u->req[i].payload, i + 1, SST_PAYLOAD_SIZE);
	}
	io_uring_prep_writev(next_entry(u), u->fd, out, 3, 0);
	EXPECT_EQ(2 * REQ, submit_and_reap(u, 0));
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	io_uring_prep_readv(next_entry(u), u->fd, in, 2, 0);
	EXPECT_EQ(2 * RESP, submit_and_reap(u, 0));
	for (i = 0; i < 2; i++) {
		expect_ok(_metadata, u, i);
		EXPECT_TRUE(all_bytes(u->resp[i].payload, i + 1, SST_PAYLOAD_SIZE));
	}
}

/* Rings that are polled */

/* Make it a ring that is polled, on a device that may be polled if @us says so. */
static int be_polled(struct uring *u, const char *us)
{
	close_ring(u);
	u->flags = IORING_SETUP_IOPOLL;
	return open_ring(u) ?: sst_attr_set("busy_poll_us", us);
}

TEST_F(own, busy_poll_attribute)
{
	static const char *const bad[] = { "-1", "10001", "x", "\n", "1x", "4294967296" };
	char text[64];
	unsigned int i;

	ASSERT_LT(0, sst_attr_get("busy_poll_us", text, sizeof(text)));
	EXPECT_STREQ("0\n", text);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_GT(0, sst_attr_set("busy_poll_us", bad[i])) {
			TH_LOG("'%s' was taken", bad[i]);
		}
	}
	EXPECT_EQ(0, sst_attr_set("busy_poll_us", "10000"));
	ASSERT_LT(0, sst_attr_get("busy_poll_us", text, sizeof(text)));
	EXPECT_STREQ("10000\n", text);
	/* A new device has it off. */
	ASSERT_EQ(0, sst_rebind());
	ASSERT_LT(0, sst_attr_get("busy_poll_us", text, sizeof(text)));
	EXPECT_STREQ("0\n", text);
}

TEST_F(own, polled_ring_needs_a_polled_device)
{
	struct uring *u = &self->u;
	long long requests = sst_stat("requests");

	ASSERT_EQ(0, be_polled(u, "0"));
	prepare(u, 0, SST_REQUEST_NOOP, 0);
	EXPECT_EQ(-EOPNOTSUPP, transact(u, 0, 1));
	EXPECT_EQ(requests, sst_stat("requests"));
	ASSERT_EQ(0, sst_attr_set("busy_poll_us", "1"));
	EXPECT_EQ(1, transact(u, 0, 1));
	/* What is in flight ends in any case. */
	have_in_flight(_metadata, u, 0, TYPE_LATE);
	ASSERT_EQ(0, sst_attr_set("busy_poll_us", "0"));
	EXPECT_EQ(1, reap(u, NULL));
	expect_ok(_metadata, u, 0);
	EXPECT_EQ(-EOPNOTSUPP, transact(u, 0, 1));
}

TEST_F(own, polled_by_who_waits)
{
	struct uring *u = &self->u;
	struct io_uring_cqe *cqe;
	unsigned int i;

	ASSERT_EQ(0, be_polled(u, POLL_US));
	for (i = 0; i < 20; i++) {
		prepare(u, 0, i % 10 ? SST_REQUEST_NOOP : TYPE_LATE, i);
		queue_requests(u, 0, 1);
		ASSERT_EQ(1, io_uring_submit(&u->ring));
		ASSERT_EQ(0, io_uring_wait_cqe(&u->ring, &cqe));
		EXPECT_EQ(1, cqe->res);
		io_uring_cqe_seen(&u->ring, cqe);
		expect_ok(_metadata, u, 0);
	}
	expect_nothing_left(_metadata, u);
}

/* An owner that does not look for its responses harms nobody but itself. */
TEST_F(own, polled_and_never_looked_at)
{
	struct uring *u = &self->u;
	unsigned long long user_data, from;
	struct sst_response resp;
	struct uring second;
	unsigned int i;
	int other;

	ASSERT_EQ(0, be_polled(u, POLL_US));
	other = sst_open(O_RDWR);
	ASSERT_LE(0, other);
	second = *u;
	second.flags = 0;
	second.fd = other;
	ASSERT_EQ(0, open_ring(&second));
	for (i = 0; i < 4; i++) {
		prepare(u, i, i || sst_serial() ? SST_REQUEST_NOOP : TYPE_NEVER, i);
		queue_requests(u, i, 1);
	}
	ASSERT_EQ(4, io_uring_submit(&u->ring));

	/* Those of others come by interrupt: long before any time-out. */
	from = now_ms();
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, sst_send(other, SST_REQUEST_NOOP, 100 + i));
		ASSERT_EQ(POLLIN, sst_poll(other, POLLIN, 5000));
		ASSERT_EQ(0, sst_receive(other, &resp));
		EXPECT_EQ(htole64(100 + i), resp.user_data);
		prepare(&second, 10, SST_REQUEST_NOOP, i);
		EXPECT_EQ(1, transact(&second, 10, 1));
		/* Of the same file, too */
		ASSERT_EQ(0, sst_send(u->fd, SST_REQUEST_NOOP, 200 + i));
		ASSERT_EQ(0, sst_receive(u->fd, &resp));
		EXPECT_EQ(htole64(200 + i), resp.user_data);
	}
	EXPECT_GE(3000, now_ms() - from);

	/* They are there when it looks at last. */
	EXPECT_EQ(sst_serial() ? -ENOENT : 1, file_cancel(u->fd, 0, 0));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(1, reap(u, &user_data));
	}
	for (i = 1; i < 4; i++) {
		expect_ok(_metadata, u, i);
	}
	close_ring(&second);
	close(other);
}

/* Who looks finds the queue broken: others who wait have to be told. */
TEST_F(own, polled_while_the_queue_breaks)
{
	struct uring *u = &self->u;
	struct sst_info rest = u->info;
	unsigned long long from;
	struct uring second = *u;
	int other;

	ASSERT_EQ(0, be_polled(u, POLL_US));
	second.fd = sst_open(O_RDWR);
	ASSERT_LE(0, second.fd);
	ASSERT_EQ(0, open_ring(&second));
	ASSERT_EQ(0, sst_set_timeout(60000));
	have_in_flight(_metadata, u, 0, TYPE_BREAK);
	rest.queue_size--;
	other = sst_fill_queue(&rest, TYPE_NEVER);
	ASSERT_LE(0, other);
	from = now_ms();
	prepare(&second, 1, SST_REQUEST_NOOP, 1);
	queue_requests(&second, 1, 1);
	ASSERT_EQ(1, io_uring_submit(&second.ring));
	EXPECT_FALSE(completes(u, 1000));
	EXPECT_EQ(-EIO, reap(&second, NULL));
	EXPECT_GE(3000, now_ms() - from);
	close_ring(&second);
	close(second.fd);
	close(other);
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(1, reap(u, NULL));
}

/* The device is full of what nobody looks for: who waits for room has to get it. */
TEST_F(own, polled_and_in_the_way)
{
	struct uring *u = &self->u;
	unsigned int n = u->info.queue_size, i;
	struct sst_response resp;
	int other;

	ASSERT_EQ(0, be_polled(u, POLL_US));
	ASSERT_EQ(0, file_set_limit(u->fd, SST_REQUEST_LIMIT_MAX));
	other = sst_open(O_RDWR);
	ASSERT_LE(0, other);
	for (i = 0; i < n; i++)
		prepare(u, i, i == n - 1 ? TYPE_LATE : SST_REQUEST_NOOP, i);
	queue_requests(u, 0, n);
	ASSERT_EQ(1, io_uring_submit(&u->ring));
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, sst_send(other, SST_REQUEST_NOOP, i));
		ASSERT_EQ(0, sst_receive(other, &resp));
		EXPECT_EQ(htole64(i), resp.user_data);
	}
	EXPECT_EQ(n, reap(u, NULL));
	close(other);
}

TEST_F(own, polled_and_unanswered)
{
	struct uring *u = &self->u;
	long long timeouts = sst_stat("timeouts");

	ASSERT_EQ(0, be_polled(u, POLL_US));
	ASSERT_EQ(0, file_set_timeout(u->fd, 200));
	/* The time-out is not for who looks to find out. */
	have_in_flight(_metadata, u, 0, TYPE_NEVER);
	EXPECT_EQ(timeouts + 1, sst_wait_stat("timeouts", timeouts + 1));
	EXPECT_EQ(1, reap(u, NULL));
	expect_by_driver(_metadata, u, 0, SST_RESPONSE_TIMEOUT);
	ASSERT_EQ(0, sst_reset());
	/* What is answered in time is no time-out, even if it is looked at late. */
	prepare(u, 1, SST_REQUEST_NOOP, 1);
	queue_requests(u, 1, 1);
	ASSERT_EQ(1, io_uring_submit(&u->ring));
	sleep_ms(600);
	EXPECT_EQ(1, reap(u, NULL));
	expect_ok(_metadata, u, 1);
	EXPECT_EQ(timeouts + 1, sst_stat("timeouts"));
}

TEST_F(own, calls_of_a_polled_device)
{
	struct uring *u = &self->u;
	struct sst_transaction t = {
		.request = (uintptr_t)u->req,
		.response = (uintptr_t)u->resp,
		.request_size = REQ,
		.response_size = RESP,
	};
	static const unsigned int types[] = { SST_REQUEST_NOOP, TYPE_QUEUE, TYPE_LATE };
	struct sst_response resp;
	unsigned int i, j;

	ASSERT_EQ(0, sst_attr_set("busy_poll_us", "1000"));
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		for (j = 0; j < 20 && (!j || types[i] != TYPE_LATE); j++) {
			prepare(u, 0, types[i], j);
			ASSERT_EQ(0, ioctl(u->fd, SST_IOCTL_TRANSACT, &t));
			expect_ok(_metadata, u, 0);
			ASSERT_EQ(0, sst_send(u->fd, types[i], j));
			ASSERT_EQ(0, sst_receive(u->fd, &resp));
			EXPECT_EQ(htole64(j), resp.user_data);
			EXPECT_EQ(1, transact(u, 0, 1));
		}
	}
	EXPECT_EQ(0, sst_attr_set("busy_poll_us", "0"));
	expect_nothing_left(_metadata, u);
}

TEST_HARNESS_MAIN
