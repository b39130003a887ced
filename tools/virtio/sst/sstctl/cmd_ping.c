// SPDX-License-Identifier: GPL-2.0-only
/* ping: how long answers take. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../util.h"
#include "commands.h"
#include "device.h"
#include "fail.h"
#include "format.h"
#include "interrupt.h"
#include "output.h"
#include "request.h"
#include "rtt.h"

#define NS_IN_MS	1e6

/**
 * struct ping - what is known so far
 * @options: the command line
 * @device: the device
 * @exchange: the request and its response
 * @start: when the first one was sent
 * @due: when the last one was to be sent
 * @sent: number of requests
 * @timeouts: how many of them were not answered in time
 * @failed: how many of them ended with another status than OK, or came back changed
 * @rtt: the times of the others
 * @gone: the device went away
 */
struct ping {
	const struct options *options;
	struct device device;
	struct exchange exchange;
	uint64_t start;
	uint64_t due;
	uint64_t sent;
	uint64_t timeouts;
	uint64_t failed;
	struct rtt rtt;
	bool gone;
};

/* Has each request another payload, so that an old answer is noticed */
static void fill(struct ping *ping)
{
	uint8_t *payload = ping->exchange.request.payload;
	uint32_t i;

	for (i = 0; i < ping->options->size; i++)
		payload[i] = (uint8_t)(i + ping->sent);
}

static bool came_back(const struct ping *ping)
{
	return !memcmp(ping->exchange.request.payload, ping->exchange.response.payload,
		       ping->options->size);
}

/* Judges an answer. Return: what was wrong, or NULL */
static const char *judge(struct ping *ping, char *text)
{
	const struct sst_response *response = &ping->exchange.response;

	switch (response_exit_code(response)) {
	case EXIT_DONE:
		if (came_back(ping)) {
			rtt_add(&ping->rtt, ping->exchange.ns);
			return NULL;
		}
		ping->failed++;
		return "CHANGED";
	case EXIT_TIMED_OUT:
		ping->timeouts++;
		break;
	default:
		ping->failed++;
	}
	return response_status(text, response);
}

static const char *meaning(const struct ping *ping)
{
	return response_exit_code(&ping->exchange.response) ?
	       response_meaning(&ping->exchange.response) : "the payload is not the same";
}

/* Prints how a request ended; @wrong: what was wrong, or NULL */
static void print_answer(const struct ping *ping, const char *wrong)
{
	struct record record = { 0 };

	if (ping->options->quiet)
		return;
	record_text(&record, "device", NULL, ping->device.name);
	record_number(&record, VALUE_NUMBER, "seq", NULL, ping->sent);
	record_text(&record, "status", NULL, wrong ? wrong : "OK");
	record_number(&record, VALUE_NS, "time_ns", NULL, ping->exchange.ns);
	if (wrong)
		output_line(ping->options->json, &record, "%s: seq=%" PRIu64 " %s, %s",
			    ping->device.name, ping->sent, wrong, meaning(ping));
	else
		output_line(ping->options->json, &record,
			    "%u bytes from %s: seq=%" PRIu64 " time=%.3f ms", ping->options->size,
			    ping->device.name, ping->sent, (double)ping->exchange.ns / NS_IN_MS);
	output_flush();
}

/* Sends one request. Return: whether there can be another one */
static bool ping_once(struct ping *ping)
{
	char text[FORMAT_SIZE];
	int error;

	ping->sent++;
	fill(ping);
	error = exchange_run(&ping->device, &ping->exchange);
	if (error == ENODEV)
		ping->gone = true;
	else if (error == EINTR)
		/* It was given up. */
		ping->sent--;
	else if (error)
		fail(EXIT_OTHER, "%s: %s", ping->device.name, strerror(error));
	if (error)
		return false;
	print_answer(ping, judge(ping, text));
	return true;
}

/* Waits until the next request is due. Return: whether there is to be one */
static bool wait_for_next(struct ping *ping)
{
	uint64_t now = now_ns();

	if (ping->sent == ping->options->count)
		return false;
	ping->due += ping->options->interval_ns;
	if (ping->due > now)
		interrupt_wait(-1, ping->due - now);
	else
		ping->due = now;
	return !interrupted();
}

static void describe_times(struct record *record, const struct rtt *rtt)
{
	enum value_kind kind = rtt->nr ? VALUE_NS : VALUE_NONE;

	record_number(record, kind, "rtt_min_ns", NULL, rtt->min);
	record_number(record, kind, "rtt_avg_ns", NULL, rtt_average(rtt));
	record_number(record, kind, "rtt_max_ns", NULL, rtt->max);
	record_number(record, kind, "rtt_mdev_ns", NULL, rtt_deviation(rtt));
}

static void print_times(const struct rtt *rtt)
{
	printf("rtt min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms\n", (double)rtt->min / NS_IN_MS,
	       (double)rtt_average(rtt) / NS_IN_MS, (double)rtt->max / NS_IN_MS,
	       (double)rtt_deviation(rtt) / NS_IN_MS);
}

static void print_summary(const struct ping *ping)
{
	uint64_t ns = now_ns() - ping->start;
	uint64_t lost = ping->sent - ping->rtt.nr;
	struct record record = { 0 };

	record_text(&record, "device", NULL, ping->device.name);
	record_number(&record, VALUE_NUMBER, "sent", NULL, ping->sent);
	record_number(&record, VALUE_NUMBER, "answered", NULL, ping->rtt.nr);
	record_number(&record, VALUE_NUMBER, "timeouts", NULL, ping->timeouts);
	record_number(&record, VALUE_NUMBER, "failed", NULL, ping->failed);
	record_number(&record, VALUE_NS, "time_ns", NULL, ns);
	describe_times(&record, &ping->rtt);
	output_line(ping->options->json, &record,
		    "\n--- %s ping statistics ---\n"
		    "%" PRIu64 " requests sent, %" PRIu64 " answered, %.3g%% lost, time %" PRIu64 " ms",
		    ping->device.name, ping->sent, ping->rtt.nr,
		    ping->sent ? 100.0 * (double)lost / (double)ping->sent : 0, ns / NSEC_PER_MSEC);
	if (!ping->options->json && ping->rtt.nr)
		print_times(&ping->rtt);
}

static int exit_code(const struct ping *ping)
{
	if (ping->gone)
		device_gone(&ping->device);
	if (ping->failed)
		return EXIT_REFUSED;
	return ping->timeouts || !ping->rtt.nr ? EXIT_TIMED_OUT : EXIT_DONE;
}

int command_ping(const struct options *options, int argc, char **argv)
{
	struct ping ping = { .options = options };

	(void)argc;
	(void)argv;
	device_open(&ping.device, options);
	exchange_init(&ping.exchange, SST_REQUEST_ECHO);
	interrupt_catch();
	if (!options->json)
		printf("PING %s: %u bytes of payload\n", ping.device.name, options->size);
	output_flush();
	ping.start = now_ns();
	ping.due = ping.start;
	while (ping_once(&ping) && wait_for_next(&ping))
		;
	print_summary(&ping);
	device_close(&ping.device);
	return exit_code(&ping);
}
