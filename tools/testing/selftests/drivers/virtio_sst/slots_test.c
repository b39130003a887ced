// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of slots that programs share with /dev/sstN: how they are set up and mapped, and
 * transactions by ioctl and by io_uring.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <liburing.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define LIMIT		64	/* requests of one file at once, by default */
#define SLOTS		64	/* that the tests of transactions have */
#define NR_MAX		1024	/* slots that a file can have */
#define CALLS		8
#define NOBODY		65534
#define REQUEST_BYTE	0x31	/* what payloads are filled with before */
#define RESPONSE_BYTE	0x77

/* How a transaction is made */
enum way { IOCTL, URING, URING_FIXED };

/* An open file with slots, and where they are mapped */
struct slots {
	int fd;
	enum way way;
	char *memory;
	struct sst_slot_setup setup;
};

/* A transaction, of this process or of a child that shares the open file */
struct call {
	struct child child;
	struct sst_slot_transaction t;
	struct sst_slot_request req[NR_MAX];
	struct sst_slot_response resp[NR_MAX];
};

static struct call *calls;	/* CALLS of them, shared with children */

static struct call *alloc_calls(void)
{
	calls = mmap(NULL, CALLS * sizeof(*calls), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return calls == MAP_FAILED ? NULL : calls;
}

/* Set up and map. These return 0, or -errno. */

static int set_up(int fd, unsigned int nr)
{
	struct sst_slot_setup setup = { .nr = nr };

	return ioctl(fd, SST_IOCTL_SETUP_SLOTS, &setup) ? -errno : 0;
}

static int map_slots(struct slots *s)
{
	s->memory = mmap(NULL, s->setup.size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	return s->memory == MAP_FAILED ? -errno : 0;
}

static int open_slots(struct slots *s, unsigned int nr)
{
	int ret = 0;

	s->fd = sst_open(O_RDWR);
	if (s->fd < 0)
		return -errno;
	s->setup = (struct sst_slot_setup){ .nr = nr };
	if (ioctl(s->fd, SST_IOCTL_SETUP_SLOTS, &s->setup))
		ret = -errno;
	ret = ret ?: map_slots(s);
	if (ret)
		close(s->fd);
	return ret;
}

static void close_slots(struct slots *s)
{
	munmap(s->memory, s->setup.size);
	close(s->fd);
}

static char *request_payload(const struct slots *s, unsigned int i)
{
	return s->memory + i * s->setup.slot_size;
}

static char *response_payload(const struct slots *s, unsigned int i)
{
	return request_payload(s, i) + s->setup.response_offset;
}

/* Returns -errno of a mapping, or 0 and it is unmapped again. */
static int try_map(int fd, size_t size, int prot, int flags, off_t offset)
{
	void *p = mmap(NULL, size, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, size);
	return 0;
}

static int try_shared(int fd, size_t size, off_t offset)
{
	return try_map(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED, offset);
}

/* Transactions. These return the number of responses, or -errno. */

static void prepare(struct call *c, unsigned int nr, unsigned int type,
		    unsigned long long user_data)
{
	unsigned int i;

	memset(c, 0, sizeof(*c));
	/* What has to be written over, or left alone */
	memset(c->resp, 0xff, sizeof(c->resp));
	for (i = 0; i < nr && i < NR_MAX; i++) {
		c->req[i].type = type;
		c->req[i].user_data = user_data + i;
		c->req[i].index = i;
	}
	c->t.requests = (uintptr_t)c->req;
	c->t.responses = (uintptr_t)c->resp;
	c->t.nr = nr;
}

static int ioctl_transact(int fd, struct call *c)
{
	int ret = ioctl(fd, SST_IOCTL_TRANSACT_SLOTS, &c->t);

	return ret < 0 ? -errno : ret;
}

/* Returns the ring of this process, which is not that of its parent, or NULL. */
static struct io_uring *own_ring(void)
{
	static struct io_uring ring;
	static pid_t owner;
	struct iovec buffer = { calls, CALLS * sizeof(*calls) };

	if (owner == getpid())
		return &ring;
	if (io_uring_queue_init(4, &ring, IORING_SETUP_SQE128) ||
	    io_uring_register_buffers(&ring, &buffer, 1))
		return NULL;
	owner = getpid();
	return &ring;
}

static int uring_transact(int fd, struct call *c, unsigned int flags)
{
	struct io_uring *ring = own_ring();
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int ret;

	sqe = ring ? io_uring_get_sqe(ring) : NULL;
	if (!sqe)
		return -EPROTO;
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = SST_URING_CMD_TRANSACT_SLOTS;
	sqe->uring_cmd_flags = flags;
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, cmd), &c->t, sizeof(c->t));
	if (io_uring_submit(ring) != 1)
		return -EPROTO;
	do
		ret = io_uring_wait_cqe(ring, &cqe);
	while (ret == -EINTR);
	if (ret)
		return -EPROTO;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

static int transact(const struct slots *s, struct call *c)
{
	switch (s->way) {
	case IOCTL:
		return ioctl_transact(s->fd, c);
	case URING:
		return uring_transact(s->fd, c, 0);
	default:
		return uring_transact(s->fd, c, IORING_URING_CMD_FIXED);
	}
}

/* The same by a child */
static void start(const struct slots *s, struct call *c)
{
	if (child_start(&c->child))
		child_exit(&c->child, transact(s, c));
}

/* Transact one request. Returns how it ended, or -errno. */
static int transact_one(const struct slots *s, struct call *c, unsigned int index,
			unsigned int type)
{
	int ret;

	prepare(c, 1, type, 4711);
	c->req[0].index = index;
	ret = transact(s, c);
	return ret == 1 ? (int)c->resp[0].status : ret ?: -EPROTO;
}

static void expect_response(struct __test_metadata *_metadata, const struct call *c,
			    unsigned int i, unsigned int status, unsigned int flags)
{
	EXPECT_EQ(status, c->resp[i].status);
	EXPECT_EQ(flags, c->resp[i].flags);
	EXPECT_EQ(c->req[i].user_data, c->resp[i].user_data);
	EXPECT_EQ(c->req[i].index, c->resp[i].index);
	EXPECT_NE(0, c->resp[i].request_id);
	EXPECT_NE(UINT64_MAX, c->resp[i].request_id);
	EXPECT_EQ(0, c->resp[i].reserved);
	if (flags & SST_RESPONSE_F_DRIVER) {
		EXPECT_EQ(0, c->resp[i].result);
	}
}

/* Each of the slots can be used, and carries payloads both ways. */
static void expect_all_usable(struct __test_metadata *_metadata, const struct slots *s,
			      struct call *c)
{
	unsigned int n = s->setup.nr < LIMIT ? s->setup.nr : LIMIT;
	unsigned int i;

	prepare(c, n, SST_REQUEST_ECHO, 1000);
	for (i = 0; i < n; i++) {
		memset(request_payload(s, i), i + 1, SST_PAYLOAD_SIZE);
		memset(response_payload(s, i), 0, SST_PAYLOAD_SIZE);
	}
	ASSERT_EQ(n, transact(s, c));
	for (i = 0; i < n; i++) {
		expect_response(_metadata, c, i, SST_RESPONSE_OK, 0);
		EXPECT_TRUE(all_bytes(response_payload(s, i), i + 1, SST_PAYLOAD_SIZE));
	}
}

static void restore(struct __test_metadata *_metadata, const char *name)
{
	if (access(sst_device(), F_OK)) {
		EXPECT_EQ(0, sst_driver_do("bind", name));
		EXPECT_EQ(0, wait_for_device());
	} else if (sst_stat("zombies") > 0) {
		/* What is still at the device would be in the way of the next test. */
		EXPECT_EQ(0, sst_rebind());
	}
	EXPECT_EQ(0, sst_set_timeout(5000));
}

static void make_ready(struct __test_metadata *_metadata, char *name)
{
	ASSERT_EQ(0, sst_virtio_name(name, NAME_MAX));
	ASSERT_EQ(0, sst_set_timeout(5000));
	/* What these tests are about must not be reset away. */
	ASSERT_EQ(0, sst_set_reset_after(0));
	ASSERT_TRUE(!!alloc_calls());
}

/* Set-up */

FIXTURE(setup)
{
	int fd;
	char name[NAME_MAX];
};

FIXTURE_SETUP(setup)
{
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd) {
		TH_LOG("%s: %s", sst_device(), strerror(errno));
	}
	make_ready(_metadata, self->name);
}

FIXTURE_TEARDOWN(setup)
{
	close(self->fd);
	restore(_metadata, self->name);
}

TEST_F(setup, numbers)
{
	static const unsigned int numbers[] = { 1, 2, 16, 17, 1024 };
	unsigned int i, page = getpagesize();
	struct slots s;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		ASSERT_EQ(0, open_slots(&s, numbers[i])) {
			TH_LOG("%u slots", numbers[i]);
		}
		EXPECT_EQ(numbers[i], s.setup.nr);
		EXPECT_EQ((uint64_t)numbers[i] * s.setup.slot_size, s.setup.size);
		EXPECT_EQ(0, s.setup.slot_size % page);
		EXPECT_EQ(0, s.setup.response_offset % page);
		EXPECT_LE(SST_PAYLOAD_SIZE, s.setup.response_offset);
		EXPECT_LE(s.setup.response_offset + SST_PAYLOAD_SIZE, s.setup.slot_size);
		EXPECT_EQ(0, s.setup.flags);
		EXPECT_EQ(0, s.setup.reserved[0]);
		EXPECT_EQ(0, s.setup.reserved[1]);
		EXPECT_TRUE(all_bytes(s.memory, 0, s.setup.size));
		s.way = IOCTL;
		expect_all_usable(_metadata, &s, calls);
		/* The last one, too */
		EXPECT_EQ(SST_RESPONSE_OK,
			  transact_one(&s, calls, numbers[i] - 1, SST_REQUEST_NOOP));
		close_slots(&s);
	}
}

