// SPDX-License-Identifier: GPL-2.0-only
/* stats: what the driver has counted. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../util.h"
#include "commands.h"
#include "device.h"
#include "fail.h"
#include "interrupt.h"
#include "netlink.h"
#include "output.h"

/* Rows on a terminal until the headline comes again */
#define HEADLINE_ROWS	20

/* Six columns of figures that do not move fit into 80 */
#define ROW_WIDTH	9

/**
 * struct counter - something that the driver counts
 * @number: VIRTIO_SST_A_STATS_*
 * @key: its name in JSON
 * @label: in front of it in a list
 * @headline: above its column in a table of pairs of queues, or NULL
 * @rate_key: the name in JSON of how much it grows in a second, or NULL
 * @rate_headline: above its column when its growth is watched, or NULL
 * @of_queues: pairs of queues have it, too
 */
struct counter {
	unsigned int number;
	const char *key;
	const char *label;
	const char *headline;
	const char *rate_key;
	const char *rate_headline;
	bool of_queues;
};

#define COUNTER(NUMBER, key, label, headline, of_queues) \
	{ VIRTIO_SST_A_STATS_##NUMBER, key, label, headline, NULL, NULL, of_queues }
#define RATE(NUMBER, key, label, headline, of_queues) \
	{ VIRTIO_SST_A_STATS_##NUMBER, key, label, headline, key "_per_second", headline "/s", \
	  of_queues }

static const struct counter counters[] = {
	RATE(REQUESTS, "requests", "requests", "REQUESTS", true),
	RATE(RESPONSES, "responses", "responses", "RESPONSES", true),
	RATE(EVENTS, "events", "events", "EVENTS", false),
	RATE(ERRORS, "errors", "errors", "ERRORS", false),
	COUNTER(TIMEOUTS, "timeouts", "  time-outs", "TIME-OUTS", true),
	COUNTER(MALFORMED, "malformed", "  malformed responses", NULL, true),
	COUNTER(MALFORMED_EVENTS, "malformed_events", "  malformed events", NULL, false),
	COUNTER(LOST_EVENTS, "lost_events", "lost events", NULL, false),
	COUNTER(LATE, "late", "late responses", "LATE", true),
	COUNTER(ABANDONED, "abandoned", "abandoned", NULL, true),
	COUNTER(CANCELLED, "cancelled", "cancelled", NULL, true),
	COUNTER(ABORTED, "aborted", "aborted", NULL, true),
	COUNTER(MISMATCHES, "mismatches", "mismatches", NULL, true),
	COUNTER(UNMATCHED, "unmatched", "unmatched", NULL, true),
	COUNTER(RESETS, "resets", "resets", NULL, false),
	RATE(KICKS, "kicks", "kicks", "KICKS", true),
	{ VIRTIO_SST_A_STATS_INTERRUPTS, "interrupts", "interrupts", "INTERRUPTS",
	  "interrupts_per_second", NULL, true },
	COUNTER(LOST_RESPONSE_BUFFERS, "lost_response_buffers", "lost response buffers", NULL,
		true),
	COUNTER(LOST_EVENT_BUFFERS, "lost_event_buffers", "lost event buffers", NULL, false),
};

/**
 * struct state - what is so now
 * @device: VIRTIO_SST_A_DEVICE_*
 * @queue: VIRTIO_SST_A_QUEUE_*
 * @key: its name in JSON
 * @label: in front of it in a list
 * @headline: above its column, or NULL
 */
static const struct state {
	unsigned int device;
	unsigned int queue;
	const char *key;
	const char *label;
	const char *headline;
} states[] = {
	{ VIRTIO_SST_A_DEVICE_IN_FLIGHT, VIRTIO_SST_A_QUEUE_IN_FLIGHT, "in_flight", "in flight",
	  "IN FLIGHT" },
	{ VIRTIO_SST_A_DEVICE_ZOMBIES, VIRTIO_SST_A_QUEUE_ZOMBIES, "zombies", "zombies", NULL },
	{ VIRTIO_SST_A_DEVICE_SLOTS, VIRTIO_SST_A_QUEUE_SLOTS, "slots", "slots", NULL },
};

/**
 * struct sample - what the driver told at a time
 * @list: the device, or its pairs of queues
 * @ns: the time
 */
struct sample {
	struct nl_list list;
	uint64_t ns;
};

/* Return: whether the device is there */
static bool take_sample(struct netlink *nl, const struct device *device, bool queues,
			struct sample *sample)
{
	bool there;

	sample->ns = now_ns();
	if (queues) {
		there = netlink_queues(nl, device->index, &sample->list);
		return there && sample->list.nr;
	}
	sample->list.nr = 1;
	sample->list.objects = calloc(1, sizeof(*sample->list.objects));
	if (!sample->list.objects)
		fail(EXIT_OTHER, "out of memory");
	return netlink_device(nl, device->index, sample->list.objects);
}

/* In a table, labels are headlines */
static void describe_states(struct record *record, const struct nl_object *object, bool queues,
			    bool table)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		record_number(record, VALUE_COUNTER, states[i].key,
			      table ? states[i].headline : states[i].label,
			      object->value[queues ? states[i].queue : states[i].device]);
}

