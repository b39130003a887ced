// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults one by one: each operation is done again and again, with the first, the second, the
 * third … allocation or copy in it failing, until there is no further one. Each time it may
 * fail, but only as it is documented; then the same must work, and nothing is left over.
 *
 * Binding the driver is not among them: User Mode Linux's virtio transport does not survive
 * faults in its own set-up of interrupts.
 *
 * Needs CONFIG_FAULT_INJECTION_DEBUG_FS with failslab, fail_page_alloc and fail_usercopy.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include <linux/aio_abi.h>
#include <liburing.h>

#include "sst_test.h"
#include "kselftest.h"

#define FAULTS_MAX	2000	/* in one operation */
#define MANY	64	/* requests of an open file at once */

/* What an operation works on; it is made without faults, and taken away without them. */
struct state {
	int fd;
	int other;		/* what the operation has made, or -1 */
	void *map;
	struct sst_slot_setup slots;
	struct sst_request req;
	struct sst_response resp;
};

struct operation {
	const char *name;
	int (*prepare)(struct state *s);	/* may be NULL */
	int (*run)(struct state *s);		/* 0, or -errno */
	void (*finish)(struct state *s);	/* may be NULL */
};

/* Operations */

static int run_open(struct state *s)
{
	s->other = open(sst_device(), O_RDWR | O_CLOEXEC);
	return s->other < 0 ? -errno : 0;
}

static int run_write(struct state *s)
{
	sst_prepare(&s->req, SST_REQUEST_ECHO, 1);
	return write(s->fd, &s->req, REQ) < 0 ? -errno : 0;
}

/* As many as a device has slots for, and more, so that it gets further ones */
static int run_write_many(struct state *s)
{
	static struct sst_request many[MANY];
	unsigned int i;

	for (i = 0; i < MANY; i++)
		sst_prepare(&many[i], SST_REQUEST_ECHO, i);
	return write(s->fd, many, sizeof(many)) < 0 ? -errno : 0;
}

static int prepare_read(struct state *s)
{
	return sst_send(s->fd, SST_REQUEST_ECHO, 2);
}

static int run_read(struct state *s)
{
	return read(s->fd, &s->resp, RESP) < 0 ? -errno : 0;
}

static int run_poll(struct state *s)
{
	return sst_poll(s->fd, POLLIN | POLLOUT, 1000) ? 0 : -errno;
}

static int run_epoll(struct state *s)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT };

	s->other = epoll_create1(EPOLL_CLOEXEC);
	if (s->other < 0 || epoll_ctl(s->other, EPOLL_CTL_ADD, s->fd, &e))
		return -errno;
	return epoll_wait(s->other, &e, 1, 1000) < 0 ? -errno : 0;
}

static int run_transact(struct state *s)
{
	struct sst_transaction t = {
		.request = (uintptr_t)&s->req,
		.response = (uintptr_t)&s->resp,
		.request_size = REQ,
		.response_size = RESP,
	};

	sst_prepare(&s->req, SST_REQUEST_ECHO, 3);
	return ioctl(s->fd, SST_IOCTL_TRANSACT, &t) ? -errno : 0;
}

static int run_info(struct state *s)
{
	struct sst_info info;

	return ioctl(s->fd, SST_IOCTL_GET_INFO, &info) ? -errno : 0;
}

static int run_settings(struct state *s)
{
	struct sst_settings settings;

	if (ioctl(s->fd, SST_IOCTL_GET_SETTINGS, &settings))
		return -errno;
	return file_set_limit(s->fd, 5);
}

static int prepare_cancel(struct state *s)
{
	return sst_send(s->fd, TYPE_LATE, 4);
}

static int run_cancel(struct state *s)
{
	int ret = file_cancel(s->fd, 4, 0);

	/* The count may be what could not be stored. */
	return ret > 0 ? 0 : ret;
}