TEST_F(setup, invalid_arguments)
{
	static const struct sst_slot_setup bad[] = {
		{ .nr = 0 },
		{ .nr = 1025 },
		{ .nr = UINT32_MAX },
		{ .nr = 1, .flags = 1 },
		{ .nr = 1, .flags = 0x80000000 },
		{ .nr = 1, .reserved = { 1 } },
		{ .nr = 1, .reserved = { 0, 0x80000000 } },
	};
	struct sst_slot_setup setup;
	unsigned int i;
	void *p;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		setup = bad[i];
		EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_SETUP_SLOTS, &setup)) {
			TH_LOG("number %u was taken", i);
		}
		EXPECT_EQ(EINVAL, errno);
	}

	setup = (struct sst_slot_setup){ .nr = 1 };
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_SETUP_SLOTS, bad_pointer()));
	EXPECT_EQ(EFAULT, errno);
	p = end_of_memory(sizeof(setup) - 1);
	ASSERT_TRUE(!!p);
	memcpy(p, &setup, sizeof(setup) - 1);
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_SETUP_SLOTS, p));
	EXPECT_EQ(EFAULT, errno);
	/* What is set could not be stored. */
	p = readonly_memory(&setup, sizeof(setup));
	ASSERT_TRUE(!!p);
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_SETUP_SLOTS, p));
	EXPECT_EQ(EFAULT, errno);

	/* None of them has set up anything. */
	EXPECT_EQ(-EINVAL, try_shared(self->fd, getpagesize(), 0));
	EXPECT_EQ(0, set_up(self->fd, 1));
	EXPECT_EQ(0, try_shared(self->fd, getpagesize(), 0));
}

TEST_F(setup, only_once)
{
	struct sst_slot_setup setup = { .nr = 1, .flags = 1 };
	struct slots s;

	ASSERT_EQ(0, open_slots(&s, 4));
	s.way = IOCTL;
	EXPECT_EQ(-EBUSY, set_up(s.fd, 4));
	EXPECT_EQ(-EBUSY, set_up(s.fd, 1));
	EXPECT_EQ(-EBUSY, set_up(s.fd, 1024));
	EXPECT_EQ(-1, ioctl(s.fd, SST_IOCTL_SETUP_SLOTS, &setup));
	EXPECT_EQ(EINVAL, errno);
	/* Those that it has stay, and are no more. */
	EXPECT_EQ(0, try_shared(s.fd, s.setup.size, 0));
	EXPECT_EQ(-EINVAL, try_shared(s.fd, s.setup.size + 1, 0));
	expect_all_usable(_metadata, &s, calls);
	close_slots(&s);
}

TEST_F_TIMEOUT(setup, by_several_at_once, 120)
{
	unsigned int i, round, done, busy;

	for (round = 0; round < 10; round++) {
		int fd = sst_open(O_RDWR);

		ASSERT_LE(0, fd);
		for (i = 0; i < CALLS; i++) {
			struct child *child = &calls[i].child;

			if (child_start(child))
				child_exit(child, set_up(fd, 100));
		}
		done = 0;
		busy = 0;
		for (i = 0; i < CALLS; i++) {
			int ret = child_end(&calls[i].child);

			done += ret == 0;
			busy += ret == -EBUSY;
		}
		EXPECT_EQ(1, done);
		EXPECT_EQ(CALLS - 1, busy);
		close(fd);
	}
}

/* A file that may only read, or only write, can have slots, but nothing to do with them. */
TEST_F(setup, of_a_file_that_only_reads_or_writes)
{
	static const int flags[] = { O_RDONLY, O_WRONLY };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		struct slots s = { .fd = sst_open(flags[i]), .way = IOCTL };

		ASSERT_LE(0, s.fd);
		EXPECT_EQ(0, set_up(s.fd, 1));
		EXPECT_EQ(-EACCES, try_shared(s.fd, getpagesize(), 0));
		EXPECT_EQ(flags[i] == O_RDONLY ? 0 : -EACCES,
			  try_map(s.fd, getpagesize(), PROT_READ, MAP_SHARED, 0));
		for (s.way = IOCTL; s.way <= URING_FIXED; s.way++)
			EXPECT_EQ(-EBADF, transact_one(&s, calls, 0, SST_REQUEST_NOOP));
		close(s.fd);
	}
}

TEST_F(setup, fresh_slots_are_zero)
{
	unsigned int i, round;
	struct slots s, t;

	/* As large a part of the memory as a file can get goes from one to the next. */
	for (round = 0; round < 8; round++) {
		ASSERT_EQ(0, open_slots(&s, 512));
		ASSERT_EQ(0, open_slots(&t, 17));
		s.way = IOCTL;
		t.way = IOCTL;
		ASSERT_TRUE(all_bytes(s.memory, 0, s.setup.size));
		ASSERT_TRUE(all_bytes(t.memory, 0, t.setup.size));
		memset(s.memory, 0xa5, s.setup.size);
		EXPECT_TRUE(all_bytes(t.memory, 0, t.setup.size));

		/* What the device writes is nobody else's either. */
		prepare(calls, 16, TYPE_FILL, 0);
		ASSERT_EQ(16, transact(&s, calls));
		EXPECT_TRUE(all_bytes(t.memory, 0, t.setup.size));
		/* It says that it has written all, and has not. */
		prepare(calls, 17, TYPE_DIRTY, 0);
		ASSERT_EQ(17, transact(&t, calls));
		EXPECT_TRUE(all_bytes(t.memory, 0, t.setup.size));
		for (i = 0; i < 17; i++) {
			expect_response(_metadata, calls, i, SST_RESPONSE_OK, 0);
		}
		close_slots(&s);
		close_slots(&t);
	}
}

/* Nothing of what others have read and written, or of the kernel's, is in there. */
TEST_F(setup, fresh_slots_have_nothing_of_other_requests)
{
	struct sst_request *req = calloc(LIMIT, REQ);
	struct sst_response *resp = calloc(LIMIT, RESP);
	unsigned int i, round, got;
	struct slots s;

	ASSERT_TRUE(req && resp);
	for (round = 0; round < 8; round++) {
		int fd = sst_open(O_RDWR);

		ASSERT_LE(0, fd);
		for (i = 0; i < LIMIT; i++) {
			sst_prepare(&req[i], TYPE_FILL, i);
			memset(req[i].payload, 0xa5, SST_PAYLOAD_SIZE);
		}
		ASSERT_EQ(LIMIT * REQ, write(fd, req, LIMIT * REQ));
		for (got = 0; got < LIMIT; got += i) {
			ssize_t n = read(fd, resp, LIMIT * RESP);

			ASSERT_LT(0, n);
			i = n / RESP;
		}
		close(fd);
		ASSERT_EQ(0, open_slots(&s, 64));
		EXPECT_TRUE(all_bytes(s.memory, 0, s.setup.size));
		close_slots(&s);
	}
	free(resp);
	free(req);
}

/* Locked memory */

static unsigned long slot_kib(void)
{
	struct sst_slot_setup setup = { .nr = 1 };
	int fd = sst_open(O_RDWR);

	if (fd < 0 || ioctl(fd, SST_IOCTL_SETUP_SLOTS, &setup))
		setup.size = 0;
	close(fd);
	return setup.size / 1024;
}

/* Make this process one that may lock so many slots. Returns 0, or -errno. */
static int be_nobody(unsigned int nr)
{
	unsigned long bytes = nr * slot_kib() * 1024;
	struct rlimit limit = { bytes, bytes };

	if (!bytes || chmod(sst_device(), 0666) || setrlimit(RLIMIT_MEMLOCK, &limit) ||
	    setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		return -EPERM;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return 0;
}

static int set_up_new(unsigned int nr, int *fd)
{
	*fd = sst_open(O_RDWR);
	return *fd < 0 ? -EBADF : set_up(*fd, nr);
}

/* Returns 0, or the line where it was not as it should be. */
static int lock_to_the_limit(void)
{
	unsigned int i;
	int a, b;

	if (be_nobody(40))
		return __LINE__;
	if (set_up_new(41, &a) != -ENOMEM)
		return __LINE__;
	/* One that has failed has nothing, and can try again with fewer. */
	if (set_up(a, 1024) != -ENOMEM || set_up(a, 40))
		return __LINE__;
	for (i = 0; i < 100; i++) {
		if (set_up_new(1, &b) != -ENOMEM)
			return __LINE__;
		close(b);
	}
	close(a);
	/* It is all there again. */
	for (i = 0; i < 100; i++) {
		if (set_up_new(20, &a) || set_up_new(20, &b))
			return __LINE__;
		close(a);
		if (set_up_new(21, &a) != -ENOMEM)
			return __LINE__;
		close(a);
		close(b);
	}
	return set_up_new(40, &a) ? __LINE__ : 0;
}

TEST_F(setup, locked_memory_is_limited)
{
	int fd;

	if (child_start(&calls->child))
		child_exit(&calls->child, lock_to_the_limit());
	EXPECT_EQ(0, child_end(&calls->child));
	/* Another user's is not touched by it, and root's has no limit. */
	EXPECT_EQ(0, set_up_new(1024, &fd));
	close(fd);
}

/* The same user's other processes count as well, and what is forked does not. */
static int lock_with_a_child(struct child *child)
{
	struct slots s = { .way = IOCTL };
	int fd;

	if (be_nobody(16) || open_slots(&s, 16))
		return __LINE__;
	if (child_start(child)) {
		int ret = set_up_new(1, &fd) == -ENOMEM ? 0 : __LINE__;

		/* The child alone has it mapped. */
		close(s.fd);
		child_exit(child, ret);
	}
	if (child_end(child))
		return __LINE__;
	close(s.fd);
	/* It is mapped. */
	if (set_up_new(1, &fd) != -ENOMEM)
		return __LINE__;
	close(fd);
	munmap(s.memory, s.setup.size);
	return set_up_new(16, &fd) ? __LINE__ : 0;
}

TEST_F(setup, locked_memory_is_the_user_s)
{
	if (child_start(&calls[0].child))
		child_exit(&calls[0].child, lock_with_a_child(&calls[1].child));
	EXPECT_EQ(0, child_end(&calls[0].child));
}

/* Slots at the device stay locked, even if nobody can see them any more. */
static int lock_at_the_device(struct child *child)
{
	struct slots s = { .way = IOCTL };
	int fd;

	if (be_nobody(16) || open_slots(&s, 16))
		return __LINE__;
	prepare(&calls[2], 1, TYPE_LATE, 0);
	if (child_start(child))
		child_exit(child, ioctl_transact(s.fd, &calls[2]));
	if (sst_wait_stat("in_flight", 1) != 1)
		return __LINE__;
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	close_slots(&s);
	if (sst_stat("zombies") != 1 || set_up_new(16, &fd) != -ENOMEM)
		return __LINE__;
	if (sst_wait_stat("zombies", 0))
		return __LINE__;
	return set_up(fd, 16) ? __LINE__ : 0;
}

TEST_F(setup, locked_memory_is_given_back_by_the_device)
{
	if (child_start(&calls[0].child))
		child_exit(&calls[0].child, lock_at_the_device(&calls[1].child));
	EXPECT_EQ(0, child_end(&calls[0].child));
}

/* Mapping */

FIXTURE(map)
{
	struct slots s;
	char name[NAME_MAX];
	size_t page;
};

FIXTURE_SETUP(map)
{
	make_ready(_metadata, self->name);
	ASSERT_EQ(0, open_slots(&self->s, 8));
	self->s.way = IOCTL;
	self->page = getpagesize();
}

FIXTURE_TEARDOWN(map)
{
	close_slots(&self->s);
	restore(_metadata, self->name);
}

TEST_F(map, before_the_set_up)
{
	int fd = sst_open(O_RDWR);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, try_shared(fd, self->page, 0));
	EXPECT_EQ(-EINVAL, set_up(fd, 0));
	EXPECT_EQ(-EINVAL, try_shared(fd, self->page, 0));
	close(fd);
}

