// SPDX-License-Identifier: GPL-2.0-only
/*
 * A response queue.
 *
 * Responses wait in a list for the driver's buffers. A buffer is taken only
 * when there is a response for it, and kicks are asked for only while a
 * response waits.
 */

#include "log.h"
#include "responseq.h"
#include "util.h"

static struct pending *take_first(struct responseq *q)
{
	struct pending *pending = q->first;

	q->first = pending->next;
	if (!q->first)
		q->last = NULL;
	return pending;
}

/* Puts the first response into q->chain. Return: NULL, or what is wrong */
static const char *send_first(struct responseq *q)
{
	struct pending *pending = q->first;
	struct virtq_chain *chain = &q->chain;
	struct virtq *vq = &q->ring->vq;

	if (chain->in_len < sizeof(pending->resp)) {
		log_fault("response buffer of %llu bytes",
			  (unsigned long long)chain->in_len);
		virtq_push(vq, chain->head, 0);
		return NULL;
	}
	if (!virtq_write(&q->vu->mem, chain->seg + chain->nr_out,
			 &pending->resp, pending->written))
		return "buffer is not memory any more";
	q->lost = !answer_push(vq, pending->used_head, chain->head, pending->used_len);
	if (--pending->copies == 0)
		q->done(q, take_first(q), true);
	return NULL;
}

/* Takes the next buffer. Return: whether there was one */
static bool take_buffer(struct responseq *q)
{
	const char *error;
	int ret;

	ret = virtq_pop(&q->ring->vq, &q->vu->mem, &q->chain);
	if (!ret)
		return false;
	error = ret < 0 ? q->ring->vq.error : send_first(q);
	if (error)
		vu_ring_error(q->vu, q->index, error);
	return true;
}

/* A driver that is quicker than we are does not keep the loop from its work */
void responseq_pump(struct responseq *q)
{
	uint32_t budget;

	if (!q->ring)
		return;
	budget = q->ring->vq.num;
	virtq_disable_kick(&q->ring->vq);
	while (q->ring && q->first && !q->lost && !silence_on(q->silence) && budget) {
		budget--;
		if (!take_buffer(q) && !virtq_enable_kick(&q->ring->vq))
			break;
	}
	/* A ring without kicks has to be polled */
	q->again = !budget || (q->ring && q->ring->no_kick);
}

void responseq_add(struct responseq *q, struct pending *pending)
{
	pending->next = NULL;
	if (q->last)
		q->last->next = pending;
	else
		q->first = pending;
	q->last = pending;
	responseq_pump(q);
}

void responseq_drop(struct responseq *q)
{
	unsigned int dropped = 0;

	for (; q->first; dropped++)
		q->done(q, take_first(q), false);
	if (dropped)
		log_debug("%u responses dropped", dropped);
}

bool responseq_busy(const struct responseq *q)
{
	return q->ring && q->first && q->again && !q->lost;
}

void responseq_call(struct responseq *q)
{
	if (q->ring)
		vu_ring_call(q->ring);
}

static void kick_ready(struct watch *watch)
{
	struct responseq *q = container_of(watch, struct responseq, kick);

	if (kick_read(watch->fd))
		q->kicked(q);
	else
		vu_ring_error(q->vu, q->index, "kick file cannot be read");
}

void responseq_init(struct responseq *q)
{
	q->kick.fd = -1;
	q->kick.ready = kick_ready;
}

void responseq_destroy(struct responseq *q)
{
	virtq_chain_free(&q->chain);
}

bool responseq_start(struct responseq *q)
{
	struct vu_ring *ring = &q->vu->rings[q->index];

	if (!ring->no_kick && loop_add(q->loop, &q->kick, ring->kick_fd))
		return false;
	q->ring = ring;
	q->lost = false;
	/* Responses may wait since the request queue has started */
	q->again = true;
	return true;
}

void responseq_stop(struct responseq *q)
{
	if (!q->ring)
		return;
	loop_remove(q->loop, &q->kick);
	q->ring = NULL;
	responseq_drop(q);
}
