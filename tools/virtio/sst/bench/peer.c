// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost-user-peer: the back-end of the devices that SST devices are compared with, a
 * console's port and a socket, made of the same parts as vhost-user-sst.
 */

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "peer.h"
#include "util.h"

static struct peer *vu_to_peer(struct vu_dev *vu)
{
	return container_of(vu, struct peer, vu);
}

static void kick_ready(struct watch *watch)
{
	struct peer_queue *q = container_of(watch, struct peer_queue, kick);

	if (kick_read(watch->fd))
		q->peer->kind->serve(q->peer, q->index);
	else
		vu_ring_error(&q->peer->vu, q->index, "kick file cannot be read");
}

static bool ring_start(struct vu_dev *vu, unsigned int index)
{
	struct peer_queue *q = &vu_to_peer(vu)->queues[index];

	if (vu->rings[index].no_kick ||
	    loop_add(&q->peer->loop, &q->kick, vu->rings[index].kick_fd))
		return false;
	q->ring = &vu->rings[index];
	/* What came before the kick descriptor was known */
	q->peer->kind->serve(q->peer, index);
	return true;
}

static void ring_stop(struct vu_dev *vu, unsigned int index)
{
	struct peer_queue *q = &vu_to_peer(vu)->queues[index];

	loop_remove(&q->peer->loop, &q->kick);
	q->ring = NULL;
}

static void config_get(struct vu_dev *vu, uint8_t *config)
{
	vu_to_peer(vu)->kind->config(config);
}

static bool config_set(struct vu_dev *vu, uint32_t offset, uint32_t size)
{
	log_debug("%u bytes written to configuration space of %s at %u", size,
		  vu_to_peer(vu)->kind->name, offset);
	return false;
}

/* There is one thread, and nothing to pause. */
static void pause_threads(struct vu_dev *vu)
{
	(void)vu;
}

static const struct vu_ops peer_ops = {
	.pause = pause_threads,
	.resume = pause_threads,
	.ring_start = ring_start,
	.ring_stop = ring_stop,
	.config_get = config_get,
	.config_set = config_set,
};

static void init_device(struct peer *peer)
{
	struct vu_dev *vu = &peer->vu;
	unsigned int i;

	for (i = 0; i < PEER_MAX_RINGS; i++) {
		peer->queues[i].peer = peer;
		peer->queues[i].index = i;
		peer->queues[i].kick.fd = -1;
		peer->queues[i].kick.ready = kick_ready;
	}
	vu->ops = &peer_ops;
	vu->features = peer->kind->features | BIT64(VU_F_PROTOCOL_FEATURES) |
		       BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_INDIRECT_DESC) |
		       BIT64(VIRTIO_RING_F_EVENT_IDX);
	vu->protocol_features = BIT64(VU_PROTOCOL_F_MQ) | BIT64(VU_PROTOCOL_F_REPLY_ACK) |
				BIT64(VU_PROTOCOL_F_CONFIG) |
				BIT64(VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
	vu->nr_rings = peer->kind->nr_rings;
	vu->max_ring_size = 1024;
	vu_init(vu);
}

static void listen_again(struct peer *peer)
{
	if (loop_add(&peer->loop, &peer->listening, peer->server.fd))
		loop_stop(&peer->loop);
}

static void conn_closed(struct conn *conn)
{
	struct peer *peer = container_of(conn, struct peer, conn);

	vu_reset(&peer->vu);
	peer->kind->reset(peer);
	listen_again(peer);
}

static void listening_ready(struct watch *watch)
{
	struct peer *peer = container_of(watch, struct peer, listening);
	int fd = server_accept(&peer->server);

	if (fd < 0)
		return;
	if (conn_open(&peer->conn, fd))
		close(fd);
	else
		loop_remove(&peer->loop, watch);
}

static const struct peer_kind *find_kind(const char *name)
{
	static const struct peer_kind *const kinds[] = { &peer_console, &peer_vsock };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

int main(int argc, char **argv)
{
	static struct peer peer;
	int status;

	peer.kind = argc == 3 && strlen(argv[2]) < 108 ? find_kind(argv[1]) : NULL;
	if (!peer.kind) {
		fputs("usage: vhost-user-peer console|vsock SOCKET\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	peer.listening.fd = -1;
	peer.listening.ready = listening_ready;
	peer.conn = (struct conn) {
		.loop = &peer.loop,
		.vu = &peer.vu,
		.closed = conn_closed,
		.watch.fd = -1,
	};
	init_device(&peer);
	status = loop_init(&peer.loop) ? 1 : server_open(&peer.server, argv[2]);
	if (status)
		return status;
	listen_again(&peer);
	if (loop_run(&peer.loop))
		log_error("cannot wait for events: %s", strerror(errno));
	return 1;
}