TEST_F(map, any_part)
{
	size_t pages = self->s.setup.size / self->page, first, n;
	char *p;

	for (first = 0; first < pages; first++)
		memset(self->s.memory + first * self->page, first + 1, self->page);
	for (first = 0; first < pages; first++)
		for (n = 1; n <= pages - first; n++) {
			p = mmap(NULL, n * self->page, PROT_READ | PROT_WRITE, MAP_SHARED,
				 self->s.fd, first * self->page);
			ASSERT_TRUE(p != MAP_FAILED);
			EXPECT_EQ(first + 1, *p);
			EXPECT_EQ(first + n, p[n * self->page - 1]);
			/* It is the same memory. */
			*p = 100;
			EXPECT_EQ(100, self->s.memory[first * self->page]);
			self->s.memory[first * self->page] = first + 1;
			EXPECT_EQ(first + 1, *p);
			ASSERT_EQ(0, munmap(p, n * self->page));
		}
}

TEST_F(map, beyond_the_end)
{
	static const off_t far[] = { 1ULL << 32, 1ULL << 40, 1ULL << 44, INT64_MAX & ~0xffffULL };
	size_t size = self->s.setup.size;
	int fd = self->s.fd;
	unsigned int i;

	EXPECT_EQ(0, try_shared(fd, size - self->page + 1, 0));
	EXPECT_EQ(-EINVAL, try_shared(fd, size + 1, 0));
	EXPECT_EQ(-EINVAL, try_shared(fd, size + self->page, 0));
	EXPECT_EQ(-EINVAL, try_shared(fd, size, self->page));
	EXPECT_EQ(0, try_shared(fd, self->page, size - self->page));
	EXPECT_EQ(-EINVAL, try_shared(fd, self->page + 1, size - self->page));
	EXPECT_EQ(-EINVAL, try_shared(fd, self->page, size));
	EXPECT_EQ(-EINVAL, try_shared(fd, 1, size));
	for (i = 0; i < ARRAY_SIZE(far); i++) {
		EXPECT_NE(0, try_shared(fd, self->page, far[i]));
		EXPECT_NE(0, try_shared(fd, size, far[i] - self->page));
	}
}

TEST_F(map, unaligned)
{
	void *p = (void *)syscall(SYS_mmap, NULL, self->page, PROT_READ, MAP_SHARED, self->s.fd,
				  (off_t)512);

	EXPECT_TRUE(p == MAP_FAILED);
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-EINVAL, try_shared(self->s.fd, 0, 0));
}

