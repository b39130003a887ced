// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs on a device that breaks its rules: vhost-user-sst with --hostile, which says
 * in its device_id which life it is in, and behaves in every eighth one.
 *
 * The driver is bound and unbound again and again, which is a life of the device each
 * time. Meanwhile processes make requests in all ways, and each of them keeps a ledger
 * of its open file: each accepted request ends exactly once, or with the device; it
 * carries its own IDs; its payload has nothing but what this file has sent, what the
 * device makes up, and zeros; and memory around shared slots stays as it was.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <liburing.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>

#include "sst_test.h"

#define GOOD_LIFE	8	/* the device behaves if its life is a multiple of this */
#define MADE_UP		0xe0	/* the device makes up bytes from this one on */
#define FORBIDDEN	0xdf	/* it puts this into what no program may get */
#define TYPE_DIE	126	/* ends the device */

#define MAX_WORKERS	32
#define MAX_REQUESTS	1024	/* of one open file */
#define MAX_BATCH	4
#define SLOTS		8
#define GUARDS		2	/* of these are never used */
#define CANARY		0xa5

/* More than anything may take that has no time-out of its own */
#define STUCK_MS	30000
#define BIND_MS		10000
/* A request takes no longer, nor an event: time-outs are short, and a good device answers. */
#define PATIENCE_MS		5000

enum {
	ENTRY_NONE,
	ENTRY_SENT,
	ENTRY_MAYBE,	/* the device went; it may have been accepted */
	ENTRY_ENDED,
};

/* What is counted, in the order of count_names */
enum count {
	COUNT_REQUESTS,
	COUNT_RIGHT,
	COUNT_WRONG,
	COUNT_TIMEOUT,
	COUNT_ERROR,
	COUNT_GONE,
	COUNT_REFUSED,
	COUNT_FILES,
	COUNT_EVENTS,
	COUNT_LIVES,
	COUNT_GOOD,
	COUNT_NO_PROBE,
	COUNT_RESETS,
	COUNT_DEATHS,
	COUNTS,
};

static const char *const count_names[COUNTS] = {
	[COUNT_REQUESTS] = "requests",
	[COUNT_RIGHT] = "requests answered as the model does",
	[COUNT_WRONG] = "requests answered otherwise",
	[COUNT_TIMEOUT] = "requests ended with TIMEOUT",
	[COUNT_ERROR] = "requests ended with ERROR by the driver",
	[COUNT_GONE] = "requests ended with the device",
	[COUNT_REFUSED] = "calls refused",
	[COUNT_FILES] = "open files",
	[COUNT_EVENTS] = "events read",
	[COUNT_LIVES] = "device lives",
	[COUNT_GOOD] = "device lives without a fault",
	[COUNT_NO_PROBE] = "probes failed",
	[COUNT_RESETS] = "recoveries",
	[COUNT_DEATHS] = "deaths of the device",
};

/**
 * struct shared - what all processes see
 * @path: the device's file
 * @dying: it is to die
 * @life: number of the device's life
 * @good: the device behaves in it
 * @stop: processes make no more requests
 * @bytes: files opened so far, for a byte of its own to each
 * @errors: what was wrong
 * @count: what was counted
 */
struct shared {
	char path[32];
	bool dying;
	unsigned int life;
	bool good;
	bool stop;
	unsigned int bytes;
	unsigned int errors;
	unsigned long long count[COUNTS];
};

struct worker {
	struct shared *shared;
	unsigned int number;
	unsigned int random;
	unsigned int file;	/* number of the open file */
	int fd;
	int events;		/* descriptor to read events from, or -1 */
	struct sst_event_books books;	/* of what was read from it */
	unsigned char byte;	/* that this file's payloads consist of */
	bool gone;		/* the device is */
	unsigned int sent;	/* entries used */
	unsigned int open;	/* requests to be read */
	unsigned char entry[MAX_REQUESTS];
	uint64_t id[MAX_REQUESTS];
	struct sst_slot_setup setup;
	unsigned char *slots;
	struct io_uring ring;
	struct sst_request req[MAX_BATCH];
	struct sst_response resp[MAX_BATCH];
};

static unsigned int below(struct worker *w, unsigned int n)
{
	return sst_random(&w->random) % n;
}

static void count(struct shared *shared, enum count which, unsigned long long n)
{
	__atomic_add_fetch(&shared->count[which], n, __ATOMIC_RELAXED);
}

