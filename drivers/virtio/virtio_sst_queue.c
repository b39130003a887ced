// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: a queue and its slots.
 *
 * A request travels in a slot: memory of the kernel for the request and for its
 * response, allocated ahead of use and never handed to anybody but the device.
 * One descriptor chain carries both halves, the device answers in the second
 * one. A program's write() claims slots, fills them and submits them with one
 * kick; read() takes those that have ended off its file's list and frees them.
 *
 * A device may also give the chain back empty, and answer on the response queue,
 * before or after that. The request_id in the response then tells the slot. The
 * response is copied there, and the buffer goes back to the device at once.
 *
 * Each accepted request ends exactly once. It is ended, under the lock of its
 * queue, by the one who finds it BUSY or AWAIT: the callback of the virtqueues
 * (response), the time-out handler, a cancellation, the closing of its file, the
 * reset or the removal of the device. Only the device, or the end of the
 * virtqueue, gives back the slot of a request that was ended while the device had
 * it: until then it is a ZOMBIE.
 */

#define pr_fmt(fmt) "virtio-sst: " fmt

#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/freezer.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/processor.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/xarray.h>

#include "virtio_sst_internal.h"
#include "virtio_sst_trace.h"

/* A virtqueue holds no more requests than this, even if it could. */
#define SST_QUEUE_CAPACITY_MAX	1024

/* Files, or ops, that are woken between two holds of a queue's lock */
#define SST_WAKE_BATCH		8

/*
 * Times that responses are taken between two looks at anything else: a device must
 * not keep a CPU busy by sending more and more of them.
 */
#define SST_RESPONSE_PASSES	16

/* Buffers on the response queue: as many as there is room for in 32 KiB */
#define SST_RESPONSE_BUFFERS	7

/**
 * struct sst_wakeups - who is to be woken once the lock is dropped
 * @room: there is room in the virtqueue again, and somebody wants it
 * @malformed: number of responses of an impossible length
 * @length: one such length, to tell
 * @nr_ops: number of @ops
 * @ops: ops that have ended, and what to call: who sleeps until then may be quick,
 *	and the memory may be another op by now
 * @nr: number of @files
 * @files: the files and how many of their requests have ended
 *
 * The caller is in an RCU read-side section from before it takes the lock until
 * after the wake-up, so that no file or slot can go away in between.
 */
struct sst_wakeups {
	bool room;
	unsigned int malformed;
	u32 length;
	unsigned int nr_ops;
	struct {
		struct sst_op *op;
		void (*ended)(struct sst_op *op);
	} ops[SST_WAKE_BATCH];
	unsigned int nr;
	struct {
		struct sst_file *file;
		unsigned int ended;
	} files[SST_WAKE_BATCH];
};

/*
 * The tracepoints of every request, out of line: within their callers, they would have
 * these save registers for what is seldom done.
 */

static noinline void sst_trace_submit(const struct sst_queue *q, const struct sst_slot *slot)
{
	trace_sst_submit(q, slot);
}

static noinline void sst_trace_complete(const struct sst_queue *q, const struct sst_slot *slot)
{
	trace_sst_complete(q, slot);
}

/* Wake-ups */

/* Returns false if there is no room left: wake first, then go on. */
static bool sst_wakeups_have_room(const struct sst_wakeups *wakeups)
{
	return wakeups->nr < ARRAY_SIZE(wakeups->files) &&
	       wakeups->nr_ops < ARRAY_SIZE(wakeups->ops);
}

static void sst_wakeups_add(struct sst_wakeups *wakeups, struct sst_file *file)
{
	unsigned int i;

	for (i = 0; i < wakeups->nr; i++)
		if (wakeups->files[i].file == file)
			break;
	if (i == wakeups->nr) {
		wakeups->files[i].file = file;
		wakeups->files[i].ended = 0;
		wakeups->nr++;
	}
	wakeups->files[i].ended++;
}

static void sst_wakeups_add_op(struct sst_wakeups *wakeups, struct sst_op *op)
{
	wakeups->ops[wakeups->nr_ops].op = op;
	wakeups->ops[wakeups->nr_ops].ended = op->ended;
	wakeups->nr_ops++;
}

/* Responses of a file can be read, by @nr readers. */
static void sst_wake_readers(struct sst_file *file, unsigned int nr)
{
	if (wq_has_sleeper(&file->readers))
		wake_up_interruptible_nr(&file->readers, nr);
	if (wq_has_sleeper(&file->wait))
		wake_up_interruptible_poll(&file->wait, EPOLLIN | EPOLLRDNORM);
}

/* A file is below its limit. */
static void sst_wake_writers(struct sst_file *file)
{
	wake_up_interruptible_poll(&file->wait, EPOLLOUT | EPOLLWRNORM);
}

/* Returns a file whose pollers wait for a place, and forgets about it, or NULL. */
static struct sst_file *sst_queue_pop_poller(struct sst_queue *q)
{
	struct sst_file *file;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	file = list_first_entry_or_null(&q->pollers, struct sst_file, poll_node);
	if (file) {
		list_del_init(&file->poll_node);
		q->nr_pollers--;
	}
	spin_unlock_irqrestore(&q->lock, flags);

	return file;
}

/*
 * There is room in the virtqueue. One waiting writer is enough, since it passes
 * the word on, see sst_pass_room(); writers that don't wait may be faster. Pollers
 * are told all at once: the limit of its file may keep the first one from writing.
 * Those who come back meanwhile, since the room is taken, wait for the next.
 */
static void sst_wake_room(struct sst_queue *q)
{
	unsigned int n = READ_ONCE(q->nr_pollers);
	struct sst_file *file;

	wake_up_interruptible(&q->room);
	while (n-- && (file = sst_queue_pop_poller(q)))
		sst_wake_writers(file);
}

static void sst_wake(struct sst_queue *q, struct sst_wakeups *wakeups)
{
	unsigned int i;

	for (i = 0; i < wakeups->nr_ops; i++)
		wakeups->ops[i].ended(wakeups->ops[i].op);
	for (i = 0; i < wakeups->nr; i++)
		sst_wake_readers(wakeups->files[i].file, wakeups->files[i].ended);
	if (wakeups->room)
		sst_wake_room(q);
	if (wakeups->malformed)
		dev_err_ratelimited(&q->sst->dev,
				    "impossible length of a response: %u bytes (%u such)\n",
				    wakeups->length, wakeups->malformed);
	memset(wakeups, 0, sizeof(*wakeups));
}

/**
 * sst_wake_all() - wake everybody who waits for anything of a device
 * @sst: the device
 *
 * Context: Process context, may sleep.
 */
void sst_wake_all(struct sst_device *sst)
{
	struct sst_file *file;
	struct sst_queue *q;

	spin_lock(&sst->files_lock);
	list_for_each_entry(file, &sst->files, node) {
		wake_up_all(&file->readers);
		wake_up_all(&file->wait);
	}
	spin_unlock(&sst->files_lock);
	for (q = sst->queues; q < sst_queues_end(sst); q++)
		wake_up_all(&q->room);
	sst_events_wake(&sst->events);
}

/* Slots */

/* Free a chunk of shared slots that is closed and of which the device has none. */
static void sst_chunk_put(struct sst_queue *q, struct sst_chunk *chunk)
{
	lockdep_assert_held(&q->lock);
	if (!chunk->closed || chunk->nr_free < chunk->nr)
		return;

	xa_erase(&q->chunks, chunk->index);
	sst_free_chunk(chunk);
}

static void sst_slot_free(struct sst_queue *q, struct sst_slot *slot)
{
	struct sst_chunk *chunk = slot->chunk;

	lockdep_assert_held(&q->lock);
	slot->file = NULL;
	chunk->nr_free++;
	if (slot->shared) {
		list_del_init(&slot->node);
		/* From here on it may be somebody else's, who has not taken the lock. */
		smp_store_release(&slot->state, SST_SLOT_FREE);
		sst_chunk_put(q, chunk);
		return;
	}
	slot->state = SST_SLOT_FREE;
	list_move(&slot->node, &q->free);
	q->nr_free++;
	if (chunk->nr_free == chunk->nr)
		list_add(&chunk->node, &q->unused);
}

static struct sst_slot *sst_slot_take_free(struct sst_queue *q)
{
	struct sst_slot *slot = list_first_entry(&q->free, struct sst_slot, node);
	struct sst_chunk *chunk = slot->chunk;

	if (chunk->nr_free-- == chunk->nr)
		list_del_init(&chunk->node);
	list_del_init(&slot->node);
	q->nr_free--;

	return slot;
}

static bool sst_slot_in_flight(const struct sst_slot *slot)
{
	return slot->state == SST_SLOT_BUSY || slot->state == SST_SLOT_AWAIT;
}

/* How long the device has for an answer, as it was set for the device */
static unsigned long sst_patience(const struct sst_queue *q)
{
	return msecs_to_jiffies(READ_ONCE(q->sst->request_timeout_ms));
}

/* One more, since part of the jiffy of the start was over */
static unsigned long sst_slot_deadline(const struct sst_slot *slot)
{
	return slot->started + slot->timeout + 1;
}

/* Have the time-out handler look at the queue then. */
static void sst_queue_arm(struct sst_queue *q, unsigned long when)
{
	unsigned long now = jiffies;

	if (q->stopped || (q->timeout_armed && time_before_eq(q->timeout_at, when)))
		return;
	q->timeout_armed = true;
	q->timeout_at = when;
	mod_delayed_work(system_dfl_wq, &q->timeout_work,
			 time_after(when, now) ? when - now : 0);
}

/* The places of a slot have become free. */
static void sst_queue_vacate(struct sst_queue *q, const struct sst_slot *slot,
			     struct sst_wakeups *wakeups)
{
	q->occupied--;
	q->places -= sst_slot_places(slot);
	wakeups->room |= q->room_wanted;
	q->room_wanted = false;
}

