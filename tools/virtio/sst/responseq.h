/* SPDX-License-Identifier: GPL-2.0-only */
/* A response queue: sends responses that do not come in their chain. */

#ifndef SST_RESPONSEQ_H
#define SST_RESPONSEQ_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"
#include "pending.h"
#include "silence.h"
#include "vhost-user.h"

/**
 * struct responseq - a response queue
 * @loop: the loop that serves it
 * @vu: the front-end's view
 * @silence: tells whether the device is silent
 * @index: number of the ring
 * @kicked: called when the driver has kicked, which may mean new buffers
 * @done: called when a response has been sent, or dropped; it owns the request
 *	from then on
 * @ring: the ring, NULL while it does not run
 * @kick: the driver's kicks
 * @chain: the buffer just taken
 * @first: the next response to be sent, NULL when there is none
 * @last: the one that came last
 * @lost: after a lie it is not known which buffers the driver has
 * @again: the ring must be looked at without a kick, if a response waits
 */
struct responseq {
	struct loop *loop;
	struct vu_dev *vu;
	const struct silence *silence;
	unsigned int index;
	void (*kicked)(struct responseq *q);
	void (*done)(struct responseq *q, struct pending *pending, bool sent);
	struct vu_ring *ring;
	struct watch kick;
	struct virtq_chain chain;
	struct pending *first;
	struct pending *last;
	bool lost;
	bool again;
};

/* The members up to @done are set */
void responseq_init(struct responseq *q);
void responseq_destroy(struct responseq *q);

/* Begins to serve the ring. Return: whether that was possible */
bool responseq_start(struct responseq *q);

/* Drops what waits and leaves the ring alone */
void responseq_stop(struct responseq *q);

/* Sends a response, behind those that wait, as soon as there is a buffer */
void responseq_add(struct responseq *q, struct pending *pending);

/* Sends the responses that wait, as far as there are buffers */
void responseq_pump(struct responseq *q);

/* Drops the responses that wait */
void responseq_drop(struct responseq *q);

/* Returns whether responseq_pump() is to be called without a kick */
bool responseq_busy(const struct responseq *q);

/* Tells the driver about what was sent */
void responseq_call(struct responseq *q);

#endif /* SST_RESPONSEQ_H */