static bool stopped(const struct worker *w)
{
	return __atomic_load_n(&w->shared->stop, __ATOMIC_SEQ_CST);
}

static void complain_of(struct shared *shared, const char *what, long long value)
{
	__atomic_add_fetch(&shared->errors, 1, __ATOMIC_SEQ_CST);
	fprintf(stderr, "# life %u: %s (%lld)\n", shared->life, what, value);
}

static void complain(struct worker *w, const char *what, uint64_t value)
{
	__atomic_add_fetch(&w->shared->errors, 1, __ATOMIC_SEQ_CST);
	fprintf(stderr, "# life %u, process %u, file %u: %s (%#llx)\n", w->shared->life,
		w->number, w->file, what, (unsigned long long)value);
}

/* What a program may find in what the driver gives to it */
static bool all_permitted(const struct worker *w, const unsigned char *p, size_t n)
{
	while (n--) {
		if (*p && *p != w->byte && *p < MADE_UP)
			return false;
		p++;
	}
	return true;
}

/* Requests */

static uint64_t user_data(const struct worker *w, unsigned int n)
{
	return (uint64_t)(w->number + 1) << 56 | (uint64_t)w->file << 16 | n;
}

/* Enter @n requests. Returns the number of the first one. */
static unsigned int enter(struct worker *w, unsigned int n)
{
	unsigned int first = w->sent;

	memset(w->entry + first, ENTRY_SENT, n);
	w->sent += n;
	return first;
}

/* Of @n requests, the first @accepted were accepted. */
static void accept_some(struct worker *w, unsigned int first, unsigned int n,
			unsigned int accepted)
{
	memset(w->entry + first + accepted, ENTRY_NONE, n - accepted);
	count(w->shared, COUNT_REQUESTS, accepted);
}

/* A call about @n requests has failed, and none of them is in flight. */
static void refused(struct worker *w, const char *call, unsigned int first, unsigned int n,
		    int error)
{
	accept_some(w, first, n, 0);
	if (error == ENODEV) {
		w->gone = true;
		return;
	}
	count(w->shared, COUNT_REFUSED, 1);
	if (error != EAGAIN && error != ENOBUFS && error != EBUSY && error != EIO &&
	    error != ENOMEM)
		complain(w, call, error);
	else if (w->shared->good && error == EIO && !w->shared->dying)
		complain(w, "EIO from a device that behaves", first);
	/* There is no use in asking a device in trouble too often. */
	if (error == EIO)
		sleep_ms(1);
}

/* The device went while @n requests were in flight, or before. */
static void lose(struct worker *w, unsigned int first, unsigned int n)
{
	memset(w->entry + first, ENTRY_MAYBE, n);
	w->gone = true;
}

/*
 * Enter what became of @n requests that one call submits and waits for. Returns how many
 * have their response, or a negative number if none was accepted.
 */
static int enter_result(struct worker *w, const char *call, unsigned int first,
			unsigned int n, int ret)
{
	if (ret < 0 && ret != -ENODEV) {
		refused(w, call, first, n, -ret);
		return ret;
	}
	if (ret < 0)
		ret = 0;
	accept_some(w, first, n, ret);
	if (ret < n)
		lose(w, first + ret, n - ret);

	return ret;
}

static void check_id(struct worker *w, unsigned int n, uint64_t id)
{
	unsigned int i;

	w->id[n] = id;
	if (!id)
		complain(w, "no request_id", n);
	for (i = n > 16 ? n - 16 : 0; i < n; i++)
		if (w->entry[i] == ENTRY_ENDED && w->id[i] == id)
			complain(w, "request_id of another request", id);
}

static void check_driver_response(struct worker *w, const struct sst_response *resp, bool slot)
{
	unsigned int status = le32toh(resp->status);

	if (status == SST_RESPONSE_TIMEOUT)
		count(w->shared, COUNT_TIMEOUT, 1);
	else if (status == SST_RESPONSE_ERROR)
		count(w->shared, COUNT_ERROR, 1);
	else
		complain(w, "odd status of a response of the driver", status);
	if (!slot && (resp->result || !all_bytes(resp->payload, 0, SST_PAYLOAD_SIZE)))
		complain(w, "the driver's response has a payload", status);
	if (w->shared->good && !w->shared->dying)
		complain(w, "a device that behaves did not answer", status);
}

