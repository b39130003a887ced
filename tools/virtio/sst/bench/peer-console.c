// SPDX-License-Identifier: GPL-2.0-only
/* The back-end of the benchmark's peers: a console with one port for programs. */

#include <endian.h>
#include <linux/virtio_console.h>
#include <string.h>

#include "peer.h"
#include "util.h"

/* Port 0 is there in any case; it would be a terminal. */
#define CONSOLE_PORT	1

enum {
	RING_CONTROL_RX = 2,
	RING_CONTROL_TX = 3,
	RING_RX = 4,
	RING_TX = 5,
};

static void console_config(uint8_t *config)
{
	const struct virtio_console_config console = {
		.max_nr_ports = htole32(CONSOLE_PORT + 1),
	};

	memcpy(config, &console, sizeof(console));
}

static void console_tell(struct peer *peer, uint16_t event)
{
	struct peer_queue *q = &peer->queues[RING_CONTROL_RX];
	const struct virtio_console_control control = {
		.id = htole32(CONSOLE_PORT),
		.event = htole16(event),
		.value = htole16(1),
	};

	if (peer_pop(q))
		peer_give(q, &control, sizeof(control));
	peer_rest(q, false);
}

static void console_control(struct peer *peer, const struct virtio_console_control *control)
{
	if (le16toh(control->event) == VIRTIO_CONSOLE_DEVICE_READY)
		console_tell(peer, VIRTIO_CONSOLE_PORT_ADD);
	else if (le16toh(control->event) == VIRTIO_CONSOLE_PORT_READY &&
		 le32toh(control->id) == CONSOLE_PORT)
		console_tell(peer, VIRTIO_CONSOLE_PORT_OPEN);
}

static void console_serve_control(struct peer *peer)
{
	struct peer_queue *q = &peer->queues[RING_CONTROL_TX];
	struct virtio_console_control control;

	do {
		while (peer_pop(q)) {
			if (q->chain.out_len < sizeof(control) || !peer_read(q))
				return;
			memcpy(&control, peer->buffer, sizeof(control));
			virtq_push(&q->ring->vq, q->chain.head, 0);
			console_control(peer, &control);
		}
	} while (peer_rest(q, true));
}

/* Sends what there is, as far as the driver has room for it. */
static void console_send(struct peer *peer)
{
	struct peer_queue *q = &peer->queues[RING_RX];
	struct echo *echo = &peer->echo;
	size_t len;

	do {
		while (echo->len && peer_pop(q)) {
			len = (size_t)q->chain.in_len;
			if (len > echo->len)
				len = echo->len;
			if (!peer_give(q, echo->out + echo->start, len))
				return;
			echo->start += len;
			echo->len -= len;
		}
	} while (peer_rest(q, echo->len));
}

static void console_receive(struct peer *peer)
{
	struct peer_queue *q = &peer->queues[RING_TX];

	do {
		while (peer_pop(q)) {
			if (!peer_read(q))
				return;
			echo_take(&peer->echo, peer->buffer, (size_t)q->chain.out_len);
			virtq_push(&q->ring->vq, q->chain.head, 0);
		}
		console_send(peer);
	} while (peer_rest(q, true));
}

static void console_serve(struct peer *peer, unsigned int index)
{
	if (index == RING_CONTROL_TX)
		console_serve_control(peer);
	else if (index == RING_TX)
		console_receive(peer);
	else if (index == RING_RX)
		console_send(peer);
}

static void console_reset(struct peer *peer)
{
	echo_reset(&peer->echo);
}

const struct peer_kind peer_console = {
	.name = "console",
	.features = BIT64(VIRTIO_CONSOLE_F_MULTIPORT),
	.nr_rings = 6,
	.config = console_config,
	.serve = console_serve,
	.reset = console_reset,
};