/* A request ends without an answer of the device that could be read. */
static void sst_slot_end_by_driver(struct sst_slot *slot, u32 status)
{
	slot->by_driver = true;
	slot->status = status;
	slot->length = 0;
}

/* End a request that was in flight: its owner can read about it. */
static void sst_slot_end(struct sst_slot *slot, enum sst_slot_state state,
			 struct sst_wakeups *wakeups)
{
	struct sst_file *file = slot->file;

	lockdep_assert_held(&file->queue->lock);
	slot->state = state;
	file->in_flight--;
	if (slot->op) {
		file->queue->polled -= slot->op->polled;
		WRITE_ONCE(slot->op->pending, slot->op->pending - 1);
		if (!slot->op->pending)
			sst_wakeups_add_op(wakeups, slot->op);
	} else {
		list_add_tail(&slot->node, &file->done);
		file->nr_done++;
		sst_wakeups_add(wakeups, file);
	}
	if (trace_sst_complete_enabled())
		sst_trace_complete(file->queue, slot);
}

/* End a request that is in flight, and whose slot is home. */
static void sst_slot_complete(struct sst_queue *q, struct sst_slot *slot,
			      struct sst_wakeups *wakeups)
{
	list_del_init(&slot->busy_node);
	sst_queue_vacate(q, slot, wakeups);
	sst_slot_end(slot, SST_SLOT_DONE, wakeups);
}

/*
 * The device has a slot whose request ends, or has lost its owner. It stays on the
 * list: the device still has to be in time.
 */
static void sst_slot_bury(struct sst_queue *q, struct sst_slot *slot)
{
	lockdep_assert_held(&q->lock);
	slot->state = SST_SLOT_ZOMBIE;
	slot->timeout = sst_patience(q);
	q->zombies++;
	if (slot->clock_runs)
		sst_queue_arm(q, sst_slot_deadline(slot));
}

/* End a request that is in flight without the device. */
static void sst_slot_end_early(struct sst_queue *q, struct sst_slot *slot, u32 status,
			       struct sst_wakeups *wakeups)
{
	sst_slot_end_by_driver(slot, status);
	if (slot->state == SST_SLOT_AWAIT) {
		sst_slot_complete(q, slot, wakeups);
	} else {
		sst_slot_bury(q, slot);
		sst_slot_end(slot, SST_SLOT_ZOMBIE, wakeups);
	}
}

/* Count one of those that whoever follows the counters is told of. */
static void sst_count_fault(struct sst_queue *q, u64 *counter)
{
	(*counter)++;
	sst_netlink_fault(q->sst);
}

static noinline void sst_slot_mismatch(struct sst_queue *q, const struct sst_slot *slot)
{
	sst_count_fault(q, &q->stats.mismatches);
	trace_sst_mismatch(q, slot);
	sst_dbg(q->sst, "response to request %#llx has another ID or user_data\n",
		sst_slot_id(slot));
}

/* Look at what the device wrote as far as it can be wrong in a way that matters. */
static void sst_slot_check(struct sst_queue *q, struct sst_slot *slot, u32 length,
			   struct sst_wakeups *wakeups)
{
	slot->length = length;
	slot->by_driver = !sst_response_length_valid(length);
	if (slot->by_driver) {
		slot->status = SST_RESPONSE_ERROR;
		sst_count_fault(q, &q->stats.malformed);
		wakeups->malformed++;
		wakeups->length = length;
		return;
	}

	q->stats.responses++;
	if (slot->answer->request_id != cpu_to_le64(sst_slot_id(slot)) ||
	    slot->answer->user_data != slot->user_data)
		sst_slot_mismatch(q, slot);
}

/* A request that was @submitted at that time, if it is known, was answered late. */
static void sst_late(struct sst_queue *q, u64 id, const struct sst_response *answer,
		     u32 length, u64 submitted)
{
	sst_count_fault(q, &q->stats.late);
	q->silence = 0;
	trace_sst_late(q, id, answer, length, submitted);
	sst_dbg(q->sst, "late response to request %#llx\n", id);
}

/* The device has given back a slot whose request had ended before. */
static void sst_zombie_returned(struct sst_queue *q, struct sst_slot *slot, u32 length,
				struct sst_wakeups *wakeups)
{
	list_del_init(&slot->busy_node);
	sst_queue_vacate(q, slot, wakeups);
	q->zombies--;
	if (slot->overdue)
		q->overdue--;
	/* An empty one is no answer; that is on the response queue. */
	if (length)
		sst_late(q, sst_slot_id(slot), slot->response, length, slot->submitted);
	if (slot->file)
		slot->state = SST_SLOT_DONE;
	else
		sst_slot_free(q, slot);
}

/* Copy a response that came on the response queue to where its payload shall be. */
static void sst_slot_store(struct sst_slot *slot, const struct sst_response *response,
			   u32 length)
{
	if (!slot->shared) {
		memcpy(slot->answer, response, length);
		return;
	}

	memcpy(slot->answer, response, SST_RESPONSE_HEADER_SIZE);
	memcpy(page_address(slot->shared->payload[slot->state == SST_SLOT_AWAIT]),
	       response->payload, length - SST_RESPONSE_HEADER_SIZE);
}

/* The chain of a shared slot is back whose response came early: put it in its place. */
static void sst_slot_settle(struct sst_slot *slot)
{
	struct sst_shared_slot *shared = slot->shared;

	memcpy(page_address(shared->payload[1]), page_address(shared->payload[0]),
	       shared->early - SST_RESPONSE_HEADER_SIZE);
}

/* The device has given a slot back. */
static void sst_slot_returned(struct sst_queue *q, struct sst_slot *slot,
			      u32 length, struct sst_wakeups *wakeups)
{
	if (slot->state == SST_SLOT_ZOMBIE) {
		sst_zombie_returned(q, slot, length, wakeups);
	} else if (!length && slot->shared && slot->shared->early) {
		sst_slot_settle(slot);
		sst_slot_check(q, slot, slot->shared->early, wakeups);
		sst_slot_complete(q, slot, wakeups);
	} else if (!length) {
		slot->state = SST_SLOT_AWAIT;
	} else {
		q->silence = 0;
		sst_slot_check(q, slot, length, wakeups);
		sst_slot_complete(q, slot, wakeups);
	}
}

/* Returns the slot of a request that is in flight, or NULL. */
static struct sst_slot *sst_slot_find(struct sst_queue *q, u64 id)
{
	u32 index = id & SST_SLOT_INDEX_MAX;
	struct sst_chunk *chunk;
	struct sst_slot *slot;

	chunk = xa_load(&q->chunks, index / SST_CHUNK_SLOTS);
	if (!chunk || index % SST_CHUNK_SLOTS >= chunk->nr)
		return NULL;

	slot = &chunk->slots[index % SST_CHUNK_SLOTS];
	return sst_slot_in_flight(slot) && sst_slot_id(slot) == id ? slot : NULL;
}

/* The response queue has a response that belongs to no request in flight. */
static void sst_response_unmatched(struct sst_queue *q, u64 id,
				   const struct sst_response *response, u32 length)
{
	u64 generation = id >> SST_SLOT_INDEX_BITS;

	if (generation <= q->generation &&
	    sst_generation_of_queue(generation, q->index, q->sst->nr_queues)) {
		sst_late(q, id, response, length, 0);
		return;
	}
	sst_count_fault(q, &q->stats.unmatched);
	trace_sst_unmatched(q, response, length);
	sst_dbg(q->sst, "response with request ID %#llx, which no request ever had\n", id);
}

/*
 * The device has put a response on the response queue. If the request's chain is
 * not back yet, the slot has to wait for it as a ZOMBIE. Until then the device may
 * write to the slot's response, and unmapping it may do so; but it has read the
 * request.
 */
static void sst_response_received(struct sst_queue *q, const struct sst_response *response,
				  u32 length, struct sst_wakeups *wakeups)
{
	struct sst_slot *slot;
	u64 id;

	if (!sst_response_length_valid(length)) {
		sst_count_fault(q, &q->stats.unmatched);
		trace_sst_unmatched(q, response, length);
		sst_dbg(q->sst, "response of %u bytes on the response queue\n", length);
		return;
	}

	id = le64_to_cpu(READ_ONCE(response->request_id));
	slot = sst_slot_find(q, id);
	if (!slot) {
		sst_response_unmatched(q, id, response, length);
		return;
	}

	q->silence = 0;
	if (slot->state == SST_SLOT_BUSY)
		slot->answer = (struct sst_response *)slot->request;
	sst_slot_store(slot, response, length);
	if (slot->state == SST_SLOT_BUSY && slot->shared) {
		slot->shared->early = length;
		return;
	}
	sst_slot_check(q, slot, length, wakeups);
	if (slot->state == SST_SLOT_AWAIT) {
		sst_slot_complete(q, slot, wakeups);
	} else {
		sst_slot_bury(q, slot);
		sst_slot_end(slot, SST_SLOT_ZOMBIE, wakeups);
	}
}

static bool sst_queue_broken(const struct sst_queue *q)
{
	return virtqueue_is_broken(q->vq) || virtqueue_is_broken(q->responses.vq);
}

/* A queue that takes no more requests, whatever becomes free */
static bool sst_queue_failed(const struct sst_queue *q)
{
	return sst_queue_broken(q) || q->overdue > q->capacity / 2;
}

/*
 * Whether the device is to interrupt. It need not if it has nothing, or if all who
 * wait for it look for themselves.
 */
static bool sst_queue_wants_callback(const struct sst_queue *q)
{
	if (q->room_wanted)
		return true;
	if (q->polled)
		return q->polled < q->occupied - q->zombies;
	return q->occupied && !q->kick_looks;
}

/* Those who wait for the device have become others. */
static void sst_queue_adjust_callback(struct sst_queue *q)
{
	bool want = sst_queue_wants_callback(q);

	if (want == q->callback || q->stopped)
		return;

	q->callback = want;
	if (!want)
		virtqueue_disable_cb(q->vq);
	else if (!virtqueue_enable_cb(q->vq))
		/* What there is already does not interrupt any more. */
		sst_queue_arm(q, jiffies);
}