TEST_F(map, private)
{
	EXPECT_EQ(-EINVAL, try_map(self->s.fd, self->page, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_map(self->s.fd, self->page, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0));
	EXPECT_EQ(0, try_map(self->s.fd, self->page, PROT_READ, MAP_SHARED_VALIDATE, 0));
}

static sigjmp_buf after_fault;

static void on_fault(int number)
{
	siglongjmp(after_fault, number);
}

/* Returns the signal that writing there causes, or 0. */
static int fault_of_write(char *p)
{
	struct sigaction action = { .sa_handler = on_fault };
	int number;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	number = sigsetjmp(after_fault, 1);
	if (!number)
		__atomic_store_n(p, 1, __ATOMIC_SEQ_CST);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	return number;
}

TEST_F(map, readonly)
{
	char *p = mmap(NULL, self->s.setup.size, PROT_READ, MAP_SHARED, self->s.fd, 0);

	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_EQ(SIGSEGV, fault_of_write(p));
	EXPECT_EQ(SST_RESPONSE_OK, transact_one(&self->s, calls, 3, TYPE_FILL));
	EXPECT_TRUE(all_bytes(p + 3 * self->s.setup.slot_size + self->s.setup.response_offset,
			      FILL_BYTE, SST_PAYLOAD_SIZE));
	EXPECT_EQ(SIGSEGV, fault_of_write(p));
	ASSERT_EQ(0, mprotect(p, self->page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, fault_of_write(p));
	EXPECT_EQ(1, self->s.memory[0]);
	munmap(p, self->s.setup.size);
}

TEST_F(map, memory_is_the_same_for_a_child)
{
	struct call *c = calls;

	memcpy(request_payload(&self->s, 0), "of the parent", sizeof("of the parent"));
	prepare(c, 1, SST_REQUEST_ECHO, 1);
	if (child_start(&c->child)) {
		bool same = !strcmp(request_payload(&self->s, 0), "of the parent");

		/* Not touched by the parent so far */
		memcpy(request_payload(&self->s, 1), "of the child", sizeof("of the child"));
		child_exit(&c->child, same ? transact(&self->s, c) : -EPROTO);
	}
	EXPECT_EQ(1, child_end(&c->child));
	EXPECT_EQ(0, strcmp(request_payload(&self->s, 1), "of the child"));
	EXPECT_EQ(0, strcmp(response_payload(&self->s, 0), "of the parent"));

	/* Neither who unmaps it nor who ends takes it from the other. */
	if (child_start(&c->child)) {
		munmap(self->s.memory, self->s.setup.size);
		child_exit(&c->child, 0);
	}
	EXPECT_EQ(0, child_end(&c->child));
	EXPECT_EQ(0, strcmp(request_payload(&self->s, 1), "of the child"));
	expect_all_usable(_metadata, &self->s, c);
}

TEST_F(map, mremap_moves_and_does_not_grow)
{
	size_t size = self->s.setup.size, part = size / 2;
	char *place = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p;

	ASSERT_TRUE(place != MAP_FAILED);
	memset(self->s.memory, 5, size);
	p = mremap(self->s.memory, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	ASSERT_TRUE(p == place);
	self->s.memory = p;
	EXPECT_TRUE(all_bytes(p, 5, size));
	expect_all_usable(_metadata, &self->s, calls);

	EXPECT_TRUE(mremap(p, size, size + self->page, MREMAP_MAYMOVE) == MAP_FAILED);
	/* Not even where there are slots */
	p = mmap(NULL, part, PROT_READ | PROT_WRITE, MAP_SHARED, self->s.fd, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_TRUE(mremap(p, part, size, MREMAP_MAYMOVE) == MAP_FAILED);
	EXPECT_TRUE(mremap(p, 0, part, MREMAP_MAYMOVE) == MAP_FAILED);
	EXPECT_TRUE(mremap(p, part, self->page, 0) == p);
	EXPECT_EQ(self->s.memory[0], *p);
	munmap(p, self->page);
}

TEST_F(map, contents_survive_madvise_and_unmapping)
{
	size_t size = self->s.setup.size;

	memset(self->s.memory, 6, size);
	ASSERT_EQ(0, madvise(self->s.memory, size, MADV_DONTNEED));
	EXPECT_TRUE(all_bytes(self->s.memory, 6, size));
	ASSERT_EQ(0, mlock(self->s.memory, size));
	ASSERT_EQ(0, munlock(self->s.memory, size));
	ASSERT_EQ(0, munmap(self->s.memory, size));
	EXPECT_EQ(SST_RESPONSE_OK, transact_one(&self->s, calls, 0, SST_REQUEST_ECHO));
	ASSERT_EQ(0, map_slots(&self->s));
	EXPECT_TRUE(all_bytes(response_payload(&self->s, 0), 6, SST_PAYLOAD_SIZE));
	EXPECT_TRUE(all_bytes(request_payload(&self->s, 1), 6, size - self->s.setup.slot_size));
}

TEST_F(map, part_is_unmapped_while_the_device_has_it)
{
	unsigned int slot = self->s.setup.slot_size, i;
	struct call *c = calls;

	prepare(c, 4, SST_REQUEST_ECHO, 1);
	c->req[0].type = TYPE_LATE;
	c->req[1].type = TYPE_LATE;
	for (i = 0; i < 4; i++)
		memset(request_payload(&self->s, i), 10 + i, SST_PAYLOAD_SIZE);
	if (child_start(&c->child)) {
		munmap(self->s.memory, self->s.setup.size);
		child_exit(&c->child, transact(&self->s, c));
	}
	ASSERT_LT(1, sst_wait_stat("in_flight", sst_serial() ? 4 : 2));
	/* The response of 0, the request of 1, and all of 2 */
	ASSERT_EQ(0, munmap(self->s.memory + self->page, 2 * self->page));
	ASSERT_EQ(0, munmap(request_payload(&self->s, 2), slot));
	ASSERT_EQ(4, child_end(&c->child));
	for (i = 0; i < 4; i++) {
		expect_response(_metadata, c, i, SST_RESPONSE_OK, 0);
	}
	EXPECT_TRUE(all_bytes(response_payload(&self->s, 1), 11, SST_PAYLOAD_SIZE));
	EXPECT_TRUE(all_bytes(response_payload(&self->s, 3), 13, SST_PAYLOAD_SIZE));
	munmap(self->s.memory, self->s.setup.size);
	ASSERT_EQ(0, map_slots(&self->s));
	for (i = 0; i < 4; i++) {
		EXPECT_TRUE(all_bytes(response_payload(&self->s, i), 10 + i, SST_PAYLOAD_SIZE));
	}
}

/* Have a request in flight that nobody waits for any more. */
static void leave_in_flight(struct __test_metadata *_metadata, const struct slots *s,
			    struct call *c, unsigned int index, unsigned int type)
{
	long long in_flight = sst_stat("in_flight");

	prepare(c, 1, type, index);
	c->req[0].index = index;
	if (child_start(&c->child))
		child_exit(&c->child, ioctl_transact(s->fd, c));
	ASSERT_EQ(in_flight + 1, sst_wait_stat("in_flight", in_flight + 1));
	kill(c->child.pid, SIGKILL);
	ASSERT_EQ(c->child.pid, waitpid(c->child.pid, NULL, 0));
	ASSERT_EQ(in_flight + 1, sst_stat("in_flight"));
}

TEST_F(map, outlives_the_descriptor)
{
	int other = sst_open(O_RDWR);
	unsigned long long end;

	ASSERT_LE(0, other);
	memset(request_payload(&self->s, 2), 7, SST_PAYLOAD_SIZE);
	leave_in_flight(_metadata, &self->s, calls, 2, TYPE_LATE);
	leave_in_flight(_metadata, &self->s, calls, 3, TYPE_NEVER);
	close(self->s.fd);
	self->s.fd = -1;
	/* Never touched so far */
	EXPECT_TRUE(all_bytes(request_payload(&self->s, 7), 0, self->s.setup.slot_size));
	/* The file is not closed: the device goes on. */
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	end = now_ms() + 3000;
	while (!all_bytes(response_payload(&self->s, 2), 7, SST_PAYLOAD_SIZE) && now_ms() < end)
		sleep_ms(10);
	EXPECT_TRUE(all_bytes(response_payload(&self->s, 2), 7, SST_PAYLOAD_SIZE));
	/* Now it is. */
	ASSERT_EQ(0, munmap(self->s.memory, self->s.setup.size));
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_EQ(1, sst_stat("zombies"));
	EXPECT_TRUE(sst_stats_balance());
	close(other);
}

TEST_F(map, outlives_the_device)
{
	struct slots s;

	memset(request_payload(&self->s, 0), 8, SST_PAYLOAD_SIZE);
	leave_in_flight(_metadata, &self->s, calls, 1, TYPE_NEVER);
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));

	EXPECT_TRUE(all_bytes(request_payload(&self->s, 0), 8, SST_PAYLOAD_SIZE));
	/* Never touched so far */
	EXPECT_EQ(0, fault_of_write(request_payload(&self->s, 7)));
	EXPECT_TRUE(all_bytes(response_payload(&self->s, 7), 0, SST_PAYLOAD_SIZE));
	EXPECT_EQ(-ENODEV, try_shared(self->s.fd, self->page, 0));
	EXPECT_EQ(-ENODEV, set_up(self->s.fd, 1));
	for (self->s.way = IOCTL; self->s.way <= URING_FIXED; self->s.way++)
		EXPECT_EQ(-ENODEV, transact_one(&self->s, calls, 0, SST_REQUEST_NOOP));
	/* A child has it as well. */
	if (child_start(&calls->child)) {
		memset(request_payload(&self->s, 6), 9, SST_PAYLOAD_SIZE);
		child_exit(&calls->child, 0);
	}
	EXPECT_EQ(0, child_end(&calls->child));
	EXPECT_TRUE(all_bytes(request_payload(&self->s, 6), 9, SST_PAYLOAD_SIZE));

	/* A new device is another one. */
	ASSERT_EQ(0, sst_driver_do("bind", self->name));
	ASSERT_EQ(0, wait_for_device());
	ASSERT_EQ(0, open_slots(&s, 8));
	s.way = IOCTL;
	EXPECT_TRUE(all_bytes(s.memory, 0, s.setup.size));
	expect_all_usable(_metadata, &s, calls);
	close_slots(&s);
	EXPECT_TRUE(all_bytes(request_payload(&self->s, 0), 8, SST_PAYLOAD_SIZE));

	/* The mapping may be the last that there is of it. */
	close(self->s.fd);
	self->s.fd = -1;
	EXPECT_TRUE(all_bytes(request_payload(&self->s, 0), 8, SST_PAYLOAD_SIZE));
	EXPECT_EQ(0, munmap(request_payload(&self->s, 1), self->s.setup.slot_size));
}

/* Transactions */

FIXTURE(slots)
{
	struct slots s;
	char name[NAME_MAX];
	struct sst_info info;
	struct sst_response resp;
};

FIXTURE_VARIANT(slots)
{
	enum way way;
};

FIXTURE_VARIANT_ADD(slots, ioctl) {
	.way = IOCTL,
};

FIXTURE_VARIANT_ADD(slots, uring) {
	.way = URING,
};

FIXTURE_VARIANT_ADD(slots, uring_fixed) {
	.way = URING_FIXED,
};

FIXTURE_SETUP(slots)
{
	make_ready(_metadata, self->name);
	ASSERT_EQ(0, open_slots(&self->s, SLOTS));
	ASSERT_EQ(0, ioctl(self->s.fd, SST_IOCTL_GET_INFO, &self->info));
	self->s.way = variant->way;
}

FIXTURE_TEARDOWN(slots)
{
	if (!access(sst_device(), F_OK)) {
		EXPECT_TRUE(sst_stats_balance());
	}
	close_slots(&self->s);
	restore(_metadata, self->name);
}

TEST_F(slots, transact_one)
{
	const struct slots *s = &self->s;
	struct call *c = calls;
	struct sst_slot_request req;

	memset(s->memory, RESPONSE_BYTE, s->setup.size);
	memset(request_payload(s, 5), REQUEST_BYTE, SST_PAYLOAD_SIZE);
	prepare(c, 1, SST_REQUEST_ECHO, 0x0123456789abcdef);
	c->req[0].index = 5;
	req = c->req[0];
	ASSERT_EQ(1, transact(s, c));
	expect_response(_metadata, c, 0, SST_RESPONSE_OK, 0);
	EXPECT_EQ(0x0123456789abcdef, c->resp[0].user_data);
	EXPECT_EQ(5, c->resp[0].index);
	EXPECT_TRUE(all_bytes(response_payload(s, 5), REQUEST_BYTE, SST_PAYLOAD_SIZE));

	/* Nothing else has changed, */
	EXPECT_EQ(0, memcmp(&req, &c->req[0], sizeof(req)));
	EXPECT_TRUE(all_bytes(&c->resp[1], 0xff, sizeof(c->resp[1])));
	EXPECT_TRUE(all_bytes(s->memory, RESPONSE_BYTE, 5 * s->setup.slot_size));
	EXPECT_TRUE(all_bytes(request_payload(s, 5), REQUEST_BYTE, SST_PAYLOAD_SIZE));
	EXPECT_TRUE(all_bytes(request_payload(s, 5) + SST_PAYLOAD_SIZE, RESPONSE_BYTE,
			      s->setup.response_offset - SST_PAYLOAD_SIZE));
	EXPECT_TRUE(all_bytes(response_payload(s, 5) + SST_PAYLOAD_SIZE, RESPONSE_BYTE,
			      s->setup.size - 5 * s->setup.slot_size -
			      s->setup.response_offset - SST_PAYLOAD_SIZE));
	/* and nothing is left to read. */
	EXPECT_EQ(0, sst_poll(s->fd, POLLIN, 0));
	EXPECT_EQ(0, sst_stat("in_flight"));
}

TEST_F(slots, payloads_are_those_of_the_wire)
{
	const struct slots *s = &self->s;
	struct sst_memory memory = { .addr = htole64(0x3000), .size = htole32(4000) };
	struct sst_compute compute = { .compute_units = htole64(1000) };
	struct sst_compute_result result;
	struct call *c = calls;

	memcpy(request_payload(s, 0), &memory, sizeof(memory));
	memset(request_payload(s, 0) + sizeof(memory), 0x42, 4000);
	EXPECT_EQ(SST_RESPONSE_OK, transact_one(s, c, 0, SST_REQUEST_WRITE));
	memcpy(request_payload(s, 1), &memory, sizeof(memory));
	EXPECT_EQ(SST_RESPONSE_OK, transact_one(s, c, 1, SST_REQUEST_READ));
	EXPECT_TRUE(all_bytes(response_payload(s, 1), 0x42, 4000));

	memcpy(request_payload(s, 2), &compute, sizeof(compute));
	EXPECT_EQ(SST_RESPONSE_OK, transact_one(s, c, 2, SST_REQUEST_COMPUTE));
	memcpy(&result, response_payload(s, 2), sizeof(result));
	EXPECT_EQ(htole64(100000), result.cycles);
}

TEST_F(slots, transact_many)
{
	static const unsigned int numbers[] = { 2, 16, 17, 32, LIMIT };
	const struct slots *s = &self->s;
	struct call *c = calls;
	unsigned int i, j, n;
	long long kicks;

	for (j = 0; j < ARRAY_SIZE(numbers); j++) {
		n = numbers[j];
		prepare(c, n, SST_REQUEST_ECHO, 100 * n);
		for (i = 0; i < n; i++) {
			/* In no special order */
			c->req[i].index = (i * 7 + 3) % SLOTS;
			memset(request_payload(s, c->req[i].index), i + n, SST_PAYLOAD_SIZE);
			memset(response_payload(s, c->req[i].index), 0, SST_PAYLOAD_SIZE);
		}
		/* The responses come in the order of the requests all the same. */
		if (n == LIMIT)
			c->req[0].type = TYPE_LATE;
		c->req[n / 2].type = TYPE_UNKNOWN;
		kicks = sst_stat("kicks");
		ASSERT_EQ(n, transact(s, c));
		EXPECT_GE(1, sst_stat("kicks") - kicks);
		for (i = 0; i < n; i++) {
			bool known = i != n / 2;

			expect_response(_metadata, c, i,
					known ? SST_RESPONSE_OK : SST_RESPONSE_INVALID, 0);
			if (known) {
				EXPECT_TRUE(all_bytes(response_payload(s, c->req[i].index),
						      i + n, SST_PAYLOAD_SIZE));
			}
			if (i) {
				EXPECT_NE(c->resp[i - 1].request_id, c->resp[i].request_id);
			}
		}
		EXPECT_TRUE(all_bytes(&c->resp[n], 0xff, sizeof(c->resp[n])));
	}
	EXPECT_EQ(0, sst_poll(s->fd, POLLIN, 0));
}

TEST_F(slots, as_many_as_there_may_be)
{
	unsigned int half = self->info.queue_size / 2;
	long long requests = sst_stat("requests");
	struct call *c = calls;
	struct slots s;

	ASSERT_EQ(0, open_slots(&s, 1024));
	s.way = variant->way;
	/* First the limit of the file, then the half of the queue */
	prepare(c, LIMIT + 1, SST_REQUEST_NOOP, 0);
	EXPECT_EQ(-EINVAL, transact(&s, c));
	ASSERT_EQ(0, file_set_limit(s.fd, 10));
	prepare(c, 11, SST_REQUEST_NOOP, 0);
	EXPECT_EQ(-EINVAL, transact(&s, c));
	ASSERT_EQ(0, file_set_limit(s.fd, SST_REQUEST_LIMIT_MAX));
	prepare(c, half + 1, SST_REQUEST_NOOP, 0);
	EXPECT_EQ(-EINVAL, transact(&s, c));
	prepare(c, 1024, SST_REQUEST_NOOP, 0);
	EXPECT_EQ(-EINVAL, transact(&s, c));
	EXPECT_EQ(requests, sst_stat("requests"));
	prepare(c, half, SST_REQUEST_NOOP, 0);
	EXPECT_EQ(half, transact(&s, c));
	ASSERT_EQ(0, file_set_limit(s.fd, 10));
	prepare(c, 10, SST_REQUEST_NOOP, 0);
	EXPECT_EQ(10, transact(&s, c));
	EXPECT_EQ(requests + half + 10, sst_stat("requests"));
	close_slots(&s);
}

/* Of the requests that @bad says, the one with its number is the fault. */
static const struct sst_slot_request bad_requests[] = {
	{ .index = SLOTS },
	{ .index = SLOTS + 1 },
	{ .index = 1024 },
	{ .index = UINT32_MAX },
	{ .index = 0x80000000 },
	{ .index = 3 },		/* twice */
	{ .index = 20, .reserved = 1 },
	{ .index = 20, .reserved = 0x80000000 },
};

TEST_F(slots, invalid_requests)
{
	static const unsigned int places[] = { 4, 10, 15 };
	long long requests = sst_stat("requests");
	struct call *c = calls;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(bad_requests); i++) {
		for (j = 0; j < ARRAY_SIZE(places); j++) {
			prepare(c, 16, SST_REQUEST_NOOP, 0);
			c->req[places[j]] = bad_requests[i];
			EXPECT_EQ(-EINVAL, transact(&self->s, c)) {
				TH_LOG("number %u was taken at %u", i, places[j]);
			}
			EXPECT_TRUE(all_bytes(c->resp, 0xff, sizeof(c->resp)));
		}
	}
	/* Nothing was submitted, and none of the other slots is lost. */
	EXPECT_EQ(requests, sst_stat("requests"));
	expect_all_usable(_metadata, &self->s, c);
}

TEST_F(slots, invalid_transactions)
{
	static const struct sst_slot_transaction bad[] = {
		{ .nr = 0 },
		{ .nr = 1025 },
		{ .nr = UINT32_MAX },
		{ .nr = 1, .flags = 1 },
		{ .nr = 1, .flags = 0x80000000 },
		{ .nr = 1, .reserved = { 1 } },
		{ .nr = 1, .reserved = { 0, 1 } },
		{ .nr = 1, .reserved = { 0, 0, 0x80000000 } },
	};
	long long requests = sst_stat("requests");
	struct slots none = { .fd = sst_open(O_RDWR), .way = variant->way };
	struct call *c = calls;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		prepare(c, 1, SST_REQUEST_NOOP, 0);
		c->t.nr = bad[i].nr;
		c->t.flags = bad[i].flags;
		memcpy(c->t.reserved, bad[i].reserved, sizeof(c->t.reserved));
		EXPECT_EQ(-EINVAL, transact(&self->s, c)) {
			TH_LOG("number %u was taken", i);
		}
	}
	/* A file that has no slots, or never got them */
	ASSERT_LE(0, none.fd);
	EXPECT_EQ(-EINVAL, transact_one(&none, c, 0, SST_REQUEST_NOOP));
	EXPECT_EQ(-EINVAL, set_up(none.fd, 1025));
	EXPECT_EQ(-EINVAL, transact_one(&none, c, 0, SST_REQUEST_NOOP));
	close(none.fd);
	EXPECT_EQ(requests, sst_stat("requests"));
}

