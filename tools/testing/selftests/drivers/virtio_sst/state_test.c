// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each operation on /dev/sstN does in each state of the device and the file.
 *
 * One table says it. Without an option the program tries every cell of it; with
 * --rst it prints the page Documentation/userspace-api/virtio_sst_states.rst.
 *
 * SST_SERIAL is set for a device that answers one request after the other.
 */
#include <liburing.h>
#include <linux/aio_abi.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "sst_test.h"
#include "kselftest.h"

#define WAIT_MS		100	/* who has not returned after this waits */
#define NOW_MS		300	/* who has to return at once does so before this */
#define END_MS		5000	/* who has not returned after this waits for ever */
#define LONG_MS		60000	/* a time-out that does not matter */
#define OWN_MS		1000	/* one that a read waits for */
#define SHORT_MS	20	/* one that the set-up waits for */
#define RESET_AFTER	"/sys/module/virtio_sst/parameters/reset_after"
#define RCU_EXPEDITED	"/sys/kernel/rcu_expedited"

#define ATTEMPTS	3	/* if the machine was too slow to keep up the state */

/* What an operation gives other than 0 or a negative error code */
#define BY_DEVICE	0x1000	/* a response, and its status */
#define BY_DRIVER	0x2000
#define POLLED		0x4000	/* and the events */
#define ABANDONED	0x8000

/*
 * The parent makes the state and a child does the operation, so that nobody else
 * has the file if that matters, and so that the parent sees whether it waits.
 */
struct cell {
	const struct op *op;
	const struct state *state;
	int fd;			/* the file of the operation; -1: the child's alone */
	int helper;		/* another one, whose own limit never matters */
	unsigned int places;	/* of the device */
	pid_t child;
	int socket;		/* to the child, or to the parent */
};

struct op {
	const char *name;
	int (*call)(int fd);	/* what the child does */
	int flags;		/* O_NONBLOCK or 0 */
	bool alone;		/* with no other descriptor of the file */
	bool sleeps;		/* may wait */
	bool reads;		/* needs an answer of the device */
	bool writes;		/* needs a place of the device, and no answer */
};

struct state {
	const char *name;
	const char *text;	/* for the page */
	bool (*make)(struct cell *c);
	bool (*holds)(struct cell *c);
	bool (*event)(struct cell *c);	/* what begins it; who waits does so before */
	const char *(*missing)(void);	/* why it cannot be had here, or NULL */
	bool (*lasts)(struct cell *c);	/* whether it is not over, whatever was done */
};

/* Operations. They return 0, a negative error code, or one of the above. */

static unsigned int request_type = SST_REQUEST_NOOP;

static int result(int ret)
{
	return ret < 0 ? -errno : 0;
}

static int status_result(unsigned int status, unsigned int flags)
{
	return (flags & SST_RESPONSE_F_DRIVER ? BY_DRIVER : BY_DEVICE) | (int)status;
}

static int response_result(const struct sst_response *resp)
{
	return status_result(le32toh(resp->status), le32toh(resp->flags));
}

static int do_open(int fd)
{
	int other = sst_open(O_RDWR);

	(void)fd;
	if (other >= 0)
		close(other);
	return result(other);
}

static int do_write(int fd)
{
	return sst_send(fd, request_type, 0);
}

static int do_read(int fd)
{
	struct sst_response resp;

	return sst_receive(fd, &resp) ?: response_result(&resp);
}

static int do_poll(int fd)
{
	return POLLED | sst_poll(fd, POLLIN | POLLOUT, 0);
}

/* While a device goes away, poll says so before it has ended all requests. */
static int do_poll_in(int fd)
{
	short events;

	do
		events = sst_poll(fd, POLLIN, -1);
	while (events && !(events & POLLIN));
	return POLLED | events;
}

static int do_poll_out(int fd)
{
	return POLLED | sst_poll(fd, POLLOUT, -1);
}

static int do_get_info(int fd)
{
	struct sst_info info = {};
	int ret = result(ioctl(fd, SST_IOCTL_GET_INFO, &info));

	return ret || (info.queue_size && info.request_limit) ? ret : -EPROTO;
}

static int do_transact(int fd)
{
	struct sst_request req;
	struct sst_response resp;
	struct sst_transaction t = {
		.request = (unsigned long)&req,
		.response = (unsigned long)&resp,
		.request_size = sizeof(req),
		.response_size = sizeof(resp),
	};

	sst_prepare(&req, request_type, 0);
	return result(ioctl(fd, SST_IOCTL_TRANSACT, &t)) ?: response_result(&resp);
}

static int do_transact_slots(int fd)
{
	struct sst_slot_request req = { .type = request_type };
	struct sst_slot_response resp;
	struct sst_slot_transaction t = {
		.requests = (unsigned long)&req,
		.responses = (unsigned long)&resp,
		.nr = 1,
	};
	struct sst_slot_setup setup = { .nr = 1 };
	int ret;

	ret = result(ioctl(fd, SST_IOCTL_SETUP_SLOTS, &setup)) ?:
	      result(ioctl(fd, SST_IOCTL_TRANSACT_SLOTS, &t));
	return ret ?: status_result(resp.status, resp.flags);
}

static int set_timeout(int fd, unsigned int ms)
{
	struct sst_settings settings = {
		.flags = SST_SETTING_TIMEOUT,
		.request_timeout_ms = ms,
	};

	return result(ioctl(fd, SST_IOCTL_SET_SETTINGS, &settings));
}

static int set_limit(int fd, unsigned int n)
{
	struct sst_settings settings = { .flags = SST_SETTING_LIMIT, .request_limit = n };

	return result(ioctl(fd, SST_IOCTL_SET_SETTINGS, &settings));
}

static int do_get_settings(int fd)
{
	struct sst_settings settings = {};
	int ret = result(ioctl(fd, SST_IOCTL_GET_SETTINGS, &settings));

	return ret || (settings.request_timeout_ms && settings.request_limit) ? ret : -EPROTO;
}

static int do_set_settings(int fd)
{
	struct sst_settings settings = {};
	int ret = set_timeout(fd, 4321) ?:
		  result(ioctl(fd, SST_IOCTL_GET_SETTINGS, &settings));

	return ret || settings.request_timeout_ms == 4321 ? ret : -EPROTO;
}

