// SPDX-License-Identifier: GPL-2.0-only
/* Waits for connections to a listening socket. */

#include <errno.h>
#include <string.h>

#include "listener.h"
#include "log.h"
#include "util.h"

/* Time until the next attempt, after one that has failed */
#define RETRY_NS	NSEC_PER_SEC

static void try_later(struct listener *listener)
{
	log_fault("cannot accept a connection: %s; trying again", strerror(errno));
	loop_remove(listener->loop, &listener->accepting);
	timer_set(listener->timer.fd, now_ns() + RETRY_NS);
}

void listener_failed(struct listener *listener)
{
	/* Another thread may have been quicker, or whoever connected has gone */
	if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		try_later(listener);
}

void listener_start(struct listener *listener, int fd)
{
	listener->fd = fd;
	if (loop_add(listener->loop, &listener->accepting, fd))
		try_later(listener);
}

void listener_stop(struct listener *listener)
{
	loop_remove(listener->loop, &listener->accepting);
	timer_set(listener->timer.fd, 0);
}

static void accepting_ready(struct watch *watch)
{
	struct listener *listener = container_of(watch, struct listener, accepting);

	listener->ready(listener);
}

static void timer_ready(struct watch *watch)
{
	struct listener *listener = container_of(watch, struct listener, timer);

	if (timer_read(watch->fd))
		listener_start(listener, listener->fd);
}

int listener_init(struct listener *listener)
{
	int fd = timer_open();

	listener->accepting = (struct watch){
		.fd = -1,
		.ready = accepting_ready,
		.about = listener->about,
	};
	listener->timer = (struct watch){
		.fd = -1,
		.ready = timer_ready,
		.about = listener->about,
	};
	if (fd < 0)
		return -1;
	if (!loop_add(listener->loop, &listener->timer, fd))
		return 0;
	close_fd(&fd);
	return -1;
}

void listener_destroy(struct listener *listener)
{
	loop_remove(listener->loop, &listener->accepting);
	close_fd(&listener->timer.fd);
}
