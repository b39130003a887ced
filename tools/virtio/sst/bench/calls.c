// SPDX-License-Identifier: GPL-2.0-only
/* Interfaces that are plain system calls. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"
#include "sst_floor.h"

/* Submits a batch with one write. */
static int write_batch(struct worker *worker)
{
	size_t size = worker->options->batch * sizeof(struct sst_request);
	ssize_t ret;

	worker_submitted(worker, worker->options->batch);
	ret = write(worker->fd, worker->requests, size);
	if (ret == (ssize_t)size)
		return 0;
	return worker_fail(worker, "write", ret < 0 ? errno : EMSGSIZE);
}

/* Takes what is there of what was submitted. */
static int read_some(struct worker *worker)
{
	size_t size = worker->in_flight * sizeof(struct sst_response);
	ssize_t ret = read(worker->fd, worker->responses, size);
	unsigned int nr;

	if (ret <= 0)
		return worker_fail(worker, "read", ret ? errno : EPIPE);
	nr = (unsigned int)((size_t)ret / sizeof(struct sst_response));
	worker_completed(worker, nr);
	return worker_check(worker, worker->responses, nr);
}

static int wait_for_response(struct worker *worker)
{
	struct pollfd pollfd = { .fd = worker->fd, .events = POLLIN };

	return poll(&pollfd, 1, -1) == 1 ? 0 : worker_fail(worker, "poll", errno);
}

static int write_and_read(struct worker *worker, bool wait)
{
	int ret = 0;

	worker_start(worker);
	while (!ret) {
		while (!ret && worker_may_submit(worker))
			ret = write_batch(worker);
		if (ret || !worker->in_flight)
			break;
		ret = (wait ? wait_for_response(worker) : 0) ?: read_some(worker);
	}
	return ret;
}

int call_write_read(struct worker *worker)
{
	return write_and_read(worker, false);
}

/* None of the reads sleeps. */
int call_write_poll_read(struct worker *worker)
{
	return write_and_read(worker, true);
}

static int one_at_a_time(struct worker *worker)
{
	if (worker->options->depth == 1 && worker->options->batch == 1)
		return 0;
	return worker_fail(worker, "this interface has one request in flight", EINVAL);
}

int call_ioctl(struct worker *worker)
{
	struct sst_transaction transaction = {
		.request = (uintptr_t)worker->requests,
		.response = (uintptr_t)worker->responses,
		.request_size = sizeof(struct sst_request),
		.response_size = sizeof(struct sst_response),
	};

	if (one_at_a_time(worker))
		return -1;
	worker_start(worker);
	while (worker_may_submit(worker)) {
		worker_submitted(worker, 1);
		if (ioctl(worker->fd, SST_IOCTL_TRANSACT, &transaction))
			return worker_fail(worker, "SST_IOCTL_TRANSACT", errno);
		worker_completed(worker, 1);
		if (worker_check(worker, worker->responses, 1))
			return -1;
	}
	return 0;
}

int call_slots(struct worker *worker)
{
	struct sst_slot_transaction transaction = {
		.requests = (uintptr_t)worker->slot_requests,
		.responses = (uintptr_t)worker->slot_responses,
		.nr = 1,
	};

	if (one_at_a_time(worker) || worker_map_slots(worker))
		return -1;
	worker_start(worker);
	while (worker_may_submit(worker)) {
		worker_submitted(worker, 1);
		if (ioctl(worker->fd, SST_IOCTL_TRANSACT_SLOTS, &transaction) != 1)
			return worker_fail(worker, "SST_IOCTL_TRANSACT_SLOTS", errno);
		worker_completed(worker, 1);
		if (worker_check_slots(worker, worker->slot_responses, 1))
			return -1;
	}
	return 0;
}

int call_empty(struct worker *worker)
{
	if (one_at_a_time(worker))
		return -1;
	worker_start(worker);
	while (worker_may_submit(worker)) {
		worker_submitted(worker, 1);
		if (ioctl(worker->fd, SST_FLOOR_IOCTL_EMPTY))
			return worker_fail(worker, "SST_FLOOR_IOCTL_EMPTY", errno);
		worker_completed(worker, 1);
	}
	return 0;
}

/* Has the floor module measure. */
static int run_ring(struct worker *worker, bool polled)
{
	struct result *result = worker->result;
	struct sst_floor_run run = {
		.depth = worker->options->depth,
		.batch = worker->options->batch,
		.polled = polled,
		.count = worker->options->count,
		.samples = (uintptr_t)result->samples,
		.times = (uintptr_t)result->times,
		.time_ns = worker->options->time_ns,
	};

	if (ioctl(worker->fd, SST_FLOOR_IOCTL_RUN, &run))
		return worker_fail(worker, "SST_FLOOR_IOCTL_RUN", errno);
	result->done = run.count;
	result->elapsed_ns = run.time_ns;
	result->kicks = run.kicks;
	result->interrupts = run.interrupts;
	result->counted = true;
	return 0;
}

int call_ring(struct worker *worker)
{
	return run_ring(worker, false);
}

int call_ring_polled(struct worker *worker)
{
	return run_ring(worker, true);
}

/* Opens the device many times, for who counts the memory that this takes. */
int call_open(struct worker *worker)
{
	worker_start(worker);
	while (worker->result->done < worker->options->count) {
		worker_submitted(worker, 1);
		if (open(worker->options->path, O_RDWR | O_CLOEXEC) < 0)
			return worker_fail(worker, "open", errno);
		worker_completed(worker, 1);
	}
	return 0;
}

/* Leaves responses unread, so that further requests take memory for who counts it. */
int call_grow(struct worker *worker)
{
	struct sst_settings settings = {
		.flags = SST_SETTING_LIMIT,
		.request_limit = SST_REQUEST_LIMIT_MAX,
	};

	if (ioctl(worker->fd, SST_IOCTL_SET_SETTINGS, &settings))
		return worker_fail(worker, "SST_IOCTL_SET_SETTINGS", errno);
	worker_start(worker);
	while (worker->result->done < worker->options->count) {
		worker_submitted(worker, 1);
		if (write(worker->fd, worker->requests, sizeof(struct sst_request)) < 0)
			return worker_fail(worker, "write", errno);
		worker_completed(worker, 1);
	}
	return 0;
}
