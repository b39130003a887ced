/* SPDX-License-Identifier: GPL-2.0-only */
/* The event queue: sends events every so often. */

#ifndef SST_EVENTQ_H
#define SST_EVENTQ_H

#include <stdbool.h>
#include <stdint.h>

#include "hostile.h"
#include "loop.h"
#include "model.h"
#include "silence.h"
#include "vhost-user.h"

/* Type of the events */
#define EVENTQ_TYPE_TICK	1

/**
 * struct eventq - the event queue
 * @interval_ns: time until the next events
 * @at_once: how many are sent then
 * @loop: the loop that serves it
 * @model: gives the simulated time
 * @vu: the front-end's view
 * @silence: tells whether the device is silent
 * @hostile: tells what the device does wrong
 * @index: number of the ring
 * @ring: the ring, NULL while it does not run
 * @timer: expires when events are due
 * @chain: the buffer just taken
 * @random: state of the generator for wrong events
 * @lost: after a lie it is not known which buffers the driver has
 * @due: events that are due
 * @sent: events sent, since the front-end connected
 * @dropped: events for which there was no buffer, since then
 */
struct eventq {
	uint64_t interval_ns;
	uint64_t at_once;
	struct loop *loop;
	struct model *model;
	struct vu_dev *vu;
	const struct silence *silence;
	struct hostile *hostile;
	unsigned int index;
	struct vu_ring *ring;
	struct watch timer;
	struct virtq_chain chain;
	uint64_t random;
	bool lost;
	uint64_t due;
	uint64_t sent;
	uint64_t dropped;
};

/* The members up to @index are set. Return: 0, or -1 with errno set */
int eventq_init(struct eventq *q);
void eventq_destroy(struct eventq *q);

void eventq_start(struct eventq *q);
void eventq_stop(struct eventq *q);

/* Sends what is due, unless the device is silent */
void eventq_wake(struct eventq *q);

#endif /* SST_EVENTQ_H */
