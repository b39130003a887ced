/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A time in which the device does nothing, to test drivers. Any thread may begin
 * and end it, and ask for it.
 */

#ifndef SST_SILENCE_H
#define SST_SILENCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "loop.h"

/* Length of a silence that ends when the device is reset */
#define SILENCE_UNTIL_RESET	UINT64_MAX

/**
 * struct silence - a time in which the device does nothing
 * @loop: the loop that serves @timer
 * @ended: called in that loop when it has lasted as long as it was to, to look at
 *	everything that happened meanwhile
 * @timer: expires at its end
 * @lock: protects the members below, but @on may be read without it
 * @on: the device is silent
 * @timed: it is so until @timer expires
 */
struct silence {
	struct loop *loop;
	void (*ended)(struct silence *silence);
	struct watch timer;
	pthread_mutex_t lock;
	bool on;
	bool timed;
};

/* The first 2 members are set. Return: 0, or -1 with errno set */
int silence_init(struct silence *silence);
void silence_destroy(struct silence *silence);

/*
 * Returns whether the device is silent. Queues ask before each step, so that
 * those of other threads finish the one that they are at when a silence begins.
 */
bool silence_on(const struct silence *silence);

/* Begins a silence of that many nanoseconds, or SILENCE_UNTIL_RESET */
void silence_begin(struct silence *silence, uint64_t duration_ns);

/* Ends a silence, if there is one, while no queue runs */
void silence_end(struct silence *silence);

/* The same for one that lasts until the device is reset */
void silence_reset(struct silence *silence);

#endif /* SST_SILENCE_H */