static int read_nonblocking(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return do_read(fd);
}

static int do_cancel(int fd)
{
	struct sst_cancel cancel = { .flags = SST_CANCEL_ALL };
	int ret = result(ioctl(fd, SST_IOCTL_CANCEL, &cancel));

	if (ret)
		return ret;
	return cancel.count == 1 ? read_nonblocking(fd) : -EPROTO;
}

static int do_close(int fd)
{
	long long abandoned = sst_stat("abandoned");
	int ret = result(close(fd));

	return ret ?: sst_stat("abandoned") > abandoned ? ABANDONED : 0;
}

/* Do what an entry says. It is to have the result that is expected, or an error. */
static int uring(const struct io_uring_sqe *entry, size_t size, int expected)
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int ret;

	ret = io_uring_queue_init(1, &ring, IORING_SETUP_SQE128);
	if (ret)
		return -EPROTO;
	memcpy(io_uring_get_sqe(&ring), entry, size);
	if (io_uring_submit(&ring) != 1)
		return -EPROTO;
	/* A suspension may interrupt it. */
	do
		ret = io_uring_wait_cqe(&ring, &cqe);
	while (ret == -EINTR);
	ret = ret ?: cqe->res;
	io_uring_queue_exit(&ring);

	return ret < 0 ? ret : ret == expected ? 0 : -EPROTO;
}

static int uring_rw(int fd, unsigned int opcode, void *buffer, size_t size)
{
	struct io_uring_sqe sqe;

	io_uring_prep_rw(opcode, &sqe, fd, buffer, size, 0);
	return uring(&sqe, sizeof(sqe), size);
}

static int do_uring_write(int fd)
{
	struct sst_request req;

	sst_prepare(&req, SST_REQUEST_NOOP, 0);
	return uring_rw(fd, IORING_OP_WRITE, &req, sizeof(req));
}

static int do_uring_read(int fd)
{
	struct sst_response resp;

	return uring_rw(fd, IORING_OP_READ, &resp, sizeof(resp)) ?: response_result(&resp);
}

static int do_uring_transact(int fd)
{
	struct sst_request req;
	struct sst_response resp;
	struct sst_uring_transact t = {
		.requests = (unsigned long)&req,
		.responses = (unsigned long)&resp,
		.nr = 1,
		.request_size = sizeof(req),
		.response_size = sizeof(resp),
	};
	struct io_uring_sqe sqe[2] = {};

	sst_prepare(&req, request_type, 0);
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->cmd_op = SST_URING_CMD_TRANSACT;
	memcpy(sqe->cmd, &t, sizeof(t));
	return uring(sqe, sizeof(sqe), 1) ?: response_result(&resp);
}

static int aio(int fd, unsigned int opcode, void *buffer, size_t size)
{
	struct iocb call = {
		.aio_fildes = fd,
		.aio_lio_opcode = opcode,
		.aio_buf = (unsigned long)buffer,
		.aio_nbytes = size,
	};
	struct iocb *calls[] = { &call };
	struct io_event event;
	aio_context_t ctx = 0;
	int ret;

	if (syscall(SYS_io_setup, 1, &ctx))
		return -EPROTO;
	ret = syscall(SYS_io_submit, ctx, 1, calls) == 1 ? 0 : -errno;
	while (!ret && syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL) != 1)
		if (errno != EINTR)
			ret = -EPROTO;
	syscall(SYS_io_destroy, ctx);

	return ret ?: event.res < 0 ? event.res : (size_t)event.res == size ? 0 : -EPROTO;
}

static int do_aio_write(int fd)
{
	struct sst_request req;

	sst_prepare(&req, SST_REQUEST_NOOP, 0);
	return aio(fd, IOCB_CMD_PWRITE, &req, sizeof(req));
}

static int do_aio_read(int fd)
{
	struct sst_response resp;

	return aio(fd, IOCB_CMD_PREAD, &resp, sizeof(resp)) ?: response_result(&resp);
}

/* Returns the child's descriptor for events, or -errno. Once it has one it keeps it. */
static int event_fd(int fd)
{
	static struct sst_event_setup setup = { .flags = SST_EVENT_CLOEXEC };
	static int events = -1;

	if (events < 0)
		events = ioctl(fd, SST_IOCTL_EVENT_FD, &setup);
	return events < 0 ? -errno : events;
}

static int do_event_fd(int fd)
{
	int events = event_fd(fd);

	return events < 0 ? events : 0;
}

/* Of the driver: the device may send some at any time, or never. */
static int do_read_event(int fd)
{
	int events = event_fd(fd);
	struct sst_event e = {};
	ssize_t n;

	if (events < 0)
		return events;
	do
		n = read(events, &e, sizeof(e));
	while (n == sizeof(e) && !e.flags);
	if (n < 0)
		return -errno;
	return n == sizeof(e) && e.type == htole32(SST_EVENT_RESET) ? 0 : -EPROTO;
}

static int do_poll_event(int fd)
{
	int events = event_fd(fd);
	struct sst_event e = {};
	short revents;

	if (events < 0)
		return events;
	do
		revents = sst_poll(events, POLLIN, -1);
	while (revents == POLLIN && read(events, &e, sizeof(e)) == sizeof(e) && !e.flags);
	return POLLED | revents;
}

static int do_stats(int fd)
{
	char text[4096];
	int ret = sst_attr_get("stats", text, sizeof(text));

	(void)fd;
	return ret < 0 ? ret : sst_stat("in_flight") < 0 ? -EPROTO : 0;
}

/* The device works afterwards, and the file goes on with what it had. */
static int do_reset(int fd)
{
	long long aborted = sst_stat("aborted");
	int ret = sst_reset();
	int other;

	if (ret)
		return ret;
	/* The device's time-out may be one that is to be missed. */
	other = sst_open(O_RDWR);
	if (set_timeout(other, LONG_MS) || do_transact(other) != (BY_DEVICE | SST_RESPONSE_OK))
		return -EPROTO;
	close(other);

	return sst_stat("aborted") > aborted ? read_nonblocking(fd) : 0;
}