static bool sst_queue_collect_requests(struct sst_queue *q, struct sst_wakeups *wakeups)
{
	struct sst_slot *slot;
	u32 length;

	do {
		virtqueue_disable_cb(q->vq);
		while (sst_wakeups_have_room(wakeups)) {
			slot = virtqueue_get_buf(q->vq, &length);
			if (!slot)
				break;
			sst_slot_returned(q, slot, length, wakeups);
		}
		if (!sst_wakeups_have_room(wakeups))
			return true;
		q->callback = sst_queue_wants_callback(q);
	} while (q->callback && !virtqueue_enable_cb(q->vq));

	return false;
}

/* Its interrupts stay on: it is seldom used, and looked at by the way. */
static bool sst_queue_collect_responses(struct sst_queue *q, struct sst_wakeups *wakeups)
{
	unsigned int budget = q->responses.nr_buffers;
	struct sst_response *response;
	u32 length;

	while (budget-- && sst_wakeups_have_room(wakeups)) {
		response = virtqueue_get_buf(q->responses.vq, &length);
		if (!response)
			return false;
		sst_response_received(q, response, length, wakeups);
		/* The next response may be another file's, and claim too much. */
		memset(response, 0, sizeof(*response));
		sst_inbox_post(&q->responses, response);
	}
	return true;
}

/*
 * Returns true if there may be more to collect, after a pause. @passes counts how
 * often there was too much on the response queue.
 */
static bool sst_queue_collect(struct sst_queue *q, struct sst_wakeups *wakeups,
			      unsigned int *passes)
{
	return sst_queue_collect_requests(q, wakeups) ||
	       (sst_queue_collect_responses(q, wakeups) &&
		++*passes < SST_RESPONSE_PASSES);
}

/**
 * sst_queue_drain() - take what the device has given back
 * @q: the queue
 * @who: who does so
 *
 * Context: Any context in which the virtqueues can't be deleted.
 */
void sst_queue_drain(struct sst_queue *q, enum sst_drain who)
{
	struct sst_wakeups wakeups = {};
	unsigned int passes = 0;
	unsigned long flags;
	bool kick = false;
	bool more;

	rcu_read_lock();
	do {
		spin_lock_irqsave(&q->lock, flags);
		/* What is not there yet when somebody looks is to interrupt. */
		if (who == SST_DRAIN_LOOK)
			q->kick_looks = false;
		more = !q->stopped && sst_queue_collect(q, &wakeups, &passes);
		if (!q->stopped && !more) {
			kick = sst_inbox_kick_prepare(&q->responses);
			q->stats.interrupts += who == SST_DRAIN_CALLBACK;
			/*
			 * Who waits for a broken queue has to be told, by one who
			 * may take more locks.
			 */
			if (passes >= SST_RESPONSE_PASSES ||
			    (who != SST_DRAIN_WORK && sst_queue_broken(q)))
				sst_queue_arm(q, jiffies);
		}
		spin_unlock_irqrestore(&q->lock, flags);
		sst_wake(q, &wakeups);
	} while (more);
	if (kick)
		virtqueue_notify(q->responses.vq);
	rcu_read_unlock();
}

/* Polling */

/* Take what the device has given back, in process context. */
static void sst_queue_poll(struct sst_queue *q)
{
	int idx = srcu_read_lock(&q->sst->srcu);

	sst_queue_drain(q, SST_DRAIN_LOOK);
	srcu_read_unlock(&q->sst->srcu, idx);
}

/*
 * Look at the queue again and again, until there are some of *@count, or none, as
 * @wanted, for as long as the device's setting tells and nobody else wants the CPU.
 */
static void sst_spin(struct sst_queue *q, const unsigned int *count, bool wanted)
{
	ktime_t end = ktime_add_us(ktime_get(), READ_ONCE(q->sst->busy_poll_us));

	while (!READ_ONCE(*count) != !wanted && !READ_ONCE(q->held) && !need_resched() &&
	       !signal_pending(current) && ktime_before(ktime_get(), end)) {
		sst_queue_poll(q);
		cpu_relax();
	}
}

/* Time-outs */

/*
 * Let the clocks run of the requests that the device can work on now that the
 * kick of @batch is over: those of the batch, and later ones that needed no kick
 * of their own, because this one was going on when they came. They don't run
 * before, because a device may do all its work in the kick, and take longer for it
 * than the time-out.
 */
static void sst_queue_start_clocks(struct sst_queue *q, u64 batch)
{
	struct sst_slot *slot;

	list_for_each_entry_reverse(slot, &q->busy, busy_node) {
		if (slot->batch < batch)
			break;
		if (slot->clock_runs || (slot->batch > batch && slot->kicked))
			continue;
		slot->started = jiffies;
		slot->clock_runs = true;
		sst_queue_arm(q, sst_slot_deadline(slot));
	}
}

/* The device has had a slot for as long as it may. */
static void sst_slot_overdue(struct sst_queue *q, struct sst_slot *slot)
{
	list_move_tail(&slot->busy_node, &q->late);
	slot->overdue = true;
	q->overdue++;
	q->silence++;
}

/* A request in flight was not answered in the time that its owner gave. */
static void sst_slot_timed_out(struct sst_queue *q, struct sst_slot *slot,
			       struct sst_wakeups *wakeups)
{
	bool device_late = slot->timeout >= sst_patience(q);

	trace_sst_timeout(q, slot);
	sst_dbg(q->sst, "time-out of request %#llx\n", sst_slot_id(slot));
	sst_count_fault(q, &q->stats.timeouts);
	sst_slot_end_early(q, slot, SST_RESPONSE_TIMEOUT, wakeups);
	if (device_late && slot->state == SST_SLOT_ZOMBIE)
		sst_slot_overdue(q, slot);
	else if (device_late)
		q->silence++;
}

/* Returns true if @wakeups is full and there may be more to end. */
static bool sst_queue_expire(struct sst_queue *q, struct sst_wakeups *wakeups,
			     unsigned int *expired)
{
	unsigned long now = jiffies;
	struct sst_slot *slot, *next;

	list_for_each_entry_safe(slot, next, &q->busy, busy_node) {
		if (!slot->clock_runs)
			continue;
		if (time_before(now, sst_slot_deadline(slot))) {
			sst_queue_arm(q, sst_slot_deadline(slot));
			continue;
		}
		if (!sst_wakeups_have_room(wakeups))
			return true;
		if (slot->state == SST_SLOT_ZOMBIE) {
			sst_slot_overdue(q, slot);
		} else {
			sst_slot_timed_out(q, slot, wakeups);
			(*expired)++;
		}
	}
	return false;
}

/* Why the driver should reset the device, or NULL */
static const char *sst_queue_trouble(const struct sst_queue *q)
{
	unsigned int reset_after = READ_ONCE(sst_reset_after);

	if (!reset_after)
		return NULL;
	if (sst_queue_broken(q))
		return "broken virtqueue";
	if (sst_queue_failed(q))
		return "too many requests overdue";
	return q->silence >= reset_after ? "requests overdue in a row" : NULL;
}

/* Have a queue reset that is in trouble, or tell those who wait that it has failed. */
static void sst_queue_judge(struct sst_queue *q)
{
	const char *trouble;
	bool failed;

	spin_lock_irq(&q->lock);
	failed = !q->stopped && !q->held && sst_queue_failed(q);
	trouble = q->stopped || q->held ? NULL : sst_queue_trouble(q);
	spin_unlock_irq(&q->lock);

	if (trouble)
		sst_ask_reset(q->sst, trouble, false);
	else if (failed)
		sst_wake_all(q->sst);
}

static void sst_queue_timeout(struct work_struct *work)
{
	struct sst_queue *q = container_of(to_delayed_work(work),
					   struct sst_queue, timeout_work);
	struct sst_wakeups wakeups = {};
	unsigned int expired = 0;
	bool more;

	/* Before anything is looked at: who wants it looked at again after that says so. */
	spin_lock_irq(&q->lock);
	q->timeout_armed = false;
	spin_unlock_irq(&q->lock);
	/* An answer that is there is not late, even if its interrupt is. */
	sst_queue_drain(q, SST_DRAIN_WORK);

	rcu_read_lock();
	do {
		spin_lock_irq(&q->lock);
		more = !q->stopped && sst_queue_expire(q, &wakeups, &expired);
		spin_unlock_irq(&q->lock);
		sst_wake(q, &wakeups);
	} while (more);
	rcu_read_unlock();

	sst_queue_judge(q);
	if (expired)
		pr_warn_ratelimited("Request timed out (%s: %u at once)\n",
				    dev_name(&q->sst->dev), expired);
}

/* Memory */

/**
 * sst_init_slot() - prepare a slot but for its messages
 * @chunk: its chunk, which has an index
 * @i: its number there
 */
void sst_init_slot(struct sst_chunk *chunk, unsigned int i)
{
	struct sst_slot *slot = &chunk->slots[i];

	INIT_LIST_HEAD(&slot->node);
	INIT_LIST_HEAD(&slot->busy_node);
	INIT_LIST_HEAD(&slot->first.slots);
	init_waitqueue_head(&slot->first.wait);
	slot->chunk = chunk;
	slot->index = chunk->index * SST_CHUNK_SLOTS + i;
}

static void sst_chunk_init(struct sst_chunk *chunk, size_t request_size,
			   size_t slot_size)
{
	unsigned int i;

	for (i = 0; i < chunk->nr; i++) {
		struct sst_slot *slot = &chunk->slots[i];

		sst_init_slot(chunk, i);
		slot->request = chunk->memory + i * slot_size;
		slot->response = chunk->memory + i * slot_size + request_size;
	}
}

