/* SPDX-License-Identifier: GPL-2.0-only */
/* Much of a device's memory, with many requests in flight. */

#ifndef SSTCTL_TRANSFER_H
#define SSTCTL_TRANSFER_H

#include <linux/virtio_sst.h>
#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "progress.h"

/* As many requests as an open file may have, unless it is set otherwise */
#define TRANSFER_DEPTH	64

/* Bytes that a request can carry: the data of a write follow their description */
#define TRANSFER_READ_SIZE	SST_PAYLOAD_SIZE
#define TRANSFER_WRITE_SIZE	(SST_PAYLOAD_SIZE - sizeof(struct sst_memory))

/**
 * struct transfer - bytes on their way from or to the memory of a device
 * @device: the device
 * @type: SST_REQUEST_READ or SST_REQUEST_WRITE
 * @address: where in the memory the next request begins
 * @left: bytes that are not asked for yet, at most
 * @done: bytes that are through
 * @take: takes the next bytes that were read
 * @give: makes the next bytes to be written. Return: how many, fewer than asked for at the
 *	end
 * @data: for these two
 * @progress: what is shown
 */
struct transfer {
	const struct device *device;
	uint32_t type;
	uint64_t address;
	uint64_t left;
	uint64_t done;
	void (*take)(void *data, const uint8_t *bytes, uint32_t nr);
	uint32_t (*give)(void *data, uint8_t *bytes, uint32_t nr);
	void *data;
	struct progress progress;
};

/* Does it; ends the program if a request fails */
void transfer_run(struct transfer *transfer);

#endif /* SSTCTL_TRANSFER_H */
