/* SPDX-License-Identifier: GPL-2.0-only */
/* The SST device: its rings, its configuration space, its model. */

#ifndef SST_DEVICE_H
#define SST_DEVICE_H

#include "eventq.h"
#include "model.h"
#include "options.h"
#include "requestq.h"
#include "silence.h"
#include "vhost-user.h"
#include "worker.h"

enum sst_ring {
	SST_RING_REQUEST = 0,
	SST_RING_RESPONSE = 1,
	SST_RING_EVENT = 2,
	SST_NR_RINGS
};

/**
 * struct sst_device - the device
 * @options: how it behaves
 * @vu: the front-end's view of it
 * @model: what it simulates
 * @silence: the device does nothing for a time
 * @worker: the thread that serves @requests
 * @requests: the request queue, with its response queue
 * @events: the event queue, served by the thread that takes the messages
 * @running: rings that run; atomic, since an error ends one in its own thread
 */
struct sst_device {
	const struct options *options;
	struct vu_dev vu;
	struct model model;
	struct silence silence;
	struct worker worker;
	struct requestq requests;
	struct eventq events;
	unsigned int running;
};

/* Return: 0, or -1 with errno set */
int device_init(struct sst_device *dev, const struct options *options,
		struct loop *loop);
void device_destroy(struct sst_device *dev);

/* Makes the device as new, for the next front-end */
void device_reset(struct sst_device *dev);

#endif /* SST_DEVICE_H */