/* Memory for the slots; for fewer if it is too scattered for that many. */
static void sst_chunk_alloc_memory(struct sst_chunk *chunk, size_t slot_size, gfp_t gfp)
{
	for (; chunk->nr; chunk->nr /= 2) {
		/* Only the last try may take its time and may complain. */
		gfp_t how = chunk->nr > 1 ? __GFP_NORETRY | __GFP_NOWARN : 0;

		chunk->size = chunk->nr * slot_size;
		chunk->memory = alloc_pages_exact(chunk->size, gfp | how | __GFP_ZERO);
		if (chunk->memory)
			return;
	}
}

/**
 * sst_free_chunk() - free slots that are not part of a queue any more
 * @chunk: the slots
 *
 * Context: Any context.
 */
void sst_free_chunk(struct sst_chunk *chunk)
{
	if (chunk->shared)
		sst_free_payload(chunk);
	if (chunk->memory)
		free_pages_exact(chunk->memory, chunk->size);
	/* Who goes through the chunks may still see it. */
	kfree_rcu(chunk, rcu);
}

/**
 * sst_add_chunk() - let slots be found by their index
 * @q: the queue
 * @chunk: the slots
 * @gfp: how to allocate memory
 *
 * Context: Process context, may sleep if @gfp may.
 * Return: 0 or a negative error code.
 */
int sst_add_chunk(struct sst_queue *q, struct sst_chunk *chunk, gfp_t gfp)
{
	return xa_alloc_irq(&q->chunks, &chunk->index, chunk,
			    XA_LIMIT(0, SST_SLOT_INDEX_MAX / SST_CHUNK_SLOTS), gfp);
}

/**
 * sst_close_chunk() - free shared slots, at once or when the device has given them back
 * @q: their queue
 * @chunk: the slots, whose file is not used any more
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_close_chunk(struct sst_queue *q, struct sst_chunk *chunk)
{
	spin_lock_irq(&q->lock);
	chunk->closed = true;
	sst_chunk_put(q, chunk);
	spin_unlock_irq(&q->lock);
}

static struct sst_chunk *sst_chunk_alloc(struct sst_queue *q, gfp_t gfp)
{
	size_t alignment = max(dma_get_cache_alignment(), SMP_CACHE_BYTES);
	/* A response that comes early has to fit there as well. */
	size_t request_size = ALIGN(sizeof(struct sst_response), alignment);
	size_t slot_size = request_size + ALIGN(sizeof(struct sst_response), alignment);
	struct sst_chunk *chunk;

	chunk = kzalloc_flex(*chunk, slots, SST_CHUNK_SLOTS, gfp);
	if (!chunk)
		return NULL;

	INIT_LIST_HEAD(&chunk->node);
	chunk->nr = SST_CHUNK_SLOTS;
	sst_chunk_alloc_memory(chunk, slot_size, gfp);
	if (!chunk->memory || sst_add_chunk(q, chunk, gfp)) {
		sst_free_chunk(chunk);
		return NULL;
	}

	sst_chunk_init(chunk, request_size, slot_size);
	return chunk;
}

/* Add slots to a queue. */
static int sst_queue_grow(struct sst_queue *q, gfp_t gfp)
{
	struct sst_chunk *chunk = sst_chunk_alloc(q, gfp);
	unsigned int i;

	if (!chunk)
		return -ENOMEM;

	spin_lock_irq(&q->lock);
	for (i = 0; i < chunk->nr; i++)
		sst_slot_free(q, &chunk->slots[i]);
	q->nr_slots += chunk->nr;
	spin_unlock_irq(&q->lock);

	return 0;
}

/* Returns an unused chunk that is no longer part of the queue, or NULL. */
static struct sst_chunk *sst_queue_pop_unused(struct sst_queue *q)
{
	struct sst_chunk *chunk = NULL;
	unsigned int i;

	spin_lock_irq(&q->lock);
	if (q->nr_slots >= q->capacity + SST_CHUNK_SLOTS && !list_empty(&q->unused)) {
		chunk = list_first_entry(&q->unused, struct sst_chunk, node);
		list_del_init(&chunk->node);
		for (i = 0; i < chunk->nr; i++)
			list_del_init(&chunk->slots[i].node);
		q->nr_slots -= chunk->nr;
		q->nr_free -= chunk->nr;
	}
	spin_unlock_irq(&q->lock);

	return chunk;
}

/**
 * sst_queue_shrink() - free the memory that only unread responses needed
 * @q: the queue
 *
 * Leaves what a full virtqueue needs.
 *
 * Context: Process context, may sleep.
 */
static void sst_queue_shrink(struct sst_queue *q)
{
	struct sst_chunk *chunk;

	while ((chunk = sst_queue_pop_unused(q))) {
		xa_erase_irq(&q->chunks, chunk->index);
		sst_free_chunk(chunk);
	}
}

/* Submission */

/**
 * sst_queue_here() - get the queue of the CPU that this runs on
 * @sst: the device
 *
 * Context: Any context.
 * Return: the queue.
 */
struct sst_queue *sst_queue_here(struct sst_device *sst)
{
	return &sst->queues[raw_smp_processor_id() % sst->nr_queues];
}

/**
 * sst_lock_queue() - take the lock of the queue that a file has
 * @file: the file
 *
 * Context: Process context.
 * Return: the queue.
 */
struct sst_queue *sst_lock_queue(struct sst_file *file)
	__acquires(&file->queue->lock)
{
	struct sst_queue *q;

	for (;;) {
		q = READ_ONCE(file->queue);
		spin_lock_irq(&q->lock);
		if (likely(q == file->queue))
			return q;
		spin_unlock_irq(&q->lock);
	}
}

/* A file that has no request leaves its queue, whose lock is held. */
static void sst_file_move(struct sst_file *file, struct sst_queue *to)
{
	struct sst_queue *q = file->queue;

	if (!list_empty(&file->poll_node)) {
		list_del_init(&file->poll_node);
		q->nr_pollers--;
	}
	WRITE_ONCE(file->queue, to);
}

/*
 * The same for a file that is going to submit something. It keeps its queue while
 * it has any request, so that its requests reach the device in order; after that
 * it takes the queue of the CPU that it is used on.
 */
static struct sst_queue *sst_lock_queue_to_submit(struct sst_file *file)
	__acquires(&file->queue->lock)
{
	struct sst_queue *here = sst_queue_here(file->sst);
	struct sst_queue *q = sst_lock_queue(file);

	while (q != here && !file->used && !file->slots) {
		sst_file_move(file, here);
		spin_unlock_irq(&q->lock);
		/* Who polls for a place is to look at the other queue. */
		sst_wake_writers(file);
		q = sst_lock_queue(file);
	}

	return q;
}

/* Why no request of a file is taken, whatever becomes free; 0 if it is. */
static int sst_failure(const struct sst_file *file)
{
	if (file->sst->gone)
		return -ENODEV;
	/* What is being stopped and started works again soon, or is gone. */
	if (file->queue->held)
		return 0;
	return sst_queue_failed(file->queue) ? -EIO : 0;
}

/* Whether requests that need so many places can be submitted now */
static bool sst_queue_has_room(const struct sst_queue *q, unsigned int places)
{
	return !q->held && q->places + places <= q->capacity;
}

/* Somebody has found no room, and wants to know when there is some. */
static void sst_queue_want_room(struct sst_queue *q)
{
	q->room_wanted = true;
	sst_queue_adjust_callback(q);
}

/* Have the pollers of a file told when there is room, be they asleep or edge-triggered. */
static void sst_want_room(struct sst_queue *q, struct sst_file *file)
{
	sst_queue_want_room(q);
	if (!list_empty(&file->poll_node))
		return;

	list_add_tail(&file->poll_node, &q->pollers);
	q->nr_pollers++;
}

/**
 * sst_may_write() - whether a write would not have to wait
 * @file: the file
 *
 * If it would have to wait for room in the virtqueue, who waits in poll will be
 * told about it.
 *
 * Context: Process context. Takes and releases the lock of the queue.
 * Return: true if a request would be accepted, or refused for good.
 */
bool sst_may_write(struct sst_file *file)
{
	struct sst_queue *q;
	bool may;

	q = sst_lock_queue(file);
	may = sst_failure(file) || (file->used < file->limit && sst_queue_has_room(q, 1));
	if (!sst_queue_has_room(q, 1))
		sst_want_room(q, file);
	spin_unlock_irq(&q->lock);

	return may;
}

/*
 * True if a writer of @nr requests need not wait for its file's limit any longer;
 * @error: why
 */
static bool sst_limit_passed(struct sst_file *file, unsigned int nr, bool alone, int *error)
{
	struct sst_queue *q;
	bool passed;

	q = sst_lock_queue(file);
	*error = sst_failure(file);
	if (!*error && alone && file->nr_done + nr > file->limit)
		*error = -ENOBUFS;
	/* The limit may be another one by now. */
	passed = *error || nr > file->limit || file->used + nr <= file->limit;
	file->limit_wanted |= !passed;
	spin_unlock_irq(&q->lock);

	return passed;
}

static int sst_wait_limit(struct sst_file *file, unsigned int nr, unsigned int how)
{
	int error;
	int ret;

	if (how & SST_NOWAIT)
		return -EAGAIN;

	ret = wait_event_interruptible(file->wait,
				       sst_limit_passed(file, nr, how & SST_ALONE, &error));
	return ret ?: error;
}

/* No two requests of a device may have the same request_id: each queue has numbers of its own. */
static u64 sst_next_generation(struct sst_queue *q)
{
	lockdep_assert_held(&q->lock);
	q->generation += q->sst->nr_queues;

	return q->generation;
}

/*
 * Take FREE slots, @wanted at most and @least at least, as far as there are any and
 * the file may have them, which is told by @full. Returns their number, or an error.
 */
static int sst_claim_free(struct sst_file *file, unsigned int wanted, unsigned int least,
			  struct list_head *batch, bool *full)
{
	struct sst_queue *q;
	struct sst_slot *slot;
	int n = 0;
	int ret;