enum {
	OPEN, WRITE, WRITE_SHARED, URING_WRITE, AIO_WRITE, WRITE_NB, READ, URING_READ, AIO_READ,
	READ_NB, POLL, POLL_FOR_IN, POLL_FOR_OUT, TRANSACT, TRANSACT_SLOTS, URING_TRANSACT,
	TRANSACT_NB, TRANSACT_SLOTS_NB, CANCEL, GET_INFO, GET_SETTINGS, SET_SETTINGS, EVENT_FD,
	EVENT_READ, EVENT_POLL, CLOSE, STATS, RESET, NR_OPS
};

static const struct op ops[NR_OPS] = {
	[OPEN] = { "open", do_open },
	[WRITE] = { "write, blocking", do_write,
		    .alone = true, .sleeps = true, .writes = true },
	[WRITE_SHARED] = { "write, blocking, file shared", do_write,
			   .sleeps = true, .writes = true },
	[URING_WRITE] = { "io_uring WRITE", do_uring_write, .sleeps = true, .writes = true },
	[AIO_WRITE] = { "io_submit PWRITE", do_aio_write, .sleeps = true, .writes = true },
	[WRITE_NB] = { "write, O_NONBLOCK", do_write, O_NONBLOCK, .writes = true },
	[READ] = { "read, blocking", do_read, .sleeps = true, .reads = true },
	[URING_READ] = { "io_uring READ", do_uring_read, .sleeps = true, .reads = true },
	[AIO_READ] = { "io_submit PREAD", do_aio_read, .sleeps = true, .reads = true },
	[READ_NB] = { "read, O_NONBLOCK", do_read, O_NONBLOCK },
	[POLL] = { "poll, not waiting", do_poll },
	[POLL_FOR_IN] = { "poll for EPOLLIN", do_poll_in, .sleeps = true, .reads = true },
	[POLL_FOR_OUT] = { "poll for EPOLLOUT", do_poll_out, .sleeps = true, .writes = true },
	[TRANSACT] = { "TRANSACT, blocking", do_transact,
		       .alone = true, .sleeps = true, .reads = true },
	[TRANSACT_SLOTS] = { "TRANSACT_SLOTS, blocking", do_transact_slots,
			     .alone = true, .sleeps = true, .reads = true },
	[URING_TRANSACT] = { "io_uring TRANSACT", do_uring_transact,
			     .sleeps = true, .reads = true },
	[TRANSACT_NB] = { "TRANSACT, O_NONBLOCK", do_transact, O_NONBLOCK, .reads = true },
	[TRANSACT_SLOTS_NB] = { "TRANSACT_SLOTS, O_NONBLOCK", do_transact_slots, O_NONBLOCK,
				.reads = true },
	[CANCEL] = { "CANCEL of all", do_cancel },
	[GET_INFO] = { "GET_INFO", do_get_info },
	[GET_SETTINGS] = { "GET_SETTINGS", do_get_settings },
	[SET_SETTINGS] = { "SET_SETTINGS", do_set_settings },
	[EVENT_FD] = { "EVENT_FD", do_event_fd },
	[EVENT_READ] = { "read of events, blocking", do_read_event, .sleeps = true },
	[EVENT_POLL] = { "poll for events", do_poll_event, .sleeps = true },
	[CLOSE] = { "close", do_close, .alone = true },
	[STATS] = { "sysfs, read of stats", do_stats },
	[RESET] = { "sysfs, write of reset", do_reset },
};

/* States */

/* Why a write would fail; 0 if it would not fail, or wait for room in the device */
static int failure(int fd)
{
	/* It can't be read, but that is looked at last. */
	if (write(fd, bad_pointer(), REQ) >= 0)
		return -EPROTO;
	return errno == EFAULT ? 0 : -errno;
}

static bool device_takes(const struct cell *c)
{
	return sst_poll(c->helper, POLLOUT, 0) & POLLOUT;
}

static bool device_has(long long in_flight, long long zombies)
{
	return sst_stat("in_flight") == in_flight && sst_stat("zombies") == zombies;
}

/* What poll says about the file, if the parent still has it */
static bool file_polls(const struct cell *c, short events)
{
	return c->fd < 0 || sst_poll(c->fd, POLLIN | POLLOUT, 0) == events;
}

static bool has_response(int fd)
{
	return sst_poll(fd, POLLIN, END_MS) & POLLIN;
}

/* Have requests of the helper at the device. */
static bool fill(const struct cell *c, unsigned int n, unsigned int type)
{
	struct sst_request *req = calloc(n, REQ);
	bool done;
	unsigned int i;

	for (i = 0; i < n; i++)
		sst_prepare(&req[i], type, i);
	done = write(c->helper, req, n * REQ) == (ssize_t)(n * REQ);
	free(req);

	return done;
}

/* For the file. One that is not answered may keep the device from answering others. */
static unsigned int own_type(const struct cell *c)
{
	return c->op->reads ? TYPE_LATE : TYPE_NEVER;
}

static bool make_idle(struct cell *c)
{
	(void)c;
	return true;
}

static bool holds_idle(struct cell *c)
{
	return device_has(0, 0) && device_takes(c) && file_polls(c, POLLOUT);
}

static bool make_in_flight(struct cell *c)
{
	return !sst_send(c->fd, own_type(c), 0);
}

static bool holds_in_flight(struct cell *c)
{
	return device_has(1, 0) && device_takes(c) && file_polls(c, POLLOUT);
}

static bool make_device_full(struct cell *c)
{
	/* All of them are answered after the same time. */
	return !sst_send(c->fd, TYPE_LATE, 0) &&
	       fill(c, c->places - 1, sst_serial() ? SST_REQUEST_NOOP : TYPE_LATE);
}

static bool holds_device_full(struct cell *c)
{
	return device_has(c->places, 0) && !device_takes(c) && file_polls(c, 0);
}

static bool make_file_full(struct cell *c)
{
	return !set_limit(c->fd, 1) && !sst_send(c->fd, TYPE_LATE, 0);
}

static bool holds_file_full(struct cell *c)
{
	return device_has(1, 0) && device_takes(c) && file_polls(c, 0);
}

static bool make_unread(struct cell *c)
{
	return !set_limit(c->fd, 1) && !sst_send(c->fd, SST_REQUEST_NOOP, 0) &&
	       has_response(c->fd);
}

