// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exchanges messages with an SST device, or with one of the benchmark's floor, in one of
 * the ways that programs have, and prints what that takes, as a line of JSON.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "util.h"

static const struct interface interfaces[] = {
	{ "write-read", NULL, call_write_read },
	{ "write-poll-read", NULL, call_write_poll_read },
	{ "ioctl", NULL, call_ioctl },
	{ "uring", NULL, uring_run },
	{ "uring-fixed", NULL, uring_fixed_run },
	{ "uring-cmd", NULL, uring_cmd_run },
	{ "uring-cmd-fixed", NULL, uring_cmd_fixed_run },
	{ "uring-cmd-iopoll", NULL, uring_cmd_iopoll_run },
	{ "aio", NULL, aio_run },
	{ "mmap", NULL, uring_slots_run },
	{ "mmap-ioctl", NULL, call_slots },
	{ "stream", NULL, stream_run },
	{ "vsock", stream_vsock_open, stream_run },
	{ "empty", NULL, call_empty },
	{ "ring", NULL, call_ring },
	{ "ring-polled", NULL, call_ring_polled },
	{ "open", NULL, call_open },
	{ "grow", NULL, call_grow },
};

/* What a device has counted, from its file "stats", and how it is set */
struct counters {
	unsigned long long requests;
	unsigned long long kicks;
	unsigned long long interrupts;
	unsigned long long slots;
	unsigned int busy_poll_us;
};

static void usage(FILE *file)
{
	size_t i;

	fputs("usage: bench --device PATH --interface NAME [--depth N] [--batch N]\n"
	      "             [--vector N] [--processes N] [--time MS] [--count N] [--label TEXT]\n\n"
	      "Prints a line of JSON. PATH is /dev/sstN, /dev/sst-null, /dev/sst-floor, a\n"
	      "port of a console, or CID:PORT of a socket. Interfaces:", file);
	for (i = 0; i < ARRAY_SIZE(interfaces); i++)
		fprintf(file, " %s", interfaces[i].name);
	fputs("\n", file);
}

static void wrong_usage(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	usage(stderr);
	exit(2);
}

static const struct interface *find_interface(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(interfaces); i++)
		if (!strcmp(interfaces[i].name, name))
			return &interfaces[i];
	wrong_usage("no such interface");
	return NULL;
}

static unsigned int number(const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || !value || value > max)
		wrong_usage("a number is out of range");
	return (unsigned int)value;
}

static void parse(struct options *options, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "device", required_argument, NULL, 'f' },
		{ "interface", required_argument, NULL, 'i' },
		{ "depth", required_argument, NULL, 'd' },
		{ "batch", required_argument, NULL, 'b' },
		{ "vector", required_argument, NULL, 'v' },
		{ "processes", required_argument, NULL, 'p' },
		{ "time", required_argument, NULL, 't' },
		{ "count", required_argument, NULL, 'c' },
		{ "label", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 'f':
			options->path = optarg;
			break;
		case 'i':
			options->interface = find_interface(optarg);
			break;
		case 'd':
			options->depth = number(optarg, BENCH_DEPTH_MAX);
			break;
		case 'b':
			options->batch = number(optarg, BENCH_DEPTH_MAX);
			break;
		case 'v':
			options->vector = number(optarg, BENCH_DEPTH_MAX);
			break;
		case 'p':
			options->processes = number(optarg, BENCH_PROCESSES_MAX);
			break;
		case 't':
			options->time_ns = number(optarg, 100000) * 1000000ull;
			break;
		case 'c':
			options->count = number(optarg, BENCH_SAMPLES_MAX);
			break;
		case 'l':
			options->label = optarg;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind < argc || !options->path || !options->interface)
		wrong_usage("a device and an interface are needed, and nothing else");
	if (options->batch > options->depth)
		wrong_usage("the batch is larger than the depth");
}

/* Opens the file called @attribute of our device, if it is one and has it. */
static FILE *open_attribute(const struct options *options, const char *attribute)
{
	const char *name = strrchr(options->path, '/');
	char path[256];

	snprintf(path, sizeof(path), "/sys/class/virtio-sst%s/%s", name ? name : "/", attribute);
	return fopen(path, "r");
}

static void read_busy_poll(const struct options *options, struct counters *counters)
{
	FILE *file = open_attribute(options, "busy_poll_us");

	if (!file)
		return;
	if (fscanf(file, "%u", &counters->busy_poll_us) != 1)
		counters->busy_poll_us = 0;
	fclose(file);
}

