// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the fuzzer: io_uring. A ring has memory of its own, for operations that each
 * have their place in it until they have completed. It is shared with children, so that
 * an entry means the same whoever submits it, and goes with the ring.
 */
#include <stddef.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include <liburing.h>

#include "fuzz.h"

#define RINGS		2
#define ENTRIES		16
#define OPS		16
#define BATCH		4	/* requests of an operation at most */
#define NO_OP		1000	/* user_data of entries that are none of these */

enum what {
	OP_NONE, OP_READ, OP_WRITE, OP_POLL, OP_TRANSACT, OP_SLOTS, OP_CANCEL, OP_OTHER,
};

/* The memory of an operation */
struct place {
	struct sst_request request[BATCH];
	struct sst_response response[BATCH];
	struct sst_slot_request slot_request[REQUESTS_MAX];
	struct sst_slot_response slot_response[REQUESTS_MAX];
};

struct op {
	enum what what;
	uint64_t file;
	unsigned int nr;
	size_t size;		/* of what is read or written, or of a response */
	bool wrong;		/* it must be refused */
};

static struct ring {
	struct io_uring u;
	pid_t owner;		/* 0: it is not open */
	unsigned int flags;
	bool buffers;		/* the memory is registered */
	struct place *place;
	struct op op[OPS];
} rings[RINGS];

static struct ring *pick_ring(struct self *s)
{
	struct ring *r = &rings[pick(s, RINGS)];

	return r->owner ? r : NULL;
}

/*
 * What goes on in a ring may do so for a while after it is closed: it must not find the memory
 * of another one at the same address.
 */
static void give_up_memory(struct ring *r)
{
	take_away(r->place, OPS * sizeof(*r->place));
}

static void close_ring(struct ring *r)
{
	io_uring_queue_exit(&r->u);
	give_up_memory(r);
	memset(r, 0, sizeof(*r));
}

void do_ring_close(struct self *s)
{
	struct ring *r = pick_ring(s);

	if (r)
		close_ring(r);
}

void do_ring_open(struct self *s)
{
	static const unsigned int flags[] = {
		0, 0, 0, IORING_SETUP_IOPOLL,
		IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER,
		IORING_SETUP_COOP_TASKRUN, IORING_SETUP_SQPOLL, IORING_SETUP_SUBMIT_ALL,
	};
	struct ring *r = &rings[pick(s, RINGS)];
	struct io_uring_params p = {
		.flags = flags[pick(s, 8)],
		.sq_thread_idle = 5,
	};
	int ret;

	if (r->owner)
		close_ring(r);
	if (pick(s, 8))
		p.flags |= IORING_SETUP_SQE128;
	r->place = map_anonymous(OPS * sizeof(*r->place), MAP_SHARED);
	ret = io_uring_queue_init_params(ENTRIES, &r->u, &p);
	if (ret) {
		errno = -ret;
		expect(s, -1, "io_uring_setup", EINTR, ENOMEM, EMFILE, EPERM);
		give_up_memory(r);
		return;
	}
	r->flags = p.flags;
	r->owner = getpid();
}

void do_ring_register(struct self *s)
{
	struct ring *r = pick_ring(s);
	struct iovec v;
	int fd;

	if (!r)
		return;
	v = (struct iovec){ r->place, OPS * sizeof(*r->place) };
	fd = file_fd(pick_file(s));
	switch (pick(s, 4)) {
	case 0:
		io_uring_unregister_buffers(&r->u);
		break;
	case 1:
		io_uring_register_files(&r->u, &fd, 1);
		break;
	case 2:
		io_uring_unregister_files(&r->u);
		break;
	default:
		r->buffers |= !io_uring_register_buffers(&r->u, &v, 1);
	}
}

static void set_command(struct io_uring_sqe *sqe, unsigned int flags, unsigned int command,
			const void *structure, size_t size)
{
	void *to = (char *)sqe + offsetof(struct io_uring_sqe, cmd);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->cmd_op = command;
	/* Entries of 64 bytes have room for less: these commands are refused. */
	memcpy(to, structure, flags & IORING_SETUP_SQE128 ? size : 16);
}

/* Other memory may have changed by the time that it is read. */
static void *pick_source(struct self *s, uint32_t id, void *good, size_t size)
{
	void *source;

	if (pick(s, 6))
		return good;
	source = offer(s, id, good, size);
	if (source != good)
		have_loose(s, id, REQUESTS_MAX);
	return source;
}