static bool holds_unread(struct cell *c)
{
	return device_has(0, 0) && device_takes(c) && file_polls(c, POLLIN);
}

static bool make_timed_out(struct cell *c)
{
	return !set_timeout(c->fd, SHORT_MS) && !sst_send(c->fd, own_type(c), 0) &&
	       has_response(c->fd) && !set_timeout(c->fd, LONG_MS);
}

static bool holds_timed_out(struct cell *c)
{
	return device_has(0, 1) && device_takes(c) && file_polls(c, POLLIN | POLLOUT);
}

/* The driver wants to reset the device again, but has to wait after the first time. */
static bool make_resetting(struct cell *c)
{
	return !sst_reset() && !sst_send(c->fd, TYPE_NEVER, 0) && !sst_set_reset_after(1) &&
	       !sst_set_timeout(SHORT_MS) && fill(c, 1, TYPE_NEVER) && has_response(c->helper);
}

static bool lasts_resetting(struct cell *c)
{
	return sst_stat("resets") == 1 && !failure(c->helper) && !device_takes(c);
}

static bool holds_resetting(struct cell *c)
{
	return device_has(1, 1) && file_polls(c, 0) && lasts_resetting(c);
}

/* Before a suspension or an unbinding. No place is free if that is waited for. */
static bool make_busy(struct cell *c)
{
	return !sst_send(c->fd, TYPE_NEVER, 0) &&
	       (!c->op->writes || fill(c, c->places - 1, TYPE_NEVER));
}

static bool holds_busy(struct cell *c)
{
	return device_has(c->op->writes ? c->places : 1, 0);
}

static bool suspend_machine(struct cell *c)
{
	(void)c;
	/* The driver counts it as one. */
	return !sst_suspend() && sst_stat("resets") == 1;
}

static bool make_broken(struct cell *c)
{
	unsigned long long end = now_ms() + END_MS;

	if (sst_send(c->helper, TYPE_BREAK, 0) || set_timeout(c->fd, OWN_MS) ||
	    sst_send(c->fd, TYPE_NEVER, 0))
		return false;
	while (!failure(c->helper) && now_ms() < end)
		sleep_ms(5);
	return true;
}

static bool holds_broken(struct cell *c)
{
	return device_has(2, 0) && failure(c->helper) == -EIO && file_polls(c, POLLOUT);
}

static bool make_overdue(struct cell *c)
{
	unsigned long long end = now_ms() + END_MS;

	if (set_timeout(c->fd, OWN_MS) || sst_send(c->fd, TYPE_NEVER, 0) ||
	    set_timeout(c->helper, SHORT_MS) || sst_set_timeout(SHORT_MS) ||
	    !fill(c, c->places / 2 + 1, TYPE_NEVER))
		return false;
	while (!failure(c->helper) && now_ms() < end)
		sleep_ms(5);
	return !sst_set_timeout(LONG_MS);
}

static bool holds_overdue(struct cell *c)
{
	return device_has(1, c->places / 2 + 1) && failure(c->helper) == -EIO &&
	       file_polls(c, POLLOUT);
}

static char virtio_name[NAME_MAX];

static bool unbind(struct cell *c)
{
	(void)c;
	return !sst_driver_do("unbind", virtio_name) && access(sst_device(), F_OK);
}

enum {
	IDLE, IN_FLIGHT, DEVICE_FULL, FILE_FULL, UNREAD, TIMED_OUT, RESETTING, SUSPENDED,
	BROKEN, OVERDUE, UNBOUND, NR_STATES
};

static const struct state states[NR_STATES] = {
	[IDLE] = {
		"idle",
		"The file has no request in flight and no response to be read.",
		make_idle, holds_idle,
	},
	[IN_FLIGHT] = {
		"in flight",
		"A request of the file is at the device, and there is room for more.",
		make_in_flight, holds_in_flight,
	},
	[DEVICE_FULL] = {
		"device full",
		"A request of the file is at the device, whose other places are taken by\n"
		"requests of another file. The file is below its limit.",
		make_device_full, holds_device_full,
	},
	[FILE_FULL] = {
		"file full",
		"The file has as many requests as it may have, in the test one, and all of\n"
		"them are at the device. The device has room.",
		make_file_full, holds_file_full,
	},
	[UNREAD] = {
		"unread",
		"The file has as many requests as it may have, in the test one, and all of\n"
		"them have ended: there are unread responses and nothing is in flight.",
		make_unread, holds_unread,
	},
	[TIMED_OUT] = {
		"timed out",
		"A request of the file has ended by its time-out, and that is still to be\n"
		"read. The device has not given the request back.",
		make_timed_out, holds_timed_out,
	},
	[RESETTING] = {
		"resetting",
		"The driver is going to reset the device, in the test less than a second\n"
		"later, since it did so just before. A request of the file is in flight.",
		make_resetting, holds_resetting, .lasts = lasts_resetting,
	},
	[SUSPENDED] = {
		"suspended",
		"The machine was suspended and has resumed. A request of the file was in\n"
		"flight. A call that waits is one from before the suspension, since programs\n"
		"are frozen during it; the others are made after the resume. For writes and\n"
		"for poll for ``EPOLLOUT`` all places of the device were taken, and the\n"
		"calls to TRANSACT had submitted their requests.",
		make_busy, holds_busy, suspend_machine, sst_suspend_missing,
	},
	[BROKEN] = {
		"broken",
		"The queue is broken, and the driver does not reset devices by itself\n"
		"(``reset_after=0``). A request of the file was in flight.",
		make_broken, holds_broken,
	},
	[OVERDUE] = {
		"overdue",
		"The device owes more than half of what it has places for and is late with\n"
		"it, and the driver does not reset devices by itself. A request of the file is\n"
		"in flight, and not late yet.",
		make_overdue, holds_overdue,
	},
	[UNBOUND] = {
		"unbound",
		"The driver was unbound from the device while a request of the file was in\n"
		"flight. Calls that may wait are ones from before, which were waiting as for\n"
		"the suspension, and the same once more; the others are made afterwards.",
		make_busy, holds_busy, unbind,
	},
};

/* Outcomes */

