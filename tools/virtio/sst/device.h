/* SPDX-License-Identifier: GPL-2.0-only */
/* The SST device: its rings, its configuration space, its model. */

#ifndef SST_DEVICE_H
#define SST_DEVICE_H

#include "eventq.h"
#include "hostile.h"
#include "model.h"
#include "options.h"
#include "requestq.h"
#include "silence.h"
#include "util.h"
#include "vhost-user.h"
#include "worker.h"

/**
 * struct pair - a request and a response queue
 * @worker: the thread that serves them
 * @requests: the request queue, with its response queue
 */
struct pair {
	struct worker worker;
	struct requestq requests;
} __attribute__((aligned(CACHE_LINE)));

/**
 * struct sst_device - the device
 * @options: how it behaves
 * @vu: the front-end's view of it
 * @model: what it simulates
 * @silence: the device does nothing for a time
 * @hostile: what it does wrong
 * @trouble: expires when it is to do something wrong that is not an answer
 * @events: the event queue, served by the thread that takes the messages
 * @running: rings that run; atomic, since an error ends one in its own thread
 * @pairs: the other queues, as many as @options says
 */
struct sst_device {
	const struct options *options;
	struct vu_dev vu;
	struct model model;
	struct silence silence;
	struct hostile hostile;
	struct watch trouble;
	struct eventq events;
	unsigned int running;
	struct pair pairs[OPTIONS_MAX_PAIRS];
};

/* Return: 0, or -1 with errno set */
int device_init(struct sst_device *dev, const struct options *options,
		struct loop *loop);
void device_destroy(struct sst_device *dev);

/* Makes the device as new, for the next front-end */
void device_reset(struct sst_device *dev);

#endif /* SST_DEVICE_H */
