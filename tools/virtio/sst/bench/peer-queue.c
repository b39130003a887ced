// SPDX-License-Identifier: GPL-2.0-only
/* The back-end of the benchmark's peers: virtqueues. */

#include <stdlib.h>

#include "peer.h"

bool peer_pop(struct peer_queue *q)
{
	int ret;

	if (!q->ring)
		return false;
	virtq_disable_kick(&q->ring->vq);
	/* The guest of a benchmark wants all of the time */
	virtq_begin_turn(&q->ring->vq);
	ret = virtq_pop(&q->ring->vq, &q->peer->vu.mem, &q->chain);
	if (ret < 0)
		vu_ring_error(&q->peer->vu, q->index, q->ring->vq.error);
	return ret > 0;
}

bool peer_read(struct peer_queue *q)
{
	struct peer *peer = q->peer;
	size_t len = (size_t)q->chain.out_len;
	uint8_t *buffer = peer->buffer;

	if (len > peer->buffer_size) {
		buffer = realloc(buffer, len);
		if (buffer) {
			peer->buffer = buffer;
			peer->buffer_size = len;
		}
	}
	if (buffer && virtq_read(&peer->vu.mem, q->chain.seg, buffer, len))
		return true;
	vu_ring_error(&peer->vu, q->index, "buffer cannot be read");
	return false;
}

bool peer_give(struct peer_queue *q, const void *data, size_t len)
{
	struct vu_dev *vu = &q->peer->vu;

	if (virtq_write(&vu->mem, q->chain.seg + q->chain.nr_out, data, len)) {
		virtq_push(&q->ring->vq, q->chain.head, (uint32_t)len);
		return true;
	}
	vu_ring_error(vu, q->index, "buffer cannot be written");
	return false;
}

bool peer_rest(struct peer_queue *q, bool more)
{
	if (!q->ring)
		return false;
	vu_ring_call(q->ring);
	return more && virtq_enable_kick(&q->ring->vq);
}
