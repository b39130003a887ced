// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the fuzzer: reads and writes that complete later, of io_submit(). Each has its
 * place in memory until it has completed. Children have none of this.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/aio_abi.h>

#include "fuzz.h"

#define OPS	16
#define BATCH	2	/* requests of a call at most */

struct place {
	struct sst_request request[BATCH];
	struct sst_response response[BATCH];
};

static struct {
	aio_context_t context;
	pid_t owner;
	struct place *place;
	uint64_t file[OPS];
	struct iocb call[OPS];	/* with aio_lio_opcode -1: free */
} aio;

static bool is_open(void)
{
	return aio.owner == getpid();
}

/* All that goes on there has ended when it returns. */
void do_aio_close(struct self *s)
{
	if (!is_open())
		return;
	expect(s, syscall(SYS_io_destroy, aio.context), "io_destroy", 0);
	munmap(aio.place, OPS * sizeof(*aio.place));
	aio.owner = 0;
}

void do_aio_open(struct self *s)
{
	unsigned int i;
	long ret;

	if (is_open() || s->shared->no_aio)
		return;
	aio.context = 0;
	ret = syscall(SYS_io_setup, OPS, &aio.context);
	expect(s, ret, "io_setup", EAGAIN, ENOMEM);
	if (ret)
		return;
	aio.place = map_anonymous(OPS * sizeof(*aio.place), MAP_PRIVATE);
	for (i = 0; i < OPS; i++)
		aio.call[i].aio_lio_opcode = -1;
	aio.owner = getpid();
}

static void prepare(struct self *s, unsigned int i)
{
	struct place *p = &aio.place[i];
	uint64_t file = pick_file(s);
	struct iocb *call = &aio.call[i];
	unsigned int n = 1 + pick(s, BATCH);

	aio.file[i] = file;
	*call = (struct iocb){
		.aio_data = i,
		.aio_fildes = file_fd(file),
		.aio_offset = pick_number(s),
	};
	switch (pick(s, 5)) {
	case 0:
	case 1:
		call->aio_lio_opcode = IOCB_CMD_PREAD;
		call->aio_nbytes = pick(s, 8) ? BATCH * RESP : 31 + pick(s, RESP);
		call->aio_buf = (uintptr_t)room_for_later(s, p->response, call->aio_nbytes);
		break;
	case 2:
		call->aio_lio_opcode = IOCB_CMD_POLL;
		call->aio_buf = 1 + pick(s, 31);
		call->aio_offset = 0;
		break;
	default:
		call->aio_lio_opcode = IOCB_CMD_PWRITE;
		call->aio_nbytes = pick(s, 8) ? n * REQ : 23 + pick(s, REQ);
		call->aio_buf = (uintptr_t)(pick(s, 8) ? (char *)p->request : s->readonly);
		if (call->aio_buf != (uintptr_t)p->request)
			have_untagged(s, file_id(file));
		while (n--)
			fill_request(s, file_id(file), &p->request[n]);
	}
}

void do_aio_submit(struct self *s)
{
	unsigned int n = 0, wanted = 1 + pick(s, 4), i;
	struct iocb *calls[OPS];
	long ret;

	if (!is_open())
		return;
	for (i = 0; i < OPS && n < wanted; i++) {
		if (aio.call[i].aio_lio_opcode != (uint16_t)-1)
			continue;
		prepare(s, i);
		calls[n++] = &aio.call[i];
	}
	if (!n)
		return;
	ret = syscall(SYS_io_submit, aio.context, n, calls);
	/* A poll for nothing but what is always told is refused; so is one of O_PATH. */
	expect(s, ret, "io_submit", EBADF, EINVAL, EAGAIN, EFAULT);
	for (i = ret < 0 ? 0 : ret; i < n; i++)
		calls[i]->aio_lio_opcode = -1;
}

void do_aio_cancel(struct self *s)
{
	struct io_event event;

	if (!is_open())
		return;
	expect(s, syscall(SYS_io_cancel, aio.context, &aio.call[pick(s, OPS)], &event),
	       "io_cancel", EINVAL, EAGAIN, EINPROGRESS);
}

/* Only a read of events waits in io_submit(). */
static void expect_end(struct self *s, uint64_t file, const struct iocb *call)
{
	int interrupted = file & HANDLE_EVENTS ? EINTR : ECANCELED;

	if (call->aio_lio_opcode == IOCB_CMD_PREAD)
		expect(s, -1, "aio read", EINVAL, EFAULT, EAGAIN, EMSGSIZE, ECANCELED,
		       interrupted);
	else if (call->aio_lio_opcode == IOCB_CMD_PWRITE)
		expect(s, -1, "aio write", EINVAL, EFAULT, EAGAIN, ENOBUFS, EIO, ECANCELED);
	else
		expect(s, -1, "aio poll", ECANCELED);
}

static void check_event(struct self *s, const struct io_event *event)
{
	uint64_t i = event->data;
	struct iocb *call;

	if (i >= OPS || aio.call[i].aio_lio_opcode == (uint16_t)-1) {
		complain(s, COMPLAINT_TWICE, "aio: a completion of nothing");
		return;
	}
	call = &aio.call[i];
	if (event->res < 0) {
		errno = -event->res;
		expect_end(s, aio.file[i], call);
	} else if (call->aio_lio_opcode == IOCB_CMD_PWRITE) {
		check_accepted(s, event->res, call->aio_nbytes);
	} else if (call->aio_lio_opcode == IOCB_CMD_PREAD && !(aio.file[i] & HANDLE_EVENTS) &&
		   call->aio_buf == (uintptr_t)aio.place[i].response) {
		check_responses(s, file_id(aio.file[i]), aio.place[i].response, event->res,
				call->aio_nbytes);
	}
	call->aio_lio_opcode = -1;
}

void do_aio_reap(struct self *s)
{
	struct timespec t = { 0, pick(s, 500000) };
	struct io_event events[OPS];
	long n, i;

	if (!is_open())
		return;
	n = syscall(SYS_io_getevents, aio.context, 0L, (long)OPS, events, &t);
	expect(s, n, "io_getevents", EINTR);
	for (i = 0; i < n; i++)
		check_event(s, &events[i]);
}