enum {
	FORGOTTEN, OPENS, ACCEPTS, RESPONSE, TIMEOUT, ERROR, SUCCEEDS, ENDS, CLOSES, ABANDONS,
	RESETS, RESETS_ENDS, EVENT, EAGAIN_, EIO_, ENOBUFS_, ENODEV_, ENOENT_, NOTHING, IN, OUT,
	BOTH, IN_HUP, OUT_HUP, BOTH_HUP, EVENT_HUP, NR_OUTCOMES
};

#define HUP	(POLLHUP | POLLERR)

static const struct outcome {
	const char *text;
	int result;
} outcomes[NR_OUTCOMES] = {
	[FORGOTTEN] = { "?", INT_MIN },		/* an empty cell fails */
	[OPENS] = { "opens", 0 },
	[ACCEPTS] = { "accepts", 0 },
	[RESPONSE] = { "gives the response", BY_DEVICE | SST_RESPONSE_OK },
	[TIMEOUT] = { "gives ``TIMEOUT``", BY_DRIVER | SST_RESPONSE_TIMEOUT },
	[ERROR] = { "gives ``ERROR``", BY_DRIVER | SST_RESPONSE_ERROR },
	[SUCCEEDS] = { "succeeds", 0 },
	[ENDS] = { "the request ends with ``ERROR``", BY_DRIVER | SST_RESPONSE_ERROR },
	[CLOSES] = { "closes", 0 },
	[ABANDONS] = { "closes, the request is abandoned", ABANDONED },
	[RESETS] = { "resets", 0 },
	[RESETS_ENDS] = {
		"resets, the request ends with ``ERROR``", BY_DRIVER | SST_RESPONSE_ERROR
	},
	[EVENT] = { "gives the event", 0 },
	[EAGAIN_] = { "``EAGAIN``", -EAGAIN },
	[EIO_] = { "``EIO``", -EIO },
	[ENOBUFS_] = { "``ENOBUFS``", -ENOBUFS },
	[ENODEV_] = { "``ENODEV``", -ENODEV },
	[ENOENT_] = { "``ENOENT``", -ENOENT },
	[NOTHING] = { "no event", POLLED },
	[IN] = { "``EPOLLIN``", POLLED | POLLIN },
	[OUT] = { "``EPOLLOUT``", POLLED | POLLOUT },
	[BOTH] = { "``EPOLLIN``, ``EPOLLOUT``", POLLED | POLLIN | POLLOUT },
	[IN_HUP] = {
		"``EPOLLHUP``, ``EPOLLERR``, soon also ``EPOLLIN``", POLLED | POLLIN | HUP
	},
	[OUT_HUP] = { "``EPOLLOUT``, ``EPOLLHUP``, ``EPOLLERR``", POLLED | POLLOUT | HUP },
	[BOTH_HUP] = {
		"``EPOLLIN``, ``EPOLLOUT``, ``EPOLLHUP``, ``EPOLLERR``",
		POLLED | POLLIN | POLLOUT | HUP
	},
	[EVENT_HUP] = { "``EPOLLIN``, ``EPOLLHUP``, ``EPOLLERR``", POLLED | POLLIN | HUP },
};

static bool submit_one(struct cell *c)
{
	return !sst_send(c->fd, SST_REQUEST_NOOP, 0);
}

static bool read_one(struct cell *c)
{
	struct sst_response resp;

	return has_response(c->fd) && !sst_receive(c->fd, &resp);
}

/* The driver tells of it by an event. */
static bool reset_device(struct cell *c)
{
	(void)c;
	return !sst_reset();
}

/* What is waited for before the outcome; added to it in the table */
enum {
	FOR_NOTHING,
	FOR_PLACE = 0x100, FOR_READ = 0x200, FOR_WRITE = 0x300, FOR_ANSWER = 0x400,
	FOR_TIMEOUT = 0x500, FOR_RESET = 0x600, FOR_ABORT = 0x700, FOR_RESUME = 0x800,
	FOR_EVENT = 0x900
};

static const struct wait {
	const char *text;
	const char *counter;		/* in stats, grows when the wait ends */
	bool (*end)(struct cell *c);	/* what the parent does to end it */
} waits[] = {
	[FOR_PLACE >> 8] = { "waits for a place", "responses" },
	[FOR_READ >> 8] = { "waits for a read", .end = read_one },
	[FOR_WRITE >> 8] = { "waits for a request", "requests", submit_one },
	[FOR_ANSWER >> 8] = { "waits for an answer", "responses" },
	[FOR_TIMEOUT >> 8] = { "waits for the time-out", "timeouts" },
	[FOR_RESET >> 8] = { "waits for the reset", "resets" },
	[FOR_ABORT >> 8] = { "waits for the reset", "aborted" },
	[FOR_RESUME >> 8] = { "waits for the resume", "resets" },
	[FOR_EVENT >> 8] = { "waits for an event", .end = reset_device },
};

/* The table */

