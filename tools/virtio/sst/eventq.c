// SPDX-License-Identifier: GPL-2.0-only
/* The event queue: sends events every so often, and those that it is given. */

#include <endian.h>
#include <string.h>

#include "count.h"
#include "eventq.h"
#include "log.h"
#include "util.h"

static void make_event(const struct eventq *q, struct sst_event *event)
{
	memset(event, 0, sizeof(*event));
	event->type = htole32(EVENTQ_TYPE_TICK);
	event->timestamp = htole64(model_time(q->model));
	/* Dropped ones count, so that the driver's side can see the gap */
	event->data = htole64(q->ticks);
}

/* Fills the buffer in q->chain. Return: bytes written, or -1 */
static int fill_buffer(const struct eventq *q, const struct sst_event *event)
{
	if (q->chain.in_len < sizeof(*event)) {
		log_fault("event buffer of %llu bytes",
			  (unsigned long long)q->chain.in_len);
		return 0;
	}
	if (!virtq_write(&q->vu->mem, q->chain.seg + q->chain.nr_out, event,
			 sizeof(*event)))
		return -1;
	return sizeof(*event);
}

/* Sends a wrong event in the buffer in q->chain. Return: whether that was possible */
static bool send_wrong(struct eventq *q, const struct answer *answer)
{
	struct sst_event event;

	memset(&event, answer->fill, sizeof(event));
	if (!virtq_write(&q->vu->mem, q->chain.seg + q->chain.nr_out, &event,
			 answer->written))
		return false;
	count_one(&q->sent);
	q->lost = !answer_push(&q->ring->vq, answer->head, q->chain.head,
			       answer->used_len);
	return true;
}

/* Sends a right one. Return: as above */
static bool send_right(struct eventq *q, const struct sst_event *event)
{
	int len = fill_buffer(q, event);

	if (len < 0)
		return false;
	count_one(len ? &q->sent : &q->dropped);
	virtq_push(&q->ring->vq, q->chain.head, (uint32_t)len);
	return true;
}

/* Sends one event. Return: whether there was a buffer for it */
static bool send_event(struct eventq *q, const struct sst_event *event)
{
	struct virtq *vq = &q->ring->vq;
	int ret = virtq_pop(vq, &q->vu->mem, &q->chain);
	struct answer answer;
	bool sent;

	if (!ret)
		return false;
	if (ret < 0) {
		vu_ring_error(q->vu, q->index, vq->error);
		return false;
	}
	if (q->chain.in_len >= sizeof(struct sst_event) &&
	    hostile_event(q->hostile, &q->random, &answer))
		sent = send_wrong(q, &answer);
	else
		sent = send_right(q, event);
	if (!sent)
		vu_ring_error(q->vu, q->index, "buffer is not memory any more");
	return sent;
}

static bool send_tick(struct eventq *q)
{
	struct sst_event event;

	make_event(q, &event);
	if (!send_event(q, &event))
		return false;
	q->ticks++;
	return true;
}

/* Asks for kicks. Return: whether there is a buffer already */
static bool look_again(struct eventq *q)
{
	if (!q->ring || !virtq_enable_kick(&q->ring->vq))
		return false;
	if (q->ring->vq.turn)
		return true;
	q->turn_ended(q);
	return false;
}

static void send_waiting(struct eventq *q)
{
	if (!q->nr_waiting)
		return;
	virtq_disable_kick(&q->ring->vq);
	while (q->ring && q->nr_waiting && !q->lost) {
		if (send_event(q, &q->waiting[q->first])) {
			q->first = (q->first + 1) % EVENTQ_MAX_WAITING;
			q->nr_waiting--;
		} else if (!look_again(q)) {
			return;
		}
	}
}

/* As many of those that are due as have a buffer, after a pause even more at once */
void eventq_wake(struct eventq *q)
{
	if (!q->ring || silence_on(q->silence))
		return;
	virtq_begin_turn(&q->ring->vq);
	send_waiting(q);
	while (q->ring && q->due && !q->lost && send_tick(q))
		q->due--;
	if (!q->ring)
		return;
	count_add(&q->dropped, q->due);
	q->ticks += q->due;
	q->due = 0;
	vu_ring_call(q->ring);
}

bool eventq_post(struct eventq *q, const struct sst_event *event)
{
	if (!q->ring || q->nr_waiting == EVENTQ_MAX_WAITING) {
		count_one(&q->dropped);
		return false;
	}
	q->waiting[(q->first + q->nr_waiting++) % EVENTQ_MAX_WAITING] = *event;
	return true;
}

static void timer_ready(struct watch *watch)
{
	struct eventq *q = container_of(watch, struct eventq, timer);

	q->due += timer_read(watch->fd) * q->at_once;
	eventq_wake(q);
}

static void kick_ready(struct watch *watch)
{
	struct eventq *q = container_of(watch, struct eventq, kick);

	if (kick_read(watch->fd))
		eventq_wake(q);
	else
		vu_ring_error(q->vu, q->index, "kick file cannot be read");
}

int eventq_init(struct eventq *q)
{
	int fd = timer_open();

	if (fd < 0)
		return -1;
	q->timer.ready = timer_ready;
	q->kick.fd = -1;
	q->kick.ready = kick_ready;
	return loop_add(q->loop, &q->timer, fd);
}

void eventq_destroy(struct eventq *q)
{
	close_fd(&q->timer.fd);
	virtq_chain_free(&q->chain);
}

void eventq_count_anew(struct eventq *q)
{
	q->ticks = 0;
	q->sent_before = q->sent;
	q->dropped_before = q->dropped;
}

bool eventq_start(struct eventq *q)
{
	struct vu_ring *ring = &q->vu->rings[q->index];

	if (q->waits && !ring->no_kick && loop_add(q->loop, &q->kick, ring->kick_fd))
		return false;
	q->ring = ring;
	q->random = hostile_random(q->hostile, q->index);
	q->lost = false;
	/* Buffers are taken when an event is due, whenever they were added */
	virtq_disable_kick(&q->ring->vq);
	timer_set_periodic(q->timer.fd, q->interval_ns);
	return true;
}

void eventq_stop(struct eventq *q)
{
	loop_remove(q->loop, &q->kick);
	q->ring = NULL;
	q->due = 0;
	q->nr_waiting = 0;
	timer_set_periodic(q->timer.fd, 0);
}
