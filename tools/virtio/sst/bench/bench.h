/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmark: what its parts share.
 *
 * An interface is a way to exchange messages with a device. Its function keeps up to
 * "depth" requests in flight, submits "batch" of them at a time, and tells its worker
 * about both, which notes what each request took.
 */

#ifndef SST_BENCH_H
#define SST_BENCH_H

#include <linux/virtio_sst.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most requests in flight of a process */
#define BENCH_DEPTH_MAX		128

/* Most requests of a process in one run */
#define BENCH_SAMPLES_MAX	(1U << 20)

#define BENCH_PROCESSES_MAX	16

/**
 * struct options - what to measure
 * @path: the device, or CID:PORT of a socket
 * @interface: how to exchange messages
 * @depth: requests in flight
 * @batch: requests that are submitted together
 * @vector: requests in one command of io_uring
 * @processes: processes that do the same at the same time
 * @count: requests of each process at most
 * @time_ns: how long to go on
 * @label: what the row is called
 */
struct options {
	const char *path;
	const struct interface *interface;
	unsigned int depth;
	unsigned int batch;
	unsigned int vector;
	unsigned int processes;
	unsigned int count;
	uint64_t time_ns;
	const char *label;
};

/**
 * struct result - what came of a process, in memory that is shared with it
 * @done: requests that are over
 * @elapsed_ns: from the first to the last
 * @kicks: notifications of the device, if the interface counts them
 * @interrupts: the same for interrupts
 * @counted: the interface counts them
 * @pairs: pairs of queues of the device, 0 if it is none of ours
 * @error: what went wrong, empty if nothing did
 * @samples: what each request took, in nanoseconds
 * @times: when each was over, in nanoseconds from a time that all processes share
 */
struct result {
	uint64_t done;
	uint64_t elapsed_ns;
	uint64_t kicks;
	uint64_t interrupts;
	bool counted;
	unsigned int pairs;
	char error[128];
	uint32_t samples[BENCH_SAMPLES_MAX];
	uint64_t times[BENCH_SAMPLES_MAX];
};

/**
 * struct worker - a process that measures
 * @options: what to measure
 * @result: what came of it
 * @fd: the device
 * @requests: memory for BENCH_DEPTH_MAX requests, ready to be sent
 * @responses: memory for as many responses, behind @requests
 * @slot_requests: requests in as many slots that are shared with the device
 * @slot_responses: their responses
 * @in_flight: requests that were submitted and are not over
 * @submitted: when they were, the oldest one at @first
 * @first: index of the oldest one
 * @start: when the first one was submitted, in ticks
 * @end: when to submit no more
 */
struct worker {
	const struct options *options;
	struct result *result;
	int fd;
	struct sst_request *requests;
	struct sst_response *responses;
	struct sst_slot_request slot_requests[BENCH_DEPTH_MAX];
	struct sst_slot_response slot_responses[BENCH_DEPTH_MAX];
	unsigned int in_flight;
	uint64_t submitted[BENCH_DEPTH_MAX];
	unsigned int first;
	uint64_t start;
	uint64_t end;
};

/**
 * struct interface - a way to exchange messages
 * @name: what it is called
 * @open: opens @worker->fd, NULL for open(2)
 * @run: exchanges messages. Returns 0, or -1 after worker_fail()
 */
struct interface {
	const char *name;
	int (*open)(struct worker *worker);
	int (*run)(struct worker *worker);
};

/* Takes note of what failed, and why: @error is an errno. Return: -1 */
int worker_fail(struct worker *worker, const char *what, int error);

/* The clock starts */
void worker_start(struct worker *worker);

/* Returns whether to submit a batch before anything is waited for */
bool worker_may_submit(const struct worker *worker);

/* @nr requests are about to be submitted together */
void worker_submitted(struct worker *worker, unsigned int nr);

/* The @nr oldest requests are over */
void worker_completed(struct worker *worker, unsigned int nr);

/* Looks at @nr responses, in memory or in slots. Return: 0, or -1 after worker_fail() */
int worker_check(struct worker *worker, const struct sst_response *response, unsigned int nr);
int worker_check_slots(struct worker *worker, const struct sst_slot_response *response,
		       unsigned int nr);

/* Gets slots that are shared with the device. Return: the same */
int worker_map_slots(struct worker *worker);

/* Runs @options in processes of their own, and waits for them */
int workers_run(const struct options *options, struct result **results);

/* interfaces */
int call_write_read(struct worker *worker);
int call_write_poll_read(struct worker *worker);
int call_ioctl(struct worker *worker);
int call_slots(struct worker *worker);
int call_empty(struct worker *worker);
int call_ring(struct worker *worker);
int call_ring_polled(struct worker *worker);
int call_open(struct worker *worker);
int call_grow(struct worker *worker);
int stream_vsock_open(struct worker *worker);
int stream_run(struct worker *worker);
int uring_run(struct worker *worker);
int uring_fixed_run(struct worker *worker);
int uring_cmd_run(struct worker *worker);
int uring_cmd_fixed_run(struct worker *worker);
int uring_cmd_iopoll_run(struct worker *worker);
int aio_run(struct worker *worker);
int uring_slots_run(struct worker *worker);

#endif /* SST_BENCH_H */
