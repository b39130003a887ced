// SPDX-License-Identifier: GPL-2.0-only
/*
 * A connection with a simulator, which is made again whenever it ends.
 *
 * Either we connect, again and again, with a growing delay between attempts, or the
 * simulator does. The delay is short again only after a connection that was of use: somebody
 * in between, such as a tunnel, may take connections and have nobody to pass them on to.
 * Links that share an endpoint where the simulator connects take its connections as they
 * come.
 */

#include <errno.h>
#include <string.h>

#include "link.h"
#include "log.h"
#include "util.h"

#define MIN_DELAY_NS	(100 * NSEC_PER_MSEC)
#define MAX_DELAY_NS	(5 * NSEC_PER_SEC)

/* An attempt, at all addresses, ends after this time */
#define ATTEMPT_NS	(5 * NSEC_PER_SEC)

/* So long a connection that we have ended ourselves is taken for one that will be back */
#define RESUME_NS	NSEC_PER_SEC

/* A connection that has lasted so long is taken for one that was of use */
#define LASTING_NS	(5 * NSEC_PER_SEC)

/* A connection over TCP is looked at so often */
#define CHECK_NS	(5 * NSEC_PER_SEC)

/* Sooner, if what waits for a connection that should be back is to be told by then */
static void set_timer(struct link *link, uint64_t delay_ns)
{
	uint64_t due = now_ns() + delay_ns;

	if (link->resuming && due > link->resume_until)
		due = link->resume_until;
	timer_set(link->timer.fd, due);
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
	link->resuming = false;
	check_later(link);
	link->state = LINK_UP;
	link->up_since = now_ns();
	link->of_use = false;
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
		log_fault("%s: %s: %s; trying again", link->name, link->endpoint->text,
			  strerror(error));
}

static void attempt_later(struct link *link)
{
	set_timer(link, link->delay_ns);
	link->delay_ns *= 2;
	if (link->delay_ns > MAX_DELAY_NS)
		link->delay_ns = MAX_DELAY_NS;
}

static void attempt_failed(struct link *link, int error)
{
	link->state = LINK_DOWN;
	attempt_later(link);
	tell_failure(link, error);
	if (!link->resuming)
		link->down(link);
}

/* Return: 0, or why there is no connection */
static int socket_error(const struct link *link)
{
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(link->socket.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return !error && endpoint_is_self(link->socket.fd) ? ECONNREFUSED : error;
}

/* Return: 0 if there is a connection or may be one, or why there is none */
static int try_address(struct link *link)
{
	bool connecting = false;
	int fd = endpoint_connect(link->endpoint, link->address, &connecting), error;

	if (fd < 0)
		return errno;
	if (loop_add(link->loop, &link->socket, fd)) {
		error = errno;
		close(fd);
		return error;
	}
	if (connecting) {
		link->state = LINK_CONNECTING;
		link_watch_writable(link, true);
		set_timer(link, ATTEMPT_NS / link->endpoint->nr);
		return 0;
	}
	error = socket_error(link);
	if (!error)
		come_up(link);
	return error;
}

/* Goes on with the next address; after the last one, the next is the first of them again */
static void address_failed(struct link *link, int error)
{
	do {
		close_socket(link);
		link->address = (link->address + 1) % link->endpoint->nr;
		if (!--link->left) {
			attempt_failed(link, error);
			return;
		}
		error = try_address(link);
	} while (error);
}

static void attempt(struct link *link)
{
	int error;

	link->left = link->endpoint->nr;
	error = try_address(link);
	if (error)
		address_failed(link, error);
}

/* The connection to an address has been made, or not */
static void address_ended(struct link *link)
{
	int error = socket_error(link);

	if (error)
		address_failed(link, error);
	else
		come_up(link);
}

static void begin(struct link *link)
{
	link->state = LINK_DOWN;
	if (!link->endpoint->listens) {
		attempt(link);
		return;
	}
	listener_start(&link->accepting, link->endpoint->server.fd);
	if (link->resuming)
		set_timer(link, RESUME_NS);
}

static void accepting_ready(struct listener *accepting)
{
	struct link *link = container_of(accepting, struct link, accepting);
	int fd = endpoint_accept(link->endpoint);

	if (fd < 0) {
		listener_failed(accepting);
		return;
	}
	if (loop_add(link->loop, &link->socket, fd)) {
		log_error("%s: cannot take a connection: %s", link->name, strerror(errno));
		close(fd);
		return;
	}
	listener_stop(accepting);
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
	if (link->resuming && now_ns() >= link->resume_until) {
		link->resuming = false;
		link->down(link);
	}
	if (link->state == LINK_UP)
		check(link);
	else if (link->state == LINK_CONNECTING)
		address_failed(link, ETIMEDOUT);
	else if (!link->endpoint->listens)
		attempt(link);
}

static void socket_ready(struct watch *watch)
{
	struct link *link = container_of(watch, struct link, socket);

	if (link->state == LINK_UP)
		link->readable(link);
	else
		address_ended(link);
}

static void socket_writable(struct watch *watch)
{
	struct link *link = container_of(watch, struct link, socket);

	if (link->state == LINK_UP)
		link->writable(link);
	else
		address_ended(link);
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
	link->accepting.loop = link->loop;
	link->accepting.ready = accepting_ready;
	link->timer.ready = timer_ready;
	link->delay_ns = MIN_DELAY_NS;
	if (loop_add(link->loop, &link->timer, fd) ||
	    (link->endpoint->listens && listener_init(&link->accepting)))
		return -1;
	begin(link);
	return 0;
}

void link_destroy(struct link *link)
{
	close_socket(link);
	if (link->endpoint->listens)
		listener_destroy(&link->accepting);
	close_fd(&link->timer.fd);
}

void link_was_of_use(struct link *link)
{
	link->of_use = true;
}

static void leave(struct link *link)
{
	if (link->of_use || now_ns() - link->up_since >= LASTING_NS)
		link->delay_ns = MIN_DELAY_NS;
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
		attempt_later(link);
	link->down(link);
}

/* A guest may reset its device as often as it likes */
void link_restart(struct link *link)
{
	uint64_t now = now_ns(), due = link->restarted + MIN_DELAY_NS;

	log_debug("%s: connecting anew", link->name);
	leave(link);
	link->resuming = true;
	link->resume_until = now + RESUME_NS;
	link->restarted = now;
	if (now < due && !link->endpoint->listens) {
		link->restarted = due;
		set_timer(link, due - now);
	} else {
		begin(link);
	}
}

void link_watch_writable(struct link *link, bool on)
{
	if (link->watches_writable == on)
		return;
	link->watches_writable = on;
	loop_watch_writable(link->loop, &link->socket, on);
}
