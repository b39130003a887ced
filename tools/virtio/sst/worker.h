/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A thread with an event loop of its own, which another thread can make pause.
 *
 * While a worker pauses it touches nothing but itself, so that whatever its
 * loop uses can be changed from outside without any lock: the loop takes none
 * for its work.
 */

#ifndef SST_WORKER_H
#define SST_WORKER_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "loop.h"
#include "sigbus.h"

/**
 * struct worker - a thread with an event loop
 * @loop: the event loop; to be changed only while the worker pauses
 * @thread: the thread
 * @name: what its messages are about, or NULL
 * @sigbus: the guest memory that it uses
 * @wake: interrupts the loop for a pause
 * @lock: protects the members below
 * @changed: signalled when one of them changes
 * @pause: the worker is to pause
 * @paused: it does
 */
struct worker {
	struct loop loop;
	pthread_t thread;
	const char *name;
	struct sigbus *sigbus;
	struct watch wake;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool pause;
	bool paused;
};

/* Starts the thread, which pauses at first. Return: 0, or -1 with errno set */
int worker_start(struct worker *worker);

/* Ends the thread */
void worker_stop(struct worker *worker);

/* Interrupts calls that block; it has a handler that does nothing */
#define WORKER_SIGNAL	SIGALRM

/*
 * Asks for a pause, and waits until it has begun: two functions, so that many
 * workers can be asked before the first one is waited for. One that does not pause soon gets
 * WORKER_SIGNAL: a front-end may have made a descriptor block.
 */
void worker_pause(struct worker *worker);
void worker_wait_paused(struct worker *worker);

/* Ends a pause that has begun */
void worker_resume(struct worker *worker);

#endif /* SST_WORKER_H */
