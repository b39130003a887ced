// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events that a simulator sends, and events about the connections with it.
 *
 * The pairs' connections belong to other threads. Each one counts how often it came and
 * went; the difference to what the guest was told is what the guest has to be told.
 */

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "log.h"
#include "relay.h"
#include "util.h"

static struct relay *link_to_relay(struct link *link)
{
	return container_of(link, struct relay, link);
}

static void post(struct relay *relay, const struct sst_event *event)
{
	/* Without a guest nobody misses it */
	if (!eventq_post(relay->events, event) && relay->events->ring)
		log_fault("the driver takes no events: dropped one of type %u",
			  le32toh(event->type));
}

/* Connections of the pairs */

static void post_state(struct relay *relay, unsigned int pair, bool connected)
{
	const struct sst_event event = {
		.type = htole32(connected ? RELAY_TYPE_CONNECTED : RELAY_TYPE_DISCONNECTED),
		.data = htole64(pair),
	};

	post(relay, &event);
}

/* Many changes at once are told as the last two: the end of it is what counts */
static void tell(struct relay *relay, unsigned int pair)
{
	uint64_t changes = link_changes(relay->pairs[pair]);

	/* relay_start() tells what there is then */
	if (!relay->events->ring)
		return;
	if (changes - relay->reported[pair] > 2)
		relay->reported[pair] = changes - 2;
	while (relay->reported[pair] != changes)
		post_state(relay, pair, ++relay->reported[pair] % 2);
}

static void changed_ready(struct watch *watch)
{
	struct relay *relay = container_of(watch, struct relay, changed);
	unsigned int i;

	kick_read(watch->fd);
	for (i = 0; i < relay->nr_pairs; i++)
		tell(relay, i);
	eventq_wake(relay->events);
}

void relay_notify(struct relay *relay)
{
	eventfd_write(relay->changed.fd, 1);
}

void relay_start(struct relay *relay)
{
	unsigned int i;

	for (i = 0; i < relay->nr_pairs; i++) {
		relay->reported[i] = link_changes(relay->pairs[i]);
		if (relay->reported[i] % 2)
			post_state(relay, i, true);
	}
	relay_notify(relay);
}

/* Events of the simulator */

static void take_events(struct relay *relay)
{
	size_t nr = relay->have / sizeof(relay->buffer[0]), i;

	if (nr)
		link_was_of_use(&relay->link);
	for (i = 0; i < nr; i++)
		post(relay, &relay->buffer[i]);
	relay->have -= nr * sizeof(relay->buffer[0]);
	memmove(relay->buffer, relay->buffer + nr, relay->have);
	eventq_wake(relay->events);
}

static void end_of_stream(struct relay *relay)
{
	char why[80] = "the simulator has ended the connection";

	if (relay->have)
		snprintf(why, sizeof(why),
			 "the connection has ended after %zu of %zu bytes of an event",
			 relay->have, sizeof(relay->buffer[0]));
	link_fail(&relay->link, why);
}

static void readable(struct link *link)
{
	struct relay *relay = link_to_relay(link);
	ssize_t ret;

	ret = recv(link->socket.fd, (char *)relay->buffer + relay->have,
		   sizeof(relay->buffer) - relay->have, MSG_DONTWAIT);
	if (ret > 0) {
		relay->have += (size_t)ret;
		take_events(relay);
	} else if (ret == 0) {
		end_of_stream(relay);
	} else if (errno != EAGAIN && errno != EINTR) {
		link_fail(link, strerror(errno));
	}
}

static void ignore(struct link *link)
{
	(void)link;
}

static void down(struct link *link)
{
	link_to_relay(link)->have = 0;
}

static int init_link(struct relay *relay)
{
	struct link *link = &relay->link;

	link->loop = relay->loop;
	link->endpoint = relay->endpoint;
	link->up = ignore;
	link->down = down;
	link->readable = readable;
	link->writable = ignore;
	link->changed = ignore;
	link->accepting.about = relay->changed.about;
	if (link_init(link))
		return -1;
	link->socket.about = relay->changed.about;
	link->timer.about = relay->changed.about;
	return 0;
}

int relay_init(struct relay *relay)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -1;
	relay->changed.ready = changed_ready;
	if (loop_add(relay->loop, &relay->changed, fd))
		return -1;
	return relay->endpoint->text ? init_link(relay) : 0;
}

void relay_destroy(struct relay *relay)
{
	if (relay->endpoint->text)
		link_destroy(&relay->link);
	close_fd(&relay->changed.fd);
}