static int run_setup_slots(struct state *s)
{
	s->slots = (struct sst_slot_setup){ .nr = 20 };
	return ioctl(s->fd, SST_IOCTL_SETUP_SLOTS, &s->slots) ? -errno : 0;
}

static int run_map(struct state *s)
{
	s->map = mmap(NULL, s->slots.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		      s->fd, 0);
	return s->map == MAP_FAILED ? -errno : 0;
}

static void finish_map(struct state *s)
{
	if (s->map && s->map != MAP_FAILED)
		munmap(s->map, s->slots.size);
	s->map = NULL;
}

static int run_transact_slots(struct state *s)
{
	struct sst_slot_request request[] = {
		{ .type = SST_REQUEST_ECHO, .user_data = 5 },
		{ .type = SST_REQUEST_ECHO, .user_data = 6, .index = 7 },
	};
	struct sst_slot_response response[2];
	struct sst_slot_transaction t = {
		.requests = (uintptr_t)request,
		.responses = (uintptr_t)response,
		.nr = 2,
	};

	return ioctl(s->fd, SST_IOCTL_TRANSACT_SLOTS, &t) < 0 ? -errno : 0;
}

static int run_event_fd(struct state *s)
{
	struct sst_event_setup setup = { .flags = SST_EVENT_CLOEXEC };

	s->other = ioctl(s->fd, SST_IOCTL_EVENT_FD, &setup);
	return s->other < 0 ? -errno : 0;
}

static int run_read_event(struct state *s)
{
	struct sst_event event;

	return read(s->other, &event, sizeof(event)) < 0 ? -errno : 0;
}

static int run_uring(struct state *s)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQE128 };
	struct sst_uring_transact t = {
		.requests = (uintptr_t)&s->req,
		.responses = (uintptr_t)&s->resp,
		.nr = 1,
		.request_size = REQ,
		.response_size = RESP,
	};
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int ret;

	ret = io_uring_queue_init_params(4, &ring, &p);
	if (ret)
		return ret;
	sst_prepare(&s->req, SST_REQUEST_ECHO, 7);
	/* A ring that is new has room, and its entries are zero. */
	sqe = io_uring_get_sqe(&ring);
	if (!sqe)
		abort();
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = s->fd;
	sqe->cmd_op = SST_URING_CMD_TRANSACT;
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, cmd), &t, sizeof(t));
	ret = io_uring_submit(&ring);
	if (ret >= 0)
		ret = io_uring_wait_cqe(&ring, &cqe);
	if (ret >= 0)
		ret = cqe->res;
	io_uring_queue_exit(&ring);
	return ret < 0 ? ret : 0;
}

static int run_aio(struct state *s)
{
	struct iocb call = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = s->fd,
		.aio_buf = (uintptr_t)&s->resp,
		.aio_nbytes = RESP,
	};
	struct iocb *calls[] = { &call };
	aio_context_t context = 0;
	int ret;

	if (syscall(SYS_io_setup, 1, &context))
		return -errno;
	ret = syscall(SYS_io_submit, context, 1, calls) < 0 ? -errno : 0;
	/* It cancels what waits. */
	syscall(SYS_io_destroy, context);
	return ret;
}

static const struct operation operations[] = {
	{ "open", NULL, run_open, NULL },
	{ "write", NULL, run_write, NULL },
	{ "write of many requests", NULL, run_write_many, NULL },
	{ "read", prepare_read, run_read, NULL },
	{ "poll", NULL, run_poll, NULL },
	{ "epoll", NULL, run_epoll, NULL },
	{ "TRANSACT", NULL, run_transact, NULL },
	{ "GET_INFO", NULL, run_info, NULL },
	{ "settings", NULL, run_settings, NULL },
	{ "CANCEL", prepare_cancel, run_cancel, NULL },
	{ "SETUP_SLOTS", NULL, run_setup_slots, NULL },
	{ "mmap", run_setup_slots, run_map, finish_map },
	{ "TRANSACT_SLOTS", run_setup_slots, run_transact_slots, NULL },
	{ "EVENT_FD", NULL, run_event_fd, NULL },
	{ "read of events", run_event_fd, run_read_event, NULL },
	{ "io_uring", NULL, run_uring, NULL },
	{ "aio", NULL, run_aio, NULL },
};