static void describe_name(struct record *record, const struct device *device,
			  const struct nl_object *object, bool queues, bool table)
{
	record_text(record, "device", table ? "DEVICE" : "device", device->name);
	if (queues)
		record_number(record, VALUE_NUMBER, "pair", "PAIR",
			      object->value[VIRTIO_SST_A_QUEUE_INDEX]);
}

static void describe(struct record *record, const struct device *device,
		     const struct nl_object *object, bool queues)
{
	unsigned int i;

	describe_name(record, device, object, queues, queues);
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		if (counters[i].of_queues || !queues)
			record_number(record, VALUE_COUNTER, counters[i].key,
				      queues ? counters[i].headline : counters[i].label,
				      object->stats[counters[i].number]);
	describe_states(record, object, queues, queues);
}

/* What has changed since the sample before; JSON has what was counted in all as well */
static void describe_change(struct record *record, const struct device *device,
			    const struct nl_object *before, const struct nl_object *now,
			    uint64_t ns, bool queues)
{
	unsigned int i;

	describe_name(record, device, now, queues, true);
	record_number(record, VALUE_NS, "time_ns", NULL, ns);
	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		const struct counter *counter = &counters[i];
		uint64_t value = now->stats[counter->number];

		if (queues && !counter->of_queues)
			continue;
		record_number(record, VALUE_COUNTER, counter->key, NULL, value);
		/* A device that was taken again counts from 0 */
		if (counter->rate_key)
			record_rate(record, counter->rate_key, counter->rate_headline,
				    (double)(value - (value < before->stats[counter->number] ? 0 :
						      before->stats[counter->number])) *
				    (double)NSEC_PER_SEC / (double)ns);
	}
	describe_states(record, now, queues, true);
}

static void print_once(const struct options *options, struct netlink *nl,
		       const struct device *device)
{
	struct record *records;
	struct sample sample;
	unsigned int i;

	if (!take_sample(nl, device, options->queues, &sample))
		device_unknown(device);
	records = calloc(sample.list.nr, sizeof(*records));
	if (!records)
		fail(EXIT_OTHER, "out of memory");
	for (i = 0; i < sample.list.nr; i++)
		describe(&records[i], device, &sample.list.objects[i], options->queues);
	if (options->queues)
		output_table(options->json, records, sample.list.nr);
	else
		output_list(options->json, records);
	free(records);
	nl_list_free(&sample.list);
}

static void print_change(const struct options *options, const struct device *device,
			 const struct sample *before, const struct sample *now, bool headline)
{
	unsigned int i;

	for (i = 0; i < now->list.nr && i < before->list.nr; i++) {
		struct record record = { 0 };

		describe_change(&record, device, &before->list.objects[i], &now->list.objects[i],
				now->ns - before->ns, options->queues);
		output_row(options->json, &record, ROW_WIDTH, headline && !i);
	}
	output_flush();
}

/* Waits until the next sample is due. Return: whether there is to be one */
static bool wait_for_next(uint64_t *due, uint64_t interval)
{
	uint64_t now = now_ns();

	*due += interval;
	if (*due > now)
		interrupt_wait(-1, *due - now);
	else
		*due = now;
	return !interrupted();
}

static void watch(const struct options *options, struct netlink *nl, const struct device *device)
{
	uint64_t due = now_ns(), row = 0;
	bool terminal = isatty(STDOUT_FILENO);
	struct sample before, now;

	if (!take_sample(nl, device, options->queues, &before))
		device_unknown(device);
	interrupt_catch();
	while ((!options->count || row < options->count) &&
	       wait_for_next(&due, options->interval_ns)) {
		if (!take_sample(nl, device, options->queues, &now))
			device_gone(device);
		print_change(options, device, &before, &now,
			     terminal ? row % HEADLINE_ROWS == 0 : !row);
		nl_list_free(&before.list);
		before = now;
		row++;
	}
	nl_list_free(&before.list);
}

int command_stats(const struct options *options, int argc, char **argv)
{
	struct device device;
	struct netlink nl;

	(void)argc;
	(void)argv;
	if (!options->interval_ns)
		fail(EXIT_USAGE, "stats: --interval 0: accepted is a longer time");
	device_choose(&device, options);
	netlink_open(&nl);
	if (options->has_interval || options->count)
		watch(options, &nl, &device);
	else
		print_once(options, &nl, &device);
	netlink_close(&nl);
	return EXIT_DONE;
}