static const unsigned short table[NR_OPS][NR_STATES] = {
	[OPEN] = {
		[IDLE ... OVERDUE] = OPENS,
		[UNBOUND] = ENOENT_,
	},
	[WRITE] = {
		[IDLE ... IN_FLIGHT] = ACCEPTS,
		[DEVICE_FULL] = FOR_PLACE + ACCEPTS,
		[FILE_FULL] = FOR_ANSWER + ENOBUFS_,
		[UNREAD] = ENOBUFS_,
		[TIMED_OUT] = ACCEPTS,
		[RESETTING] = FOR_RESET + ACCEPTS,
		[SUSPENDED] = FOR_RESUME + ACCEPTS,
		[BROKEN ... OVERDUE] = EIO_,
		[UNBOUND] = ENODEV_,
	},
	[WRITE_SHARED ... AIO_WRITE] = {
		[IDLE ... IN_FLIGHT] = ACCEPTS,
		[DEVICE_FULL] = FOR_PLACE + ACCEPTS,
		[FILE_FULL ... UNREAD] = FOR_READ + ACCEPTS,
		[TIMED_OUT] = ACCEPTS,
		[RESETTING] = FOR_RESET + ACCEPTS,
		[SUSPENDED] = FOR_RESUME + ACCEPTS,
		[BROKEN ... OVERDUE] = EIO_,
		[UNBOUND] = ENODEV_,
	},
	[WRITE_NB] = {
		[IDLE ... IN_FLIGHT] = ACCEPTS,
		[DEVICE_FULL ... UNREAD] = EAGAIN_,
		[TIMED_OUT] = ACCEPTS,
		[RESETTING] = EAGAIN_,
		[SUSPENDED] = ACCEPTS,
		[BROKEN ... OVERDUE] = EIO_,
		[UNBOUND] = ENODEV_,
	},
	[READ ... AIO_READ] = {
		[IDLE] = FOR_WRITE + RESPONSE,
		[IN_FLIGHT ... FILE_FULL] = FOR_ANSWER + RESPONSE,
		[UNREAD] = RESPONSE,
		[TIMED_OUT] = TIMEOUT,
		[RESETTING] = FOR_ABORT + ERROR,
		[SUSPENDED] = FOR_RESUME + ERROR,
		[BROKEN ... OVERDUE] = FOR_TIMEOUT + TIMEOUT,
		[UNBOUND] = ENODEV_,
	},
	[READ_NB] = {
		[IDLE ... FILE_FULL] = EAGAIN_,
		[UNREAD] = RESPONSE,
		[TIMED_OUT] = TIMEOUT,
		[RESETTING] = EAGAIN_,
		[SUSPENDED] = ERROR,
		[BROKEN ... OVERDUE] = EAGAIN_,
		[UNBOUND] = ENODEV_,
	},
	[POLL] = {
		[IDLE ... IN_FLIGHT] = OUT,
		[DEVICE_FULL ... FILE_FULL] = NOTHING,
		[UNREAD] = IN,
		[TIMED_OUT] = BOTH,
		[RESETTING] = NOTHING,
		[SUSPENDED] = BOTH,
		[BROKEN ... OVERDUE] = OUT,
		[UNBOUND] = BOTH_HUP,
	},
	[POLL_FOR_IN] = {
		[IDLE] = FOR_WRITE + IN,
		[IN_FLIGHT ... FILE_FULL] = FOR_ANSWER + IN,
		[UNREAD ... TIMED_OUT] = IN,
		[RESETTING] = FOR_ABORT + IN,
		[SUSPENDED] = FOR_RESUME + IN,
		[BROKEN ... OVERDUE] = FOR_TIMEOUT + IN,
		[UNBOUND] = IN_HUP,
	},
	[POLL_FOR_OUT] = {
		[IDLE ... IN_FLIGHT] = OUT,
		[DEVICE_FULL] = FOR_PLACE + OUT,
		[FILE_FULL ... UNREAD] = FOR_READ + OUT,
		[TIMED_OUT] = OUT,
		[RESETTING] = FOR_RESET + OUT,
		[SUSPENDED] = FOR_RESUME + OUT,
		[BROKEN ... OVERDUE] = OUT,
		[UNBOUND] = OUT_HUP,
	},
	[TRANSACT ... TRANSACT_SLOTS] = {
		[IDLE ... IN_FLIGHT] = RESPONSE,
		[DEVICE_FULL] = FOR_PLACE + RESPONSE,
		[FILE_FULL] = FOR_ANSWER + ENOBUFS_,
		[UNREAD] = ENOBUFS_,
		[TIMED_OUT] = RESPONSE,
		[RESETTING] = FOR_RESET + RESPONSE,
		[SUSPENDED] = FOR_RESUME + ERROR,
		[BROKEN ... OVERDUE] = EIO_,
		[UNBOUND] = ENODEV_,
	},
	[URING_TRANSACT] = {
		[IDLE ... IN_FLIGHT] = RESPONSE,
		[DEVICE_FULL] = FOR_PLACE + RESPONSE,
		[FILE_FULL ... UNREAD] = FOR_READ + RESPONSE,
		[TIMED_OUT] = RESPONSE,
		[RESETTING] = FOR_RESET + RESPONSE,
		[SUSPENDED] = FOR_RESUME + ERROR,
		[BROKEN ... OVERDUE] = EIO_,
		[UNBOUND] = ENODEV_,
	},
	[TRANSACT_NB ... TRANSACT_SLOTS_NB] = {
		[IDLE ... IN_FLIGHT] = RESPONSE,
		[DEVICE_FULL ... UNREAD] = EAGAIN_,
		[TIMED_OUT] = RESPONSE,
		[RESETTING] = EAGAIN_,
		[SUSPENDED] = RESPONSE,
		[BROKEN ... OVERDUE] = EIO_,
		[UNBOUND] = ENODEV_,
	},
	[CANCEL] = {
		[IDLE] = ENOENT_,
		[IN_FLIGHT ... FILE_FULL] = ENDS,
		[UNREAD ... TIMED_OUT] = ENOENT_,
		[RESETTING] = ENDS,
		[SUSPENDED] = ENOENT_,
		[BROKEN ... OVERDUE] = ENDS,
		[UNBOUND] = ENODEV_,
	},
	[GET_INFO ... SET_SETTINGS] = {
		[IDLE ... OVERDUE] = SUCCEEDS,
		[UNBOUND] = ENODEV_,
	},
	[EVENT_FD] = {
		[IDLE ... OVERDUE] = SUCCEEDS,
		[UNBOUND] = ENODEV_,
	},
	[EVENT_READ] = {
		[IDLE ... TIMED_OUT] = FOR_EVENT + EVENT,
		[RESETTING] = FOR_RESET + EVENT,
		[SUSPENDED] = FOR_RESUME + EVENT,
		[BROKEN ... OVERDUE] = FOR_EVENT + EVENT,
		[UNBOUND] = ENODEV_,
	},
	[EVENT_POLL] = {
		[IDLE ... TIMED_OUT] = FOR_EVENT + IN,
		[RESETTING] = FOR_RESET + IN,
		[SUSPENDED] = FOR_RESUME + IN,
		[BROKEN ... OVERDUE] = FOR_EVENT + IN,
		[UNBOUND] = EVENT_HUP,
	},
	[CLOSE] = {
		[IDLE] = CLOSES,
		[IN_FLIGHT ... FILE_FULL] = ABANDONS,
		[UNREAD ... TIMED_OUT] = CLOSES,
		[RESETTING] = ABANDONS,
		[SUSPENDED] = CLOSES,
		[BROKEN ... OVERDUE] = ABANDONS,
		[UNBOUND] = CLOSES,
	},
	[STATS] = {
		[IDLE ... OVERDUE] = SUCCEEDS,
		[UNBOUND] = ENOENT_,
	},
	[RESET] = {
		[IDLE] = RESETS,
		[IN_FLIGHT ... FILE_FULL] = RESETS_ENDS,
		[UNREAD ... TIMED_OUT] = RESETS,
		[RESETTING] = RESETS_ENDS,
		[SUSPENDED] = RESETS,
		[BROKEN ... OVERDUE] = RESETS_ENDS,
		[UNBOUND] = ENOENT_,
	},
};