static void check_device_response(struct worker *w, const struct sst_response *resp)
{
	if (resp->status == 0 && !resp->result &&
	    all_bytes(resp->payload, w->byte, SST_PAYLOAD_SIZE)) {
		count(w->shared, COUNT_RIGHT, 1);
		return;
	}
	count(w->shared, COUNT_WRONG, 1);
	if (w->shared->good)
		complain(w, "wrong answer of a device that behaves", le32toh(resp->status));
	else if (!all_permitted(w, resp->payload, SST_PAYLOAD_SIZE))
		complain(w, "data of somebody else", le64toh(resp->user_data));
}

/* A response has come. Its payload may be in a slot, which keeps what was there before. */
static void check(struct worker *w, const struct sst_response *resp, bool slot)
{
	uint64_t data = le64toh(resp->user_data);
	unsigned int n = data & 0xffff;

	if (n >= w->sent || data != user_data(w, n)) {
		complain(w, "user_data that this file has not sent", data);
		return;
	}
	if (w->entry[n] != ENTRY_SENT && w->entry[n] != ENTRY_MAYBE)
		complain(w, w->entry[n] == ENTRY_ENDED ? "ended twice" :
			 "ended and never accepted", n);
	w->entry[n] = ENTRY_ENDED;
	check_id(w, n, le64toh(resp->request_id));
	if (resp->flags == htole32(SST_RESPONSE_F_DRIVER))
		check_driver_response(w, resp, slot);
	else if (resp->flags)
		complain(w, "flags that only the device can have set", le32toh(resp->flags));
	else
		check_device_response(w, resp);
}

static void prepare(struct worker *w, struct sst_request *req, unsigned int n)
{
	sst_prepare(req, SST_REQUEST_ECHO, user_data(w, n));
	memset(req->payload, w->byte, SST_PAYLOAD_SIZE);
}

static void prepare_some(struct worker *w, unsigned int first, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		prepare(w, &w->req[i], first + i);
}

/* Ways to make requests. A batch is of any number for which there is room. */

static void send_some(struct worker *w, unsigned int n)
{
	unsigned int first = enter(w, n);
	ssize_t ret;

	prepare_some(w, first, n);
	ret = write(w->fd, w->req, n * REQ);
	if (ret < 0) {
		refused(w, "write", first, n, errno);
		return;
	}
	if (!ret || ret % REQ)
		complain(w, "odd return of write", ret);
	accept_some(w, first, n, ret / REQ);
	w->open += ret / REQ;
}

/* Returns whether there was something to read. */
static bool receive_some(struct worker *w)
{
	ssize_t ret = read(w->fd, w->resp, below(w, MAX_BATCH) * RESP + RESP);
	unsigned int i;

	if (ret < 0) {
		w->gone |= errno == ENODEV;
		if (errno != ENODEV && errno != EAGAIN)
			complain(w, "read", errno);
		return false;
	}
	if (!ret || ret % RESP)
		complain(w, "odd return of read", ret);
	for (i = 0; i < ret / RESP; i++)
		check(w, &w->resp[i], false);
	w->open -= i;
	return true;
}

static void transact(struct worker *w, unsigned int n)
{
	unsigned int first = enter(w, 1);
	struct sst_transaction t = {
		.request = (uintptr_t)w->req,
		.response = (uintptr_t)w->resp,
		.request_size = REQ,
		.response_size = RESP,
	};

	(void)n;
	prepare(w, w->req, first);
	if (!ioctl(w->fd, SST_IOCTL_TRANSACT, &t)) {
		accept_some(w, first, 1, 1);
		if (le64toh(w->resp->request_id) != t.request_id ||
		    le64toh(w->resp->user_data) != user_data(w, first))
			complain(w, "response of another request", t.request_id);
		check(w, w->resp, false);
	} else if (errno == ENODEV) {
		lose(w, first, 1);
	} else {
		if (t.request_id)
			complain(w, "accepted and no response", t.request_id);
		refused(w, "TRANSACT", first, 1, errno);
	}
}

/* Slots */

