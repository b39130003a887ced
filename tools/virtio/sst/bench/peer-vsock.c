// SPDX-License-Identifier: GPL-2.0-only
/* The back-end of the benchmark's peers: sockets, of which one is connected at a time. */

#include <endian.h>
#include <linux/virtio_vsock.h>
#include <linux/vm_sockets.h>
#include <string.h>

#include "peer.h"
#include "util.h"

#define VSOCK_GUEST_CID	3

/* Longest packet that is sent: the driver's buffers have a page */
#define VSOCK_PACKET	4096

/* What the driver may send ahead; all is taken at once */
#define VSOCK_ROOM	(1U << 20)

enum {
	RING_RX = 0,
	RING_TX = 1,
};

/**
 * struct vsock - the connection, of which a process has only one
 * @from: header of the driver's last packet: its addresses and its credit
 * @sent: bytes sent
 * @received: bytes received
 * @reply: operation to be sent, or 0
 */
static struct vsock {
	struct virtio_vsock_hdr from;
	uint32_t sent;
	uint32_t received;
	uint16_t reply;
} vsock;

static void vsock_config(uint8_t *config)
{
	const struct virtio_vsock_config cid = { .guest_cid = htole64(VSOCK_GUEST_CID) };

	memcpy(config, &cid, sizeof(cid));
}

static void vsock_header(struct virtio_vsock_hdr *header, uint16_t op, uint32_t len)
{
	*header = (struct virtio_vsock_hdr) {
		.src_cid = vsock.from.dst_cid,
		.dst_cid = vsock.from.src_cid,
		.src_port = vsock.from.dst_port,
		.dst_port = vsock.from.src_port,
		.len = htole32(len),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op),
		.buf_alloc = htole32(VSOCK_ROOM),
		.fwd_cnt = htole32(vsock.received),
	};
}

/* Bytes that the driver has room for */
static uint32_t vsock_credit(void)
{
	return le32toh(vsock.from.buf_alloc) - (vsock.sent - le32toh(vsock.from.fwd_cnt));
}

/* Fills in the next packet. Return: its length, or 0 if there is none */
static size_t vsock_packet(struct peer *peer, uint8_t *packet, size_t room)
{
	struct echo *echo = &peer->echo;
	struct virtio_vsock_hdr header;
	size_t len = room - sizeof(header);

	if (vsock.reply) {
		vsock_header(&header, vsock.reply, 0);
		vsock.reply = 0;
		memcpy(packet, &header, sizeof(header));
		return sizeof(header);
	}
	if (len > echo->len)
		len = echo->len;
	if (len > vsock_credit())
		len = vsock_credit();
	if (!len)
		return 0;
	vsock_header(&header, VIRTIO_VSOCK_OP_RW, (uint32_t)len);
	memcpy(packet, &header, sizeof(header));
	memcpy(packet + sizeof(header), echo->out + echo->start, len);
	echo->start += len;
	echo->len -= len;
	vsock.sent += (uint32_t)len;
	return sizeof(header) + len;
}

static bool vsock_has_packet(const struct peer *peer)
{
	return vsock.reply || (peer->echo.len && vsock_credit());
}

static void vsock_send(struct peer *peer)
{
	struct peer_queue *q = &peer->queues[RING_RX];
	uint8_t packet[VSOCK_PACKET];
	size_t room, len;

	do {
		while (vsock_has_packet(peer) && peer_pop(q)) {
			room = (size_t)q->chain.in_len;
			if (room > sizeof(packet))
				room = sizeof(packet);
			if (room <= sizeof(struct virtio_vsock_hdr))
				return;
			len = vsock_packet(peer, packet, room);
			if (!peer_give(q, packet, len))
				return;
		}
	} while (peer_rest(q, vsock_has_packet(peer)));
}

static void vsock_connect(struct peer *peer)
{
	echo_reset(&peer->echo);
	vsock.sent = 0;
	vsock.received = 0;
	vsock.reply = VIRTIO_VSOCK_OP_RESPONSE;
}

/* Handles the packet of @len bytes in peer->buffer. */
static void vsock_take(struct peer *peer, size_t len)
{
	if (len < sizeof(vsock.from))
		return;
	memcpy(&vsock.from, peer->buffer, sizeof(vsock.from));
	len -= sizeof(vsock.from);
	switch (le16toh(vsock.from.op)) {
	case VIRTIO_VSOCK_OP_REQUEST:
		vsock_connect(peer);
		break;
	case VIRTIO_VSOCK_OP_RW:
		echo_take(&peer->echo, peer->buffer + sizeof(vsock.from), len);
		vsock.received += (uint32_t)len;
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		vsock.reply = VIRTIO_VSOCK_OP_CREDIT_UPDATE;
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		echo_reset(&peer->echo);
		vsock.reply = VIRTIO_VSOCK_OP_RST;
		break;
	}
}

static void vsock_receive(struct peer *peer)
{
	struct peer_queue *q = &peer->queues[RING_TX];

	do {
		while (peer_pop(q)) {
			if (!peer_read(q))
				return;
			vsock_take(peer, (size_t)q->chain.out_len);
			virtq_push(&q->ring->vq, q->chain.head, 0);
			/* One reply can wait. */
			if (vsock.reply)
				vsock_send(peer);
		}
		vsock_send(peer);
	} while (peer_rest(q, true));
}

static void vsock_serve(struct peer *peer, unsigned int index)
{
	if (index == RING_TX)
		vsock_receive(peer);
	else if (index == RING_RX)
		vsock_send(peer);
}

static void vsock_reset(struct peer *peer)
{
	echo_reset(&peer->echo);
	memset(&vsock, 0, sizeof(vsock));
}

const struct peer_kind peer_vsock = {
	.name = "vsock",
	.nr_rings = 3,
	.config = vsock_config,
	.serve = vsock_serve,
	.reset = vsock_reset,
};
