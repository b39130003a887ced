/* SPDX-License-Identifier: GPL-2.0-only */
/* The event queue: sends events every so often, and those that it is given. */

#ifndef SST_EVENTQ_H
#define SST_EVENTQ_H

#include <stdbool.h>
#include <stdint.h>

#include "hostile.h"
#include "loop.h"
#include "model.h"
#include "silence.h"
#include "vhost-user.h"

/* Type of the events that come every so often */
#define EVENTQ_TYPE_TICK	1

/* Events that wait for a buffer, at most */
#define EVENTQ_MAX_WAITING	1024

/**
 * struct eventq - the event queue
 * @interval_ns: time until the next events
 * @at_once: how many are sent then
 * @waits: events that are given may wait for a buffer
 * @loop: the loop that serves it
 * @model: gives the simulated time
 * @vu: the front-end's view
 * @silence: tells whether the device is silent
 * @hostile: tells what the device does wrong
 * @index: number of the ring
 * @turn_ended: called when more buffers are there than one turn of the thread is for;
 *	eventq_wake() is to be called soon
 * @ring: the ring, NULL while it does not run
 * @timer: expires when events are due
 * @kick: the driver's kicks, which may mean new buffers
 * @chain: the buffer just taken
 * @random: state of the generator for wrong events
 * @lost: after a lie it is not known which buffers the driver has
 * @due: events that are due
 * @ticks: events that came every so often, dropped ones as well, for this front-end
 * @waiting: events that wait for a buffer, a ring
 * @first: the first of them
 * @nr_waiting: their number
 * @sent: events sent
 * @dropped: events for which there was no buffer
 * @sent_before: @sent when the front-end connected
 * @dropped_before: @dropped at that time
 */
struct eventq {
	uint64_t interval_ns;
	uint64_t at_once;
	bool waits;
	struct loop *loop;
	struct model *model;
	struct vu_dev *vu;
	const struct silence *silence;
	struct hostile *hostile;
	unsigned int index;
	void (*turn_ended)(struct eventq *q);
	struct vu_ring *ring;
	struct watch timer;
	struct watch kick;
	struct virtq_chain chain;
	uint64_t random;
	bool lost;
	uint64_t due;
	uint64_t ticks;
	struct sst_event waiting[EVENTQ_MAX_WAITING];
	unsigned int first;
	unsigned int nr_waiting;
	uint64_t sent;
	uint64_t dropped;
	uint64_t sent_before;
	uint64_t dropped_before;
};

/* The members up to @turn_ended are set. Return: 0, or -1 with errno set */
int eventq_init(struct eventq *q);
void eventq_destroy(struct eventq *q);

/* The next event is the first one of a front-end */
void eventq_count_anew(struct eventq *q);

/* Begins to serve the ring. Return: whether that was possible */
bool eventq_start(struct eventq *q);
void eventq_stop(struct eventq *q);

/*
 * Sends an event as soon as there is a buffer for it.
 * Return: false if too many wait already, or the queue does not run: it was dropped
 */
bool eventq_post(struct eventq *q, const struct sst_event *event);

/* Sends what is due, unless the device is silent */
void eventq_wake(struct eventq *q);

#endif /* SST_EVENTQ_H */