	q = sst_lock_queue_to_submit(file);
	/* No more than that can be submitted. */
	wanted = min(wanted, q->capacity);
	ret = sst_failure(file);
	/* It may be time for a reset that nobody has asked for yet. */
	if (ret == -EIO && READ_ONCE(sst_reset_after))
		sst_queue_arm(q, jiffies);
	if (!ret && least > min(q->capacity, file->limit))
		ret = -EINVAL;
	if (!ret && file->used + least <= file->limit && q->nr_free >= least)
		wanted = min3(wanted, q->nr_free, file->limit - file->used);
	else
		wanted = 0;
	while (n < wanted) {
		slot = sst_slot_take_free(q);
		list_add_tail(&slot->node, batch);
		slot->state = SST_SLOT_FILLING;
		slot->file = file;
		slot->generation = sst_next_generation(q);
		slot->op = NULL;
		file->used++;
		n++;
	}
	*full = file->used + least > file->limit;
	spin_unlock_irq(&q->lock);

	return ret ?: n;
}

/**
 * sst_claim() - get slots to fill
 * @file: who is going to submit them
 * @wanted: how many, at the most
 * @batch: list to put them on
 * @how: SST_* flags
 *
 * Waits until the file may have one, and takes as many as it may have; with SST_WHOLE
 * until it may have all of them.
 *
 * Context: Process context, may sleep.
 * Return: number of slots, at least 1, or
 *	* -ENODEV: the device is gone
 *	* -EIO: it is broken, or has not answered too many requests
 *	* -EINVAL: never so many at once, and SST_WHOLE
 *	* -ENOBUFS: all that the file may have is unread, and SST_ALONE
 *	* -EAGAIN: its limit is reached (SST_NOWAIT), or no memory (SST_NOSLEEP)
 *	* -ERESTARTSYS: a signal came while waiting
 *	* -ENOMEM
 */
int sst_claim(struct sst_file *file, unsigned int wanted,
	      struct list_head *batch, unsigned int how)
{
	gfp_t gfp = how & SST_NOSLEEP ? GFP_NOWAIT | __GFP_ACCOUNT : GFP_KERNEL_ACCOUNT;
	unsigned int least = how & SST_WHOLE ? wanted : 1;
	unsigned int n = 0;
	bool full;
	int ret;

	do {
		ret = sst_claim_free(file, wanted - n, least, batch, &full);
		if (ret < 0)
			break;
		n += ret;
		if (n == wanted || (n && full))
			break;
		ret = full ? sst_wait_limit(file, least, how) :
			     sst_queue_grow(READ_ONCE(file->queue), gfp);
	} while (!ret);

	if (ret == -ENOMEM && how & SST_NOSLEEP)
		ret = -EAGAIN;
	return n ?: ret;
}

/* Returns 0, -EAGAIN if the file may not have so many for now, or another error. */
static int sst_count_filled(struct sst_file *file, unsigned int nr, struct list_head *batch)
{
	struct sst_queue *q = file->queue;
	struct sst_slot *slot;
	int ret;

	spin_lock_irq(&q->lock);
	ret = sst_failure(file);
	if (!ret && (nr > file->limit || 2 * nr > q->capacity))
		ret = -EINVAL;
	if (!ret && file->used + nr > file->limit)
		ret = -EAGAIN;
	if (!ret) {
		list_for_each_entry(slot, batch, node) {
			slot->file = file;
			slot->generation = sst_next_generation(q);
			slot->op = NULL;
			slot->chunk->nr_free--;
		}
		file->used += nr;
	}
	spin_unlock_irq(&q->lock);

	return ret;
}

/**
 * sst_claim_filled() - have shared slots count that were filled
 * @file: their owner
 * @nr: number of slots
 * @batch: the slots
 * @how: SST_* flags
 *
 * Waits until the file may have them all.
 *
 * Context: Process context, may sleep.
 * Return: 0, or a negative error code as sst_claim().
 */
int sst_claim_filled(struct sst_file *file, unsigned int nr, struct list_head *batch,
		     unsigned int how)
{
	int ret;

	while ((ret = sst_count_filled(file, nr, batch)) == -EAGAIN) {
		ret = sst_wait_limit(file, nr, how);
		if (ret)
			break;
	}

	return ret;
}

/*
 * A file is going to have fewer slots. Returns whether those who wait because of its
 * limit are to be woken: one that wants several may wait although the file has fewer
 * than it may.
 */
static bool sst_limit_waits(struct sst_file *file)
{
	bool waits = file->used >= file->limit || file->limit_wanted;

	lockdep_assert_held(&file->queue->lock);
	file->limit_wanted = false;

	return waits;
}

/**
 * sst_unclaim() - give back slots that were claimed and not submitted
 * @file: who claimed them
 * @batch: the slots; empty afterwards
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_unclaim(struct sst_file *file, struct list_head *batch)
{
	struct sst_queue *q = file->queue;
	struct sst_slot *slot, *next;
	bool wake;

	if (list_empty(batch))
		return;

	spin_lock_irq(&q->lock);
	wake = sst_limit_waits(file);
	list_for_each_entry_safe(slot, next, batch, node) {
		file->used--;
		sst_slot_free(q, slot);
	}
	spin_unlock_irq(&q->lock);

	if (wake)
		sst_wake_writers(file);
}

/* Make a FILLING slot ready for the device. */
static void sst_slot_prepare(struct sst_file *file, struct sst_slot *slot)
{
	slot->user_data = slot->request->user_data;
	slot->type = slot->request->type;
	slot->timeout = msecs_to_jiffies(sst_file_timeout_ms(file));
	slot->request->request_id = cpu_to_le64(sst_slot_id(slot));

	/* What the device says it wrote can't be trusted: leave nothing there. */
	if (slot->last_serial != file->serial && !slot->shared)
		memset(slot->response, 0, sizeof(*slot->response));
	slot->last_serial = file->serial;
	slot->answer = slot->response;
	if (slot->shared)
		slot->shared->early = 0;
	slot->clock_runs = false;
	slot->overdue = false;
	slot->kicked = false;
}

/*
 * Offer a slot to the device. What describes its memory is made each time: kept in the
 * slots, it would have them need another page.
 */
static int sst_queue_add_slot(struct sst_queue *q, struct sst_slot *slot)
{
	struct scatterlist request, response;
	struct scatterlist *sgs[] = { &request, &response };

	if (slot->shared) {
		sgs[0] = slot->shared->request;
		sgs[1] = slot->shared->response;
	} else {
		sg_init_one(&request, slot->request, sizeof(*slot->request));
		sg_init_one(&response, slot->response, sizeof(*slot->response));
	}

	return virtqueue_add_sgs(q->vq, sgs, 1, 1, slot, GFP_ATOMIC);
}

/* The time, in ns, if a tracepoint will want to know how long ago it was; 0 if not */
static u64 sst_submission_time(void)
{
	return trace_sst_complete_enabled() || trace_sst_late_enabled() ? ktime_get_ns() : 0;
}

/*
 * Offer FILLING slots to the device, if there are @least places. Returns the number of
 * slots, or an error.
 */
static int sst_queue_add(struct sst_queue *q, struct list_head *batch, unsigned int least)
{
	u64 now = sst_submission_time();
	struct sst_slot *slot, *next;
	int ret = 0;
	int n = 0;

	/* It was more before a reset. */
	if (least > q->capacity)
		return -EIO;

	q->batch++;
	list_for_each_entry_safe(slot, next, batch, node) {
		if (!sst_queue_has_room(q, n ? sst_slot_places(slot) : least)) {
			sst_want_room(q, slot->file);
			ret = -EAGAIN;
			break;
		}
		ret = sst_queue_add_slot(q, slot);
		if (ret)
			break;
		slot->batch = q->batch;
		slot->submitted = now;
		slot->started = jiffies;
		slot->state = SST_SLOT_BUSY;
		if (trace_sst_submit_enabled())
			sst_trace_submit(q, slot);
		list_del_init(&slot->node);
		if (slot->op) {
			list_add_tail(&slot->node, &slot->op->slots);
			slot->op->pending++;
			q->polled += slot->op->polled;
		}
		list_add_tail(&slot->busy_node, &q->busy);
		slot->file->in_flight++;
		q->occupied++;
		q->places += sst_slot_places(slot);
		n++;
	}
	q->stats.requests += n;

	return n ?: ret;
}

/* Returns whether the device is to be notified of the batch just added. */
static bool sst_queue_kick_prepare(struct sst_queue *q)
{
	struct sst_slot *slot;

	if (!virtqueue_kick_prepare(q->vq)) {
		/* It works on it already, perhaps in a kick that is not over. */
		if (!q->kicks)
			sst_queue_start_clocks(q, q->batch);
		return false;
	}

	q->kicks++;
	q->stats.kicks++;
	list_for_each_entry_reverse(slot, &q->busy, busy_node) {
		if (slot->batch < q->batch)
			break;
		slot->kicked = true;
	}
	return true;
}

/* Tell the device about a batch, while the caller keeps the virtqueue alive. */
static void sst_queue_notify(struct sst_queue *q, u64 batch)
{
	bool notified = virtqueue_notify(q->vq);

	spin_lock_irq(&q->lock);
	q->kicks--;
	sst_queue_start_clocks(q, batch);
	/* The queue is broken now: those who wait have to be told. */
	if (!notified)
		sst_queue_arm(q, jiffies);
	spin_unlock_irq(&q->lock);
}

/*
 * Whether the caller looks for answers once the kick is over, and the device need
 * not interrupt until then: many a device has done its work by the end of the kick.
 * Not if there are others who wait, or if part of the batch is of use before the rest.
 */
static bool sst_queue_may_look(const struct sst_queue *q, unsigned int nr, bool kick)
{
	const struct sst_slot *slot = list_last_entry(&q->busy, struct sst_slot, busy_node);

	return q->occupied == nr && !q->polled && (nr == 1 || slot->op || !kick);
}