/* Everything that is not a payload of a slot in use */
static void visit_gaps(struct worker *w,
		       void (*fn)(struct worker *w, unsigned char *p, size_t n))
{
	unsigned char *slot = w->slots;
	unsigned int i;

	for (i = 0; i < SLOTS - GUARDS; i++, slot += w->setup.slot_size) {
		fn(w, slot + SST_PAYLOAD_SIZE, w->setup.response_offset - SST_PAYLOAD_SIZE);
		fn(w, slot + w->setup.response_offset + SST_PAYLOAD_SIZE,
		   w->setup.slot_size - w->setup.response_offset - SST_PAYLOAD_SIZE);
	}
	fn(w, slot, GUARDS * w->setup.slot_size);
}

static void set_canary(struct worker *w, unsigned char *p, size_t n)
{
	(void)w;
	memset(p, CANARY, n);
}

static void check_canary(struct worker *w, unsigned char *p, size_t n)
{
	if (!all_bytes(p, CANARY, n))
		complain(w, "a write beside a payload", p - w->slots);
}

static void set_up_slots(struct worker *w)
{
	w->slots = sst_map_slots(w->fd, SLOTS, &w->setup);
	if (w->slots == MAP_FAILED) {
		w->slots = NULL;
		w->gone |= errno == ENODEV;
		if (errno != ENODEV)
			complain(w, "SETUP_SLOTS, or mmap", errno);
		return;
	}
	if (!all_bytes(w->slots, 0, w->setup.size))
		complain(w, "new slots are not empty", 0);
	visit_gaps(w, set_canary);
}

static void check_slot(struct worker *w, const struct sst_slot_response *from,
		       unsigned int index, unsigned int n)
{
	if (from->user_data != user_data(w, n) || from->index != index) {
		complain(w, "slot of another request", from->user_data);
		return;
	}
	sst_slot_to_response(from, &w->setup, w->slots, w->resp);
	check(w, w->resp, true);
}

static void transact_slots(struct worker *w, unsigned int n)
{
	struct sst_slot_response response[MAX_BATCH];
	struct sst_slot_request request[MAX_BATCH];
	struct sst_slot_transaction t = {
		.requests = (uintptr_t)request,
		.responses = (uintptr_t)response,
		.nr = n,
	};
	unsigned int skip = below(w, SLOTS), first, i;
	int ret;

	if (!w->slots)
		return;
	first = enter(w, n);
	for (i = 0; i < n; i++) {
		request[i] = (struct sst_slot_request){
			.type = SST_REQUEST_ECHO,
			.user_data = user_data(w, first + i),
			.index = (skip + i) % (SLOTS - GUARDS),
		};
		memset(w->slots + request[i].index * w->setup.slot_size, w->byte,
		       SST_PAYLOAD_SIZE);
	}
	ret = ioctl(w->fd, SST_IOCTL_TRANSACT_SLOTS, &t);
	ret = enter_result(w, "TRANSACT_SLOTS", first, n, ret < 0 ? -errno : ret);
	if (ret < 0)
		return;
	for (i = 0; i < ret; i++)
		check_slot(w, &response[i], request[i].index, first + i);
	visit_gaps(w, check_canary);
}

/* io_uring */

/* Returns the result of a command, or -ETIME if there is none. */
static int run_command(struct worker *w, const struct sst_uring_transact *t)
{
	struct __kernel_timespec limit = { .tv_sec = STUCK_MS / 1000 };
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->ring);
	struct io_uring_cqe *cqe;
	int ret;

	if (!sqe)
		return -EAGAIN;
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = w->fd;
	sqe->cmd_op = SST_URING_CMD_TRANSACT;
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, cmd), t, sizeof(*t));
	ret = io_uring_submit(&w->ring);
	if (ret < 0)
		return ret;
	ret = io_uring_wait_cqe_timeout(&w->ring, &cqe, &limit);
	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&w->ring, cqe);
	return ret;
}

static void transact_uring(struct worker *w, unsigned int n)
{
	unsigned int first = enter(w, n), i;
	struct sst_uring_transact t = {
		.requests = (uintptr_t)w->req,
		.responses = (uintptr_t)w->resp,
		.nr = n,
		.request_size = REQ,
		.response_size = RESP,
	};
	int ret;

	prepare_some(w, first, n);
	ret = run_command(w, &t);
	ret = enter_result(w, "io_uring TRANSACT", first, n, ret);
	if (ret < 0)
		return;
	for (i = 0; i < ret; i++)
		check(w, &w->resp[i], false);
}

/* Other things to do */

