// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults one by one: each operation is done again and again, with the first, the second, the
 * third … allocation or copy in it failing, until there is no further one. Each time it may
 * fail, but only as it is documented. Then each request that the device has had is answered
 * once, with its own data, on the same file; the same call works; and nothing is left over.
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
#define REQUESTS_MAX	256	/* of an open file in all */
#define WAIT_MS	2000
#define SLOTS	20

/* What an operation works on; it is made without faults, and taken away without them. */
struct state {
	int fd;
	int other;		/* what the operation has made, or -1 */
	char *map;
	struct sst_slot_setup slots;
	struct sst_request req;
	struct sst_response resp;
	long long requests;	/* that the device had before */
	unsigned int asked;	/* requests that may have been submitted; user_data is below */
	unsigned int answered;
	bool seen[REQUESTS_MAX];	/* user_data that was in a response */
	int told;		/* how many of them the call has submitted, as it says, or -1 */
	const char *wrong;	/* the last thing that was, or NULL */
	unsigned long long event;	/* number of the last one that was read */
};

/* These return 0, or -errno; all but run may be NULL. */
struct operation {
	const char *name;
	int (*prepare)(struct state *s);
	int (*ask)(struct state *s);		/* each time before it runs, without faults */
	int (*run)(struct state *s);
	void (*finish)(struct state *s);
};

/* Requests, and what their responses must be */

static void fill(struct state *s, struct sst_request *req, unsigned int type)
{
	sst_prepare(req, type, s->asked);
	memset(req->payload, 1 + s->asked, SST_PAYLOAD_SIZE);
	s->asked++;
}

static void check_answer(struct state *s, unsigned long long number, unsigned int flags,
			 unsigned int status, const void *payload)
{
	bool cancelled = flags == SST_RESPONSE_F_DRIVER && status == SST_RESPONSE_ERROR;
	unsigned char byte = cancelled ? 0 : 1 + number;

	if (number >= s->asked)
		s->wrong = "a response to what was not submitted";
	else if (s->seen[number])
		s->wrong = "a response came twice";
	else if ((!cancelled && (flags || status)) || !all_bytes(payload, byte, SST_PAYLOAD_SIZE))
		s->wrong = "a response is not that of the request";
	else
		s->seen[number] = true;
	s->answered++;
}

static void check_response(struct state *s)
{
	check_answer(s, le64toh(s->resp.user_data), le32toh(s->resp.flags),
		     le32toh(s->resp.status), s->resp.payload);
}

/* How many requests the device has got */
static unsigned int submitted(const struct state *s)
{
	return sst_stat("requests") - s->requests;
}

/* Read what is owed, which is what the device has got and no call has returned. */
static void take_rest(struct state *s)
{
	while (!s->wrong && s->answered < submitted(s)) {
		if (!sst_poll(s->fd, POLLIN, WAIT_MS) || sst_receive(s->fd, &s->resp))
			s->wrong = "a response is lost";
		else
			check_response(s);
	}
	if (!s->wrong && (s->answered > submitted(s) || sst_poll(s->fd, POLLIN, 0)))
		s->wrong = "there are more responses than requests";
}

/* Operations */

static int run_open(struct state *s)
{
	s->other = open(sst_device(), O_RDWR | O_CLOEXEC);
	return s->other < 0 ? -errno : 0;
}

/* What was not accepted must not be answered. */
static int write_some(struct state *s, struct sst_request *req, unsigned int nr)
{
	unsigned int first = s->asked, i;
	ssize_t ret;

	for (i = 0; i < nr; i++)
		fill(s, &req[i], SST_REQUEST_ECHO);
	ret = write(s->fd, req, nr * REQ);
	s->told = ret > 0 ? ret / REQ : 0;
	s->asked = first + s->told;
	if (ret >= 0 && (!ret || ret % REQ))
		s->wrong = "a part of a request was written";
	return ret < 0 ? -errno : 0;
}

static int run_write(struct state *s)
{
	return write_some(s, &s->req, 1);
}

