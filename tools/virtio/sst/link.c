// SPDX-License-Identifier: GPL-2.0-only
/*
 * A connection with a simulator, which is made again whenever it ends.
 *
 * Either we connect, again and again, with a growing delay between attempts, or the
 * simulator does. Links that share an endpoint where the simulator connects take its
 * connections as they come.
 */

#include <errno.h>
#include <string.h>

#include "link.h"
#include "log.h"
#include "util.h"

#define MIN_DELAY_NS	(100 * NSEC_PER_MSEC)
#define MAX_DELAY_NS	(5 * NSEC_PER_SEC)

/* An attempt ends after this time */
#define ATTEMPT_NS	(5 * NSEC_PER_SEC)

/* So long a connection that we have ended ourselves is taken for one that will be back */
#define RESUME_NS	NSEC_PER_SEC

/* A connection over TCP is looked at so often */
#define CHECK_NS	(5 * NSEC_PER_SEC)

static void set_timer(struct link *link, uint64_t delay_ns)
{
	timer_set(link->timer.fd, now_ns() + delay_ns);
}

static void close_socket(struct link *link)
{
	int fd = link->socket.fd;

	loop_remove(link->loop, &link->socket);
	close_fd(&fd);
	link->watches_writable = false;
}

static void count_change(struct link *link)
{
	__atomic_store_n(&link->changes, link->changes + 1, __ATOMIC_RELAXED);
	link->changed(link);
}

uint64_t link_changes(const struct link *link)
{
	return __atomic_load_n(&link->changes, __ATOMIC_RELAXED);
}

static void check_later(struct link *link)
{
	if (link->endpoint->path)
		timer_set(link->timer.fd, 0);
	else
		set_timer(link, CHECK_NS);
}

static void come_up(struct link *link)
{
	check_later(link);
	link->state = LINK_UP;
	link->resuming = false;
	link->delay_ns = MIN_DELAY_NS;
	link_watch_writable(link, false);
	__atomic_store_n(link->told, false, __ATOMIC_RELAXED);
	log_fault("%s: connected, %s", link->name, link->endpoint->text);
	count_change(link);
	link->up(link);
}

/* Those who share the endpoint say it once together */
static void tell_failure(struct link *link, int error)
{
	if (!__atomic_exchange_n(link->told, true, __ATOMIC_RELAXED))
		log_error("%s: %s: %s; trying again", link->name, link->endpoint->text,
			  strerror(error));
}

static void attempt_failed(struct link *link, int error)
{
	close_socket(link);
	link->state = LINK_DOWN;
	link->resuming = false;
	set_timer(link, link->delay_ns);
	link->delay_ns *= 2;
	if (link->delay_ns > MAX_DELAY_NS)
		link->delay_ns = MAX_DELAY_NS;
	tell_failure(link, error);
	link->down(link);
}

/* An attempt has ended, in one way or the other */
static void attempt_ended(struct link *link)
{
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(link->socket.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (!error && endpoint_is_self(link->socket.fd))
		error = ECONNREFUSED;
	if (error)
		attempt_failed(link, error);
	else
		come_up(link);
}

static void attempt(struct link *link)
{
	bool connecting = false;
	int fd = endpoint_connect(link->endpoint, link->attempts++, &connecting);

	if (fd >= 0 && loop_add(link->loop, &link->socket, fd))
		close_fd(&fd);
	if (fd < 0) {
		attempt_failed(link, errno);
	} else if (connecting) {
		link->state = LINK_CONNECTING;
		link_watch_writable(link, true);
		set_timer(link, link->resuming ? RESUME_NS : ATTEMPT_NS);
	} else {
		attempt_ended(link);
	}
}

static void begin(struct link *link)
{
	link->state = LINK_DOWN;
	if (!link->endpoint->listens) {
		attempt(link);
		return;
	}
	if (loop_add(link->loop, &link->accepting, link->endpoint->server.fd))
		log_error("%s: cannot wait for a simulator: %s", link->name, strerror(errno));
	if (link->resuming)
		set_timer(link, RESUME_NS);
}

static void accepting_ready(struct watch *watch)
{
	struct link *link = container_of(watch, struct link, accepting);
	int fd = endpoint_accept(link->endpoint);

	/* Another link may have been quicker */
	if (fd < 0)
		return;
	if (loop_add(link->loop, &link->socket, fd)) {
		log_error("%s: cannot take a connection: %s", link->name, strerror(errno));
		close(fd);
		return;
	}
	loop_remove(link->loop, watch);
	come_up(link);
}

static void check(struct link *link)
{
	if (endpoint_is_silent(link->socket.fd))
		link_fail(link, strerror(ETIMEDOUT));
	else
		check_later(link);
}

static void timer_ready(struct watch *watch)
{
	struct link *link = container_of(watch, struct link, timer);

	if (!timer_read(watch->fd))
		return;
	if (link->state == LINK_UP) {
		check(link);
	} else if (link->state == LINK_CONNECTING) {
		attempt_failed(link, ETIMEDOUT);
	} else if (link->endpoint->listens) {
		link->resuming = false;
		link->down(link);
	} else {
		attempt(link);
	}
}

static void socket_ready(struct watch *watch)
{
	struct link *link = container_of(watch, struct link, socket);

	if (link->state == LINK_UP)
		link->readable(link);
	else
		attempt_ended(link);
}

static void socket_writable(struct watch *watch)
{
	struct link *link = container_of(watch, struct link, socket);

	if (link->state == LINK_UP)
		link->writable(link);
	else
		attempt_ended(link);
}

int link_init(struct link *link)
{
	int fd = timer_open();

	if (fd < 0)
		return -1;
	link->socket = (struct watch){
		.fd = -1,
		.ready = socket_ready,
		.writable = socket_writable,
	};
	link->accepting = (struct watch){ .fd = -1, .ready = accepting_ready };
	link->timer.ready = timer_ready;
	link->delay_ns = MIN_DELAY_NS;
	if (loop_add(link->loop, &link->timer, fd))
		return -1;
	begin(link);
	return 0;
}

void link_destroy(struct link *link)
{
	close_socket(link);
	loop_remove(link->loop, &link->accepting);
	close_fd(&link->timer.fd);
}

static void leave(struct link *link)
{
	close_socket(link);
	timer_set(link->timer.fd, 0);
	link->state = LINK_DOWN;
	count_change(link);
}

void link_fail(struct link *link, const char *why)
{
	log_fault("%s: %s; disconnected", link->name, why);
	leave(link);
	if (link->endpoint->listens)
		begin(link);
	else
		set_timer(link, link->delay_ns);
	link->down(link);
}

void link_restart(struct link *link)
{
	log_debug("%s: connecting anew", link->name);
	leave(link);
	link->resuming = true;
	begin(link);
}

void link_watch_writable(struct link *link, bool on)
{
	if (link->watches_writable == on)
		return;
	link->watches_writable = on;
	loop_watch_writable(link->loop, &link->socket, on);
}
