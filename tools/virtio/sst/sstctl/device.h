/* SPDX-License-Identifier: GPL-2.0-only */
/* The device that a command is about. */

#ifndef SSTCTL_DEVICE_H
#define SSTCTL_DEVICE_H

#include <stdint.h>

#include "options.h"

/**
 * struct device - a device
 * @index: N of /dev/sstN
 * @fd: its file, or -1
 * @name: sstN
 */
struct device {
	uint32_t index;
	int fd;
	char name[16];
};

/* Finds out which device is meant; ends the program if there is none */
void device_choose(struct device *device, const struct options *options);

/* The same, and opens it, with the time-out that the options have */
void device_open(struct device *device, const struct options *options);

void device_close(struct device *device);

/* Ends the program since the driver knows no such device */
void device_unknown(const struct device *device) __attribute__((noreturn));

/* Ends the program since the device went away */
void device_gone(const struct device *device) __attribute__((noreturn));

#endif /* SSTCTL_DEVICE_H */