static unsigned short cell_value(const struct cell *c)
{
	return table[c->op - ops][c->state - states];
}

static const struct outcome *cell_outcome(const struct cell *c)
{
	return &outcomes[cell_value(c) & 0xff];
}

/* NULL if it does not wait */
static const struct wait *cell_wait(const struct cell *c)
{
	unsigned int i = cell_value(c) >> 8;

	return i ? &waits[i] : NULL;
}

/* Trying a cell */

enum verdict { RIGHT, WRONG, LOST };

static char reason[200];

#define because(verdict, ...) (snprintf(reason, sizeof(reason), __VA_ARGS__), verdict)

static bool bind_anew(void)
{
	unsigned long long end = now_ms() + END_MS;

	if (!access(sst_device(), F_OK) && sst_driver_do("unbind", virtio_name))
		return false;
	if (sst_driver_do("bind", virtio_name))
		return false;
	while (access(sst_device(), F_OK))
		if (now_ms() > end)
			return false;
	return true;
}

/* A call that waits for the event does so before it, others come afterwards. */
static bool starts_before_event(const struct cell *c)
{
	return c->state->event && c->op->sleeps && (cell_wait(c) || c->state->event == unbind);
}

static void run_child(struct cell *c)
{
	int times = starts_before_event(c) && !cell_wait(c) ? 2 : 1;
	int ret;

	/* One that waits for its response, rather than getting it */
	if (starts_before_event(c))
		request_type = TYPE_NEVER;
	if (c->op->flags)
		fcntl(c->fd, F_SETFL, c->op->flags);
	/* The parent says when, and is told that it begins. */
	if (recv(c->socket, &ret, sizeof(ret), 0) != sizeof(ret) ||
	    send(c->socket, &ret, sizeof(ret), 0) != sizeof(ret))
		_exit(1);
	do
		ret = c->op->call(c->fd);
	while (--times && ret == cell_outcome(c)->result);
	send(c->socket, &ret, sizeof(ret), 0);
	_exit(0);
}

static bool start_child(struct cell *c)
{
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return false;
	c->child = fork();
	if (!c->child) {
		c->socket = sockets[1];
		close(sockets[0]);
		run_child(c);
	}
	c->socket = sockets[0];
	close(sockets[1]);
	return c->child > 0;
}

/* Wait for word of the child. */
static bool hear(const struct cell *c, int *word, int ms)
{
	struct pollfd p = { .fd = c->socket, .events = POLLIN };

	return poll(&p, 1, ms) == 1 && recv(c->socket, word, sizeof(*word), 0) == sizeof(*word);
}

static bool let_go(struct cell *c)
{
	int word = 0;

	if (c->op->alone) {
		close(c->fd);
		c->fd = -1;
	}
	return send(c->socket, &word, sizeof(word), 0) == sizeof(word) &&
	       hear(c, &word, END_MS);
}

/* The call has begun. See that it waits, and end the wait. */
static enum verdict end_wait(struct cell *c, int *ret)
{
	const struct wait *wait = cell_wait(c);
	const char *counter = wait ? wait->counter : NULL;
	long long before;

	if (hear(c, ret, WAIT_MS))
		return because(c->state->holds(c) ? WRONG : LOST, "does not wait: %d", *ret);
	/* Before the look at the state, which may end by itself in between. */
	before = counter ? sst_stat(counter) : 0;
	if (!c->state->event && !c->state->holds(c))
		return because(LOST, "the state is over too soon");

	if (c->state->event ? !c->state->event(c) : wait->end && !wait->end(c))
		return because(WRONG, "what ends the wait fails");
	if (!hear(c, ret, END_MS))
		return because(WRONG, "waits for ever");
	if (counter && sst_stat(counter) == before)
		return because(WRONG, "does not wait for what it should: %d", *ret);
	return RIGHT;
}

/* How long a call may take that does not wait */
static int patience(const struct cell *c)
{
	bool answered_late = c->op->reads && sst_serial();

	return answered_late || c->op->call == do_reset ? END_MS : NOW_MS;
}

static enum verdict try_operation(struct cell *c)
{
	bool waits = cell_wait(c) || starts_before_event(c);
	enum verdict verdict;
	int ret = 0;

	if (!waits && c->state->event && !c->state->event(c))
		return because(WRONG, "the event fails");
	if (!let_go(c))
		return because(WRONG, "the child does not begin");
	if (waits) {
		verdict = end_wait(c, &ret);
		if (verdict != RIGHT)
			return verdict;
	} else if (!hear(c, &ret, patience(c))) {
		return because(LOST, "waits");
	} else if (c->state->lasts && c->op->call != do_reset && !c->state->lasts(c)) {
		return because(LOST, "the state is over too soon");
	}

	if (ret != cell_outcome(c)->result)
		return because(WRONG, "gives %d (0x%x), should give %d (0x%x)", ret, ret,
			       cell_outcome(c)->result, cell_outcome(c)->result);
	return RIGHT;
}

static enum verdict try_in_state(struct cell *c)
{
	struct sst_info info;

	if (c->fd < 0 || c->helper < 0 || ioctl(c->helper, SST_IOCTL_GET_INFO, &info) ||
	    set_limit(c->helper, SST_REQUEST_LIMIT_MAX) || sst_set_reset_after(0) ||
	    set_timeout(c->fd, LONG_MS))
		return because(WRONG, "no file");
	c->places = info.queue_size;
	if (!c->state->make(c))
		return because(LOST, "the state cannot be made");
	if (!start_child(c))
		return because(WRONG, "no child");
	if (!c->state->holds(c))
		return because(LOST, "the state is not there");

