/* SPDX-License-Identifier: GPL-2.0-only */
/* What the driver tells, and takes, over netlink. */

#ifndef SSTCTL_NETLINK_H
#define SSTCTL_NETLINK_H

#include <linux/virtio_sst_netlink.h>
#include <stdbool.h>
#include <stdint.h>

_Static_assert((int)VIRTIO_SST_A_QUEUE_MAX <= (int)VIRTIO_SST_A_DEVICE_MAX,
	       "struct nl_object has room for both");

struct mnl_socket;

/* A connection to the driver's netlink family */
struct netlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	uint16_t family;
};

/**
 * struct nl_object - a device or a pair of queues
 * @value: the numbers, by VIRTIO_SST_A_DEVICE_* or VIRTIO_SST_A_QUEUE_*
 * @stats: the counters, by VIRTIO_SST_A_STATS_*
 * @name: VIRTIO_SST_A_DEVICE_NAME
 * @parent: VIRTIO_SST_A_DEVICE_PARENT
 */
struct nl_object {
	uint64_t value[VIRTIO_SST_A_DEVICE_MAX + 1];
	uint64_t stats[VIRTIO_SST_A_STATS_MAX + 1];
	char name[32];
	char parent[32];
};

/* Any number of them */
struct nl_list {
	unsigned int nr;
	struct nl_object *objects;
};

/* Connects; ends the program if the driver is not there */
void netlink_open(struct netlink *nl);
void netlink_close(struct netlink *nl);

/* Gets all devices, in the order of their indexes, to be freed with nl_list_free() */
void netlink_devices(struct netlink *nl, struct nl_list *list);

/* Gets the pairs of queues of a device. Return: whether there is such a device */
bool netlink_queues(struct netlink *nl, uint32_t index, struct nl_list *list);

/* Gets a device. Return: whether there is one */
bool netlink_device(struct netlink *nl, uint32_t index, struct nl_object *device);

/*
 * Changes a setting, VIRTIO_SST_A_DEVICE_*, or has a device reset. Both end the program if
 * the user may not do that, or something else is wrong. Return: whether there is such a
 * device
 */
bool netlink_set(struct netlink *nl, uint32_t index, uint16_t attribute, uint32_t value);
bool netlink_reset(struct netlink *nl, uint32_t index);

void nl_list_free(struct nl_list *list);

#endif /* SSTCTL_NETLINK_H */