static void read_counters(const struct options *options, struct counters *counters)
{
	FILE *file = open_attribute(options, "stats");
	unsigned long long value;
	char word[64];

	memset(counters, 0, sizeof(*counters));
	if (!file)
		return;
	while (fscanf(file, "%63s %llu", word, &value) == 2) {
		if (!strcmp(word, "requests"))
			counters->requests = value;
		else if (!strcmp(word, "kicks"))
			counters->kicks = value;
		else if (!strcmp(word, "interrupts"))
			counters->interrupts = value;
		else if (!strcmp(word, "slots"))
			counters->slots = value;
	}
	fclose(file);
	read_busy_poll(options, counters);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t sample_of(const struct result *result, size_t i)
{
	return result->samples[i];
}

static uint64_t time_of(const struct result *result, size_t i)
{
	return result->times[i];
}

/* Puts what @get returns of all processes' requests together, sorted. Return: or NULL */
static uint64_t *gather(struct result **results, unsigned int processes, size_t n,
			uint64_t (*get)(const struct result *result, size_t i))
{
	uint64_t *all = malloc((n + 1) * sizeof(*all));
	unsigned int i;
	size_t j;

	if (!all)
		return NULL;
	n = 0;
	for (i = 0; i < processes; i++)
		for (j = 0; j < results[i]->done; j++)
			all[n++] = get(results[i], j);
	qsort(all, n, sizeof(*all), compare);
	return all;
}

/*
 * The rate at which requests usually end: the median of the times that many of them in a
 * row take, so that what else the machine does now and then is left out.
 */
static double usual_rate(const struct options *options, const uint64_t *times, size_t n,
			 double mean)
{
	size_t row = (options->depth < 4 ? 16 : 4 * options->depth) * options->processes;
	size_t i, nr = n ? (n - 1) / row : 0;
	uint64_t *took = malloc((nr + 1) * sizeof(*took));
	uint64_t median = 0;

	if (took && nr) {
		for (i = 0; i < nr; i++)
			took[i] = times[(i + 1) * row] - times[i * row];
		qsort(took, nr, sizeof(*took), compare);
		median = took[nr / 2];
	}
	free(took);
	return median ? (double)row * 1e9 / (double)median : mean;
}

static void print_figures(const struct options *options, struct result **results, size_t n,
			  uint64_t elapsed)
{
	uint64_t *samples = gather(results, options->processes, n, sample_of);
	uint64_t *times = gather(results, options->processes, n, time_of);
	double mean = (double)n * 1e9 / (double)elapsed;

	if (samples && times)
		printf(",\"n\":%zu,\"rate\":%.1f,\"mean_rate\":%.1f,\"p50\":%.3f,\"p99\":%.3f", n,
		       usual_rate(options, times, n, mean), mean, (double)samples[n / 2] / 1e3,
		       (double)samples[n * 99 / 100] / 1e3);
	free(times);
	free(samples);
}

static void print_options(const struct options *options)
{
	printf("{\"label\":\"%s\",\"path\":\"%s\",\"interface\":\"%s\"", options->label,
	       options->path, options->interface->name);
	printf(",\"depth\":%u,\"batch\":%u,\"vector\":%u,\"processes\":%u", options->depth,
	       options->batch, options->vector, options->processes);
}

static void print_counters(struct result **results, const struct counters *before,
			   const struct counters *after)
{
	if (results[0]->counted)
		printf(",\"requests\":%llu,\"kicks\":%llu,\"interrupts\":%llu",
		       (unsigned long long)results[0]->done,
		       (unsigned long long)results[0]->kicks,
		       (unsigned long long)results[0]->interrupts);
	else if (after->requests)
		printf(",\"requests\":%llu,\"kicks\":%llu,\"interrupts\":%llu,\"slots\":%llu"
		       ",\"busy_poll_us\":%u",
		       after->requests - before->requests, after->kicks - before->kicks,
		       after->interrupts - before->interrupts, after->slots - before->slots,
		       after->busy_poll_us);
}

/* Prints the row: what was measured, or why it could not be. */
static void print_row(const struct options *options, struct result **results,
		      const struct counters *before, const struct counters *after)
{
	uint64_t elapsed = 1;
	unsigned int i;
	size_t n = 0;

	print_options(options);
	for (i = 0; i < options->processes; i++) {
		if (results[i]->error[0]) {
			printf(",\"error\":\"%s\"}\n", results[i]->error);
			return;
		}
		if (results[i]->elapsed_ns > elapsed)
			elapsed = results[i]->elapsed_ns;
		n += results[i]->done;
	}
	if (results[0]->pairs)
		printf(",\"pairs\":%u", results[0]->pairs);
	if (n)
		print_figures(options, results, n, elapsed);
	print_counters(results, before, after);
	puts(n ? "}" : ",\"error\":\"nothing was exchanged\"}");
}

int main(int argc, char **argv)
{
	struct options options = {
		.depth = 1,
		.batch = 1,
		.vector = 1,
		.processes = 1,
		.count = BENCH_SAMPLES_MAX,
		.time_ns = 300000000,
		.label = "",
	};
	struct result *results[BENCH_PROCESSES_MAX];
	struct counters before, after;

	parse(&options, argc, argv);
	read_counters(&options, &before);
	if (workers_run(&options, results)) {
		fputs("bench: a process could not be started, or failed\n", stderr);
		return 1;
	}
	read_counters(&options, &after);
	print_row(&options, results, &before, &after);
	return 0;
}