static void cancel(struct worker *w, unsigned int n)
{
	int ret;

	if (w->shared->good)
		return;
	if (n % 2)
		ret = file_cancel(w->fd, 0, SST_CANCEL_ALL);
	else
		ret = file_cancel(w->fd, user_data(w, w->sent - 1), 0);
	w->gone |= ret == -ENODEV;
	if (ret < 0 && ret != -ENODEV && ret != -ENOENT)
		complain(w, "CANCEL", -ret);
}

static bool event_permitted(const struct worker *w, const struct sst_event *event)
{
	unsigned int type = le32toh(event->type);

	if (event->flags == htole32(SST_EVENT_F_DRIVER))
		return !event->timestamp &&
		       (type == SST_EVENT_OVERRUN || type == SST_EVENT_RESET);
	if (event->flags)
		return false;
	/* Those of the model are of this type. */
	return type == 1 ||
	       (!w->shared->good && all_permitted(w, (const void *)event, sizeof(*event)));
}

static void read_events(struct worker *w, unsigned int n)
{
	struct sst_event event[32];
	ssize_t ret;
	unsigned int i;

	(void)n;
	if (w->events < 0)
		return;
	ret = read(w->events, event, sizeof(event));
	if (ret < 0) {
		w->gone |= errno == ENODEV;
		if (errno != EAGAIN && errno != ENODEV)
			complain(w, "read of events", errno);
		return;
	}
	for (i = 0; i < ret / sizeof(*event); i++) {
		if (!event_permitted(w, &event[i]))
			complain(w, "an event that the device did not send",
				 le32toh(event[i].type));
		sst_event_books_add(&w->books, &event[i]);
	}
	count(w->shared, COUNT_EVENTS, i);
}

/* Read the events that the driver has by now, which must be those that it has received. */
static void check_events(struct worker *w)
{
	unsigned long long end = now_ms() + PATIENCE_MS;
	unsigned int wrong = 0;
	long long received;
	int ret;

	while (w->events >= 0 && !w->gone) {
		received = sst_stat("events");
		while (!w->gone && sst_poll(w->events, POLLIN, 0))
			read_events(w, 0);
		ret = sst_event_books_balance(&w->books, received);
		if (ret > 0 || sst_poll(w->fd, 0, 0) & POLLHUP)
			return;
		wrong += !ret;
		if (now_ms() > end) {
			/* Of events that never pause nothing can be said. */
			if (wrong < BOOKS_WRONG)
				return;
			complain(w, "events were lost and not told, or told and not received",
				 w->books.told - received);
			return;
		}
		sleep_ms(1);
	}
}

/* Files */

static void make_events(struct worker *w)
{
	struct sst_event_setup setup = {
		.flags = SST_EVENT_CLOEXEC | SST_EVENT_NONBLOCK,
		.capacity = 1 << below(w, 8),
	};

	w->events = sst_event_books_open(&w->books, w->fd, &setup);
	w->gone |= w->events < 0 && errno == ENODEV;
	if (w->events < 0 && errno != ENODEV)
		complain(w, "EVENT_FD", errno);
}

/* Returns false if there is no device. */
static bool open_file(struct worker *w)
{
	w->fd = open(w->shared->path, O_RDWR | O_CLOEXEC | (below(w, 2) ? O_NONBLOCK : 0));
	if (w->fd < 0) {
		if ((errno != ENODEV && errno != ENXIO && errno != ENOENT) ||
		    (w->shared->good && !w->shared->dying))
			complain(w, "open", errno);
		return false;
	}
	setenv("SST_DEVICE", w->shared->path, 1);
	count(w->shared, COUNT_FILES, 1);
	w->file++;
	/* Of those that live at the same time, none has the same one. */
	w->byte = 1 + __atomic_add_fetch(&w->shared->bytes, 1, __ATOMIC_SEQ_CST) % (FORBIDDEN - 1);
	w->gone = false;
	w->sent = 0;
	w->open = 0;
	w->slots = NULL;
	w->events = -1;
	if (below(w, 2))
		set_up_slots(w);
	if (below(w, 2))
		make_events(w);
	if (!w->shared->good && below(w, 2))
		file_set_timeout(w->fd, 1 + below(w, 50));
	return true;
}

