/* SPDX-License-Identifier: GPL-2.0-only */
/* A time in which the device does nothing, to test drivers. */

#ifndef SST_SILENCE_H
#define SST_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"

/* Length of a silence that ends when the device is reset */
#define SILENCE_UNTIL_RESET	UINT64_MAX

/**
 * struct silence - a time in which the device does nothing
 * @loop: the loop that serves the device
 * @ended: called at its end, to look at everything that happened meanwhile
 * @timer: expires at its end
 * @on: the device is silent
 * @timed: it is so until @timer expires
 */
struct silence {
	struct loop *loop;
	void (*ended)(struct silence *silence);
	struct watch timer;
	bool on;
	bool timed;
};

/* The first 2 members are set. Return: 0, or -1 with errno set */
int silence_init(struct silence *silence);
void silence_destroy(struct silence *silence);

/* Begins a silence of that many nanoseconds, or SILENCE_UNTIL_RESET */
void silence_begin(struct silence *silence, uint64_t duration_ns);

/* Ends a silence, if there is one */
void silence_end(struct silence *silence);

/* Ends a silence that lasts until the device is reset */
void silence_reset(struct silence *silence);

#endif /* SST_SILENCE_H */
