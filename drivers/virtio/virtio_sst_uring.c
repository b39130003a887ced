// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: commands of io_uring.
 *
 * A command is an op. It is submitted by the task that enters the ring, or by one of
 * io_uring's threads if it has to wait. Its responses are copied to the program in
 * task work, or, on a ring that is polled, by who polls, unless that is another process
 * that shares the ring: the end of a request, in whatever context that is, is not in the
 * program's memory.
 *
 * The program can change the entry of the ring at any time: each field is read once.
 */

#include <linux/fs.h>
#include <linux/io_uring/cmd.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uio.h>

#include "virtio_sst_internal.h"

/* The part of an entry that belongs to a command */
#define SST_URING_CMD_SIZE	80

/**
 * struct sst_uring - what a command in flight needs
 * @op: its requests
 * @responses: where the responses go, in the program's memory or in the registered
 *	buffer
 * @response_size: bytes of each; 0 if only headers go there, and payloads are in slots
 */
struct sst_uring {
	struct sst_op *op;
	u64 responses;
	u32 response_size;
};

/* 24 bytes, since older kernels need the others for the function in task work. */
static_assert(sizeof(struct sst_uring) <= 24);

static struct sst_uring *sst_uring(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct sst_uring);
}

/* Returns an iterator over a program's memory, or the registered buffer. */
static int sst_uring_import(struct io_uring_cmd *cmd, u64 address, size_t size, int direction,
			    struct iov_iter *iter, unsigned int issue_flags)
{
	if (cmd->flags & IORING_URING_CMD_FIXED)
		return io_uring_cmd_import_fixed(address, size, direction, iter, cmd, issue_flags);

	iov_iter_ubuf(iter, direction, u64_to_user_ptr(address), size);
	return 0;
}

/* Copy the responses on @batch. Returns 0 or the reason why the next one was not. */
static int sst_uring_store(struct io_uring_cmd *cmd, struct list_head *batch,
			   struct list_head *copied, unsigned int issue_flags)
{
	struct sst_uring *uring = sst_uring(cmd);
	size_t size = uring->response_size ?: sizeof(struct sst_slot_response);
	struct iov_iter to;
	int ret;

	/*
	 * The task has ended, or this is somebody who shares the ring, which is polled: the
	 * memory is not that of the program.
	 */
	if (!current->mm || READ_ONCE(io_uring_cmd_get_task(cmd)->mm) != current->mm)
		return -ECANCELED;

	ret = sst_uring_import(cmd, uring->responses, list_count_nodes(batch) * size, ITER_DEST,
			       &to, issue_flags);
	if (ret)
		return ret;

	return uring->response_size ? sst_copy_batch(batch, copied, &to, size) :
				      sst_slots_store(batch, copied, &to);
}

/* All requests of a command have ended. */
static void sst_uring_complete(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct sst_file *file = cmd->file->private_data;
	LIST_HEAD(copied);
	LIST_HEAD(batch);
	unsigned int n;
	int error;
	int ret;

	ret = sst_op_end(file, sst_uring(cmd)->op, &batch);
	error = list_empty(&batch) ? 0 : sst_uring_store(cmd, &batch, &copied, issue_flags);
	sst_put_back(file, &batch);
	n = sst_finish(file, &copied);

	io_uring_cmd_done(cmd, n ?: error ?: ret, issue_flags);
}

/* dkms/compat.h knows the second parameter by its name. */
static void sst_uring_task_work(struct io_tw_req tw_req, io_tw_token_t tw)
{
	sst_uring_complete(io_uring_cmd_from_tw(tw_req), IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);
}

static void sst_uring_ended(struct sst_op *op)
{
	io_uring_cmd_complete_in_task(op->data, sst_uring_task_work);
}

static void sst_uring_read(const struct sst_uring_transact *entry, struct sst_uring_transact *t)
{
	unsigned int i;

	t->requests = READ_ONCE(entry->requests);
	t->responses = READ_ONCE(entry->responses);
	t->nr = READ_ONCE(entry->nr);
	t->request_size = READ_ONCE(entry->request_size);
	t->response_size = READ_ONCE(entry->response_size);
	t->flags = READ_ONCE(entry->flags);
	for (i = 0; i < ARRAY_SIZE(t->reserved); i++)
		t->reserved[i] = READ_ONCE(entry->reserved[i]);
}

