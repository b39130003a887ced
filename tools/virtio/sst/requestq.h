/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A request queue, with its response queue: takes requests, lets the model
 * answer them, in time.
 */

#ifndef SST_REQUESTQ_H
#define SST_REQUESTQ_H

#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "forward.h"
#include "hostile.h"
#include "loop.h"
#include "model.h"
#include "pending.h"
#include "responseq.h"
#include "silence.h"
#include "vhost-user.h"

/**
 * struct requestq_options - how a request queue behaves
 * @latency_ns: time from a request to its answer
 * @jitter_ns: up to this much longer, different for each request
 * @poll: look for requests instead of waiting for a kick
 * @poll_ns: how long after the last request, 0 for ever
 * @existing: behave as the existing device: one request at a time
 * @way: where responses go
 * @answers: answers that differ from the model's
 */
struct requestq_options {
	uint64_t latency_ns;
	uint64_t jitter_ns;
	bool poll;
	uint64_t poll_ns;
	bool existing;
	enum answer_way way;
	const struct answer_table *answers;
};

/**
 * struct requestq - a request queue
 * @options: how it behaves
 * @loop: the loop that serves it
 * @model: answers the requests
 * @vu: the front-end's view
 * @silence: tells and makes the device silent
 * @hostile: tells what the device does wrong
 * @forward: requests of the pair at a simulator, NULL if there is none
 * @index: number of the ring
 * @responses: the response queue, of which only the index is set before
 *	requestq_init()
 * @ring: the ring, NULL while it does not run
 * @kick: the driver's kicks
 * @timer: expires when the next answer is due
 * @timer_due: when that is, PENDING_NEVER when it is off
 * @chain: the chain just taken
 * @heap: requests for which something is due later
 * @nr_held: chains that were taken and not given back
 * @nr_owed: requests whose chain is back and whose response is not sent yet
 * @now: when the requests that are being taken were found
 * @sequence: number of the next request
 * @alternate: requests whose response went before and after their chain in turn
 * @random: state of the generator that makes the jitter
 * @last_id: request_id of the last request, as the driver sent it
 * @lost: after a lie it is not known which chains the driver has
 * @spin_until: when polling ends, if no request comes
 * @again: the ring must be looked at without a kick
 * @woken: all that is due must be done
 * @requests: requests taken; any thread may read it
 */
struct requestq {
	const struct requestq_options *options;
	struct loop *loop;
	struct model *model;
	struct vu_dev *vu;
	struct silence *silence;
	struct hostile *hostile;
	struct forward *forward;
	unsigned int index;
	struct responseq responses;
	struct vu_ring *ring;
	struct watch kick;
	struct watch timer;
	uint64_t timer_due;
	struct virtq_chain chain;
	struct heap heap;
	uint32_t nr_held;
	uint32_t nr_owed;
	uint64_t now;
	uint64_t sequence;
	uint64_t alternate;
	uint64_t random;
	uint64_t last_id;
	bool lost;
	uint64_t spin_until;
	bool again;
	bool woken;
	uint64_t requests;
};

/* The members up to @responses are set. Return: 0, or -1 with errno set */
int requestq_init(struct requestq *q);
void requestq_destroy(struct requestq *q);

/* Returns whether the ring or that of the responses is served */
bool requestq_active(const struct requestq *q);

/* Begins to serve the ring. Return: whether that was possible */
bool requestq_start(struct requestq *q);

/* Drops what is pending and leaves the ring alone */
void requestq_stop(struct requestq *q);

/* Takes a request back that was given to @forward, with its response */
void requestq_answered(struct requestq *q, struct pending *pending);

/* Does all that is due, unless the device is silent */
void requestq_wake(struct requestq *q);

/* The same, at the next call of requestq_busy() */
void requestq_wake_later(struct requestq *q);

/*
 * Does the work that no descriptor announces.
 * Return: whether it wants to be called again without sleeping
 */
bool requestq_busy(struct requestq *q);

#endif /* SST_REQUESTQ_H */
