// SPDX-License-Identifier: GPL-2.0-only
/* events: what a device tells without having been asked. */

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_sst.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../util.h"
#include "commands.h"
#include "device.h"
#include "fail.h"
#include "interrupt.h"
#include "output.h"

/* Events that are read at once */
#define BATCH	512

/* Cycles of simulated time get large */
#define ROW_WIDTH	14

static int open_events(const struct device *device)
{
	const struct sst_event_setup setup = {
		.flags = SST_EVENT_CLOEXEC | SST_EVENT_NONBLOCK,
		.capacity = SST_EVENT_CAPACITY_MAX,
	};
	int fd = ioctl(device->fd, SST_IOCTL_EVENT_FD, &setup);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENODEV:
		device_gone(device);
	case ENOTTY:
		fail(EXIT_NO_DRIVER,
		     "the driver that is loaded has no events: it is older than sstctl %s",
		     SST_TOOLS_VERSION);
	default:
		fail(EXIT_OTHER, "%s: events: %s", device->name, strerror(errno));
	}
}

/* Names of the driver's own types */
static const char *driver_event(uint32_t type)
{
	switch (type) {
	case SST_EVENT_OVERRUN:
		return "overrun";
	case SST_EVENT_RESET:
		return "reset";
	default:
		return "unknown";
	}
}

static void print_driver_event(bool json, const struct record *record,
			       const struct sst_event *event)
{
	uint64_t data = le64toh(event->data);

	switch (le32toh(event->type)) {
	case SST_EVENT_OVERRUN:
		output_line(json, record, "-- %" PRIu64 " events were lost here --", data);
		break;
	case SST_EVENT_RESET:
		output_line(json, record, "-- the device was started again (%" PRIu64 ") --", data);
		break;
	default:
		output_line(json, record, "-- the driver tells its type %u, data %" PRIu64 " --",
			    le32toh(event->type), data);
	}
}

/* Prints an event. Return: whether it is one of the device's */
static bool print_event(bool json, const struct device *device, const struct sst_event *event,
			bool headline)
{
	bool drivers = le32toh(event->flags) & SST_EVENT_F_DRIVER;
	uint32_t type = le32toh(event->type);
	struct record record = { 0 };

	record_text(&record, "device", NULL, device->name);
	record_text(&record, "source", NULL, drivers ? "driver" : "device");
	if (drivers)
		record_text(&record, "name", NULL, driver_event(type));
	record_number(&record, VALUE_NUMBER, "type", "TYPE", type);
	record_number(&record, VALUE_NUMBER, "timestamp", "TIMESTAMP", le64toh(event->timestamp));
	record_number(&record, VALUE_NUMBER, "data", "DATA", le64toh(event->data));
	if (drivers)
		print_driver_event(json, &record, event);
	else
		output_row(json, &record, ROW_WIDTH, headline);
	return !drivers;
}

/* Prints what there is, at most so many of the device's. Return: how many that were */
static uint64_t print_events(bool json, const struct device *device, int fd, uint64_t max,
			     bool headline)
{
	struct sst_event events[BATCH];
	ssize_t ret = read(fd, events, sizeof(events));
	uint64_t nr = 0;
	size_t i;

	if (ret < 0 && errno == ENODEV) {
		output_flush();
		device_gone(device);
	}
	if (ret < 0 && errno != EAGAIN && errno != EINTR)
		fail(EXIT_OTHER, "%s: events: %s", device->name, strerror(errno));
	for (i = 0; ret > 0 && i < (size_t)ret / sizeof(*events) && nr < max; i++)
		nr += print_event(json, device, &events[i], headline && !nr);
	output_flush();
	return nr;
}

static void warn_if_none(const struct device *device)
{
	struct sst_info info;

	if (!ioctl(device->fd, SST_IOCTL_GET_INFO, &info) && !(info.features & BIT64(SST_F_EVENTS)))
		complain("%s does not say that it sends events; waiting nevertheless",
			 device->name);
}

int command_events(const struct options *options, int argc, char **argv)
{
	const uint64_t all = options->count ? options->count : UINT64_MAX;
	uint64_t left = all;
	struct device device;
	int fd;

	(void)argc;
	(void)argv;
	device_open(&device, options);
	fd = open_events(&device);
	interrupt_catch();
	warn_if_none(&device);
	while (left && !interrupted())
		if (interrupt_wait(fd, INTERRUPT_NO_TIMEOUT))
			left -= print_events(options->json, &device, fd, left, left == all);
	close(fd);
	device_close(&device);
	return EXIT_DONE;
}