/* Read what there is to come; it must come in time. */
static void drain(struct worker *w)
{
	unsigned long long end = now_ms() + PATIENCE_MS;

	while (w->open && !w->gone && now_ms() < end)
		if (!receive_some(w))
			sst_poll(w->fd, POLLIN, 1000);
	/* Those that were answered before the device went */
	while (w->gone && receive_some(w))
		;
	if (w->gone && !(sst_poll(w->fd, POLLIN, 0) & POLLHUP))
		complain(w, "no POLLHUP without a device", w->open);
}

static void settle(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < w->sent; i++) {
		if (w->entry[i] != ENTRY_SENT && w->entry[i] != ENTRY_MAYBE)
			continue;
		if (w->gone)
			count(w->shared, COUNT_GONE, 1);
		else
			complain(w, "never ended", i);
	}
	if (w->gone && w->shared->good && !w->shared->dying)
		complain(w, "a device that behaves went", 0);
}

static void close_file(struct worker *w)
{
	if (w->slots) {
		visit_gaps(w, check_canary);
		munmap(w->slots, w->setup.size);
	}
	if (w->events >= 0)
		close(w->events);
	close(w->fd);
}

static void (*const ways[])(struct worker *w, unsigned int n) = {
	send_some, send_some, transact, transact_slots, transact_uring, cancel, read_events,
};

/* Use one open file for some time. Returns false if there is no device any more. */
static bool use_file(struct worker *w)
{
	unsigned int ops = 1 + below(w, 64);

	if (!open_file(w))
		return false;
	while (ops-- && !w->gone && !stopped(w) && w->sent + MAX_BATCH < MAX_REQUESTS) {
		unsigned long long start = now_ms();

		/* One whose limit is reached must not wait for itself. */
		if (w->open >= SLOTS || (w->open && !below(w, 3)))
			receive_some(w);
		else
			ways[below(w, sizeof(ways) / sizeof(*ways))](w, 1 + below(w, MAX_BATCH));
		if (now_ms() - start > PATIENCE_MS)
			complain(w, "a call took long, ms", now_ms() - start);
	}
	check_events(w);
	/* Some are closed with requests in flight. */
	if (stopped(w) || w->gone || below(w, 2)) {
		drain(w);
		settle(w);
	}
	close_file(w);
	return !w->gone;
}

/*
 * A process: has a part in one life of the device for each byte that comes, and tells
 * when that is over.
 */
static void work(struct worker *w, int orders, int reports)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQE128 };
	char order;
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ret = io_uring_queue_init_params(4, &w->ring, &p);
	if (ret)
		complain(w, "io_uring_queue_init", -ret);
	while (!ret && read(orders, &order, 1) == 1) {
		while (!stopped(w) && use_file(w))
			;
		if (write(reports, &order, 1) != 1)
			break;
	}
	_exit(0);
}

/* The device */

/**
 * struct control - the process that the others do their work for
 * @shared: what all see
 * @random: state of the generator
 * @workers: number of processes
 * @orders: where they read what to do
 * @reports: where they say that it is done
 * @virtio: name of the virtio device
 */
struct control {
	struct shared *shared;
	unsigned int random;
	unsigned int workers;
	int orders[2];
	int reports[2];
	char virtio[NAME_MAX];
};

static unsigned int choose(struct control *c, const unsigned int *from, unsigned int n)
{
	return from[sst_random(&c->random) % n];
}

static long long attr_number(const char *name)
{
	char text[64];

	return sst_attr_get(name, text, sizeof(text)) < 0 ? -1 : strtoll(text, NULL, 0);
}

static void to_log(const char *text)
{
	write_file("/dev/kmsg", text);
}

/* Have the driver take the device, which may refuse that some times. Returns 0 or -1. */
static int bind_device(struct control *c)
{
	unsigned int tries;

	for (tries = 0; tries < 100; tries++) {
		unsigned long long start = now_ms();
		int ret = sst_driver_do("bind", c->virtio);

		if (now_ms() - start > BIND_MS)
			complain_of(c->shared, "a probe took long, ms", now_ms() - start);
		if (!ret && !access(sst_device(), F_OK))
			return 0;
		count(c->shared, COUNT_NO_PROBE, 1);
	}
	complain_of(c->shared, "the device is refused all the time", tries);
	return -1;
}

static void unbind_device(struct control *c)
{
	unsigned long long start = now_ms();
	int ret = sst_driver_do("unbind", c->virtio);

	if (ret)
		complain_of(c->shared, "unbind", -ret);
	if (now_ms() - start > BIND_MS)
		complain_of(c->shared, "a removal took long, ms", now_ms() - start);
}