TEST_F(slots, requests_that_cannot_be_read)
{
	size_t most = 4 * sizeof(struct sst_slot_request) - 1;
	long long requests = sst_stat("requests");
	struct call *c = calls;
	void *p;

	prepare(c, 4, SST_REQUEST_NOOP, 0);
	c->t.requests = (uintptr_t)bad_pointer();
	EXPECT_EQ(-EFAULT, transact(&self->s, c));
	p = end_of_memory(most);
	ASSERT_TRUE(!!p);
	memcpy(p, c->req, most);
	c->t.requests = (uintptr_t)p;
	EXPECT_EQ(-EFAULT, transact(&self->s, c));
	if (variant->way == IOCTL) {
		EXPECT_EQ(-1, ioctl(self->s.fd, SST_IOCTL_TRANSACT_SLOTS, bad_pointer()));
		EXPECT_EQ(EFAULT, errno);
	}
	EXPECT_EQ(requests, sst_stat("requests"));
	expect_all_usable(_metadata, &self->s, c);
}

/* What a transaction has missed can be read, and only that. */
static void expect_to_read(struct __test_metadata *_metadata, const struct slots *s,
			   const struct call *c, unsigned int first)
{
	struct sst_response resp;
	unsigned int i;

	for (i = first; i < c->t.nr; i++) {
		ASSERT_EQ(0, sst_receive(s->fd, &resp));
		EXPECT_EQ(SST_RESPONSE_OK, le32toh(resp.status));
		EXPECT_EQ(0, resp.flags);
		EXPECT_EQ(c->req[i].user_data, le64toh(resp.user_data));
		EXPECT_NE(0, resp.request_id);
		/* The payload is in both places. */
		EXPECT_TRUE(all_bytes(resp.payload, FILL_BYTE, SST_PAYLOAD_SIZE));
		EXPECT_TRUE(all_bytes(response_payload(s, c->req[i].index), FILL_BYTE,
				      SST_PAYLOAD_SIZE));
	}
	EXPECT_EQ(0, sst_poll(s->fd, POLLIN, 0));
}

TEST_F(slots, responses_that_cannot_be_stored_can_be_read)
{
	size_t two = 2 * sizeof(struct sst_slot_response);
	struct call *c = calls, *other = calls + 1;
	void *p;

	prepare(c, 4, TYPE_FILL, 10);
	c->t.responses = (uintptr_t)bad_pointer();
	ASSERT_EQ(-EFAULT, transact(&self->s, c));
	ASSERT_EQ(POLLIN, sst_poll(self->s.fd, POLLIN, 0));
	/* The slots are in use until then. */
	EXPECT_EQ(-EBUSY, transact_one(&self->s, other, 3, SST_REQUEST_NOOP));
	EXPECT_EQ(SST_RESPONSE_OK, transact_one(&self->s, other, 4, SST_REQUEST_NOOP));
	expect_to_read(_metadata, &self->s, c, 0);
	EXPECT_EQ(SST_RESPONSE_OK, transact_one(&self->s, other, 3, SST_REQUEST_NOOP));

	prepare(c, 4, TYPE_FILL, 20);
	p = readonly_memory(c->resp, 4 * sizeof(c->resp[0]));
	ASSERT_TRUE(!!p);
	c->t.responses = (uintptr_t)p;
	ASSERT_EQ(-EFAULT, transact(&self->s, c));
	expect_to_read(_metadata, &self->s, c, 0);

	/* There is room for some of them. In a registered buffer there is for all or none. */
	if (variant->way != URING_FIXED) {
		prepare(c, 4, TYPE_FILL, 30);
		p = end_of_memory(two + 8);
		ASSERT_TRUE(!!p);
		c->t.responses = (uintptr_t)p;
		ASSERT_EQ(2, transact(&self->s, c));
		memcpy(c->resp, p, two);
		expect_response(_metadata, c, 0, SST_RESPONSE_OK, 0);
		expect_response(_metadata, c, 1, SST_RESPONSE_OK, 0);
		EXPECT_EQ(SST_RESPONSE_OK, transact_one(&self->s, other, 1, SST_REQUEST_NOOP));
		EXPECT_EQ(-EBUSY, transact_one(&self->s, other, 2, SST_REQUEST_NOOP));
		expect_to_read(_metadata, &self->s, c, 2);
	}
	expect_all_usable(_metadata, &self->s, c);
}

TEST_F(slots, slot_in_use)
{
	struct call *waiting = &calls[0], *c = &calls[1];
	long long requests;

	prepare(waiting, 2, TYPE_LATE, 1);
	start(&self->s, waiting);
	ASSERT_EQ(2, sst_wait_stat("in_flight", 2));
	requests = sst_stat("requests");
	EXPECT_EQ(-EBUSY, transact_one(&self->s, c, 0, SST_REQUEST_NOOP));
	/* As the last one of many */
	prepare(c, 20, SST_REQUEST_NOOP, 100);
	c->req[0].index = 20;
	c->req[1].index = 21;
	c->req[19].index = 1;
	EXPECT_EQ(-EBUSY, transact(&self->s, c));
	EXPECT_EQ(requests, sst_stat("requests"));
	/* The others are not. */
	if (!sst_serial()) {
		prepare(c, 62, SST_REQUEST_NOOP, 100);
		c->req[0].index = 62;
		c->req[1].index = 63;
		EXPECT_EQ(62, transact(&self->s, c));
	}
	EXPECT_EQ(2, child_end(&waiting->child));
	expect_response(_metadata, waiting, 0, SST_RESPONSE_OK, 0);
	expect_response(_metadata, waiting, 1, SST_RESPONSE_OK, 0);
	expect_all_usable(_metadata, &self->s, c);
}

/* The same slots belong to whoever is the first, all others are told so. */
static int transact_in_a_race(const struct slots *s, struct call *c, unsigned int number)
{
	unsigned int i, done = 0;
	int ret;

	for (i = 0; i < 400; i++) {
		prepare(c, 2, SST_REQUEST_NOOP, (number << 16) + 2 * i);
		ret = transact(s, c);
		if (ret == -EBUSY)
			continue;
		if (ret != 2 || c->resp[0].user_data != c->req[0].user_data ||
		    c->resp[1].user_data != c->req[1].user_data ||
		    c->resp[0].status || c->resp[1].status)
			return ret < 0 ? ret : -EPROTO;
		done++;
	}
	return done;
}

TEST_F(slots, slots_that_several_want)
{
	long long requests = sst_stat("requests");
	unsigned int i, done = 0;

	for (i = 0; i < 4; i++)
		if (child_start(&calls[i].child)) {
			struct child *child = &calls[i].child;
			int ret = transact_in_a_race(&self->s, &calls[CALLS - 1 - i], i);

			child_exit(child, ret);
		}
	for (i = 0; i < 4; i++) {
		int ret = child_end(&calls[i].child);

		EXPECT_LE(0, ret);
		done += ret;
	}
	TH_LOG("%u of 1600 had the slots", done);
	EXPECT_LT(0, done);
	EXPECT_EQ(requests + 2 * done, sst_stat("requests"));
	EXPECT_EQ(0, sst_poll(self->s.fd, POLLIN, 0));
	expect_all_usable(_metadata, &self->s, calls);
}