static bool sst_uring_valid(const struct sst_uring_transact *t)
{
	return t->nr && sst_sizes_valid(t->request_size, t->response_size) && !t->flags &&
	       !memchr_inv(t->reserved, 0, sizeof(t->reserved));
}

/* Claim slots for a command and fill them. Returns 0 or an error. */
static int sst_uring_fill(struct io_uring_cmd *cmd, const struct sst_uring_transact *t,
			  struct list_head *batch, unsigned int how, unsigned int issue_flags)
{
	struct sst_file *file = cmd->file->private_data;
	struct iov_iter from;
	int ret;

	ret = sst_claim(file, t->nr, batch, how);
	if (ret < 0)
		return ret;

	ret = sst_uring_import(cmd, t->requests, (size_t)t->nr * t->request_size, ITER_SOURCE,
			       &from, issue_flags);
	if (!ret && sst_fill(file, batch, &from, t->request_size) != (int)t->nr)
		ret = -EFAULT;
	if (ret)
		sst_unclaim(file, batch);

	return ret;
}

/*
 * Submit a command whose slots are filled, and whose responses go to @responses. One of
 * io_uring's threads may do that while the task goes on: the op must not end, and the
 * command be gone, before it is known as one that can be cancelled.
 */
static int sst_uring_submit(struct io_uring_cmd *cmd, struct list_head *batch, u64 responses,
			    u32 response_size, unsigned int how, unsigned int issue_flags)
{
	struct sst_file *file = cmd->file->private_data;
	bool early = issue_flags & IO_URING_F_UNLOCKED;
	bool polled = issue_flags & IO_URING_F_IOPOLL;
	struct sst_uring *uring = sst_uring(cmd);
	int ret;

	/* Who polls finds out that it has ended. */
	uring->op = sst_op_begin(batch, polled ? sst_op_wake : sst_uring_ended, cmd, polled);
	uring->responses = responses;
	uring->response_size = response_size;

	if (early)
		sst_op_hold(uring->op);
	ret = sst_submit(file, batch, how);
	sst_unclaim(file, batch);
	if (ret < 0)
		return ret;

	/* A ring that is polled takes its commands itself until all have ended. */
	if (!polled)
		io_uring_cmd_mark_cancelable(cmd, issue_flags);
	if (early)
		sst_op_release(file, uring->op);

	return -EIOCBQUEUED;
}

static int sst_uring_transact(struct io_uring_cmd *cmd, unsigned int how,
			      unsigned int issue_flags)
{
	struct sst_uring_transact t;
	LIST_HEAD(batch);
	int ret;

	sst_uring_read(io_uring_sqe128_cmd(cmd->sqe, struct sst_uring_transact), &t);
	if (!sst_uring_valid(&t))
		return -EINVAL;

	ret = sst_uring_fill(cmd, &t, &batch, how, issue_flags);
	if (ret)
		return ret;

	return sst_uring_submit(cmd, &batch, t.responses, t.response_size, how, issue_flags);
}

static bool sst_uring_read_slots(const struct sst_slot_transaction *entry,
				 struct sst_slot_transaction *t)
{
	unsigned int i;

	t->requests = READ_ONCE(entry->requests);
	t->responses = READ_ONCE(entry->responses);
	t->nr = READ_ONCE(entry->nr);
	t->flags = READ_ONCE(entry->flags);
	for (i = 0; i < ARRAY_SIZE(t->reserved); i++)
		t->reserved[i] = READ_ONCE(entry->reserved[i]);

	return sst_slots_valid(t) && !READ_ONCE(entry->submitted);
}

static int sst_uring_transact_slots(struct io_uring_cmd *cmd, unsigned int how,
				    unsigned int issue_flags)
{
	struct sst_slot_transaction t;
	struct iov_iter from;
	LIST_HEAD(batch);
	int ret;

	if (!sst_uring_read_slots(io_uring_sqe128_cmd(cmd->sqe, struct sst_slot_transaction), &t))
		return -EINVAL;

	ret = sst_uring_import(cmd, t.requests, t.nr * sizeof(struct sst_slot_request),
			       ITER_SOURCE, &from, issue_flags);
	ret = ret ?: sst_slots_fill(cmd->file->private_data, &t, &from, &batch, how);
	if (ret)
		return ret;

	return sst_uring_submit(cmd, &batch, t.responses, 0, how, issue_flags);
}

