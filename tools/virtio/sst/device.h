/* SPDX-License-Identifier: GPL-2.0-only */
/* The SST device: its rings, its configuration space, its model. */

#ifndef SST_DEVICE_H
#define SST_DEVICE_H

#include "eventq.h"
#include "forward.h"
#include "hostile.h"
#include "model.h"
#include "options.h"
#include "relay.h"
#include "requestq.h"
#include "sigbus.h"
#include "silence.h"
#include "util.h"
#include "vhost-user.h"
#include "worker.h"

struct sst_device;

/**
 * struct pair - a request and a response queue
 * @worker: the thread that serves them
 * @requests: the request queue, with its response queue
 * @forward: requests that a simulator answers, if there is one
 * @device: the device
 */
struct pair {
	struct worker worker;
	struct requestq requests;
	struct forward forward;
	struct sst_device *device;
} __attribute__((aligned(CACHE_LINE)));

/**
 * struct sst_device - the device
 * @options: how it behaves
 * @vu: the front-end's view of it
 * @model: what it simulates
 * @silence: the device does nothing for a time
 * @sigbus: tells that guest memory was taken away; set before device_init()
 * @hostile: what it does wrong
 * @trouble: expires when it is to do something wrong that is not an answer
 * @events: the event queue, served by the thread that takes the messages
 * @relay: events from outside, served by the same thread
 * @told_simulator: it was logged that the simulator cannot be reached; atomic
 * @told_events: the same for that which sends events
 * @served: requests that earlier front-ends have made
 * @running: rings that run; atomic, since an error ends one in its own thread
 * @pairs: the other queues, as many as @options says
 */
struct sst_device {
	const struct options *options;
	struct vu_dev vu;
	struct model model;
	struct silence silence;
	struct sigbus *sigbus;
	struct hostile hostile;
	struct watch trouble;
	struct eventq events;
	struct relay relay;
	bool told_simulator;
	bool told_events;
	uint64_t served;
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
