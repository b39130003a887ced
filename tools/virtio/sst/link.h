/* SPDX-License-Identifier: GPL-2.0-only */
/* A connection with a simulator, which is made again whenever it ends. */

#ifndef SST_LINK_H
#define SST_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"
#include "listener.h"
#include "loop.h"

enum link_state {
	LINK_DOWN,		/* waits for the next attempt, or to be connected to */
	LINK_CONNECTING,	/* an attempt goes on */
	LINK_UP,
};

/**
 * struct link - a connection with a simulator
 * @loop: the loop that serves it
 * @endpoint: where the simulator is; several links may share it
 * @told: somebody was told that the simulator cannot be reached; shared by the same links
 * @name: what the connection is for, for messages
 * @up: called when there is a connection
 * @down: called when it has ended, and when an attempt has failed
 * @readable: called when @socket is readable
 * @writable: called when it is writable, after link_watch_writable()
 * @changed: called when @changes has changed, in whatever thread the link is used
 * @socket: the connection
 * @timer: expires when an attempt is to be made, or has lasted too long, and from time to
 *	time while there is a connection over TCP
 * @accepting: waits for the simulator to connect
 * @state: what there is
 * @resuming: the connection was ended by ourselves, and is likely to be back soon
 * @resume_until: when that is not to be expected any more
 * @watches_writable: @writable is to be called
 * @up_since: when the connection was made
 * @of_use: the simulator has sent what it should on it
 * @restarted: when it was, or will be, made anew because of link_restart()
 * @address: the address that is tried, or that worked last
 * @left: addresses that this attempt has left, with that one
 * @delay_ns: time until the next attempt, if one fails or its connection is of no use
 * @changes: how often the connection came and went: odd while it is there; atomic, as other
 *	threads read it
 */
struct link {
	struct loop *loop;
	const struct endpoint *endpoint;
	bool *told;
	char name[144];
	void (*up)(struct link *link);
	void (*down)(struct link *link);
	void (*readable)(struct link *link);
	void (*writable)(struct link *link);
	void (*changed)(struct link *link);
	struct watch socket;
	struct watch timer;
	struct listener accepting;
	enum link_state state;
	bool resuming;
	uint64_t resume_until;
	bool watches_writable;
	uint64_t up_since;
	bool of_use;
	uint64_t restarted;
	unsigned int address;
	unsigned int left;
	uint64_t delay_ns;
	uint64_t changes;
};

/* The members up to @changed are set. Return: 0, or -1 with errno set */
int link_init(struct link *link);
void link_destroy(struct link *link);

/* Ends the connection because of the simulator, or because of what it did */
void link_fail(struct link *link, const char *why);

/* To be called when the simulator has sent what it should */
void link_was_of_use(struct link *link);

/*
 * Ends the connection for reasons of our own, and makes the next one at once, or soon if
 * that happens often
 */
void link_restart(struct link *link);

/* Asks, or asks no more, for calls of link->writable */
void link_watch_writable(struct link *link, bool on);

/* Returns how often the connection came and went; for any thread */
uint64_t link_changes(const struct link *link);

#endif /* SST_LINK_H */