static void prepare_transact(struct self *s, struct ring *r, struct op *op, struct place *p,
			     struct io_uring_sqe *sqe)
{
	uint32_t id = file_id(op->file);
	struct sst_uring_transact t = {
		.request_size = REQ,
		.response_size = pick(s, 8) ? RESP : SST_RESPONSE_HEADER_SIZE + pick(s, 4080),
	};
	unsigned int i;

	op->what = OP_TRANSACT;
	op->nr = 1 + pick(s, BATCH);
	t.nr = op->nr;
	for (i = 0; i < op->nr; i++)
		fill_request(s, id, &p->request[i]);
	t.requests = (uintptr_t)pick_source(s, id, p->request, op->nr * REQ);
	t.responses = (uintptr_t)room_for_later(s, p->response, op->nr * RESP);
	if (!pick(s, 4))
		spoil(s, &t, offsetof(struct sst_uring_transact, nr), sizeof(t));
	/* What else is in memory was sent already. */
	if (t.nr > op->nr || t.request_size != REQ)
		have_loose(s, id, t.nr < SST_REQUEST_LIMIT_MAX ? t.nr : SST_REQUEST_LIMIT_MAX);
	op->wrong = !t.nr || t.flags || !all_bytes(t.reserved, 0, sizeof(t.reserved)) ||
		    t.request_size < SST_REQUEST_HEADER_SIZE || t.request_size > REQ ||
		    t.response_size < SST_RESPONSE_HEADER_SIZE || t.response_size > RESP;
	op->size = t.responses == (uintptr_t)p->response && t.nr == op->nr ? t.response_size : 0;
	set_command(sqe, r->flags, SST_URING_CMD_TRANSACT, &t, sizeof(t));
}

static void prepare_slots(struct self *s, struct ring *r, struct op *op, struct place *p,
			  struct io_uring_sqe *sqe)
{
	uint32_t id = file_id(op->file);
	struct sst_slot_transaction t = {};

	op->what = OP_SLOTS;
	op->nr = fill_slot_requests(s, id, p->slot_request);
	t.nr = op->nr;
	t.requests = (uintptr_t)pick_source(s, id, p->slot_request,
					    op->nr * sizeof(p->slot_request[0]));
	t.responses = (uintptr_t)room_for_later(s, p->slot_response, sizeof(p->slot_response));
	if (!pick(s, 4))
		spoil(s, &t, offsetof(struct sst_slot_transaction, nr), sizeof(t));
	if (t.nr > op->nr)
		have_loose(s, id, t.nr < SST_REQUEST_LIMIT_MAX ? t.nr : SST_REQUEST_LIMIT_MAX);
	op->wrong = !t.nr || t.flags || t.submitted ||
		    !all_bytes(t.reserved, 0, sizeof(t.reserved));
	op->size = t.requests == (uintptr_t)p->slot_request &&
		   t.responses == (uintptr_t)p->slot_response && t.nr == op->nr;
	set_command(sqe, r->flags, SST_URING_CMD_TRANSACT_SLOTS, &t, sizeof(t));
}

static void prepare_cancel(struct self *s, struct ring *r, struct op *op,
			   struct io_uring_sqe *sqe)
{
	struct sst_cancel c = { .flags = SST_CANCEL_ALL };

	op->what = OP_CANCEL;
	spoil(s, &c, 0, sizeof(c));
	op->wrong = c.flags & ~SST_CANCEL_ALL || (c.flags && c.user_data) || c.count ||
		    !all_bytes(c.reserved, 0, sizeof(c.reserved));
	set_command(sqe, r->flags, SST_URING_CMD_CANCEL, &c, sizeof(c));
}

static void prepare_read(struct self *s, struct ring *r, struct op *op, struct place *p,
			 struct io_uring_sqe *sqe)
{
	size_t size = pick(s, 8) ? BATCH * RESP : 31 + pick(s, RESP);
	void *buffer = room_for_later(s, p->response, size);

	op->what = OP_READ;
	if (r->buffers && pick(s, 2))
		io_uring_prep_read_fixed(sqe, file_fd(op->file), buffer, size, -1, 0);
	else
		io_uring_prep_read(sqe, file_fd(op->file), buffer, size, -1);
	op->size = buffer == p->response ? size : 0;
}