/* As many as a device has slots for, and more, so that it gets further ones */
static int run_write_many(struct state *s)
{
	static struct sst_request many[MANY];

	return write_some(s, many, MANY);
}

static int run_read(struct state *s)
{
	int ret = sst_receive(s->fd, &s->resp);

	if (!ret)
		check_response(s);
	return ret;
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

	int ret;

	fill(s, &s->req, SST_REQUEST_ECHO);
	ret = ioctl(s->fd, SST_IOCTL_TRANSACT, &t) ? -errno : 0;
	if (!ret)
		check_response(s);
	/* With EFAULT it may be this that could not be stored. */
	s->told = t.request_id ? 1 : ret == -EFAULT ? -1 : 0;
	return ret;
}

static int run_info(struct state *s)
{
	struct sst_info info;

	if (ioctl(s->fd, SST_IOCTL_GET_INFO, &info))
		return -errno;
	if (info.abi_version != SST_ABI_VERSION || !info.queue_size)
		s->wrong = "GET_INFO is odd";
	return 0;
}

static int run_settings(struct state *s)
{
	struct sst_settings settings;

	if (ioctl(s->fd, SST_IOCTL_GET_SETTINGS, &settings))
		return -errno;
	return file_set_limit(s->fd, 5);
}

static int ask_late(struct state *s)
{
	fill(s, &s->req, TYPE_LATE);
	return write(s->fd, &s->req, REQ) == REQ ? 0 : -errno;
}

static int run_cancel(struct state *s)
{
	int ret = file_cancel(s->fd, s->asked - 1, 0);

	/* The count may be what could not be stored. */
	return ret > 0 ? 0 : ret;
}

static int run_setup_slots(struct state *s)
{
	s->slots = (struct sst_slot_setup){ .nr = SLOTS };
	return ioctl(s->fd, SST_IOCTL_SETUP_SLOTS, &s->slots) ? -errno : 0;
}

static int run_map(struct state *s)
{
	s->map = mmap(NULL, s->slots.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		      s->fd, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return -errno;
	}
	return 0;
}

static int prepare_slots(struct state *s)
{
	return run_setup_slots(s) ?: run_map(s);
}

static void finish_map(struct state *s)
{
	if (!s->map)
		return;
	/* All of it is there, whatever was so at once. */
	memset(s->map, 1, s->slots.size);
	munmap(s->map, s->slots.size);
	s->map = NULL;
}

static int run_transact_slots(struct state *s)
{
	struct sst_slot_request request[] = {
		{ .type = SST_REQUEST_ECHO, .user_data = s->asked },
		{ .type = SST_REQUEST_ECHO, .user_data = s->asked + 1, .index = 7 },
	};
	struct sst_slot_response response[2];
	struct sst_slot_transaction t = {
		.requests = (uintptr_t)request,
		.responses = (uintptr_t)response,
		.nr = 2,
	};

	int ret, i;

	for (i = 0; i < 2; i++)
		memset(s->map + request[i].index * s->slots.slot_size, 1 + s->asked++,
		       SST_PAYLOAD_SIZE);
	ret = ioctl(s->fd, SST_IOCTL_TRANSACT_SLOTS, &t);
	if (ret < 0)
		ret = -errno;
	for (i = 0; i < ret; i++)
		check_answer(s, response[i].user_data, response[i].flags, response[i].status,
			     s->map + request[i].index * s->slots.slot_size +
			     s->slots.response_offset);
	s->told = t.submitted || ret != -EFAULT ? (int)t.submitted : -1;
	return ret < 0 ? ret : 0;
}

static int run_event_fd(struct state *s)
{
	struct sst_event_setup setup = { .flags = SST_EVENT_CLOEXEC };

	s->other = ioctl(s->fd, SST_IOCTL_EVENT_FD, &setup);
	return s->other < 0 ? -errno : 0;
}

/* The device numbers its events. */
static int run_read_event(struct state *s)
{
	struct sst_event event;
	unsigned long long number;

	if (read(s->other, &event, sizeof(event)) < 0)
		return -errno;
	number = le64toh(event.data);
	if (s->event && number != s->event + 1)
		s->wrong = "an event is lost";
	s->event = number;
	return 0;
}

