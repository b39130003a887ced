// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was done, as JSON, for each connection to a socket.
 *
 * A connection gets the document as it was at its beginning, as fast as it takes it.
 */

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "count.h"
#include "log.h"
#include "stats.h"
#include "util.h"

/**
 * struct stats_client - a connection that has not taken all so far
 * @stats: what it belongs to
 * @next: the next one
 * @watch: the socket
 * @root: the document
 * @text: the same as text, which belongs to @root
 * @left: bytes of @text that were not sent
 */
struct stats_client {
	struct stats *stats;
	struct stats_client *next;
	struct watch watch;
	json_object *root;
	const char *text;
	size_t left;
};

/* The document */

static void add_number(json_object *object, const char *name, uint64_t number)
{
	json_object_object_add(object, name, json_object_new_uint64(number));
}

static void add_counter(json_object *object, const char *name, const uint64_t *counter)
{
	add_number(object, name, count_read(counter));
}

static void add_link(json_object *object, const struct link *link)
{
	uint64_t changes = link_changes(link), connections = (changes + 1) / 2;

	json_object_object_add(object, "connected", json_object_new_boolean(changes % 2));
	add_number(object, "reconnects", connections ? connections - 1 : 0);
}

static json_object *describe_pair(const struct pair *pair, unsigned int number)
{
	const struct forward_counts *counts = &pair->forward.counts;
	json_object *object = json_object_new_object();

	add_number(object, "pair", number);
	add_counter(object, "requests", &pair->requests.requests);
	if (!pair->requests.forward)
		return object;
	add_counter(object, "forwarded", &counts->forwarded);
	add_counter(object, "answered", &counts->answered);
	add_counter(object, "timed_out", &counts->timed_out);
	add_counter(object, "late", &counts->late);
	add_counter(object, "failed", &counts->failed);
	add_counter(object, "refused", &counts->refused);
	add_counter(object, "dropped", &counts->dropped);
	add_counter(object, "unmatched", &counts->unmatched);
	add_counter(object, "in_flight", &counts->in_flight);
	add_link(object, &pair->forward.link);
	return object;
}

static json_object *describe_events(const struct sst_device *dev)
{
	json_object *object = json_object_new_object();

	add_counter(object, "sent", &dev->events.sent);
	add_counter(object, "dropped", &dev->events.dropped);
	if (dev->options->events_endpoint.text)
		add_link(object, &dev->relay.link);
	return object;
}

static json_object *describe_device(const struct sst_device *dev)
{
	json_object *object = json_object_new_object(), *pairs = json_object_new_array();
	unsigned int i;

	json_object_object_add(object, "socket", json_object_new_string(dev->options->socket));
	add_number(object, "device_id", dev->options->device_id);
	for (i = 0; i < dev->options->nr_pairs; i++)
		json_object_array_add(pairs, describe_pair(&dev->pairs[i], i));
	json_object_object_add(object, "pairs", pairs);
	json_object_object_add(object, "events", describe_events(dev));
	return object;
}

static json_object *describe(const struct stats *stats)
{
	json_object *root = json_object_new_object(), *devices = json_object_new_array();
	unsigned int i;

	for (i = 0; i < stats->nr; i++)
		json_object_array_add(devices, describe_device(stats->devices[i]));
	json_object_object_add(root, "devices", devices);
	return root;
}

/* Connections */

static void end_client(struct stats_client *client)
{
	struct stats_client **link = &client->stats->clients;
	int fd = client->watch.fd;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	loop_remove(client->stats->loop, &client->watch);
	close_fd(&fd);
	json_object_put(client->root);
	free(client);
}

static void client_writable(struct watch *watch)
{
	struct stats_client *client = container_of(watch, struct stats_client, watch);
	ssize_t ret = send(watch->fd, client->text, client->left, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (ret < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (ret > 0) {
		client->text += ret;
		client->left -= (size_t)ret;
	}
	if (ret < 0 || !client->left)
		end_client(client);
}

/* Whatever it sends, or its end */
static void client_readable(struct watch *watch)
{
	struct stats_client *client = container_of(watch, struct stats_client, watch);
	char buf[256];
	ssize_t ret = recv(watch->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (!ret || (ret < 0 && errno != EAGAIN && errno != EINTR))
		end_client(client);
}

static struct stats_client *new_client(struct stats *stats, int fd)
{
	struct stats_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->stats = stats;
	client->watch = (struct watch){
		.fd = -1,
		.ready = client_readable,
		.writable = client_writable,
	};
	if (loop_add(stats->loop, &client->watch, fd)) {
		free(client);
		return NULL;
	}
	client->root = describe(stats);
	client->text = json_object_to_json_string_length(client->root, JSON_C_TO_STRING_PLAIN,
							 &client->left);
	client->next = stats->clients;
	stats->clients = client;
	return client;
}

static void listening_ready(struct listener *listening)
{
	struct stats *stats = container_of(listening, struct stats, listening);
	int fd = server_accept(&stats->server);

	if (fd < 0) {
		listener_failed(listening);
		return;
	}
	if (new_client(stats, fd)) {
		loop_watch_writable(stats->loop, &stats->clients->watch, true);
		return;
	}
	log_error("cannot tell statistics: %s", strerror(errno));
	close(fd);
}

int stats_init(struct stats *stats)
{
	stats->listening.loop = stats->loop;
	stats->listening.ready = listening_ready;
	if (listener_init(&stats->listening))
		return -1;
	listener_start(&stats->listening, stats->server.fd);
	return 0;
}

void stats_destroy(struct stats *stats)
{
	while (stats->clients)
		end_client(stats->clients);
	listener_destroy(&stats->listening);
}
