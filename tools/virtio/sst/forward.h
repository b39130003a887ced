/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests of one pair of queues that a simulator answers. */

#ifndef SST_FORWARD_H
#define SST_FORWARD_H

#include <linux/virtio_sst.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "endpoint.h"
#include "link.h"
#include "pending.h"

/* Requests that wait for a connection, at most */
#define FORWARD_MAX_WAITING	32768
#define FORWARD_DEFAULT_WAITING	1024

/**
 * struct forward_options - which requests go to a simulator, and how
 * @endpoint: where it is
 * @all: the types that the device could answer itself go there, too
 * @in_order: it answers in the order of the requests
 * @existing: behave as the existing device: one at a time, and so on
 * @max_waiting: how many wait for a connection, 0 for none
 * @timeout_ns: time that the simulator has for an answer, 0 for ever
 */
struct forward_options {
	struct endpoint endpoint;
	bool all;
	bool in_order;
	bool existing;
	uint32_t max_waiting;
	uint64_t timeout_ns;
};

/**
 * struct forward_counts - what happened to requests; any thread may read it
 * @forwarded: accepted, to be sent
 * @answered: answered by the simulator in time
 * @timed_out: not answered in time
 * @late: answers that came after that
 * @failed: without an answer when the connection ended
 * @refused: not sent, for want of a connection or of time
 * @dropped: in flight when the guest stopped the queue, or went away
 * @unmatched: answers to no request
 * @in_flight: accepted, and not ended so far
 */
struct forward_counts {
	uint64_t forwarded;
	uint64_t answered;
	uint64_t timed_out;
	uint64_t late;
	uint64_t failed;
	uint64_t refused;
	uint64_t dropped;
	uint64_t unmatched;
	uint64_t in_flight;
};

struct flight;
TAILQ_HEAD(flights, flight);

#define FORWARD_BUCKETS		256

/**
 * struct forward - requests of one pair of queues at the simulator
 * @options: how they go there
 * @loop: the loop that serves the pair
 * @answered: called when a request has ended, with its response
 * @link: the connection
 * @timer: expires when a request may have been at the simulator for too long
 * @timer_on: it is set
 * @order: all requests, in the order in which they are sent
 * @live: those of them that have not timed out, in the same order
 * @unsent: the first of @order that has not been sent completely, or NULL
 * @offset: bytes of it that were sent
 * @nr_unsent: those from @unsent on
 * @nr_timed_out: those that have timed out, and whose answer may come late
 * @nr_unmatched: answers to no request, since the last one that was to a request
 * @used: requests were sent on this connection
 * @faulty: answers to no request came on it
 * @bucket: those that were sent, by the hash of their request_id
 * @buffer: what has arrived
 * @have: bytes of it
 * @counts: what happened
 */
struct forward {
	const struct forward_options *options;
	struct loop *loop;
	void (*answered)(struct forward *forward, struct pending *pending);
	struct link link;
	struct watch timer;
	bool timer_on;
	struct flights order;
	struct flights live;
	struct flight *unsent;
	size_t offset;
	uint32_t nr_unsent;
	uint32_t nr_timed_out;
	uint32_t nr_unmatched;
	bool used;
	bool faulty;
	struct flights bucket[FORWARD_BUCKETS];
	struct sst_response *buffer;
	size_t have;
	struct forward_counts counts;
};

/*
 * The first 3 members are set, and those of @link that name it and report changes.
 * Return: 0, or -1 with errno set
 */
int forward_init(struct forward *forward);
void forward_destroy(struct forward *forward);

/* Returns whether requests of a type go to the simulator */
bool forward_takes(const struct forward *forward, uint32_t type);

/* Returns whether one more request may go there now */
bool forward_may_take(const struct forward *forward);

/* Takes a request, which ends with a call of @answered, maybe at once */
void forward_submit(struct forward *forward, const struct sst_request *req,
		    struct pending *pending);

/* Sends what was taken, as far as that is possible without waiting */
void forward_flush(struct forward *forward);

/*
 * Drops all requests. If an answer to one of them could still come, the connection is ended:
 * a later request may have the same ID, and must not get that answer.
 */
void forward_drop(struct forward *forward);

/* The guest has gone, and its requests are dropped: the next one gets a new connection */
void forward_end_guest(struct forward *forward);

#endif /* SST_FORWARD_H */