static void prepare_write(struct self *s, struct ring *r, struct op *op, struct place *p,
			  struct io_uring_sqe *sqe)
{
	unsigned int i;
	char *buffer;

	op->what = OP_WRITE;
	op->nr = 1 + pick(s, BATCH);
	op->size = pick(s, 8) ? op->nr * REQ : 23 + pick(s, REQ);
	for (i = 0; i < op->nr; i++)
		fill_request(s, file_id(op->file), &p->request[i]);
	/* The edge may be filled otherwise before it is read. */
	buffer = pick(s, 8) ? (char *)p->request : s->readonly;
	if (buffer == s->readonly)
		have_untagged(s, file_id(op->file));
	if (r->buffers && pick(s, 2))
		io_uring_prep_write_fixed(sqe, file_fd(op->file), buffer, op->size, -1, 0);
	else
		io_uring_prep_write(sqe, file_fd(op->file), buffer, op->size, -1);
}

/* Whatever the file is asked, and it does not answer its request */
static void prepare_other(struct self *s, struct ring *r, struct op *op,
			  struct io_uring_sqe *sqe)
{
	uint64_t words[10] = { 0 };

	op->what = OP_OTHER;
	op->wrong = true;
	words[pick(s, 10)] = pick_number(s);
	set_command(sqe, r->flags, pick(s, 2) ? 0x10 + pick(s, 4) : pick_number(s), words,
		    sizeof(words));
}

static void prepare(struct self *s, struct ring *r, struct op *op, struct place *p,
		    struct io_uring_sqe *sqe)
{
	*op = (struct op){ .file = pick_file(s) };
	switch (pick(s, 10)) {
	case 0:
	case 1:
		prepare_read(s, r, op, p, sqe);
		break;
	case 2:
	case 3:
		prepare_write(s, r, op, p, sqe);
		break;
	case 4:
		io_uring_prep_poll_add(sqe, file_fd(op->file), pick(s, 64));
		op->what = OP_POLL;
		break;
	case 5:
		prepare_cancel(s, r, op, sqe);
		break;
	case 6:
		prepare_other(s, r, op, sqe);
		break;
	case 7:
		prepare_slots(s, r, op, p, sqe);
		break;
	default:
		prepare_transact(s, r, op, p, sqe);
	}
	if (sqe->opcode == IORING_OP_URING_CMD) {
		sqe->fd = file_fd(op->file);
		op->wrong |= !(r->flags & IORING_SETUP_SQE128);
		sqe->uring_cmd_flags = r->buffers && pick(s, 3) ? IORING_URING_CMD_FIXED : 0;
		if (!pick(s, 32))
			sqe->uring_cmd_flags = pick_number(s);
	}
}

static void pick_flags(struct self *s, struct io_uring_sqe *sqe)
{
	static const unsigned int flags[] = {
		IOSQE_ASYNC, IOSQE_IO_LINK, IOSQE_IO_HARDLINK, IOSQE_IO_DRAIN, IOSQE_ASYNC,
		IOSQE_IO_LINK,
	};

	if (!pick(s, 3))
		sqe->flags |= flags[pick(s, 6)];
}

static struct io_uring_sqe *next_entry(struct ring *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->u);

	if (sqe)
		memset(sqe, 0, r->flags & IORING_SETUP_SQE128 ? 128 : 64);
	return sqe;
}

static void queue_cancellation(struct self *s, struct ring *r)
{
	struct io_uring_sqe *sqe = next_entry(r);

	if (!sqe)
		return;
	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->addr = pick(s, OPS);
	sqe->user_data = NO_OP;
	if (!pick(s, 3)) {
		sqe->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
		sqe->fd = file_fd(pick_file(s));
	} else if (!pick(s, 4)) {
		sqe->cancel_flags = IORING_ASYNC_CANCEL_ANY;
	}
}

