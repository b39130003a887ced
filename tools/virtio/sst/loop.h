/* SPDX-License-Identifier: GPL-2.0-only */
/* An event loop: calls back when a descriptor is ready or a timer is due. */

#ifndef SST_LOOP_H
#define SST_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct watch - interest in one file descriptor
 * @fd: the descriptor, -1 while the watch is not in a loop
 * @ready: called when @fd is readable
 * @writable: called when it is writable, while that is asked for
 * @about: what messages of these calls are about, or NULL for what those of the thread are
 *
 * Embedded in the structure of its user, which finds itself with container_of.
 */
struct watch {
	int fd;
	void (*ready)(struct watch *watch);
	void (*writable)(struct watch *watch);
	const char *about;
};

/**
 * struct loop - one event loop, run by one thread
 * @epoll_fd: the descriptors waited for
 * @stop: set by loop_stop()
 * @busy: called before each wait; does what can be done without waiting and
 *	returns whether it wants to be called again without sleeping
 * @opaque: argument of @busy
 */
struct loop {
	int epoll_fd;
	bool stop;
	bool (*busy)(void *opaque);
	void *opaque;
};

int loop_init(struct loop *loop);
void loop_destroy(struct loop *loop);
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Both return 0, or -1 with errno set */
int loop_add(struct loop *loop, struct watch *watch, int fd);
void loop_remove(struct loop *loop, struct watch *watch);

/* Asks, or asks no more, for calls of watch->writable */
void loop_watch_writable(struct loop *loop, struct watch *watch, bool on);

/* Timers are watches of a timerfd on CLOCK_MONOTONIC */
int timer_open(void);
void timer_set(int fd, uint64_t due_ns);
void timer_set_periodic(int fd, uint64_t interval_ns);
uint64_t timer_read(int fd);

/*
 * Takes the kicks from a descriptor: an eventfd, or what a front-end has in its
 * place. Return: whether it can be read again
 */
bool kick_read(int fd);

#endif /* SST_LOOP_H */