TEST_F(slots, killed)
{
	struct call *c = &calls[0], *other = &calls[1];
	long long late = sst_stat("late"), responses = sst_stat("responses");

	prepare(c, 2, TYPE_LATE, 1);
	memset(request_payload(&self->s, 0), FILL_BYTE, 2 * self->s.setup.slot_size);
	start(&self->s, c);
	ASSERT_EQ(2, sst_wait_stat("in_flight", 2));
	ASSERT_EQ(0, kill(c->child.pid, SIGKILL));
	ASSERT_EQ(c->child.pid, waitpid(c->child.pid, NULL, 0));
	if (variant->way == IOCTL) {
		/* Others have the open file: they can read it. */
		EXPECT_EQ(-EBUSY, transact_one(&self->s, other, 0, SST_REQUEST_NOOP));
		expect_to_read(_metadata, &self->s, c, 0);
	} else {
		/* It ends with its ring, and the device gives back the slots later. */
		ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
		ASSERT_EQ(0, sst_wait_stat("zombies", 0));
		EXPECT_EQ(2, sst_stat("late") - late + sst_stat("responses") - responses);
	}
	/* Kernels before 6.7 leave it to those who read: nobody has cancelled it. */
	do {
		while (sst_poll(self->s.fd, POLLIN, 10) == POLLIN)
			ASSERT_EQ(0, sst_receive(self->s.fd, &self->resp));
	} while (transact_one(&self->s, other, 0, SST_REQUEST_NOOP) == -EBUSY);
	expect_all_usable(_metadata, &self->s, other);
}

TEST_F(slots, time_out)
{
	long long timeouts = sst_stat("timeouts"), late = sst_stat("late");
	unsigned int n = sst_serial() ? 1 : 2;
	struct call *c = calls;

	ASSERT_EQ(0, file_set_timeout(self->s.fd, 100));
	prepare(c, n, TYPE_LATE, 1);
	memset(response_payload(&self->s, 0), RESPONSE_BYTE, SST_PAYLOAD_SIZE);
	memset(request_payload(&self->s, 0), REQUEST_BYTE, SST_PAYLOAD_SIZE);
	ASSERT_EQ(n, transact(&self->s, c));
	expect_response(_metadata, c, 0, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER);
	EXPECT_TRUE(all_bytes(response_payload(&self->s, 0), RESPONSE_BYTE, SST_PAYLOAD_SIZE));
	EXPECT_EQ(timeouts + n, sst_stat("timeouts"));

	/* The slot is the device's until its answer comes, in vain. */
	EXPECT_EQ(-EBUSY, transact_one(&self->s, c, 0, SST_REQUEST_NOOP));
	EXPECT_EQ(0, sst_wait_stat("zombies", 0));
	EXPECT_EQ(late + n, sst_stat("late"));
	EXPECT_TRUE(all_bytes(response_payload(&self->s, 0), REQUEST_BYTE, SST_PAYLOAD_SIZE));
	EXPECT_EQ(0, sst_poll(self->s.fd, POLLIN, 0));
	ASSERT_EQ(0, file_set_timeout(self->s.fd, 5000));
	expect_all_usable(_metadata, &self->s, c);
}

TEST_F(slots, time_out_of_what_is_never_answered)
{
	struct call *c = calls;
	unsigned int i;

	ASSERT_EQ(0, file_set_timeout(self->s.fd, 50));
	prepare(c, 3, TYPE_NEVER, 1);
	/* One that needs nothing of the device any more is free at once. */
	c->req[0].type = TYPE_NO_RESPONSE;
	ASSERT_EQ(3, transact(&self->s, c));
	for (i = 0; i < 3; i++) {
		expect_response(_metadata, c, i, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER);
	}
	ASSERT_EQ(0, file_set_timeout(self->s.fd, 5000));
	sleep_ms(100);
	EXPECT_EQ(-EBUSY, transact_one(&self->s, c, 1, SST_REQUEST_NOOP));
	EXPECT_EQ(-EBUSY, transact_one(&self->s, c, 2, SST_REQUEST_NOOP));
	EXPECT_EQ(2, sst_stat("zombies"));
	/* A device that answers one after the other does not get to more. */
	if (!sst_serial()) {
		EXPECT_EQ(SST_RESPONSE_OK, transact_one(&self->s, c, 0, SST_REQUEST_NOOP));
	}
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(0, sst_stat("zombies"));
	expect_all_usable(_metadata, &self->s, c);
}

TEST_F(slots, cancel)
{
	struct call *first = &calls[0], *second = &calls[1], *c = &calls[2];
	long long cancelled = sst_stat("cancelled");
	unsigned int i;

	prepare(first, 2, TYPE_NEVER, 10);
	start(&self->s, first);
	ASSERT_EQ(2, sst_wait_stat("in_flight", 2));
	prepare(second, 2, TYPE_NEVER, 20);
	second->req[0].index = 2;
	second->req[1].index = 3;
	start(&self->s, second);
	ASSERT_EQ(4, sst_wait_stat("in_flight", 4));
	ASSERT_EQ(0, sst_send(self->s.fd, TYPE_NEVER, 30));

	EXPECT_EQ(-ENOENT, file_cancel(self->s.fd, 9, 0));
	EXPECT_EQ(1, file_cancel(self->s.fd, 11, 0));
	EXPECT_EQ(4, sst_stat("in_flight"));
	EXPECT_EQ(1, file_cancel(self->s.fd, 10, 0));
	ASSERT_EQ(2, child_end(&first->child));
	EXPECT_EQ(3, file_cancel(self->s.fd, 0, SST_CANCEL_ALL));
	ASSERT_EQ(2, child_end(&second->child));
	for (i = 0; i < 2; i++) {
		expect_response(_metadata, first, i, SST_RESPONSE_ERROR, SST_RESPONSE_F_DRIVER);
		expect_response(_metadata, second, i, SST_RESPONSE_ERROR, SST_RESPONSE_F_DRIVER);
	}
	EXPECT_EQ(cancelled + 5, sst_stat("cancelled"));
	/* Only what was written is there to read. */
	ASSERT_EQ(0, sst_receive(self->s.fd, &self->resp));
	EXPECT_EQ(htole64(30), self->resp.user_data);
	EXPECT_EQ(0, sst_poll(self->s.fd, POLLIN, 0));

	EXPECT_EQ(-EBUSY, transact_one(&self->s, c, 3, SST_REQUEST_NOOP));
	ASSERT_EQ(0, sst_reset());
	expect_all_usable(_metadata, &self->s, c);
}

/* Answers of all kinds */

/* What is in the payload of the response afterwards, but for DIRTY_PAYLOAD */
enum payload { KEPT, ECHOED, FILLED, ZEROED, ANYTHING };

static const struct answer {
	unsigned int type;
	unsigned int status;
	unsigned int flags;
	enum payload payload;
	unsigned int bytes;	/* of them; the rest is as it was */
	bool in_order;		/* also if the device answers one after the other */
} answers[] = {
	{ TYPE_NO_DEVICE, SST_RESPONSE_NO_DEVICE, 0, ANYTHING, 0, true },
	{ TYPE_UNKNOWN, SST_RESPONSE_INVALID, 0, ANYTHING, 0, true },
	{ TYPE_LATE, SST_RESPONSE_OK, 0, ECHOED, SST_PAYLOAD_SIZE, true },
	{ TYPE_FILL, SST_RESPONSE_OK, 0, FILLED, SST_PAYLOAD_SIZE, true },
	{ TYPE_WRONG_ID, SST_RESPONSE_OK, 0, ECHOED, SST_PAYLOAD_SIZE, true },
	{ TYPE_SHORT, SST_RESPONSE_OK, 0, ECHOED, 100 - SST_RESPONSE_HEADER_SIZE, true },
	{ TYPE_DIRTY, SST_RESPONSE_OK, 0, KEPT, 0, true },
	{ TYPE_LONG, SST_RESPONSE_ERROR, SST_RESPONSE_F_DRIVER, ANYTHING, 0, true },
	{ TYPE_TINY, SST_RESPONSE_ERROR, SST_RESPONSE_F_DRIVER, KEPT, 0, true },
	{ TYPE_QUEUE, SST_RESPONSE_OK, 0, ECHOED, SST_PAYLOAD_SIZE, true },
	{ TYPE_EARLY, SST_RESPONSE_OK, 0, ECHOED, SST_PAYLOAD_SIZE, true },
	{ TYPE_QUEUE_LATE, SST_RESPONSE_OK, 0, ECHOED, SST_PAYLOAD_SIZE, true },
	{ TYPE_QUEUE_REPEAT, SST_RESPONSE_OK, 0, ECHOED, SST_PAYLOAD_SIZE, true },
	{ TYPE_EARLY_REPEAT, SST_RESPONSE_OK, 0, ECHOED, SST_PAYLOAD_SIZE, true },
	{ TYPE_QUEUE_SHORT, SST_RESPONSE_OK, 0, ECHOED, 100 - SST_RESPONSE_HEADER_SIZE, true },
	{ TYPE_QUEUE_DIRTY, SST_RESPONSE_OK, 0, ZEROED, SST_PAYLOAD_SIZE, true },
	/* Nothing that could be matched comes. */
	{ TYPE_NO_RESPONSE, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER, KEPT, 0, true },
	{ TYPE_QUEUE_WRONG_ID, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER, KEPT, 0, true },
	{ TYPE_QUEUE_EMPTY, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER, KEPT, 0, true },
	{ TYPE_QUEUE_LONG, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER, KEPT, 0, true },
	/* The slot is the device's until the chain comes. */
	{ TYPE_NO_CHAIN, SST_RESPONSE_TIMEOUT, SST_RESPONSE_F_DRIVER, KEPT, 0, false },
};

static bool payload_is(const char *payload, enum payload what, unsigned int n)
{
	switch (what) {
	case KEPT:
		return true;
	case ECHOED:
		return all_bytes(payload, REQUEST_BYTE, n);
	case FILLED:
		return all_bytes(payload, FILL_BYTE, n);
	case ZEROED:
		return all_bytes(payload, 0, n);
	default:
		return true;
	}
}