	return try_operation(c);
}

/* Each one starts with a device that was just bound. */
static enum verdict try_cell(const struct op *op, const struct state *state)
{
	struct cell c = { .op = op, .state = state };
	enum verdict verdict;

	if (!bind_anew())
		return because(WRONG, "the driver cannot be bound");
	c.fd = sst_open(O_RDWR);
	c.helper = sst_open(O_RDWR | O_NONBLOCK);
	verdict = try_in_state(&c);
	if (c.child > 0) {
		kill(c.child, SIGKILL);
		waitpid(c.child, NULL, 0);
		close(c.socket);
	}
	if (c.fd >= 0)
		close(c.fd);
	close(c.helper);

	return verdict;
}

static void test_cell(const struct op *op, const struct state *state)
{
	const char *missing = state->missing ? state->missing() : NULL;
	enum verdict verdict = LOST;
	char name[100];
	int i;

	snprintf(name, sizeof(name), "%s: %s", op->name, state->name);
	if (missing) {
		ksft_test_result_code(KSFT_SKIP, name, "%s", missing);
		return;
	}
	for (i = 0; i < ATTEMPTS && verdict == LOST; i++)
		verdict = try_cell(op, state);
	if (verdict != RIGHT)
		ksft_print_msg("%s: %s\n", name, reason);
	ksft_test_result(verdict == RIGHT, "%s\n", name);
}

/* The page */

static void print_table(unsigned int first, unsigned int last)
{
	struct cell c;

	printf(".. list-table::\n   :header-rows: 1\n   :stub-columns: 1\n\n   * - Operation\n");
	for (c.state = &states[first]; c.state <= &states[last]; c.state++)
		printf("     - %s\n", c.state->name);
	for (c.op = ops; c.op < ops + NR_OPS; c.op++) {
		printf("   * - %s\n", c.op->name);
		for (c.state = &states[first]; c.state <= &states[last]; c.state++) {
			const struct wait *wait = cell_wait(&c);

			printf("     - %s%s%s\n", wait ? wait->text : "",
			       wait ? ", then " : "", cell_outcome(&c)->text);
		}
	}
	printf("\n");
}

static void print_states(void)
{
	unsigned int i;

	for (i = 0; i < NR_STATES; i++) {
		const char *p;

		printf("\n%s\n    ", states[i].name);
		for (p = states[i].text; *p; p++) {
			putchar(*p);
			if (*p == '\n')
				fputs("    ", stdout);
		}
		printf("\n");
	}
}

static void print_page(void)
{
	/* In one word, checkpatch would take it for this file's. */
	printf(".. %s-License-Identifier: GPL-2.0-only\n"
	       ".. Made by \"state_test --rst\": change the program, not this.\n"
	       "\n"
	       "===================================\n"
	       "Virtio SST: operations by the state\n"
	       "===================================\n"
	       "\n"
	       "What each operation on a device file does in each state of the device and of the\n"
	       "open file. Documentation/userspace-api/virtio_sst.rst explains the operations.\n"
	       "\n"
	       "This page is the output of ``state_test --rst``, a program in\n"
	       "``tools/testing/selftests/drivers/virtio_sst``. Without the option the program\n"
	       "tests the driver by the same table: it brings about each of the states, does each\n"
	       "of the operations, and compares what happens with what is written here.\n"
	       "\n"
	       "Tables\n"
	       "======\n"
	       "\n", "SPDX");
	print_table(IDLE, UNREAD);
	print_table(TIMED_OUT, UNBOUND);
	printf("\"Waits for ...\" says what ends the wait in the test. A signal ends it, too,\n"
	       "with ``EINTR`` or a restart of the call.\n"
	       "\n"
	       "*File shared* means that somebody else could read the responses of the file, here\n"
	       "another process that has a descriptor of it. The other blocking calls to write are\n"
	       "those of a process of one thread that has the only descriptor. Operations of\n"
	       "io_uring and io_submit() count as shared ones.\n"
	       "\n"
	       "``TIMEOUT`` and ``ERROR`` are statuses of responses that the driver made; \"the\n"
	       "response\" is one of the device.\n"
	       "\n"
	       "Events are read from a descriptor made by EVENT_FD. \"The event\" is that of the\n"
	       "driver that tells of a reset, since a device may send none; an event of the device\n"
	       "is read, and ends the wait of poll, in the same way.\n"
	       "\n"
	       "States\n"
	       "======\n");
	print_states();
}

/* Whether a cell was asked for; all that this machine can have are if none was */
static bool selected(const struct op *op, const struct state *state, char **words)
{
	if (!*words)
		return !state->missing || !state->missing();
	for (; *words; words++)
		if (!strcmp(*words, op->name) || !strcmp(*words, state->name))
			return true;
	return false;
}

static void test_cells(char **words)
{
	unsigned int i, n = 0;

	for (i = 0; i < NR_OPS * NR_STATES; i++)
		n += selected(&ops[i / NR_STATES], &states[i % NR_STATES], words);
	ksft_set_plan(n);
	for (i = 0; i < NR_OPS * NR_STATES; i++)
		if (selected(&ops[i / NR_STATES], &states[i % NR_STATES], words))
			test_cell(&ops[i / NR_STATES], &states[i % NR_STATES]);
}

int main(int argc, char **argv)
{
	char reset_after[16] = "16";

	if (argc > 1 && !strcmp(argv[1], "--rst")) {
		print_page();
		return 0;
	}
	if (argc > 1 && argv[1][0] == '-') {
		fprintf(stderr, "usage: state_test [--rst | NAME-OF-OPERATION-OR-STATE...]\n");
		return 2;
	}

	ksft_print_header();
	if (sst_virtio_name(virtio_name, sizeof(virtio_name)))
		ksft_exit_fail_msg("no device %s\n", sst_device());
	read_file(RESET_AFTER, reset_after, sizeof(reset_after));
	/* So that an unbinding takes a tenth of the time, where that can be had */
	write_file(RCU_EXPEDITED, "1");
	test_cells(argv + 1);
	bind_anew();
	write_file(RCU_EXPEDITED, "0");
	sst_set_reset_after(atoi(reset_after));
	ksft_finished();
}
