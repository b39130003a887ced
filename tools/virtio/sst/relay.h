/* SPDX-License-Identifier: GPL-2.0-only */
/* Events that a simulator sends, and events about the connections with it. */

#ifndef SST_RELAY_H
#define SST_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "eventq.h"
#include "link.h"
#include "options.h"

/*
 * Types of events of this program; vhost-user-sst(1) documents them. The data is the number
 * of a pair of queues
 */
#define RELAY_TYPE_DISCONNECTED	0xfffffff0
#define RELAY_TYPE_CONNECTED	0xfffffff1

/* Events that are received at once */
#define RELAY_BATCH	64

/**
 * struct relay - events from outside, on their way to the guest
 * @endpoint: where events come from, with text NULL for nowhere
 * @loop: the loop that serves the event queue
 * @events: the event queue
 * @link: the connection that events come on
 * @changed: written to when a connection of a pair has come or gone
 * @nr_pairs: pairs of queues with a connection, 0 if there are none
 * @pairs: these connections, of other threads
 * @reported: the changes of each of them that the guest was told
 * @buffer: what has arrived
 * @have: bytes of it
 */
struct relay {
	const struct endpoint *endpoint;
	struct loop *loop;
	struct eventq *events;
	struct link link;
	struct watch changed;
	unsigned int nr_pairs;
	const struct link *pairs[OPTIONS_MAX_PAIRS];
	uint64_t reported[OPTIONS_MAX_PAIRS];
	struct sst_event buffer[RELAY_BATCH];
	size_t have;
};

/*
 * The first 3 members, @nr_pairs and @pairs are set, and what names @link.
 * Return: 0, or -1 with errno set
 */
int relay_init(struct relay *relay);
void relay_destroy(struct relay *relay);

/* Tells that a connection of a pair has come or gone; for any thread */
void relay_notify(struct relay *relay);

/* The event queue starts: tells which connections there are */
void relay_start(struct relay *relay);

#endif /* SST_RELAY_H */