/*
 * Somebody waits for an answer who must not have to wait for the one who kicks: that one
 * may not get the CPU, or his kick may take longer than the answer.
 */
static void sst_queue_expect(struct sst_queue *q)
{
	lockdep_assert_held(&q->lock);
	if (!q->kick_looks)
		return;

	q->kick_looks = false;
	sst_queue_adjust_callback(q);
}

/* Hand over what there is room for, @least places at least. Returns the number, or an error. */
static int sst_submit_some(struct sst_file *file, struct list_head *batch, unsigned int least)
{
	struct sst_queue *q = file->queue;
	bool kick = false;
	bool look = false;
	u64 number;
	int ret;
	int idx;

	idx = srcu_read_lock(&file->sst->srcu);
	spin_lock_irq(&q->lock);
	ret = sst_failure(file) ?: sst_queue_add(q, batch, least);
	number = q->batch;
	if (ret > 0) {
		kick = sst_queue_kick_prepare(q);
		look = sst_queue_may_look(q, ret, kick);
		q->kick_looks = look;
	}
	sst_queue_adjust_callback(q);
	spin_unlock_irq(&q->lock);
	if (kick)
		sst_queue_notify(q, number);
	if (look)
		sst_queue_drain(q, SST_DRAIN_LOOK);
	srcu_read_unlock(&file->sst->srcu, idx);

	return ret;
}

/* True if a writer need not wait for @nr places any longer */
static bool sst_room_passed(struct sst_file *file, unsigned int nr)
{
	struct sst_queue *q = file->queue;
	bool passed;

	spin_lock_irq(&q->lock);
	passed = sst_failure(file) || nr > q->capacity || sst_queue_has_room(q, nr);
	if (!passed)
		sst_queue_want_room(q);
	spin_unlock_irq(&q->lock);

	return passed;
}

/*
 * A writer that waited for room leaves, with a request or without: the others
 * that wait must not miss what it did not use.
 */
static void sst_pass_room(struct sst_queue *q)
{
	bool room;

	spin_lock_irq(&q->lock);
	room = sst_queue_has_room(q, 1);
	if (!room)
		sst_queue_want_room(q);
	spin_unlock_irq(&q->lock);
	if (room)
		wake_up_interruptible(&q->room);
}

static int sst_wait_and_submit(struct sst_file *file, struct list_head *batch,
			       unsigned int least)
{
	struct sst_queue *q = file->queue;
	int ret;

	do {
		/* One that may find too little room must not take the wake-up of others. */
		if (least > 1)
			ret = wait_event_interruptible(q->room, sst_room_passed(file, least));
		else
			ret = wait_event_interruptible_exclusive(q->room, sst_room_passed(file, 1));
		if (!ret)
			ret = sst_submit_some(file, batch, least);
	} while (ret == -EAGAIN);
	sst_pass_room(q);

	return ret;
}

/**
 * sst_submit() - hand filled slots to the device, with one kick
 * @file: who claimed them
 * @batch: the slots, each with its request; those that are left on the list
 *	afterwards were not submitted
 * @how: SST_* flags
 *
 * Waits until the virtqueue has room for one, and submits as many as it has room
 * for; for all of them if it is to be SST_WHOLE.
 *
 * Context: Process context, may sleep; the kick may take as long as the device
 *	wants.
 * Return: number of requests submitted, at least 1, or
 *	* -ENODEV: the device is gone
 *	* -EIO: it is broken, or has not answered too many requests
 *	* -EAGAIN: no room, and SST_NOWAIT
 *	* -ERESTARTSYS: a signal came while waiting
 *	* -ENOMEM
 */
int sst_submit(struct sst_file *file, struct list_head *batch, unsigned int how)
{
	struct sst_slot *slot;
	unsigned int n = 0;
	int ret;

	list_for_each_entry(slot, batch, node) {
		sst_slot_prepare(file, slot);
		n += sst_slot_places(slot);
	}
	if (!(how & SST_WHOLE))
		n = 1;

	ret = sst_submit_some(file, batch, n);
	if (ret == -EAGAIN && !(how & SST_NOWAIT))
		ret = sst_wait_and_submit(file, batch, n);

	return ret;
}

/* Completion */

/* What was in flight when the device went may still turn out to be answered. */
static bool sst_file_ended(const struct sst_file *file)
{
	return file->sst->gone && !file->in_flight;
}

/**
 * sst_may_read() - whether a read would not have to wait
 * @file: the file
 *
 * Context: Process context. Takes and releases the lock of the queue.
 * Return: true if there is a response, or none to come since the device is gone.
 */
bool sst_may_read(struct sst_file *file)
{
	struct sst_queue *q;
	bool may;

	q = sst_lock_queue(file);
	may = file->nr_done || sst_file_ended(file);
	if (!may)
		sst_queue_expect(q);
	spin_unlock_irq(&q->lock);

	return may;
}

/**
 * sst_take() - get slots whose requests have ended
 * @file: their owner
 * @wanted: how many, at the most
 * @batch: list to put them on, in the order of completion
 * @nowait: don't wait for the first
 *
 * Context: Process context, may sleep.
 * Return: number of slots, at least 1, or
 *	* -ENODEV: the device is gone and everything was read
 *	* -EAGAIN: there is none, and @nowait
 *	* -ERESTARTSYS: a signal came while waiting
 */
int sst_take(struct sst_file *file, unsigned int wanted,
	     struct list_head *batch, bool nowait)
{
	struct sst_queue *q;
	unsigned int in_flight;
	unsigned int n = 0;
	bool over;
	int ret;

	for (;;) {
		q = sst_lock_queue(file);
		while (n < wanted && !list_empty(&file->done)) {
			list_move_tail(file->done.next, batch);
			n++;
		}
		file->nr_done -= n;
		over = sst_file_ended(file);
		in_flight = file->in_flight;
		if (!n)
			sst_queue_expect(q);
		spin_unlock_irq(&q->lock);
		if (n)
			return n;
		if (over)
			return -ENODEV;
		if (nowait)
			return -EAGAIN;
		/* Those who sleep came before. */
		if (in_flight && READ_ONCE(file->sst->busy_poll_us) &&
		    !wq_has_sleeper(&file->readers))
			sst_spin(q, &file->nr_done, true);
		ret = wait_event_interruptible_exclusive(file->readers, sst_may_read(file));
		if (ret)
			return ret;
	}
}

/**
 * sst_put_back() - return slots that were taken and could not be read
 * @file: their owner
 * @batch: the slots; empty afterwards
 *
 * They will be the next to be taken.
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_put_back(struct sst_file *file, struct list_head *batch)
{
	unsigned int n = list_count_nodes(batch);

	if (!n)
		return;

	spin_lock_irq(&file->queue->lock);
	list_splice_init(batch, &file->done);
	file->nr_done += n;
	spin_unlock_irq(&file->queue->lock);

	sst_wake_readers(file, n);
}

/**
 * sst_finish() - free slots that were taken and read
 * @file: their owner
 * @batch: the slots; empty afterwards
 *
 * Context: Process context. Takes and releases the lock of the queue.
 * Return: the number of slots.
 */
unsigned int sst_finish(struct sst_file *file, struct list_head *batch)
{
	struct sst_queue *q = file->queue;
	struct sst_slot *slot, *next;
	unsigned int n = 0;
	bool wake;

	if (list_empty(batch))
		return 0;

	spin_lock_irq(&q->lock);
	wake = sst_limit_waits(file);
	list_for_each_entry_safe(slot, next, batch, node) {
		if (slot->state == SST_SLOT_DONE) {
			sst_slot_free(q, slot);
		} else {
			list_del_init(&slot->node);
			slot->file = NULL;
		}
		n++;
	}
	file->used -= n;
	spin_unlock_irq(&q->lock);

	if (wake)
		sst_wake_writers(file);

	return n;
}

/* End a request that is in flight silently. */
static void sst_slot_abandon(struct sst_queue *q, struct sst_slot *slot,
			     struct sst_wakeups *wakeups)
{
	struct sst_file *file = slot->file;

	q->stats.abandoned++;
	sst_slot_end_by_driver(slot, SST_RESPONSE_ERROR);
	sst_trace_complete(q, slot);
	file->in_flight--;
	file->used--;
	if (slot->state == SST_SLOT_AWAIT) {
		list_del_init(&slot->busy_node);
		sst_queue_vacate(q, slot, wakeups);
		sst_slot_free(q, slot);
	} else {
		list_del_init(&slot->node);
		slot->file = NULL;
		sst_slot_bury(q, slot);
	}
}

/**
 * sst_abandon() - end everything that a file has, silently
 * @file: the file, which nobody uses any more
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_abandon(struct sst_file *file)
{
	struct sst_queue *q = file->queue;
	struct sst_wakeups wakeups = {};
	struct sst_slot *slot, *next;
	LIST_HEAD(done);

	rcu_read_lock();
	spin_lock_irq(&q->lock);
	list_for_each_entry_safe(slot, next, &q->busy, busy_node) {
		if (slot->file != file || !sst_slot_in_flight(slot))
			continue;
		sst_slot_abandon(q, slot, &wakeups);
	}
	list_splice_init(&file->done, &done);
	if (!list_empty(&file->poll_node)) {
		list_del(&file->poll_node);
		q->nr_pollers--;
	}
	spin_unlock_irq(&q->lock);
	sst_wake(q, &wakeups);
	rcu_read_unlock();

	sst_finish(file, &done);
	sst_queue_shrink(q);
}

/* Ops */

/**
 * sst_op_begin() - make slots one op
 * @batch: the slots, which are filled and not submitted
 * @ended: &sst_op.ended
 * @data: &sst_op.data
 * @polled: somebody polls until it has ended
 *
 * It begins when they are submitted.
 *
 * Context: Any context.
 * Return: the op.
 */