/* A child may submit what its parent has queued, but queues nothing itself. */
void do_ring_queue(struct self *s)
{
	struct ring *r = pick_ring(s);
	unsigned int n, i;
	struct io_uring_sqe *sqe;

	if (!r || r->owner != getpid())
		return;
	if (!pick(s, 5)) {
		queue_cancellation(s, r);
		return;
	}
	for (n = 1 + pick(s, 3), i = 0; n && i < OPS; i++) {
		if (r->op[i].what != OP_NONE)
			continue;
		sqe = next_entry(r);
		if (!sqe)
			break;
		prepare(s, r, &r->op[i], &r->place[i], sqe);
		pick_flags(s, sqe);
		sqe->user_data = i;
		n--;
	}
	if (pick(s, 2))
		io_uring_submit(&r->u);
}

static void check_transact(struct self *s, const struct op *op, const struct place *p, int res)
{
	long i;

	if (!res || res > op->nr)
		complain(s, COMPLAINT_FORM, "uring TRANSACT: %d of %u", res, op->nr);
	for (i = 0; i < res && i < op->nr; i++)
		check_response(s, file_id(op->file), (void *)p->response + i * op->size, op->size);
}

/* Of all of them: the file was closed before, another one failed, or it was cancelled. */
#define expect_end(s, op, access, what, ...) \
	expect(s, -1, what, unless_open((op)->file, access), ECANCELED, ##__VA_ARGS__)

static void check_error(struct self *s, const struct op *op, int error)
{
	/* Those for events have no commands. */
	int no_command = op->file & HANDLE_EVENTS ? EOPNOTSUPP : EINVAL;

	errno = error;
	switch (op->what) {
	case OP_READ:
		expect_end(s, op, TO_READ, "uring read", EINTR, EINVAL, EMSGSIZE, EFAULT, EAGAIN,
			   EOPNOTSUPP);
		break;
	case OP_WRITE:
		expect_end(s, op, TO_WRITE, "uring write", EINTR, EINVAL, EFAULT, EAGAIN, ENOBUFS,
			   EIO, EOPNOTSUPP);
		break;
	case OP_TRANSACT:
		expect_end(s, op, TO_READ | TO_WRITE, "uring TRANSACT", EINTR, EINVAL, EFAULT,
			   EAGAIN, EMSGSIZE, ENOBUFS, EIO, EOPNOTSUPP);
		break;
	case OP_SLOTS:
		expect_end(s, op, TO_READ | TO_WRITE, "uring TRANSACT_SLOTS", EINTR, EINVAL,
			   EFAULT, EAGAIN, EBUSY, ENOBUFS, EIO, EOPNOTSUPP);
		break;
	case OP_CANCEL:
		expect_end(s, op, 0, "uring CANCEL", EINVAL, ENOENT, no_command);
		break;
	default:
		expect_end(s, op, 0, "uring", EINVAL, no_command);
	}
}

static void check_completion(struct self *s, const struct op *op, const struct place *p, int res)
{
	uint32_t id = file_id(op->file);

	if (res < 0) {
		check_error(s, op, -res);
		return;
	}
	if (op->wrong)
		complain(s, COMPLAINT_FORM, "uring, operation %u: took what it must refuse",
			 op->what);
	switch (op->what) {
	case OP_READ:
		if (op->size && !(op->file & HANDLE_EVENTS))
			check_responses(s, id, p->response, res, op->size);
		break;
	case OP_WRITE:
		check_accepted(s, res, op->size);
		break;
	case OP_TRANSACT:
		if (op->size)
			check_transact(s, op, p, res);
		break;
	case OP_SLOTS:
		if (op->size)
			check_slot_responses(s, id, p->slot_request, p->slot_response, res, op->nr);
		break;
	default:
		break;
	}
}

static void reap(struct self *s, struct ring *r)
{
	struct io_uring_cqe *cqe;
	uint64_t i;

	while (!io_uring_peek_cqe(&r->u, &cqe)) {
		i = cqe->user_data;
		if (i < OPS && r->op[i].what != OP_NONE) {
			check_completion(s, &r->op[i], &r->place[i], cqe->res);
			r->op[i].what = OP_NONE;
		} else if (i != NO_OP) {
			complain(s, COMPLAINT_TWICE, "uring: a completion of nothing");
		}
		io_uring_cqe_seen(&r->u, cqe);
	}
}

void do_ring_enter(struct self *s)
{
	struct ring *r = pick_ring(s);

	if (!r)
		return;
	io_uring_submit_and_wait(&r->u, pick(s, 6) || s->patient ? 0 : 1);
	if (r->owner == getpid())
		reap(s, r);
}
