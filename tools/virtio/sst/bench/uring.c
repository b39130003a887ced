// SPDX-License-Identifier: GPL-2.0-only
/* Interfaces of io_uring. */

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* What is in flight besides requests: a write for each batch of them */
#define URING_ENTRIES	(2 * BENCH_DEPTH_MAX)

enum { URING_WRITE, URING_READ };

/**
 * struct uring - a ring, and how it is used
 * @ring: the ring
 * @worker: the process
 * @fixed: the memory of the messages is registered
 * @slots: the payloads are in slots
 * @free: commands that are not in flight, the first @nr_free
 * @nr_free: their number
 */
struct uring {
	struct io_uring ring;
	struct worker *worker;
	bool fixed;
	bool slots;
	unsigned int free[BENCH_DEPTH_MAX];
	unsigned int nr_free;
};

/* Registers the memory of all messages as one buffer. */
static int uring_register(struct uring *uring)
{
	struct worker *worker = uring->worker;
	struct iovec iov = {
		.iov_base = worker->requests,
		.iov_len = BENCH_DEPTH_MAX *
			   (sizeof(struct sst_request) + sizeof(struct sst_response)),
	};
	int ret = io_uring_register_buffers(&uring->ring, &iov, 1);

	uring->fixed = true;
	return ret ? worker_fail(worker, "io_uring_register_buffers", -ret) : 0;
}

static int uring_open(struct uring *uring, unsigned int flags)
{
	int ret;

	flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	ret = io_uring_queue_init(URING_ENTRIES, &uring->ring, flags);
	return ret ? worker_fail(uring->worker, "io_uring_queue_init", -ret) : 0;
}

/* Submits what was prepared, and waits for a completion. */
static int uring_enter(struct uring *uring)
{
	int ret = io_uring_submit_and_wait(&uring->ring, 1);

	return ret < 0 ? worker_fail(uring->worker, "io_uring_enter", -ret) : 0;
}

/* Takes all completions; @take is called for each. */
static int uring_reap(struct uring *uring,
		      int (*take)(struct uring *uring, const struct io_uring_cqe *cqe))
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;
	int ret = 0;

	io_uring_for_each_cqe(&uring->ring, head, cqe) {
		ret = take(uring, cqe);
		if (ret)
			break;
		n++;
	}
	io_uring_cq_advance(&uring->ring, n);
	return ret;
}

/* Keeps requests in flight until the time is over. */
static int uring_exchange(struct uring *uring, void (*prepare)(struct uring *uring),
			  int (*take)(struct uring *uring, const struct io_uring_cqe *cqe))
{
	struct worker *worker = uring->worker;
	int ret = 0;

	worker_start(worker);
	while (!ret) {
		while (worker_may_submit(worker)) {
			worker_submitted(worker, worker->options->batch);
			prepare(uring);
		}
		if (!worker->in_flight)
			break;
		ret = uring_enter(uring);
		if (!ret)
			ret = uring_reap(uring, take);
	}
	return ret;
}

static void prepare_write(struct uring *uring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
	struct worker *worker = uring->worker;
	unsigned int size = worker->options->batch * (unsigned int)sizeof(struct sst_request);

	if (uring->fixed)
		io_uring_prep_write_fixed(sqe, worker->fd, worker->requests, size, 0, 0);
	else
		io_uring_prep_write(sqe, worker->fd, worker->requests, size, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
	io_uring_sqe_set_data64(sqe, URING_WRITE);
}

static void prepare_read(struct uring *uring, struct sst_response *response)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
	struct worker *worker = uring->worker;

	if (uring->fixed)
		io_uring_prep_read_fixed(sqe, worker->fd, response, sizeof(*response), 0, 0);
	else
		io_uring_prep_read(sqe, worker->fd, response, sizeof(*response), 0);
	io_uring_sqe_set_data64(sqe, URING_READ);
}

static void prepare_write_read(struct uring *uring)
{
	unsigned int i;

	prepare_write(uring);
	for (i = 0; i < uring->worker->options->batch; i++)
		prepare_read(uring, &uring->worker->responses[i]);
}

static int take_write_read(struct uring *uring, const struct io_uring_cqe *cqe)
{
	struct worker *worker = uring->worker;

	if (cqe->user_data == URING_WRITE)
		return worker_fail(worker, "IORING_OP_WRITE", cqe->res < 0 ? -cqe->res : EMSGSIZE);
	if (cqe->res != sizeof(struct sst_response))
		return worker_fail(worker, "IORING_OP_READ", cqe->res < 0 ? -cqe->res : EMSGSIZE);
	worker_completed(worker, 1);
	return 0;
}

