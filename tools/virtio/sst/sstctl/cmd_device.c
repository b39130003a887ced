// SPDX-License-Identifier: GPL-2.0-only
/* list, info, reset, set: devices as such. */

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../util.h"
#include "commands.h"
#include "device.h"
#include "fail.h"
#include "netlink.h"
#include "output.h"
#include "request.h"

/**
 * struct attribute - something that the driver tells about a device
 * @number: VIRTIO_SST_A_DEVICE_*
 * @kind: what it is
 * @key: its name in JSON
 * @headline: above its column in a table, or NULL
 * @label: in front of it in a list
 */
struct attribute {
	unsigned int number;
	enum value_kind kind;
	const char *key;
	const char *headline;
	const char *label;
};

static const struct attribute attributes[] = {
	{ VIRTIO_SST_A_DEVICE_NAME, VALUE_TEXT, "device", "DEVICE", "device" },
	{ VIRTIO_SST_A_DEVICE_STATE, VALUE_TEXT, "state", "STATE", "state" },
	{ VIRTIO_SST_A_DEVICE_PARENT, VALUE_TEXT, "parent", NULL, "virtio device" },
	{ VIRTIO_SST_A_DEVICE_DEVICE_ID, VALUE_NUMBER, "device_id", "ID", "device ID" },
	{ VIRTIO_SST_A_DEVICE_VERSION, VALUE_VERSION, "version", NULL, "wire version" },
	{ VIRTIO_SST_A_DEVICE_QUEUE_PAIRS, VALUE_NUMBER, "queue_pairs", "PAIRS",
	  "pairs of queues" },
	{ VIRTIO_SST_A_DEVICE_QUEUE_SIZE, VALUE_NUMBER, "queue_size", NULL, "queue size" },
	{ VIRTIO_SST_A_DEVICE_IN_FLIGHT, VALUE_NUMBER, "in_flight", "IN FLIGHT", "in flight" },
	{ VIRTIO_SST_A_DEVICE_REQUEST_TIMEOUT_MS, VALUE_MS, "request_timeout_ms", "TIME-OUT",
	  "request time-out" },
	{ VIRTIO_SST_A_DEVICE_BUSY_POLL_US, VALUE_US, "busy_poll_us", NULL, "busy polling" },
	{ VIRTIO_SST_A_DEVICE_FEATURES, VALUE_FEATURES, "features", "FEATURES", "features" },
};

static const char *state_name(uint64_t state)
{
	static const char * const names[] = {
		[VIRTIO_SST_STATE_RUNNING] = "running",
		[VIRTIO_SST_STATE_STOPPED] = "stopped",
		[VIRTIO_SST_STATE_GONE] = "gone",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

static const char *attribute_text(const struct nl_object *object, unsigned int number)
{
	switch (number) {
	case VIRTIO_SST_A_DEVICE_NAME:
		return object->name;
	case VIRTIO_SST_A_DEVICE_PARENT:
		return object->parent;
	default:
		return state_name(object->value[VIRTIO_SST_A_DEVICE_STATE]);
	}
}

static void describe(struct record *record, const struct nl_object *object, bool headlines)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(attributes); i++) {
		const struct attribute *a = &attributes[i];
		const char *label = headlines ? a->headline : a->label;

		if (a->kind == VALUE_TEXT)
			record_text(record, a->key, label, attribute_text(object, a->number));
		else
			record_number(record, a->kind, a->key, label, object->value[a->number]);
	}
}

static void get_device(const struct device *device, struct nl_object *object)
{
	struct netlink nl;

	netlink_open(&nl);
	if (!netlink_device(&nl, device->index, object))
		device_unknown(device);
	netlink_close(&nl);
}

static void list_one(const struct options *options)
{
	struct record record = { 0 };
	struct nl_object object;
	struct device device;

	device_choose(&device, options);
	get_device(&device, &object);
	describe(&record, &object, true);
	output_table(options->json, &record, 1);
}

static void list_all(const struct options *options)
{
	struct record *records;
	struct nl_list list;
	struct netlink nl;
	unsigned int i;

	netlink_open(&nl);
	netlink_devices(&nl, &list);
	netlink_close(&nl);
	records = calloc(list.nr + 1, sizeof(*records));
	if (!records)
		fail(EXIT_OTHER, "out of memory");
	for (i = 0; i < list.nr; i++)
		describe(&records[i], &list.objects[i], true);
	output_table(options->json, records, list.nr);
	free(records);
	nl_list_free(&list);
}

