// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts the events of a device, by their types, for some seconds.
 *
 *	cc -I include/uapi -o events events.c		in the driver's sources
 *	cc $(pkg-config --cflags virtio-sst) -o events events.c
 *	./events /dev/sst0 2
 */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/virtio_sst.h>

/* Types that are counted; the simulator defines them */
#define TYPES	16

static unsigned long long counted[TYPES], others, lost;

static void count(const struct sst_event *event)
{
	unsigned int type = le32toh(event->type);

	if (le32toh(event->flags) & SST_EVENT_F_DRIVER) {
		if (type == SST_EVENT_OVERRUN)
			lost += le64toh(event->data);
		else if (type == SST_EVENT_RESET)
			printf("the device was started again\n");
		return;
	}
	if (type < TYPES)
		counted[type]++;
	else
		others++;
}

/* Takes all events that are there. Return: 0 if more can come */
static int take(int fd)
{
	struct sst_event events[64];
	ssize_t bytes = read(fd, events, sizeof(events));
	size_t i;

	if (bytes < 0)
		return errno == EAGAIN ? 0 : -1;
	for (i = 0; i < (size_t)bytes / sizeof(events[0]); i++)
		count(&events[i]);
	return 0;
}

/* A file that can be read when the time is over */
static int start_clock(int seconds)
{
	const struct itimerspec time = { .it_value.tv_sec = seconds };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	if (fd >= 0)
		timerfd_settime(fd, 0, &time, NULL);
	return fd;
}

static void print(void)
{
	int type;

	for (type = 0; type < TYPES; type++)
		if (counted[type])
			printf("type %d: %llu\n", type, counted[type]);
	if (others)
		printf("other types: %llu\n", others);
	if (lost)
		printf("lost: %llu\n", lost);
}

int main(int argc, char **argv)
{
	const struct sst_event_setup setup = { .flags = SST_EVENT_NONBLOCK };
	struct pollfd files[2] = { { .events = POLLIN }, { .events = POLLIN } };
	char *end = NULL;
	long seconds = argc == 3 ? strtol(argv[2], &end, 10) : 0;
	int device;

	if (seconds < 1 || seconds > INT_MAX || *end) {
		fprintf(stderr, "usage: events DEVICE SECONDS\n");
		return 2;
	}
	device = open(argv[1], O_RDONLY);
	files[0].fd = device < 0 ? -1 : ioctl(device, SST_IOCTL_EVENT_FD, &setup);
	files[1].fd = start_clock((int)seconds);
	if (files[0].fd < 0 || files[1].fd < 0) {
		perror(argv[1]);
		return 1;
	}

	/* Events go on coming to the descriptor when the device's own is closed */
	close(device);
	while (poll(files, 2, -1) > 0 && !files[1].revents) {
		if (take(files[0].fd)) {
			perror(argv[1]);
			return 1;
		}
	}
	print();
	return 0;
}