struct sst_op *sst_op_begin(struct list_head *batch, void (*ended)(struct sst_op *op),
			    void *data, bool polled)
{
	struct sst_op *op = &list_first_entry(batch, struct sst_slot, node)->first;
	struct sst_slot *slot;

	op->pending = 0;
	op->held = false;
	op->polled = polled;
	op->ended = ended;
	op->data = data;
	list_for_each_entry(slot, batch, node)
		slot->op = op;

	return op;
}

/* Whether a request of an op has got no response since the device is gone */
static bool sst_slot_lost(const struct sst_slot *slot)
{
	return slot->by_driver && slot->status == SST_RESPONSE_NO_DEVICE;
}

/*
 * An op is over. Its slots go to @batch, up to the first that was lost; all others
 * become requests like any others, whose responses are for those who read: also those
 * on @batch if @error tells that nobody waits for the op any longer. Returns @error, or
 * -ENODEV if any was lost.
 */
static int sst_op_dissolve(struct sst_file *file, struct sst_op *op, int error,
			   struct list_head *batch)
{
	struct sst_queue *q = file->queue;
	struct sst_slot *slot, *next;

	lockdep_assert_held(&q->lock);
	list_for_each_entry_safe(slot, next, &op->slots, node) {
		slot->op = NULL;
		if (sst_slot_in_flight(slot)) {
			list_del_init(&slot->node);
		} else if (sst_slot_lost(slot)) {
			file->used--;
			sst_slot_free(q, slot);
			error = error ?: -ENODEV;
		} else if (error) {
			list_move_tail(&slot->node, &file->done);
			file->nr_done++;
		} else {
			list_move_tail(&slot->node, batch);
		}
	}

	return error;
}

/**
 * sst_op_end() - take the slots of an op, or give it up
 * @file: its owner
 * @op: the op
 * @batch: list to put the slots on whose responses are for the owner, in their order
 *
 * Context: Process context. Takes and releases the lock of the queue.
 * Return: 0, or
 *	* -EINTR: it has not ended; its responses will come to those who read
 *	* -ENODEV: the device went without an answer to the next request
 *
 * Responses that are not on @batch then will come to those who read.
 */
int sst_op_end(struct sst_file *file, struct sst_op *op, struct list_head *batch)
{
	struct sst_queue *q = file->queue;
	unsigned int unread;
	int ret;

	spin_lock_irq(&q->lock);
	unread = file->nr_done;
	ret = sst_op_dissolve(file, op, op->pending ? -EINTR : 0, batch);
	unread = file->nr_done - unread;
	spin_unlock_irq(&q->lock);

	if (unread)
		sst_wake_readers(file, unread);
	return ret;
}

static bool sst_op_ended(struct sst_queue *q, const struct sst_op *op)
{
	bool ended;

	spin_lock_irq(&q->lock);
	ended = !op->pending;
	spin_unlock_irq(&q->lock);

	return ended;
}

/**
 * sst_op_poll() - look whether an op has ended
 * @file: its owner
 * @op: the op
 *
 * Context: Process context. Takes and releases the lock of the queue.
 * Return: true if it has.
 */
bool sst_op_poll(struct sst_file *file, struct sst_op *op)
{
	if (READ_ONCE(op->pending)) {
		sst_queue_poll(file->queue);
		if (READ_ONCE(op->pending))
			return false;
	}
	/* With the lock, to see all of what ended it */
	return sst_op_ended(file->queue, op);
}

/* Look for the end of an op for as long as the device's setting tells, then wait. */
static void sst_op_spin(struct sst_file *file, struct sst_op *op)
{
	struct sst_queue *q = file->queue;

	sst_spin(q, &op->pending, false);

	spin_lock_irq(&q->lock);
	q->polled -= op->pending;
	op->polled = false;
	sst_queue_adjust_callback(q);
	spin_unlock_irq(&q->lock);
}

/**
 * sst_op_wait() - wait for the end of an op, and take its slots
 * @file: its owner
 * @op: the op, which was submitted, with sst_op_wake() as &sst_op.ended
 * @batch: list to put the slots on
 *
 * Context: Process context, may sleep.
 * Return: 0, -EINTR if a signal came, or -ENODEV, as sst_op_end().
 */
int sst_op_wait(struct sst_file *file, struct sst_op *op, struct list_head *batch)
{
	if (op->polled)
		sst_op_spin(file, op);

	/*
	 * A suspension is no signal, even if it comes as one. Who is interrupted
	 * too late takes the responses.
	 */
	while (wait_event_freezable(op->wait, sst_op_ended(file->queue, op)) &&
	       try_to_freeze())
		recalc_sigpending();

	return sst_op_end(file, op, batch);
}

/**
 * sst_op_wake() - an op that somebody waits for has ended
 * @op: the op
 *
 * Context: Any context.
 */
void sst_op_wake(struct sst_op *op)
{
	wake_up_interruptible(&op->wait);
}

/**
 * sst_op_hold() - keep an op from ending
 * @op: the op, which is not submitted
 */
void sst_op_hold(struct sst_op *op)
{
	op->pending++;
	op->held = true;
}

/**
 * sst_op_release() - let an op end that was kept from it
 * @file: its owner
 * @op: the op
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_op_release(struct sst_file *file, struct sst_op *op)
{
	struct sst_queue *q = file->queue;
	bool ended;

	rcu_read_lock();
	spin_lock_irq(&q->lock);
	op->held = false;
	ended = !--op->pending;
	spin_unlock_irq(&q->lock);
	if (ended)
		op->ended(op);
	rcu_read_unlock();
}

/* End the requests of an op that is held, and that its holder still needs. */
static void sst_op_end_early(struct sst_queue *q, struct sst_op *op,
			     struct sst_wakeups *wakeups)
{
	struct sst_slot *slot;

	list_for_each_entry(slot, &op->slots, node) {
		if (!sst_slot_in_flight(slot))
			continue;
		sst_slot_end_early(q, slot, SST_RESPONSE_ERROR, wakeups);
		q->stats.cancelled++;
	}
}

/**
 * sst_op_cancel() - end the requests of an op silently, and drop its responses
 * @file: its owner
 * @op: the op
 *
 * Context: Process context. Takes and releases the lock of the queue.
 * Return: true if the op is over; false if &sst_op.ended is called, since it has ended
 *	before, or is held: its requests are cancelled then, as those of its owner's.
 */
bool sst_op_cancel(struct sst_file *file, struct sst_op *op)
{
	struct sst_queue *q = file->queue;
	struct sst_wakeups wakeups = {};
	struct sst_slot *slot, *next;
	LIST_HEAD(ended);
	bool over = false;

	rcu_read_lock();
	spin_lock_irq(&q->lock);
	if (op->held) {
		sst_op_end_early(q, op, &wakeups);
	} else if (op->pending) {
		list_for_each_entry_safe(slot, next, &op->slots, node) {
			slot->op = NULL;
			if (sst_slot_in_flight(slot)) {
				op->pending--;
				q->polled -= op->polled;
				sst_slot_abandon(q, slot, &wakeups);
			} else {
				list_move_tail(&slot->node, &ended);
			}
		}
		over = true;
	}
	spin_unlock_irq(&q->lock);
	sst_wake(q, &wakeups);
	rcu_read_unlock();

	sst_finish(file, &ended);
	sst_wake_writers(file);

	return over;
}

/*
 * Cancel requests of up to @generation, as far as @wakeups has room. Returns their
 * number.
 */
static unsigned int sst_cancel_some(struct sst_queue *q, struct sst_file *file,
				    const __le64 *user_data, u64 generation,
				    struct sst_wakeups *wakeups)
{
	struct sst_slot *slot, *next;
	unsigned int n = 0;

	list_for_each_entry_safe(slot, next, &q->busy, busy_node) {
		if (!sst_wakeups_have_room(wakeups))
			break;
		if (slot->file != file || !sst_slot_in_flight(slot) ||
		    slot->generation > generation ||
		    (user_data && slot->user_data != *user_data))
			continue;
		sst_slot_end_early(q, slot, SST_RESPONSE_ERROR, wakeups);
		n++;
	}
	q->stats.cancelled += n;

	return n;
}

/* End requests of a file that are in flight. Returns their number. */
static unsigned int sst_cancel_in_flight(struct sst_file *file, const __le64 *user_data)
{
	struct sst_wakeups wakeups = {};
	struct sst_queue *q;
	unsigned int total = 0;
	unsigned int n;
	u64 generation;

	/* Others may go on submitting, even on another queue if all have ended here. */
	q = sst_lock_queue(file);
	generation = q->generation;
	spin_unlock_irq(&q->lock);

	do {
		rcu_read_lock();
		spin_lock_irq(&q->lock);
		n = sst_cancel_some(q, file, user_data, generation, &wakeups);
		spin_unlock_irq(&q->lock);
		sst_wake(q, &wakeups);
		rcu_read_unlock();
		total += n;
	} while (n);

	return total;
}

/**
 * sst_cancel_requests() - end requests of a file that are in flight
 * @file: the file
 * @cancel: which ones
 *
 * Context: Process context. Takes and releases the lock of the queue.
 * Return: the number of requests that were ended, or
 *	* -EINVAL: an unknown flag, or a field that is not 0
 *	* -ENOENT: no such request is in flight
 */
int sst_cancel_requests(struct sst_file *file, const struct sst_cancel *cancel)
{
	__le64 user_data = cpu_to_le64(cancel->user_data);
	bool all = cancel->flags & SST_CANCEL_ALL;

	if (cancel->flags & ~SST_CANCEL_ALL || (all && user_data) ||
	    memchr_inv(cancel->reserved, 0, sizeof(cancel->reserved)))
		return -EINVAL;

	return sst_cancel_in_flight(file, all ? NULL : &user_data) ?: -ENOENT;
}