int command_list(const struct options *options, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (options->device)
		list_one(options);
	else
		list_all(options);
	return EXIT_DONE;
}

/* What the simulator says of itself, if @known */
static void describe_simulator(struct record *record, const struct sst_response *response,
			       bool known)
{
	record_number(record, known ? VALUE_VERSION : VALUE_NONE, "simulator_version",
		      "simulator version", le32toh(response->info.version));
	record_number(record, known ? VALUE_FEATURES : VALUE_NONE, "simulator_features",
		      "simulator features", le32toh(response->info.capabilities));
	record_number(record, known ? VALUE_NUMBER : VALUE_NONE, "max_compute_units",
		      "compute units at once", le64toh(response->info.max_compute_units));
	record_number(record, known ? VALUE_BYTES : VALUE_NONE, "memory_size",
		      "simulator memory", le64toh(response->info.memory_size));
}

/* The driver's part is printed whatever the simulator says */
int command_info(const struct options *options, int argc, char **argv)
{
	struct record record = { 0 };
	struct exchange exchange;
	struct nl_object object;
	struct device device;
	int error;

	(void)argc;
	(void)argv;
	device_open(&device, options);
	get_device(&device, &object);
	describe(&record, &object, false);
	exchange_init(&exchange, SST_REQUEST_GET_INFO);
	error = exchange_run(&device, &exchange);
	describe_simulator(&record, &exchange.response,
			   !error && !response_exit_code(&exchange.response));
	output_list(options->json, &record);
	exchange_check(&device, &exchange, error, "info");
	device_close(&device);
	return EXIT_DONE;
}

static void reset_device(struct device *device, const struct options *options)
{
	struct netlink nl;

	device_choose(device, options);
	netlink_open(&nl);
	if (!netlink_reset(&nl, device->index))
		device_unknown(device);
	netlink_close(&nl);
}

static void reset_simulator(struct device *device, const struct options *options)
{
	struct exchange exchange;

	device_open(device, options);
	exchange_init(&exchange, SST_REQUEST_RESET);
	exchange_check(device, &exchange, exchange_run(device, &exchange), "reset");
	device_close(device);
}

int command_reset(const struct options *options, int argc, char **argv)
{
	struct record record = { 0 };
	struct device device;

	(void)argc;
	(void)argv;
	if (options->simulator)
		reset_simulator(&device, options);
	else
		reset_device(&device, options);
	record_text(&record, "device", NULL, device.name);
	record_text(&record, "reset", NULL, options->simulator ? "simulator" : "device");
	output_line(options->json, &record, "%s%s reset", options->simulator ? "simulator of " : "",
		    device.name);
	return EXIT_DONE;
}

/* What can be set, by the names that sysfs has, too */
static const struct setting {
	const char *name;
	uint16_t attribute;
	uint32_t min;
	uint32_t max;
} settings[] = {
	{ "request_timeout_ms", VIRTIO_SST_A_DEVICE_REQUEST_TIMEOUT_MS,
	  SST_REQUEST_TIMEOUT_MIN_MS, SST_REQUEST_TIMEOUT_MAX_MS },
	{ "busy_poll_us", VIRTIO_SST_A_DEVICE_BUSY_POLL_US, 0, SST_BUSY_POLL_MAX_US },
};

static const struct setting *find_setting(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		if (!strcmp(settings[i].name, name))
			return &settings[i];
	fail(EXIT_USAGE, "set: unknown name %.40s; there are: %s %s", name, settings[0].name,
	     settings[1].name);
}

int command_set(const struct options *options, int argc, char **argv)
{
	const struct setting *setting = find_setting(argv[0]);
	struct record record = { 0 };
	struct device device;
	struct netlink nl;
	uint32_t value;

	(void)argc;
	value = (uint32_t)options_number(setting->name, argv[1], setting->min, setting->max);
	device_choose(&device, options);
	netlink_open(&nl);
	if (!netlink_set(&nl, device.index, setting->attribute, value))
		device_unknown(&device);
	netlink_close(&nl);
	record_text(&record, "device", NULL, device.name);
	record_number(&record, VALUE_NUMBER, setting->name, NULL, value);
	output_line(options->json, &record, "%s: %s is now %u", device.name, setting->name, value);
	return EXIT_DONE;
}