TEST_F(slots, answers_of_all_kinds)
{
	unsigned int i, n = ARRAY_SIZE(answers);
	const struct slots *s = &self->s;
	struct call *c = calls;

	for (i = 0; i < n; i++) {
		const struct answer *a = &answers[i];
		char *payload = response_payload(s, i);
		bool timed_out = a->status == SST_RESPONSE_TIMEOUT;

		memset(request_payload(s, i), REQUEST_BYTE, SST_PAYLOAD_SIZE);
		memset(payload, RESPONSE_BYTE, s->setup.response_offset);
		ASSERT_EQ(0, file_set_timeout(s->fd, timed_out ? 100 : 5000));
		prepare(c, 1, a->type, 100 + i);
		c->req[0].index = i;
		ASSERT_EQ(1, transact(s, c)) {
			TH_LOG("type %u", a->type);
		}
		expect_response(_metadata, c, 0, a->status, a->flags);
		EXPECT_TRUE(payload_is(payload, a->payload, a->bytes)) {
			TH_LOG("type %u, status %u", a->type, c->resp[0].status);
		}
		if (a->payload != ANYTHING) {
			EXPECT_TRUE(all_bytes(payload + a->bytes, RESPONSE_BYTE,
					      s->setup.response_offset - a->bytes)) {
				TH_LOG("type %u, status %u", a->type, c->resp[0].status);
			}
		}
		EXPECT_EQ(0, sst_poll(s->fd, POLLIN, 0));
	}
	ASSERT_EQ(0, file_set_timeout(s->fd, 5000));
	EXPECT_EQ(-EBUSY, transact_one(s, c, n - 1, SST_REQUEST_NOOP));
	ASSERT_EQ(0, sst_reset());
	expect_all_usable(_metadata, s, c);
}

/* The same at once, and again: what was early before does not come at all then. */
TEST_F(slots, answers_of_all_kinds_at_once)
{
	unsigned int i, round, n = ARRAY_SIZE(answers);
	const struct slots *s = &self->s;
	struct call *c = calls;

	ASSERT_EQ(0, file_set_timeout(s->fd, 1200));
	for (round = 0; round < 2; round++) {
		prepare(c, 2 * n, 0, 1000 * round);
		for (i = 0; i < 2 * n; i++) {
			c->req[i].type = answers[(i + 6 * round) % n].type;
			memset(request_payload(s, i), REQUEST_BYTE, SST_PAYLOAD_SIZE);
			memset(response_payload(s, i), RESPONSE_BYTE, SST_PAYLOAD_SIZE);
		}
		ASSERT_EQ(2 * n, transact(s, c));
		for (i = 0; i < 2 * n && !sst_serial(); i++) {
			const struct answer *a = &answers[(i + 6 * round) % n];

			expect_response(_metadata, c, i, a->status, a->flags);
			EXPECT_TRUE(payload_is(response_payload(s, i), a->payload, a->bytes));
		}
		ASSERT_EQ(0, sst_reset());
		EXPECT_EQ(0, sst_poll(s->fd, POLLIN, 0));
	}
	ASSERT_EQ(0, file_set_timeout(s->fd, 5000));
	expect_all_usable(_metadata, s, c);
}

TEST_F(slots, broken_queue)
{
	struct call *waiting = &calls[0], *c = &calls[1];
	unsigned int i;

	ASSERT_EQ(0, file_set_timeout(self->s.fd, 1000));
	prepare(waiting, 4, TYPE_NEVER, 1);
	waiting->req[0].type = TYPE_BREAK;
	start(&self->s, waiting);
	ASSERT_EQ(4, child_end(&waiting->child));
	for (i = 0; i < 4; i++) {
		expect_response(_metadata, waiting, i, SST_RESPONSE_TIMEOUT,
				SST_RESPONSE_F_DRIVER);
	}
	EXPECT_EQ(-EIO, transact_one(&self->s, c, 10, SST_REQUEST_NOOP));
	/* What is refused is not lost. */
	EXPECT_EQ(-EIO, transact_one(&self->s, c, 10, SST_REQUEST_NOOP));
	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(0, file_set_timeout(self->s.fd, 5000));
	expect_all_usable(_metadata, &self->s, c);
}

/* Room */

TEST_F(slots, waits_for_its_limit)
{
	struct call *c = calls;
	unsigned int i;

	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, sst_send(self->s.fd, SST_REQUEST_NOOP, i));
	}
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	prepare(c, 32, SST_REQUEST_NOOP, 100);
	ASSERT_EQ(0, fcntl(self->s.fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, transact(&self->s, c));
	ASSERT_EQ(0, fcntl(self->s.fd, F_SETFL, 0));
	start(&self->s, c);
	ASSERT_TRUE(child_asleep(&c->child));
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, sst_receive(self->s.fd, &self->resp));
		EXPECT_EQ(htole64(i), self->resp.user_data);
	}
	ASSERT_EQ(32, child_end(&c->child));
	for (i = 0; i < 32; i++) {
		expect_response(_metadata, c, i, SST_RESPONSE_OK, 0);
	}
	EXPECT_EQ(0, sst_poll(self->s.fd, POLLIN, 0));
}

