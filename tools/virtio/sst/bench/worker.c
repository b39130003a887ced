// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that measures.
 *
 * Time is read from the processor where that can be done: in User Mode Linux each
 * system call takes about as long as what is to be measured.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static double ns_per_tick = 1;

/* The time from which all processes count, in ticks */
static uint64_t base;

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

#ifdef __x86_64__
static uint64_t ticks(void)
{
	return __builtin_ia32_rdtsc();
}

/* Finds out what a tick is. */
static void calibrate(void)
{
	uint64_t start = clock_ns(), first = ticks(), now;

	do
		now = clock_ns();
	while (now - start < 20000000);
	ns_per_tick = (double)(now - start) / (double)(ticks() - first);
}
#else
static uint64_t ticks(void)
{
	return clock_ns();
}

static void calibrate(void)
{
}
#endif

static uint64_t ticks_to_ns(uint64_t n)
{
	return (uint64_t)((double)n * ns_per_tick);
}

int worker_fail(struct worker *worker, const char *what, int error)
{
	snprintf(worker->result->error, sizeof(worker->result->error), "%s: %s", what,
		 strerror(error));
	return -1;
}

void worker_start(struct worker *worker)
{
	worker->start = ticks();
	worker->end = worker->start +
		      (uint64_t)((double)worker->options->time_ns / ns_per_tick);
}

bool worker_may_submit(const struct worker *worker)
{
	const struct options *options = worker->options;
	uint64_t begun = worker->result->done + worker->in_flight;

	return worker->in_flight + options->batch <= options->depth &&
	       begun + options->batch <= options->count && (!begun || ticks() < worker->end);
}

void worker_submitted(struct worker *worker, unsigned int nr)
{
	uint64_t now = ticks();

	while (nr--) {
		worker->submitted[(worker->first + worker->in_flight) % BENCH_DEPTH_MAX] = now;
		worker->in_flight++;
	}
}

void worker_completed(struct worker *worker, unsigned int nr)
{
	struct result *result = worker->result;
	uint64_t now = ticks();

	while (nr--) {
		result->samples[result->done] =
			(uint32_t)ticks_to_ns(now - worker->submitted[worker->first]);
		result->times[result->done++] = ticks_to_ns(now - base);
		worker->first = (worker->first + 1) % BENCH_DEPTH_MAX;
		worker->in_flight--;
	}
	result->elapsed_ns = ticks_to_ns(now - worker->start);
}

int worker_check(struct worker *worker, const struct sst_response *response, unsigned int nr)
{
	for (; nr--; response++)
		if (response->status != SST_RESPONSE_OK)
			return worker_fail(worker, "response with a wrong status", EPROTO);
	return 0;
}

int worker_check_slots(struct worker *worker, const struct sst_slot_response *response,
		       unsigned int nr)
{
	for (; nr--; response++)
		if (response->status != SST_RESPONSE_OK)
			return worker_fail(worker, "response with a wrong status", EPROTO);
	return 0;
}

/* The null device has no memory to map: it only copies what stands beside it. */
int worker_map_slots(struct worker *worker)
{
	struct sst_slot_setup setup = { .nr = BENCH_DEPTH_MAX };
	unsigned int i;

	if (ioctl(worker->fd, SST_IOCTL_SETUP_SLOTS, &setup))
		return worker_fail(worker, "SST_IOCTL_SETUP_SLOTS", errno);
	if (setup.size && mmap(NULL, setup.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			       worker->fd, 0) == MAP_FAILED)
		return worker_fail(worker, "mmap of slots", errno);
	for (i = 0; i < BENCH_DEPTH_MAX; i++) {
		worker->slot_requests[i].type = SST_REQUEST_ECHO;
		worker->slot_requests[i].user_data = i + 1;
		worker->slot_requests[i].index = i;
	}
	return 0;
}

/*
 * Some interfaces, and depths, need a higher limit than an open file has at first. The
 * floor has none.
 */
static int prepare_file(struct worker *worker)
{
	struct sst_info info;
	struct sst_settings settings = {
		.flags = SST_SETTING_LIMIT,
		.request_limit = 4 * BENCH_DEPTH_MAX,
	};

	if (strncmp(worker->options->path, "/dev/sst", 8) ||
	    (ioctl(worker->fd, SST_IOCTL_GET_INFO, &info) && errno == ENOTTY))
		return 0;
	worker->result->pairs = info.queue_pairs;
	if (!ioctl(worker->fd, SST_IOCTL_SET_SETTINGS, &settings))
		return 0;
	return worker_fail(worker, "SST_IOCTL_SET_SETTINGS", errno);
}

static int open_device(struct worker *worker)
{
	if (worker->options->interface->open)
		return worker->options->interface->open(worker);
	worker->fd = open(worker->options->path, O_RDWR | O_CLOEXEC);
	if (worker->fd < 0)
		return worker_fail(worker, worker->options->path, errno);
	return prepare_file(worker);
}

static int get_memory(struct worker *worker)
{
	size_t requests = BENCH_DEPTH_MAX * sizeof(*worker->requests);
	size_t size = requests + BENCH_DEPTH_MAX * sizeof(*worker->responses);
	uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	unsigned int i;

	if (memory == MAP_FAILED)
		return worker_fail(worker, "mmap", errno);
	worker->requests = (struct sst_request *)memory;
	worker->responses = (struct sst_response *)(memory + requests);
	for (i = 0; i < BENCH_DEPTH_MAX; i++) {
		worker->requests[i].type = SST_REQUEST_ECHO;
		worker->requests[i].user_data = i + 1;
	}
	return 0;
}

/* Waits until all are ready, so that they begin together. */
static void wait_for_others(const struct options *options, atomic_uint *ready)
{
	atomic_fetch_add(ready, 1);
	while (atomic_load(ready) < options->processes)
		usleep(1000);
}

static void work(const struct options *options, struct result *result, atomic_uint *ready)
{
	struct worker worker = { .options = options, .result = result, .fd = -1 };
	int ret = open_device(&worker);

	if (!ret)
		ret = get_memory(&worker);
	wait_for_others(options, ready);
	if (!ret)
		options->interface->run(&worker);
}

static void *shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int workers_run(const struct options *options, struct result **results)
{
	atomic_uint *ready = shared(sizeof(*ready));
	unsigned int i;
	int status;
	pid_t pid;

	calibrate();
	base = ticks();
	for (i = 0; i < options->processes; i++) {
		results[i] = shared(sizeof(*results[i]));
		pid = ready && results[i] ? fork() : -1;
		if (pid < 0)
			return -1;
		if (!pid) {
			work(options, results[i], ready);
			_exit(0);
		}
	}
	for (i = 0; i < options->processes; i++)
		if (wait(&status) < 0 || status)
			return -1;
	return 0;
}
