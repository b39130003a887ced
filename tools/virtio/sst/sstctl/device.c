// SPDX-License-Identifier: GPL-2.0-only
/* The device that a command is about. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/virtio_sst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "../parse.h"
#include "../util.h"
#include "device.h"
#include "fail.h"
#include "netlink.h"

/* Minor numbers have 20 bits */
#define INDEX_MAX	0xfffff

static void set_index(struct device *device, uint32_t index)
{
	device->index = index;
	device->fd = -1;
	snprintf(device->name, sizeof(device->name), "sst%u", index);
}

/* Reads N, sstN or /dev/sstN. Return: whether it is one of them */
static bool read_index(const char *text, uint64_t *index)
{
	if (!strncmp(text, "/dev/", strlen("/dev/")))
		text += strlen("/dev/");
	if (!strncmp(text, "sst", strlen("sst")))
		text += strlen("sst");
	return parse_number(text, INDEX_MAX, index);
}

/* Takes the user's word for a device, which may be a link to its file, as udev makes */
static void choose_named(struct device *device, const char *word)
{
	char *path = *word == '/' ? realpath(word, NULL) : NULL;
	uint64_t index;

	/* A name of ours needs no file: the driver is asked by number */
	if (*word == '/' && !path && !read_index(word, &index))
		fail(EXIT_NO_DEVICE, "--device %.80s: %s", word, strerror(errno));
	if (!read_index(path ? path : word, &index))
		fail(EXIT_USAGE, "--device %.80s: accepted is N, sstN or /dev/sstN", word);
	free(path);
	set_index(device, (uint32_t)index);
}

static void __attribute__((noreturn)) fail_no_device(void)
{
	fail(EXIT_NO_DEVICE, "the driver has no device; dmesg may say why, and one with another ID than 0x1042 needs virtio_id=");
}

void device_choose(struct device *device, const struct options *options)
{
	struct netlink nl;
	struct nl_list list;

	if (options->device) {
		choose_named(device, options->device);
		return;
	}
	netlink_open(&nl);
	netlink_devices(&nl, &list);
	netlink_close(&nl);
	if (!list.nr)
		fail_no_device();
	set_index(device, (uint32_t)list.objects[0].value[VIRTIO_SST_A_DEVICE_INDEX]);
	nl_list_free(&list);
}

/* Ends the program: the kernel does not let the user open the file */
static void __attribute__((noreturn)) fail_permission(const char *path)
{
	const struct group *group;
	struct stat st;

	if (stat(path, &st))
		fail(EXIT_NO_PERMISSION, "no permission to open %s", path);
	group = st.st_gid && st.st_mode & S_IRGRP ? getgrgid(st.st_gid) : NULL;
	if (!group)
		fail(EXIT_NO_PERMISSION,
		     "no permission: %s is root's; the udev rule of virtio-sst-tools gives it to the group sst",
		     path);
	fail(EXIT_NO_PERMISSION,
	     "no permission: %s is for the group %s; as root: adduser USER %s, then log in again",
	     path, group->gr_name, group->gr_name);
}

void device_unknown(const struct device *device)
{
	struct netlink nl;
	struct nl_list list;
	char names[200] = "";
	size_t used = 0;
	unsigned int i;

	netlink_open(&nl);
	netlink_devices(&nl, &list);
	if (!list.nr)
		fail_no_device();
	for (i = 0; i < list.nr && used < sizeof(names); i++) {
		if (list.objects[i].value[VIRTIO_SST_A_DEVICE_INDEX] == device->index)
			fail(EXIT_NO_DEVICE,
			     "the driver has %s, but there is no file /dev/%s here",
			     device->name, device->name);
		used += (size_t)snprintf(names + used, sizeof(names) - used, " %s",
					 list.objects[i].name);
	}
	fail(EXIT_NO_DEVICE, "no device %s; there are:%s", device->name, names);
}

void device_gone(const struct device *device)
{
	fail(EXIT_GONE, "%s is gone", device->name);
}

static void __attribute__((noreturn)) fail_open(const struct device *device, const char *path)
{
	int error = errno;

	switch (error) {
	case EACCES:
	case EPERM:
		fail_permission(path);
	case ENOENT:
	case ENXIO:
	case ENODEV:
		device_unknown(device);
	default:
		fail(EXIT_OTHER, "%s: %s", path, strerror(error));
	}
}

static void set_timeout(const struct device *device, uint32_t timeout_ms)
{
	const struct sst_settings settings = {
		.flags = SST_SETTING_TIMEOUT,
		.request_timeout_ms = timeout_ms,
	};

	if (!ioctl(device->fd, SST_IOCTL_SET_SETTINGS, &settings))
		return;
	if (errno == ENODEV)
		device_gone(device);
	fail(EXIT_OTHER, "%s: %s", device->name, strerror(errno));
}

void device_open(struct device *device, const struct options *options)
{
	char path[32];

	device_choose(device, options);
	snprintf(path, sizeof(path), "/dev/%s", device->name);
	device->fd = open(path, O_RDWR | O_CLOEXEC);
	if (device->fd < 0)
		fail_open(device, path);
	if (options->timeout_ms)
		set_timeout(device, options->timeout_ms);
}

void device_close(struct device *device)
{
	close_fd(&device->fd);
}
