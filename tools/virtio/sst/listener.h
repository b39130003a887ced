/* SPDX-License-Identifier: GPL-2.0-only */
/* Waits for connections to a listening socket. */

#ifndef SST_LISTENER_H
#define SST_LISTENER_H

#include "loop.h"

/**
 * struct listener - waits for connections to a listening socket
 * @loop: the loop that serves it
 * @ready: called when there may be a connection to accept
 * @about: the device that is logged about, or NULL
 * @fd: the socket, while it is waited for
 * @accepting: waits for connections
 * @timer: expires when that is to be tried again
 */
struct listener {
	struct loop *loop;
	void (*ready)(struct listener *listener);
	const char *about;
	int fd;
	struct watch accepting;
	struct watch timer;
};

/* The first 3 members are set. Return: 0, or -1 with errno set */
int listener_init(struct listener *listener);

void listener_destroy(struct listener *listener);

/* Begins to wait for connections to a socket, and stops to */
void listener_start(struct listener *listener, int fd);
void listener_stop(struct listener *listener);

/*
 * To be called when no connection could be accepted, with errno set. If that is not because
 * there is none, as when the process has no descriptor left, the next attempt is made later:
 * the socket stays readable meanwhile.
 */
void listener_failed(struct listener *listener);

#endif /* SST_LISTENER_H */