#define OPERATIONS	ARRAY_SIZE(operations)

/* Faults */

static int set_up_faults(void)
{
	static const char *const settings[][2] = {
		{ "failslab/ignore-gfp-wait", "N" }, { "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" }, { "fail_page_alloc/verbose", "0" },
		{ "fail_page_alloc/min-order", "0" }, { "fail_usercopy/verbose", "0" },
	};
	char path[PATH_MAX];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", settings[i][0]);
		if (write_file(path, settings[i][1]))
			return -1;
	}
	return open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
}

static bool arm(int fail_nth, unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	return pwrite(fail_nth, text, strlen(text), 0) > 0;
}

/*
 * Returns whether a fault has happened. If not, it may do so here, in the copies of these
 * calls.
 */
static bool disarm(int fail_nth)
{
	char text[16] = "";
	bool happened;

	happened = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
	if (!arm(fail_nth, 0) && !arm(fail_nth, 0))
		abort();
	return happened;
}

static bool may_fail_with(int error)
{
	return error == ENOMEM || error == EFAULT || error == EAGAIN || error == ENFILE;
}

/* A request of a file of its own: returns 0, or -errno */
static int works(void)
{
	struct state s = { .fd = open(sst_device(), O_RDWR | O_CLOEXEC) };
	int ret = s.fd < 0 ? -errno : run_transact(&s);

	if (!ret && (s.resp.status || s.resp.user_data != s.req.user_data))
		ret = -EPROTO;
	close(s.fd);
	return ret;
}

static const char *run_once(const struct operation *op, int fail_nth, unsigned int n, bool *more)
{
	struct state s = { .fd = open(sst_device(), O_RDWR | O_CLOEXEC), .other = -1 };
	const char *fault = NULL;
	int ret;

	if (s.fd < 0 || (op->prepare && op->prepare(&s)))
		return "cannot be prepared";
	if (!arm(fail_nth, n))
		abort();
	ret = op->run(&s);
	*more = disarm(fail_nth);
	if (ret && (!*more || !may_fail_with(-ret)))
		fault = strerror(-ret);
	if (op->finish)
		op->finish(&s);
	if (s.other >= 0)
		close(s.other);
	close(s.fd);
	return fault ?: works() ? "nothing works any more" : NULL;
}

/* Returns the number of faults, or -1 if something is wrong, with a line of the result. */
static int run_all(unsigned int number, const struct operation *op, int fail_nth)
{
	const char *fault = NULL;
	unsigned int n = 0;
	bool more = true;

	while (more && !fault && n < FAULTS_MAX)
		fault = run_once(op, fail_nth, ++n, &more);
	if (!fault && sst_wait_stat("in_flight", 0))
		fault = "requests are left over";
	if (!fault && (more || !sst_stats_balance()))
		fault = "no end, or the counters do not balance";
	printf("%sok %u - %s, %u faults\n", fault ? "not " : "", number, op->name, n - 1);
	if (fault)
		printf("# fault %u: %s\n", n, fault);
	fflush(stdout);
	return fault ? -1 : (int)n - 1;
}

int main(void)
{
	int fail_nth = set_up_faults();
	unsigned int i, faults = 0, failed = 0;
	int n;

	if (fail_nth < 0) {
		printf("1..0 # SKIP no fault injection in this kernel\n");
		return 4;
	}
	printf("TAP version 13\n1..%zu\n", OPERATIONS);
	for (i = 0; i < OPERATIONS; i++) {
		n = run_all(i + 1, &operations[i], fail_nth);
		if (n < 0)
			failed++;
		else
			faults += n;
	}
	printf("# figure: faults one by one %u\n", faults);
	return failed ? 1 : 0;
}
