// SPDX-License-Identifier: GPL-2.0-only
/* The interface of libaio. */

#include <errno.h>
#include <libaio.h>

#include "bench.h"

/* Requests, and a write for each batch of them */
#define AIO_EVENTS	(2 * BENCH_DEPTH_MAX)

/**
 * struct aio - a context, and what is in flight in it
 * @worker: the process
 * @context: the context
 * @writes: writes of a batch, used in turn
 * @reads: reads of a response, used in turn
 * @nr_writes: how many writes there were
 * @nr_reads: how many reads there were
 * @unwritten: writes that have not completed
 */
struct aio {
	struct worker *worker;
	io_context_t context;
	struct iocb writes[BENCH_DEPTH_MAX];
	struct iocb reads[BENCH_DEPTH_MAX];
	unsigned int nr_writes;
	unsigned int nr_reads;
	unsigned int unwritten;
};

static int aio_submit(struct aio *aio)
{
	struct worker *worker = aio->worker;
	unsigned int i, batch = worker->options->batch;
	struct iocb *iocb = &aio->writes[aio->nr_writes++ % BENCH_DEPTH_MAX];
	struct iocb *iocbs[1 + BENCH_DEPTH_MAX] = { iocb };
	int ret;

	io_prep_pwrite(iocb, worker->fd, worker->requests, batch * sizeof(struct sst_request), 0);
	for (i = 0; i < batch; i++) {
		iocb = &aio->reads[aio->nr_reads++ % BENCH_DEPTH_MAX];
		io_prep_pread(iocb, worker->fd, &worker->responses[i],
			      sizeof(struct sst_response), 0);
		iocbs[i + 1] = iocb;
	}
	worker_submitted(worker, batch);
	aio->unwritten++;
	ret = io_submit(aio->context, 1 + (long)batch, iocbs);
	if (ret == 1 + (int)batch)
		return 0;
	return worker_fail(worker, "io_submit", ret < 0 ? -ret : EAGAIN);
}

static int aio_take(struct aio *aio, const struct io_event *event)
{
	struct worker *worker = aio->worker;
	bool write = event->obj->aio_lio_opcode == IO_CMD_PWRITE;
	size_t size = write ? worker->options->batch * sizeof(struct sst_request) :
			      sizeof(struct sst_response);
	long ret = (long)event->res;

	if (ret != (long)size)
		return worker_fail(worker, write ? "IOCB_CMD_PWRITE" : "IOCB_CMD_PREAD",
				   ret < 0 ? (int)-ret : EMSGSIZE);
	if (write)
		aio->unwritten--;
	else
		worker_completed(worker, 1);
	return 0;
}

static int aio_reap(struct aio *aio)
{
	struct io_event events[AIO_EVENTS];
	int i, n = io_getevents(aio->context, 1, AIO_EVENTS, events, NULL);
	int ret = 0;

	if (n < 0)
		return worker_fail(aio->worker, "io_getevents", -n);
	for (i = 0; i < n && !ret; i++)
		ret = aio_take(aio, &events[i]);
	return ret;
}

int aio_run(struct worker *worker)
{
	struct aio aio = { .worker = worker };
	int ret = io_setup(AIO_EVENTS, &aio.context);

	if (ret)
		return worker_fail(worker, "io_setup", -ret);
	worker_start(worker);
	while (!ret) {
		while (!ret && worker_may_submit(worker))
			ret = aio_submit(&aio);
		if (ret || !(worker->in_flight + aio.unwritten))
			break;
		ret = aio_reap(&aio);
	}
	return ret;
}