/**
 * sst_set_settings() - change settings of a file
 * @file: the file
 * @settings: the settings, which are valid
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_set_settings(struct sst_file *file, const struct sst_settings *settings)
{
	struct sst_queue *q;

	q = sst_lock_queue(file);
	if (settings->flags & SST_SETTING_TIMEOUT)
		WRITE_ONCE(file->timeout_ms, settings->request_timeout_ms);
	if (settings->flags & SST_SETTING_LIMIT)
		WRITE_ONCE(file->limit, settings->request_limit);
	WRITE_ONCE(file->settings, file->settings | settings->flags);
	spin_unlock_irq(&q->lock);

	sst_wake_writers(file);
}

/* Inboxes */

/**
 * sst_inbox_alloc() - get the buffers of an inbox
 * @inbox: the inbox
 * @nr: their number
 * @size: bytes of each
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int sst_inbox_alloc(struct sst_inbox *inbox, unsigned int nr, unsigned int size)
{
	inbox->stride = ALIGN(size, max(dma_get_cache_alignment(), SMP_CACHE_BYTES));
	inbox->size = size;
	inbox->nr_buffers = nr;
	/* Pages of its own: of those that share a page with one, a device sees all. */
	inbox->buffers = alloc_pages_exact(array_size(nr, inbox->stride),
					   GFP_KERNEL | __GFP_ZERO);

	return inbox->buffers ? 0 : -ENOMEM;
}

/**
 * sst_inbox_free() - free the buffers of an inbox
 * @inbox: the inbox, whose virtqueue is deleted
 */
void sst_inbox_free(struct sst_inbox *inbox)
{
	if (inbox->buffers)
		free_pages_exact(inbox->buffers, inbox->nr_buffers * inbox->stride);
}

/**
 * sst_inbox_post() - offer a buffer to the device
 * @inbox: the inbox, whose lock is held
 * @buffer: one of its buffers
 */
void sst_inbox_post(struct sst_inbox *inbox, void *buffer)
{
	struct scatterlist sg;

	sg_init_one(&sg, buffer, inbox->size);
	/* There is room, but mapping it can fail, or the ring be broken. */
	if (virtqueue_add_inbuf(inbox->vq, &sg, 1, buffer, GFP_ATOMIC))
		inbox->lost++;
	else
		inbox->posted = true;
}

/**
 * sst_inbox_stock() - offer all buffers to a device that has none
 * @inbox: the inbox, whose lock is held
 */
void sst_inbox_stock(struct sst_inbox *inbox)
{
	unsigned int nr = min(inbox->nr_buffers, virtqueue_get_vring_size(inbox->vq));
	unsigned int i;

	inbox->lost = 0;
	/* The device may have written to them before it was reset. */
	memset(inbox->buffers, 0, inbox->nr_buffers * inbox->stride);
	for (i = 0; i < nr; i++)
		sst_inbox_post(inbox, inbox->buffers + i * inbox->stride);
}

/**
 * sst_inbox_kick_prepare() - see whether the device wants to know of new buffers
 * @inbox: the inbox, whose lock is held
 *
 * Return: true if the virtqueue is to be notified, without a lock.
 */
bool sst_inbox_kick_prepare(struct sst_inbox *inbox)
{
	if (!inbox->posted)
		return false;

	inbox->posted = false;
	return virtqueue_kick_prepare(inbox->vq);
}

/* Start and stop */

/**
 * sst_queue_init() - prepare a queue that has no virtqueues yet
 * @q: the queue, all zero
 * @sst: its device
 * @index: its number
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM; sst_queue_free() is wanted in any case.
 */
int sst_queue_init(struct sst_queue *q, struct sst_device *sst, unsigned int index)
{
	int ret;

	q->sst = sst;
	q->index = index;
	q->generation = index;
	q->stopped = true;
	q->held = true;
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->free);
	INIT_LIST_HEAD(&q->busy);
	INIT_LIST_HEAD(&q->late);
	INIT_LIST_HEAD(&q->unused);
	/* Shared slots go in any context. */
	xa_init_flags(&q->chunks, XA_FLAGS_ALLOC | XA_FLAGS_LOCK_IRQ);
	init_waitqueue_head(&q->room);
	INIT_LIST_HEAD(&q->pollers);
	INIT_DELAYED_WORK(&q->timeout_work, sst_queue_timeout);

	ret = sst_inbox_alloc(&q->responses, SST_RESPONSE_BUFFERS,
			      sizeof(struct sst_response));
	return ret ?: sst_queue_grow(q, GFP_KERNEL);
}

/**
 * sst_queue_free() - free the memory of a queue that nobody uses any more
 * @q: the queue
 *
 * Context: Process context.
 */
void sst_queue_free(struct sst_queue *q)
{
	struct sst_chunk *chunk;
	unsigned long index;

	xa_for_each(&q->chunks, index, chunk)
		sst_free_chunk(chunk);
	xa_destroy(&q->chunks);
	sst_inbox_free(&q->responses);
}

/**
 * sst_queue_attach() - let a queue use virtqueues
 * @q: the queue, which has none
 * @requests: the virtqueue of requests
 * @responses: the virtqueue of responses
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_queue_attach(struct sst_queue *q, struct virtqueue *requests,
		      struct virtqueue *responses)
{
	unsigned int size = virtqueue_get_vring_size(requests);

	spin_lock_irq(&q->lock);
	q->vq = requests;
	q->responses.vq = responses;
	/*
	 * An indirect table saves descriptors, but falls back to direct ones
	 * when memory is short: what counts is what always fits.
	 */
	WRITE_ONCE(q->capacity, min(size / SST_CHAIN_LENGTH, SST_QUEUE_CAPACITY_MAX));
	q->silence = 0;
	q->timeout_armed = false;
	q->callback = true;
	q->kick_looks = false;
	q->stopped = false;
	spin_unlock_irq(&q->lock);
}

/**
 * sst_queue_open() - take requests
 * @q: the queue, whose device is ready
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_queue_open(struct sst_queue *q)
{
	bool kick;

	spin_lock_irq(&q->lock);
	sst_inbox_stock(&q->responses);
	kick = sst_inbox_kick_prepare(&q->responses);
	q->held = false;
	spin_unlock_irq(&q->lock);
	if (kick)
		virtqueue_notify(q->responses.vq);
}

/**
 * sst_queue_hold() - take no requests for now
 * @q: the queue
 *
 * One may be half-way in a kick, but is added already.
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_queue_hold(struct sst_queue *q)
{
	spin_lock_irq(&q->lock);
	q->held = true;
	spin_unlock_irq(&q->lock);
}

/**
 * sst_queue_detach() - make a queue leave its virtqueues alone
 * @q: the queue, of a device that was reset
 *
 * What was answered is answered. The rest is taken back from the virtqueues; the
 * device may still write to it until they are deleted, and some transports let
 * it.
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_queue_detach(struct sst_queue *q)
{
	struct sst_wakeups wakeups = {};
	unsigned int passes = 0;
	bool more;

	rcu_read_lock();
	do {
		spin_lock_irq(&q->lock);
		more = sst_queue_collect(q, &wakeups, &passes);
		if (!more)
			q->stopped = true;
		spin_unlock_irq(&q->lock);
		sst_wake(q, &wakeups);
	} while (more);
	rcu_read_unlock();

	spin_lock_irq(&q->lock);
	while (virtqueue_detach_unused_buf(q->vq))
		;
	while (virtqueue_detach_unused_buf(q->responses.vq))
		;
	spin_unlock_irq(&q->lock);

	cancel_delayed_work_sync(&q->timeout_work);
}

/*
 * The device is gone: a request ends without a response. Who waits for this very
 * one has to find it.
 */
static void sst_slot_lose(struct sst_queue *q, struct sst_slot *slot,
			  struct sst_wakeups *wakeups)
{
	sst_count_fault(q, &q->stats.aborted);
	sst_slot_end_by_driver(slot, SST_RESPONSE_NO_DEVICE);
	if (slot->op) {
		sst_slot_end(slot, SST_SLOT_DONE, wakeups);
	} else {
		sst_trace_complete(q, slot);
		slot->file->in_flight--;
		slot->file->used--;
		sst_slot_free(q, slot);
	}
}

/* The device has nothing any more: bring a slot home. */
static void sst_slot_recover(struct sst_queue *q, struct sst_slot *slot,
			     struct sst_wakeups *wakeups)
{
	list_del_init(&slot->busy_node);
	q->occupied--;
	q->places -= sst_slot_places(slot);
	if (slot->state == SST_SLOT_ZOMBIE) {
		q->zombies--;
		if (slot->overdue)
			q->overdue--;
		if (slot->file)
			slot->state = SST_SLOT_DONE;
		else
			sst_slot_free(q, slot);
	} else if (q->sst->gone) {
		sst_slot_lose(q, slot, wakeups);
	} else {
		sst_count_fault(q, &q->stats.aborted);
		sst_slot_end_by_driver(slot, SST_RESPONSE_ERROR);
		sst_slot_end(slot, SST_SLOT_DONE, wakeups);
	}
}

/**
 * sst_queue_recover() - bring all slots home that the device had
 * @q: the queue, whose virtqueues are deleted
 *
 * Requests in flight end with an error, or without a response if the device is
 * gone.
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_queue_recover(struct sst_queue *q)
{
	struct sst_wakeups wakeups = {};
	struct sst_slot *slot;

	rcu_read_lock();
	spin_lock_irq(&q->lock);
	list_splice_tail_init(&q->late, &q->busy);
	while (!list_empty(&q->busy)) {
		slot = list_first_entry(&q->busy, struct sst_slot, busy_node);
		sst_slot_recover(q, slot, &wakeups);
		if (sst_wakeups_have_room(&wakeups))
			continue;
		spin_unlock_irq(&q->lock);
		sst_wake(q, &wakeups);
		spin_lock_irq(&q->lock);
	}
	spin_unlock_irq(&q->lock);
	sst_wake(q, &wakeups);
	rcu_read_unlock();
}