static int prepare_events(struct state *s)
{
	return run_event_fd(s) ?: run_read_event(s);
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
	fill(s, &s->req, SST_REQUEST_ECHO);
	/* A ring that is new has room, and its entries are zero. */
	sqe = io_uring_get_sqe(&ring);
	if (!sqe)
		abort();
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = s->fd;
	sqe->cmd_op = SST_URING_CMD_TRANSACT;
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, cmd), &t, sizeof(t));
	ret = io_uring_submit(&ring);
	/* If the first wait fails, there is nothing else that can. */
	if (ret >= 0)
		ret = io_uring_wait_cqe(&ring, &cqe) ? io_uring_wait_cqe(&ring, &cqe) : 0;
	if (ret >= 0)
		ret = cqe->res;
	if (ret >= 0)
		check_response(s);
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
	struct io_event event;
	int ret;

	if (syscall(SYS_io_setup, 1, &context))
		return -errno;
	ret = syscall(SYS_io_submit, context, 1, calls) < 0 ? -errno : 0;
	if (!ret && syscall(SYS_io_getevents, context, 1L, 1L, &event, NULL) != 1 &&
	    syscall(SYS_io_getevents, context, 1L, 1L, &event, NULL) != 1)
		ret = -errno;
	if (!ret && event.res < 0)
		ret = event.res;
	if (!ret)
		check_response(s);
	syscall(SYS_io_destroy, context);
	return ret;
}

static const struct operation operations[] = {
	{ "open", .run = run_open },
	{ "write", .run = run_write },
	{ "write of many requests", .run = run_write_many },
	{ "read", .ask = run_write, .run = run_read },
	{ "poll", .run = run_poll },
	{ "epoll", .run = run_epoll },
	{ "TRANSACT", .run = run_transact },
	{ "GET_INFO", .run = run_info },
	{ "settings", .run = run_settings },
	{ "CANCEL", .ask = ask_late, .run = run_cancel },
	{ "SETUP_SLOTS", .run = run_setup_slots },
	{ "mmap", run_setup_slots, .run = run_map, .finish = finish_map },
	{ "TRANSACT_SLOTS", prepare_slots, .run = run_transact_slots, .finish = finish_map },
	{ "EVENT_FD", .run = run_event_fd },
	{ "read of events", prepare_events, .run = run_read_event },
	{ "io_uring", .run = run_uring },
	{ "aio", .ask = run_write, .run = run_aio },
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

/* Run an operation once more, with no fault, and have its responses. */
static int run_again(const struct operation *op, struct state *s)
{
	int ret;

	if (s->other >= 0 && op->run != run_read_event)
		close(s->other);
	ret = op->ask ? op->ask(s) : 0;
	ret = ret ?: op->run(s);
	take_rest(s);
	return ret;
}

static const char *run_once(const struct operation *op, int fail_nth, unsigned int n, bool *more)
{
	struct state s = {
		.fd = open(sst_device(), O_RDWR | O_CLOEXEC),
		.other = -1,
		.requests = sst_stat("requests"),
	};
	const char *fault = NULL;
	unsigned int before;
	int ret;

	if (s.fd < 0 || (op->prepare && op->prepare(&s)) || (op->ask && op->ask(&s)))
		return "cannot be prepared";
	before = submitted(&s);
	s.told = -1;
	if (!arm(fail_nth, n))
		abort();
	ret = op->run(&s);
	*more = disarm(fail_nth);
	if (ret && (!*more || !may_fail_with(-ret)))
		fault = strerror(-ret);
	if (s.told >= 0 && s.told != submitted(&s) - before)
		s.wrong = "a call told something else of what it has submitted";
	take_rest(&s);
	if (ret && run_again(op, &s))
		fault = fault ?: "it does not work any more";
	if (op->finish)
		op->finish(&s);
	if (s.other >= 0)
		close(s.other);
	close(s.fd);
	return fault ?: s.wrong;
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
		return KSFT_SKIP;
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