/* What the driver takes over from configuration space makes sense. */
static void check_config(struct control *c)
{
	long long pairs = attr_number("queue_pairs");

	if (pairs < 1 || pairs > sysconf(_SC_NPROCESSORS_ONLN))
		complain_of(c->shared, "queue_pairs", pairs);
	if (attr_number("features") & ~0x3fLL)
		complain_of(c->shared, "features", attr_number("features"));
}

static void begin_life(struct control *c)
{
	static const unsigned int timeouts[] = { 1, 10, 20, 40 };
	static const unsigned int resets[] = { 0, 1, 4, 16 };
	struct shared *s = c->shared;
	char text[64];

	s->life = attr_number("device_id");
	s->good = s->life % GOOD_LIFE == 0;
	s->stop = false;
	count(s, s->good ? COUNT_GOOD : COUNT_LIVES, 1);
	if (s->good)
		count(s, COUNT_LIVES, 1);
	snprintf(text, sizeof(text), "hostile: life %u", s->life);
	to_log(text);
	check_config(c);
	sst_set_reset_after(choose(c, resets, 4));
	sst_set_timeout(s->good ? STUCK_MS : choose(c, timeouts, 4));
}

static void start_workers(struct control *c)
{
	static const char orders[MAX_WORKERS];

	if (write(c->orders[1], orders, c->workers) != c->workers)
		complain_of(c->shared, "no process can be told what to do", errno);
}

/* Returns whether a process is ready; there is no use in waiting long after an error. */
static bool await_worker(struct control *c)
{
	struct pollfd p = { .fd = c->reports[0], .events = POLLIN };
	unsigned long long end = now_ms() + 2 * STUCK_MS;
	bool failed = false;
	char report;

	while (!failed && now_ms() < end) {
		failed = c->shared->errors;
		if (poll(&p, 1, STUCK_MS / 10) > 0)
			return read(c->reports[0], &report, 1) == 1;
	}
	return false;
}

/* Returns 0, or -1 if somebody waits for what never comes. */
static int await_workers(struct control *c)
{
	unsigned int n;

	for (n = 0; n < c->workers; n++) {
		if (await_worker(c))
			continue;
		complain_of(c->shared, "stuck: processes that do not come back",
			    c->workers - n);
		/* The kernel's log tells where they wait. */
		write_file("/proc/sysrq-trigger", "w");
		return -1;
	}
	return 0;
}

/* Every request has ended, as far as programs know: do the driver's books say the same? */
static void check_books(struct control *c)
{
	long long in_flight = attr_number("in_flight");

	if (!access(sst_device(), F_OK) && in_flight)
		complain_of(c->shared, "requests in flight that nobody has", in_flight);
	if (!sst_stats_balance())
		complain_of(c->shared, "the statistics do not add up", 0);
	count(c->shared, COUNT_RESETS, sst_stat("resets"));
}

/* One life of the device that is bound. Returns 0, or -1 if there is no use in going on. */
static int live(struct control *c)
{
	struct shared *s = c->shared;
	bool calm;
	int ret;

	begin_life(c);
	/* Either the processes end first, or the device does. */
	calm = s->good || sst_random(&c->random) % 2;
	start_workers(c);
	sleep_ms(1 + sst_random(&c->random) % 50);
	if (!s->good && sst_random(&c->random) % 8 == 0)
		sst_attr_set("reset", "1");
	if (calm) {
		__atomic_store_n(&s->stop, true, __ATOMIC_SEQ_CST);
		ret = await_workers(c);
		if (!ret)
			check_books(c);
		unbind_device(c);
		return ret;
	}
	count(s, COUNT_RESETS, sst_stat("resets"));
	unbind_device(c);
	return await_workers(c);
}

/* Ask the device to die. One in trouble may not get to that. Returns whether it did. */
static bool kill_device(struct control *c)
{
	int fd = sst_open(O_RDWR);
	bool died;

	c->shared->dying = true;
	died = fd >= 0 && !sst_send(fd, TYPE_DIE, 0) &&
	       (sst_poll(fd, 0, c->shared->good ? PATIENCE_MS : 2000) & POLLHUP);
	if (!died && c->shared->good)
		complain_of(c->shared, "the device cannot be ended", errno);
	if (fd >= 0)
		close(fd);
	count(c->shared, COUNT_DEATHS, died);
	return died;
}