static int run_write_read(struct worker *worker, bool fixed)
{
	struct uring uring = { .worker = worker };

	if (uring_open(&uring, 0) || (fixed && uring_register(&uring)))
		return -1;
	return uring_exchange(&uring, prepare_write_read, take_write_read);
}

int uring_run(struct worker *worker)
{
	return run_write_read(worker, false);
}

int uring_fixed_run(struct worker *worker)
{
	return run_write_read(worker, true);
}

/* Fills in the command about the requests from @first on. Return: its number */
static unsigned int fill_command(const struct uring *uring, unsigned int first, void *cmd)
{
	struct worker *worker = uring->worker;
	struct sst_uring_transact command = {
		.requests = (uintptr_t)&worker->requests[first],
		.responses = (uintptr_t)&worker->responses[first],
		.nr = worker->options->vector,
		.request_size = sizeof(struct sst_request),
		.response_size = sizeof(struct sst_response),
	};

	memcpy(cmd, &command, sizeof(command));
	return SST_URING_CMD_TRANSACT;
}

/* The same for requests in slots */
static unsigned int fill_slot_command(const struct uring *uring, unsigned int first, void *cmd)
{
	struct worker *worker = uring->worker;
	struct sst_slot_transaction command = {
		.requests = (uintptr_t)&worker->slot_requests[first],
		.responses = (uintptr_t)&worker->slot_responses[first],
		.nr = worker->options->vector,
	};

	memcpy(cmd, &command, sizeof(command));
	return SST_URING_CMD_TRANSACT_SLOTS;
}

static void prepare_command(struct uring *uring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
	unsigned int index = uring->free[--uring->nr_free];
	unsigned int first = index * uring->worker->options->vector;

	/* The ring has an entry for each command that can be in flight */
	if (!sqe)
		abort();
	memset(sqe, 0, 2 * sizeof(*sqe));
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, uring->worker->fd, NULL, 0, 0);
	sqe->cmd_op = uring->slots ? fill_slot_command(uring, first, sqe->cmd) :
				     fill_command(uring, first, sqe->cmd);
	sqe->uring_cmd_flags = uring->fixed ? IORING_URING_CMD_FIXED : 0;
	io_uring_sqe_set_data64(sqe, index);
}

static void prepare_commands(struct uring *uring)
{
	const struct options *options = uring->worker->options;
	unsigned int i;

	for (i = 0; i < options->batch / options->vector; i++)
		prepare_command(uring);
}

static int take_command(struct uring *uring, const struct io_uring_cqe *cqe)
{
	struct worker *worker = uring->worker;
	unsigned int vector = worker->options->vector;
	unsigned int index = (unsigned int)cqe->user_data;

	if (cqe->res != (int)vector)
		return worker_fail(worker, uring->slots ? "SST_URING_CMD_TRANSACT_SLOTS" :
							  "SST_URING_CMD_TRANSACT",
				   cqe->res < 0 ? -cqe->res : EMSGSIZE);
	worker_completed(worker, vector);
	uring->free[uring->nr_free++] = index;
	if (uring->slots)
		return worker_check_slots(worker, &worker->slot_responses[index * vector], vector);
	return worker_check(worker, &worker->responses[index * vector], vector);
}

static int run_commands(struct uring *uring)
{
	const struct options *options = uring->worker->options;

	if (options->batch % options->vector)
		return worker_fail(uring->worker, "a batch has to be whole vectors", EINVAL);
	while (uring->nr_free < options->depth / options->vector) {
		uring->free[uring->nr_free] = uring->nr_free;
		uring->nr_free++;
	}
	return uring_exchange(uring, prepare_commands, take_command);
}

int uring_cmd_run(struct worker *worker)
{
	struct uring uring = { .worker = worker };

	if (uring_open(&uring, IORING_SETUP_SQE128))
		return -1;
	return run_commands(&uring);
}

int uring_cmd_fixed_run(struct worker *worker)
{
	struct uring uring = { .worker = worker };

	if (uring_open(&uring, IORING_SETUP_SQE128) || uring_register(&uring))
		return -1;
	return run_commands(&uring);
}

int uring_cmd_iopoll_run(struct worker *worker)
{
	struct uring uring = { .worker = worker };

	if (uring_open(&uring, IORING_SETUP_SQE128 | IORING_SETUP_IOPOLL))
		return -1;
	return run_commands(&uring);
}

int uring_slots_run(struct worker *worker)
{
	struct uring uring = { .worker = worker, .slots = true };

	if (uring_open(&uring, IORING_SETUP_SQE128) || worker_map_slots(worker))
		return -1;
	return run_commands(&uring);
}