/* A command that waits for responses. */
static int sst_uring_exchange(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	unsigned int nowait = issue_flags & IO_URING_F_NONBLOCK ? IOCB_NOWAIT : 0;
	unsigned int how = sst_how(cmd->file, nowait) | SST_WHOLE;
	struct sst_file *file = cmd->file->private_data;
	const fmode_t both = FMODE_READ | FMODE_WRITE;
	int ret;

	if ((cmd->file->f_mode & both) != both)
		return -EBADF;
	if (issue_flags & IO_URING_F_IOPOLL && !READ_ONCE(file->sst->busy_poll_us))
		return -EOPNOTSUPP;

	ret = cmd->cmd_op == SST_URING_CMD_TRANSACT ?
	      sst_uring_transact(cmd, how, issue_flags) :
	      sst_uring_transact_slots(cmd, how, issue_flags);

	/* On a ring that is polled, the thread that got this would try again for ever. */
	if (ret == -EAGAIN && issue_flags & IO_URING_F_IOPOLL &&
	    !(issue_flags & IO_URING_F_NONBLOCK)) {
		io_uring_cmd_done(cmd, ret, issue_flags);
		return -EIOCBQUEUED;
	}

	return ret == -ERESTARTSYS ? -EINTR : ret;
}

static int sst_uring_cancel_requests(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	const struct sst_cancel *entry = io_uring_sqe128_cmd(cmd->sqe, struct sst_cancel);
	struct sst_cancel cancel = {
		.user_data = READ_ONCE(entry->user_data),
		.flags = READ_ONCE(entry->flags),
	};
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(cancel.reserved); i++)
		cancel.reserved[i] = READ_ONCE(entry->reserved[i]);
	if (READ_ONCE(entry->count))
		return -EINVAL;

	ret = sst_cancel_requests(cmd->file->private_data, &cancel);
	if (ret < 0)
		return ret;

	/* Linux 6.1 loses such a result if one of io_uring's threads returns it. */
	io_uring_cmd_done(cmd, ret, issue_flags);
	return -EIOCBQUEUED;
}

/* Whether an entry has zeros behind the structure of its command */
static bool sst_uring_rest_zero(struct io_uring_cmd *cmd, size_t size)
{
	const u8 *rest = io_uring_sqe128_cmd(cmd->sqe, u8);

	return !memchr_inv(rest + size, 0, SST_URING_CMD_SIZE - size);
}

/**
 * sst_uring_cmd() - issue or cancel a command
 * @cmd: the command
 * @issue_flags: IO_URING_F_*
 *
 * Context: Process context, may sleep unless IO_URING_F_NONBLOCK or IO_URING_F_CANCEL.
 * Return: -EIOCBQUEUED if the command completes later, or its result.
 */
int sst_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct sst_file *file = cmd->file->private_data;

	if (issue_flags & IO_URING_F_CANCEL) {
		if (sst_op_cancel(file, sst_uring(cmd)->op))
			io_uring_cmd_done(cmd, -ECANCELED, issue_flags);
		return 0;
	}
	if (READ_ONCE(file->sst->gone))
		return -ENODEV;
	if (!(issue_flags & IO_URING_F_SQE128))
		return -EINVAL;

	switch (cmd->cmd_op) {
	case SST_URING_CMD_TRANSACT:
		if (!sst_uring_rest_zero(cmd, sizeof(struct sst_uring_transact)))
			return -EINVAL;
		return sst_uring_exchange(cmd, issue_flags);
	case SST_URING_CMD_TRANSACT_SLOTS:
		if (!sst_uring_rest_zero(cmd, sizeof(struct sst_slot_transaction)))
			return -EINVAL;
		return sst_uring_exchange(cmd, issue_flags);
	case SST_URING_CMD_CANCEL:
		if (!sst_uring_rest_zero(cmd, sizeof(struct sst_cancel)))
			return -EINVAL;
		return sst_uring_cancel_requests(cmd, issue_flags);
	default:
		return -EINVAL;
	}
}

/**
 * sst_uring_cmd_iopoll() - see whether a command of a ring that is polled has ended
 * @cmd: the command
 * @iob: not used
 * @poll_flags: not used
 *
 * Context: Process context.
 * Return: 1 if it has been completed, 0 if not.
 */
int sst_uring_cmd_iopoll(struct io_uring_cmd *cmd, struct io_comp_batch *iob,
			 unsigned int poll_flags)
{
	if (!sst_op_poll(cmd->file->private_data, sst_uring(cmd)->op))
		return 0;

	sst_uring_complete(cmd, 0);
	return 1;
}