/* Have the device die under its users. Returns 0, or -1 as live(). */
static int die(struct control *c)
{
	bool died;
	int ret;

	begin_life(c);
	start_workers(c);
	sleep_ms(sst_random(&c->random) % 50);
	died = kill_device(c);
	__atomic_store_n(&c->shared->stop, true, __ATOMIC_SEQ_CST);
	ret = await_workers(c);
	if (!died)
		unbind_device(c);
	c->shared->dying = false;
	return ret;
}

/* Returns 0, or a negative error code. */
static int use_device(struct control *c, unsigned int index)
{
	snprintf(c->shared->path, sizeof(c->shared->path), "/dev/sst%u", index);
	setenv("SST_DEVICE", c->shared->path, 1);
	return sst_virtio_name(c->virtio, sizeof(c->virtio));
}

/* Have a device die in any of the lives that are next. Returns 0 or -1. */
static int die_some_time(struct control *c, unsigned int index)
{
	unsigned int lives = sst_random(&c->random) % GOOD_LIFE;

	if (use_device(c, index)) {
		complain_of(c->shared, "no such device", index);
		return -1;
	}
	do {
		unbind_device(c);
		if (bind_device(c))
			return -1;
	} while (lives--);
	return die(c);
}

static int live_for(struct control *c, unsigned int seconds, unsigned int deaths)
{
	unsigned long long end = now_ms() + seconds * 1000ULL;
	unsigned int i;

	/* From the last one on, so that a device is bound again with the number it had */
	for (i = deaths; i > 1; i--)
		if (die_some_time(c, i - 1))
			return -1;
	if (use_device(c, 0))
		return -1;
	/* The first device dies in a life in which it can be asked to. */
	while (now_ms() < end || (deaths && (c->shared->life + 1) % GOOD_LIFE)) {
		if (live(c) || bind_device(c) || c->shared->errors)
			return -1;
	}
	return deaths ? die(c) : 0;
}

static int set_up(struct control *c)
{
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED || pipe(c->orders) || pipe(c->reports))
		return -1;
	c->shared = s;
	return use_device(c, 0);
}

static int start_processes(struct control *c, unsigned int seed)
{
	static struct worker w;
	pid_t pid;
	int i;

	for (i = 0; i < c->workers; i++) {
		pid = fork();
		if (pid < 0)
			return -1;
		if (pid)
			continue;
		w.shared = c->shared;
		w.number = i;
		w.random = seed * 2654435761U + i;
		work(&w, c->orders[0], c->reports[1]);
	}
	return 0;
}

static int print_results(const struct shared *shared)
{
	enum count i;

	for (i = 0; i < COUNTS; i++)
		printf("# figure: %s %llu\n", count_names[i], shared->count[i]);
	printf("1..1\n%sok 1 programs on a hostile device\n", shared->errors ? "not " : "");
	return shared->errors ? 1 : 0;
}

static int print_usage(void)
{
	fprintf(stderr,
		"usage: hostile [-p PROCESSES] [-t SECONDS] [-r SEED] [-d DEVICES]\n"
		"-d: so many devices die, which needs their answer %u=die\n", TYPE_DIE);
	return 2;
}

int main(int argc, char **argv)
{
	unsigned int seconds = 10, seed = 1, deaths = 0;
	struct control c = { .workers = 6 };
	int o;

	while ((o = getopt(argc, argv, "p:t:r:d:")) != -1) {
		if (o == 'p')
			c.workers = atoi(optarg);
		else if (o == 't')
			seconds = atoi(optarg);
		else if (o == 'r')
			seed = atoi(optarg);
		else if (o == 'd')
			deaths = atoi(optarg);
		else
			return print_usage();
	}
	if (!c.workers || c.workers > MAX_WORKERS || optind < argc)
		return print_usage();
	c.random = seed;
	if (set_up(&c) || start_processes(&c, seed)) {
		perror("hostile");
		return 1;
	}
	if (live_for(&c, seconds, deaths))
		complain_of(c.shared, "ended early", 0);
	if (!c.shared->count[COUNT_RIGHT] || !c.shared->count[COUNT_GOOD])
		complain_of(c.shared, "no right answer, or no life without a fault", 0);
	return print_results(c.shared);
}
