/* SPDX-License-Identifier: GPL-2.0-only */
/* What an input tells a front-end and its guest to do. */

#ifndef SST_FUZZ_SCRIPT_H
#define SST_FUZZ_SCRIPT_H

#include "input.h"
#include "target.h"

/**
 * struct script - an input that is being carried out
 * @in: what is left of it
 * @t: the back-end
 * @num: entries of each ring that script_setup() has set up
 * @avail: index of each available ring
 */
struct script {
	struct input in;
	struct target *t;
	unsigned int num;
	uint16_t avail[MAX_RINGS];
};

/* Does what a well-behaved front-end does at first, with variations */
void script_setup(struct script *s);

/* The next step of a front-end that sends whatever messages it likes */
void script_message(struct script *s);

/* The next step of a guest that writes whatever it likes */
void script_guest(struct script *s);

/* Lets the back-end work; insists that it comes to rest unless it has work */
void script_run(struct script *s);

#endif /* SST_FUZZ_SCRIPT_H */