TEST_F(slots, waits_for_room_in_the_queue)
{
	struct call *c = calls;
	int other;

	other = sst_fill_queue(&self->info, TYPE_NO_RESPONSE);
	ASSERT_LE(0, other);
	prepare(c, LIMIT, SST_REQUEST_NOOP, 100);
	ASSERT_EQ(0, fcntl(self->s.fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, transact(&self->s, c));
	ASSERT_EQ(0, fcntl(self->s.fd, F_SETFL, 0));
	if (child_start(&c->child)) {
		close(other);
		child_exit(&c->child, transact(&self->s, c));
	}
	ASSERT_TRUE(child_asleep(&c->child));
	/* There is some, and not enough for all of them. */
	EXPECT_EQ(1, file_cancel(other, 0, 0));
	EXPECT_EQ(1, file_cancel(other, 1, 0));
	EXPECT_TRUE(child_asleep(&c->child));
	close(other);
	ASSERT_EQ(LIMIT, child_end(&c->child));
	expect_response(_metadata, c, LIMIT - 1, SST_RESPONSE_OK, 0);
}

/* A program that rewrites its slots at any time */

static void scribble(char *p, size_t size)
{
	uint32_t x = 1;
	size_t i;

	for (;;)
		for (i = 0; i + 4 <= size; i += 256) {
			x = x * 1664525 + 1013904223;
			__atomic_store_n((uint32_t *)(p + i), x, __ATOMIC_RELAXED);
		}
}

static int echo_in_vain(int fd)
{
	struct sst_response resp;
	struct sst_request req;
	unsigned int i;

	for (i = 0; i < 300; i++) {
		sst_prepare(&req, i % 4 ? SST_REQUEST_ECHO : TYPE_QUEUE, i);
		memset(req.payload, i, SST_PAYLOAD_SIZE);
		if (write(fd, &req, REQ) != REQ || read(fd, &resp, RESP) != RESP)
			return -errno;
		if (le64toh(resp.user_data) != i || resp.status || resp.flags ||
		    !all_bytes(resp.payload, i, SST_PAYLOAD_SIZE))
			return -EPROTO;
	}
	return 0;
}

TEST_F(slots, program_that_rewrites_its_payloads)
{
	static const unsigned int types[] = {
		SST_REQUEST_ECHO, TYPE_QUEUE, TYPE_FILL, SST_REQUEST_READ, SST_REQUEST_WRITE,
		TYPE_DIRTY, SST_REQUEST_NOOP, TYPE_QUEUE_REPEAT,
	};
	struct child *scribbler = &calls[1].child, *other = &calls[2].child;
	unsigned int i, round, n = ARRAY_SIZE(types);
	const struct slots *s = &self->s;
	struct call *c = calls;
	uint64_t last = 0;

	if (child_start(scribbler)) {
		scribble(s->memory, s->setup.size);
		child_exit(scribbler, 1);
	}
	if (child_start(other))
		child_exit(other, echo_in_vain(sst_open(O_RDWR)));

	for (round = 0; round < 200; round++) {
		prepare(c, n, 0, 1000 * round);
		for (i = 0; i < n; i++)
			c->req[i].type = types[i];
		/* The early ones take long. */
		if (round % 50 == 0)
			c->req[1].type = TYPE_EARLY;
		ASSERT_EQ(n, transact(s, c));
		for (i = 0; i < n; i++) {
			bool any = types[i] == SST_REQUEST_READ || types[i] == SST_REQUEST_WRITE;

			/* Whether they mean anything is up to it. */
			expect_response(_metadata, c, i, any ? c->resp[i].status : SST_RESPONSE_OK,
					0);
			EXPECT_NE(last, c->resp[i].request_id);
			last = c->resp[i].request_id;
		}
	}
	EXPECT_EQ(0, child_end(other));
	kill(scribbler->pid, SIGKILL);
	waitpid(scribbler->pid, NULL, 0);
	EXPECT_EQ(0, sst_poll(s->fd, POLLIN, 0));
	expect_all_usable(_metadata, s, c);
}

/* Arrays of the transaction itself in the slots that it is about */
TEST_F(slots, transaction_that_is_in_its_own_slots)
{
	struct call *c = calls;

	if (variant->way == URING_FIXED)
		return;
	prepare(c, 8, SST_REQUEST_ECHO, 50);
	memcpy(request_payload(&self->s, 0), c->req, 8 * sizeof(c->req[0]));
	c->t.requests = (uintptr_t)request_payload(&self->s, 0);
	c->t.responses = (uintptr_t)response_payload(&self->s, 0);
	ASSERT_EQ(8, transact(&self->s, c));
	memcpy(c->resp, response_payload(&self->s, 0), 8 * sizeof(c->resp[0]));
	expect_response(_metadata, c, 0, SST_RESPONSE_OK, 0);
	expect_response(_metadata, c, 7, SST_RESPONSE_OK, 0);
	expect_all_usable(_metadata, &self->s, c);
}

/* The end of files and devices */

static long long available_kib(void)
{
	char text[4096], *p;

	if (read_file("/proc/meminfo", text, sizeof(text)) < 0)
		return -1;
	p = strstr(text, "MemAvailable:");
	return p ? atoll(p + strlen("MemAvailable:")) : -1;
}

/* A child with slots of its own, which ends while the device has some of them */
static void end_with_slots_in_flight(struct __test_metadata *_metadata, enum way way,
				     struct call *c, unsigned int type, unsigned int nr)
{
	struct slots s = { .way = way };

	prepare(c, 4, type, 0);
	if (child_start(&c->child)) {
		int ret = open_slots(&s, nr);

		if (!ret)
			memset(s.memory, 1, s.setup.size);
		child_exit(&c->child, ret ?: transact(&s, c));
	}
	ASSERT_EQ(4, sst_wait_stat("in_flight", 4));
	kill(c->child.pid, SIGKILL);
	ASSERT_EQ(c->child.pid, waitpid(c->child.pid, NULL, 0));
}

TEST_F(slots, end_of_a_program_with_slots_in_flight)
{
	unsigned int rounds = sst_serial() ? 3 : 16, i;
	static const unsigned int types[] = { TYPE_LATE, TYPE_EARLY, TYPE_QUEUE_LATE, TYPE_NEVER };
	struct call *c = calls;
	long long available = 0;

	/* Kernels before 6.7 wait for it. */
	ASSERT_EQ(0, sst_set_timeout(1000));
	for (i = 0; i < rounds; i++) {
		/* 4 MiB, of which the device has some */
		end_with_slots_in_flight(_metadata, variant->way, c, types[i % 4], 512);
		ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
		if (types[i % 4] == TYPE_NEVER) {
			ASSERT_EQ(4, sst_wait_stat("zombies", 4));
			ASSERT_EQ(0, sst_reset());
		}
		ASSERT_EQ(0, sst_wait_stat("zombies", 0));
		if (i == 3)
			available = available_kib();
	}
	/* A few of them would be more. */
	if (rounds > 4) {
		EXPECT_GT(20 * 1024, available - available_kib());
	}
	ASSERT_EQ(0, sst_set_timeout(5000));
	expect_all_usable(_metadata, &self->s, c);
}

TEST_F(slots, unbound)
{
	struct call *waiting = &calls[0], *c = &calls[1];
	unsigned int i;

	prepare(waiting, 8, SST_REQUEST_ECHO, 1);
	for (i = 5; i < 8; i++)
		waiting->req[i].type = TYPE_NEVER;
	memset(request_payload(&self->s, 0), REQUEST_BYTE, SST_PAYLOAD_SIZE);
	start(&self->s, waiting);
	ASSERT_EQ(3, sst_wait_stat("in_flight", 3));
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	/* What has been answered is told. */
	EXPECT_EQ(5, child_end(&waiting->child));
	for (i = 0; i < 5; i++) {
		expect_response(_metadata, waiting, i, SST_RESPONSE_OK, 0);
	}
	EXPECT_TRUE(all_bytes(response_payload(&self->s, 0), REQUEST_BYTE, SST_PAYLOAD_SIZE));
	EXPECT_TRUE(all_bytes(&waiting->resp[5], 0xff, sizeof(waiting->resp[5])));
	EXPECT_EQ(-ENODEV, transact_one(&self->s, c, 0, SST_REQUEST_NOOP));
	EXPECT_EQ(-ENODEV, sst_receive(self->s.fd, &self->resp));

	ASSERT_EQ(0, sst_driver_do("bind", self->name));
	ASSERT_EQ(0, wait_for_device());
	close_slots(&self->s);
	ASSERT_EQ(0, open_slots(&self->s, SLOTS));
	prepare(waiting, 3, TYPE_NEVER, 1);
	start(&self->s, waiting);
	ASSERT_EQ(3, sst_wait_stat("in_flight", 3));
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	EXPECT_EQ(-ENODEV, child_end(&waiting->child));
	/* Answers to later requests than those that were not answered can be read. */
	ASSERT_EQ(0, sst_driver_do("bind", self->name));
	ASSERT_EQ(0, wait_for_device());
	close_slots(&self->s);
	ASSERT_EQ(0, open_slots(&self->s, SLOTS));
	prepare(waiting, 2, TYPE_FILL, 1);
	waiting->req[0].type = TYPE_NO_RESPONSE;
	start(&self->s, waiting);
	ASSERT_EQ(1, sst_wait_stat("in_flight", 1));
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	EXPECT_EQ(-ENODEV, child_end(&waiting->child));
	ASSERT_EQ(0, sst_receive(self->s.fd, &self->resp));
	EXPECT_EQ(htole64(2), self->resp.user_data);
	EXPECT_TRUE(all_bytes(self->resp.payload, FILL_BYTE, SST_PAYLOAD_SIZE));
	EXPECT_EQ(-ENODEV, sst_receive(self->s.fd, &self->resp));
}

TEST_F(slots, reset)
{
	long long aborted = sst_stat("aborted");
	struct call *waiting = &calls[0], *c = &calls[1];
	unsigned int i;

	prepare(waiting, 8, SST_REQUEST_ECHO, 1);
	for (i = 2; i < 8; i++)
		waiting->req[i].type = i % 2 ? TYPE_NEVER : TYPE_NO_RESPONSE;
	start(&self->s, waiting);
	ASSERT_EQ(6, sst_wait_stat("in_flight", 6));
	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(8, child_end(&waiting->child));
	for (i = 0; i < 8; i++) {
		expect_response(_metadata, waiting, i,
				i < 2 ? SST_RESPONSE_OK : SST_RESPONSE_ERROR,
				i < 2 ? 0 : SST_RESPONSE_F_DRIVER);
	}
	EXPECT_EQ(aborted + 6, sst_stat("aborted"));
	expect_all_usable(_metadata, &self->s, c);
}

/* Transactions that only a call can make: nobody but it waits, and signals interrupt it. */

FIXTURE(calls)
{
	struct slots s;
	char name[NAME_MAX];
	struct sst_response resp;
};

FIXTURE_SETUP(calls)
{
	make_ready(_metadata, self->name);
	ASSERT_EQ(0, open_slots(&self->s, SLOTS));
	self->s.way = IOCTL;
}

FIXTURE_TEARDOWN(calls)
{
	close_slots(&self->s);
	restore(_metadata, self->name);
}

TEST_F(calls, interrupted)
{
	static const int flags[] = { 0, SA_RESTART };
	struct call *c = &calls[0], *other = &calls[1];
	long long requests;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		requests = sst_stat("requests");
		catch_signal(flags[i]);
		prepare(c, 2, TYPE_LATE, 10 * i);
		memset(request_payload(&self->s, 0), FILL_BYTE, SST_PAYLOAD_SIZE);
		memset(request_payload(&self->s, 1), FILL_BYTE, SST_PAYLOAD_SIZE);
		start(&self->s, c);
		ASSERT_EQ(2, sst_wait_stat("in_flight", 2));
		ASSERT_EQ(0, kill(c->child.pid, SIGUSR1));
		ASSERT_EQ(-EINTR, child_end(&c->child));
		EXPECT_TRUE(all_bytes(c->resp, 0xff, sizeof(c->resp)));
		EXPECT_EQ(2, c->t.submitted);
		EXPECT_EQ(-EBUSY, transact_one(&self->s, other, 0, SST_REQUEST_NOOP));
		EXPECT_EQ(0, other->t.submitted);
		expect_to_read(_metadata, &self->s, c, 0);
		/* Nothing is sent twice. */
		EXPECT_EQ(requests + 2, sst_stat("requests"));
		EXPECT_EQ(0, sst_stat("in_flight"));
		EXPECT_EQ(0, transact_one(&self->s, other, 0, SST_REQUEST_NOOP));
		EXPECT_EQ(1, other->t.submitted);
		expect_all_usable(_metadata, &self->s, c);
	}
}

/* Early responses that nobody reads yet, and those of which the chain comes first */
TEST_F(calls, answers_that_nobody_waits_for)
{
	static const unsigned int types[] = { TYPE_EARLY, TYPE_QUEUE_LATE, TYPE_LATE };
	struct call *c = calls;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		memset(request_payload(&self->s, i), REQUEST_BYTE, SST_PAYLOAD_SIZE);
		leave_in_flight(_metadata, &self->s, c, i, types[i]);
		ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
		ASSERT_EQ(0, sst_receive(self->s.fd, &self->resp));
		EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
		EXPECT_EQ(htole64(i), self->resp.user_data);
		EXPECT_TRUE(all_bytes(self->resp.payload, REQUEST_BYTE, SST_PAYLOAD_SIZE));
	}
	expect_all_usable(_metadata, &self->s, c);
}

TEST_F(calls, interrupted_while_it_waits_for_its_limit)
{
	struct call *c = &calls[0], *other = &calls[1];
	long long requests;

	ASSERT_EQ(0, file_set_limit(self->s.fd, 2));
	ASSERT_EQ(0, sst_send(self->s.fd, TYPE_LATE, 1));
	requests = sst_stat("requests");
	catch_signal(0);
	prepare(c, 2, SST_REQUEST_NOOP, 2);
	start(&self->s, c);
	ASSERT_TRUE(child_asleep(&c->child));
	/* They are taken already. */
	EXPECT_EQ(-EBUSY, transact_one(&self->s, other, 1, SST_REQUEST_NOOP));
	ASSERT_EQ(0, kill(c->child.pid, SIGUSR1));
	EXPECT_EQ(-EINTR, child_end(&c->child));
	EXPECT_EQ(0, c->t.submitted);
	EXPECT_EQ(requests, sst_stat("requests"));
	ASSERT_EQ(0, sst_receive(self->s.fd, &self->resp));
	EXPECT_EQ(htole64(1), self->resp.user_data);
	ASSERT_EQ(0, file_set_limit(self->s.fd, LIMIT));
	expect_all_usable(_metadata, &self->s, c);
}

/* Nobody else could read what is in its way: a mapping is nobody. */
TEST_F(calls, own_unread_responses_are_in_its_way)
{
	struct call *c = calls;
	unsigned int i;

	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, sst_send(self->s.fd, SST_REQUEST_NOOP, i));
	}
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	prepare(c, 32, SST_REQUEST_NOOP, 100);
	alarm(10);
	EXPECT_EQ(-ENOBUFS, transact(&self->s, c));
	/* Nor is it more than one mapping, or one in two parts. */
	munmap(request_payload(&self->s, 10), self->s.setup.slot_size);
	EXPECT_EQ(-ENOBUFS, transact(&self->s, c));
	EXPECT_EQ(LIMIT - 40, write(self->s.fd, calloc(LIMIT, REQ), (LIMIT - 40) * REQ) / REQ);
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	EXPECT_EQ(-ENOBUFS, sst_send(self->s.fd, SST_REQUEST_NOOP, 0));
	alarm(0);
	for (i = 0; i < LIMIT; i++) {
		ASSERT_EQ(0, sst_receive(self->s.fd, &self->resp));
	}
	prepare(c, 32, SST_REQUEST_NOOP, 100);
	EXPECT_EQ(32, transact(&self->s, c));
}

TEST_HARNESS_MAIN
