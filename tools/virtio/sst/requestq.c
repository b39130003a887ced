// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request queue.
 *
 * A request is copied and answered by the model as soon as it is found; its
 * response waits, in a heap, until it is due. Only then the guest's buffers are
 * written and the chain is given back. Guest addresses are translated anew at
 * that time, as the guest's memory may have been mapped differently meanwhile.
 */

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "requestq.h"
#include "util.h"

/* How often a polled ring is looked at between two looks at the descriptors */
#define SPIN_LOOKS	64

/**
 * struct pending - a request that has not been answered yet
 * @due: when the answer is to be given
 * @sequence: order of arrival, for equal times
 * @head: number of the chain's first descriptor
 * @used_len: bytes that the used ring will claim
 * @written: bytes that will be written
 * @resp: the response
 * @seg: pieces of the writable part
 */
struct pending {
	uint64_t due;
	uint64_t sequence;
	uint32_t head;
	uint32_t used_len;
	uint32_t written;
	struct sst_response resp;
	struct virtq_seg seg[];
};

/* The heap of pending requests */

static bool earlier(const struct pending *a, const struct pending *b)
{
	if (a->due != b->due)
		return a->due < b->due;
	return a->sequence < b->sequence;
}

static void heap_swap(struct requestq *q, uint32_t a, uint32_t b)
{
	struct pending *tmp = q->heap[a];

	q->heap[a] = q->heap[b];
	q->heap[b] = tmp;
}

static void heap_push(struct requestq *q, struct pending *pending)
{
	uint32_t i = q->nr_pending++;

	q->heap[i] = pending;
	while (i && earlier(q->heap[i], q->heap[(i - 1) / 2])) {
		heap_swap(q, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

static struct pending *heap_pop(struct requestq *q)
{
	struct pending *first = q->heap[0];
	uint32_t i = 0, child;

	q->heap[0] = q->heap[--q->nr_pending];
	for (;;) {
		child = 2 * i + 1;
		if (child >= q->nr_pending)
			return first;
		if (child + 1 < q->nr_pending &&
		    earlier(q->heap[child + 1], q->heap[child]))
			child++;
		if (!earlier(q->heap[child], q->heap[i]))
			return first;
		heap_swap(q, i, child);
		i = child;
	}
}

/* Giving requests back */

static void complete(struct requestq *q, struct pending *pending)
{
	bool ok = virtq_write(&q->vu->mem, pending->seg, &pending->resp,
			      pending->written);

	if (ok)
		virtq_push(&q->ring->vq, pending->head, pending->used_len);
	else
		vu_ring_error(q->vu, q->index, "buffer is not memory any more");
	free(pending);
}

static void arm_timer(struct requestq *q)
{
	uint64_t due = 0;

	if (q->nr_pending && q->heap[0]->due != ANSWER_NEVER)
		due = q->heap[0]->due;
	timer_set(q->timer.fd, due);
}

static void complete_due(struct requestq *q)
{
	uint64_t now = now_ns();

	while (q->ring && q->nr_pending && q->heap[0]->due <= now)
		complete(q, heap_pop(q));
}

/* Taking requests */

/* xorshift: good enough to spread answers, and the same in every run */
static uint64_t next_random(struct requestq *q)
{
	q->random ^= q->random << 13;
	q->random ^= q->random >> 7;
	q->random ^= q->random << 17;
	return q->random;
}

static uint64_t latency(struct requestq *q, const struct answer *answer)
{
	const struct requestq_options *options = q->options;

	if (answer && answer->has_delay)
		return answer->delay_ns;
	if (!options->jitter_ns)
		return options->latency_ns;
	return options->latency_ns + next_random(q) % (options->jitter_ns + 1);
}

static void apply_answer(const struct requestq *q, const struct answer *answer,
			 struct pending *pending)
{
	struct sst_response *resp = &pending->resp;

	pending->written = answer->written;
	if (answer->has_used_len)
		pending->used_len = answer->used_len;
	if (answer->has_status)
		resp->status = htole32(answer->status);
	if (answer->has_fill)
		memset(resp->payload, answer->fill, sizeof(resp->payload));
	if (answer->wrong_head)
		pending->head = q->ring->vq.num;
	if (answer->wrong_id) {
		resp->request_id = ~resp->request_id;
		resp->user_data = ~resp->user_data;
	}
}

/* Answers a request that is long enough, and says how long that takes */
static uint64_t run_request(struct requestq *q, const struct sst_request *req,
			    struct pending *pending)
{
	uint32_t type = le32toh(req->type);
	const struct answer *answer = answer_find(q->options->answers, type);

	if (answer && !model_knows(type))
		model_echo(q->model, req, &pending->resp);
	else
		model_run(q->model, req, &pending->resp);
	if (answer)
		apply_answer(q, answer, pending);
	return latency(q, answer);
}

/* Answers a request that is too short; its IDs come back if they were there */
static uint64_t run_short(struct requestq *q, const struct sst_request *req,
			  size_t len, struct pending *pending)
{
	struct sst_response *resp = &pending->resp;

	log_fault("request of %zu bytes instead of %zu", len, sizeof(*req));
	memset(resp, 0, sizeof(*resp));
	resp->status = htole32(SST_RESPONSE_ERROR);
	if (len >= SST_REQUEST_HEADER_SIZE && !q->options->existing) {
		resp->request_id = req->request_id;
		resp->user_data = req->user_data;
	}
	return latency(q, NULL);
}

static struct pending *new_pending(struct requestq *q)
{
	const struct virtq_chain *chain = &q->chain;
	size_t seg_size = chain->nr_in * sizeof(chain->seg[0]);
	struct pending *pending;

	pending = malloc(sizeof(*pending) + seg_size);
	if (!pending)
		return NULL;
	pending->sequence = q->sequence++;
	pending->head = chain->head;
	pending->used_len = sizeof(pending->resp);
	pending->written = sizeof(pending->resp);
	if (seg_size)
		memcpy(pending->seg, chain->seg + chain->nr_out, seg_size);
	return pending;
}

static void add_pending(struct requestq *q, struct pending *pending,
			uint64_t delay)
{
	if (!delay) {
		complete(q, pending);
		return;
	}
	pending->due = ANSWER_NEVER;
	if (delay != ANSWER_NEVER)
		pending->due = q->now + delay;
	heap_push(q, pending);
}

/* Takes the request in q->chain. Return: NULL, or what is wrong */
static const char *take_request(struct requestq *q)
{
	const struct virtq_chain *chain = &q->chain;
	struct pending *pending;
	struct sst_request req;
	size_t len = sizeof(req);
	uint64_t delay;

	q->requests++;
	if (chain->in_len < sizeof(struct sst_response)) {
		log_fault("room of %llu bytes for a response",
			  (unsigned long long)chain->in_len);
		virtq_push(&q->ring->vq, chain->head, 0);
		return NULL;
	}
	if (q->nr_pending == q->ring->vq.num)
		return "more requests than the ring can hold";
	if (chain->out_len < len)
		len = (size_t)chain->out_len;
	if (!virtq_read(&q->vu->mem, chain->seg, &req, len))
		return "buffer is not memory any more";
	pending = new_pending(q);
	if (!pending)
		return "out of memory";
	if (len == sizeof(req))
		delay = run_request(q, &req, pending);
	else
		delay = run_short(q, &req, len, pending);
	add_pending(q, pending, delay);
	return NULL;
}

/* The existing device begins a request only when the last one is answered */
static bool may_take(const struct requestq *q)
{
	return !q->options->existing || !q->nr_pending;
}

/*
 * Takes what is available, but not more than once around the ring, so that a
 * guest that is quicker than we are cannot keep the loop from its other work.
 * Return: whether there was anything; the ring may be out of use afterwards.
 */
static bool take_requests(struct requestq *q)
{
	uint32_t budget = q->ring->vq.num;
	const char *error = NULL;
	bool any = false;
	int ret;

	/* What is found together has arrived together, and is answered so */
	q->now = now_ns();
	while (!error && q->ring && budget-- && may_take(q)) {
		ret = virtq_pop(&q->ring->vq, &q->vu->mem, &q->chain);
		if (!ret)
			break;
		any = true;
		error = ret < 0 ? q->ring->vq.error : take_request(q);
	}
	if (error)
		vu_ring_error(q->vu, q->index, error);
	return any;
}

/* Decides whether to go on looking at the ring or to wait for a kick */
static void rest(struct requestq *q, bool any)
{
	const struct requestq_options *options = q->options;

	if (!may_take(q)) {
		/* timer_ready() will look again */
		q->again = false;
	} else if (options->poll) {
		if (any)
			q->spin_until = now_ns() + options->poll_ns;
		q->again = !options->poll_ns || now_ns() < q->spin_until;
	} else {
		q->again = false;
	}
	/* A ring without kicks has to be polled for ever */
	if (may_take(q) && q->ring->no_kick)
		q->again = true;
	if (!q->again && may_take(q) && virtq_enable_kick(&q->ring->vq))
		q->again = true;
}

/* Serves the ring, with one interrupt for all that was answered */
static void serve(struct requestq *q)
{
	bool any;

	virtq_disable_kick(&q->ring->vq);
	any = take_requests(q);
	if (!q->ring)
		return;
	arm_timer(q);
	vu_ring_call(q->ring);
	rest(q, any);
}

static bool spin(const struct requestq *q)
{
	unsigned int i;

	for (i = 0; i < SPIN_LOOKS; i++)
		if (virtq_has_avail(&q->ring->vq))
			return true;
	return false;
}

bool requestq_busy(struct requestq *q)
{
	if (!q->ring || !q->again)
		return false;
	if (spin(q))
		serve(q);
	else
		rest(q, false);
	return q->ring && q->again;
}

static void kick_ready(struct watch *watch)
{
	struct requestq *q = container_of(watch, struct requestq, kick);
	uint64_t count;
	ssize_t ret;

	ret = read(watch->fd, &count, sizeof(count));
	if (ret == 0 || (ret < 0 && errno != EAGAIN && errno != EINTR)) {
		vu_ring_error(q->vu, q->index, "kick file cannot be read");
		return;
	}
	serve(q);
}

static void timer_ready(struct watch *watch)
{
	struct requestq *q = container_of(watch, struct requestq, timer);

	timer_read(watch->fd);
	if (!q->ring)
		return;
	complete_due(q);
	if (q->ring)
		serve(q);
}

int requestq_init(struct requestq *q)
{
	int fd = timer_open();

	if (fd < 0)
		return -1;
	q->random = 88172645463325252u;
	q->kick.fd = -1;
	q->kick.ready = kick_ready;
	q->timer.ready = timer_ready;
	return loop_add(q->loop, &q->timer, fd);
}

void requestq_destroy(struct requestq *q)
{
	close_fd(&q->timer.fd);
	virtq_chain_free(&q->chain);
}

bool requestq_start(struct requestq *q)
{
	struct vu_ring *ring = &q->vu->rings[q->index];

	q->heap = calloc(ring->vq.num, sizeof(struct pending *));
	if (!q->heap)
		return false;
	if (!ring->no_kick && loop_add(q->loop, &q->kick, ring->kick_fd)) {
		free(q->heap);
		q->heap = NULL;
		return false;
	}
	q->ring = ring;
	/* There may be requests from before the kick descriptor was known */
	q->again = true;
	return true;
}

void requestq_stop(struct requestq *q)
{
	if (!q->ring)
		return;
	loop_remove(q->loop, &q->kick);
	timer_set(q->timer.fd, 0);
	if (q->nr_pending)
		log_debug("%u requests dropped", q->nr_pending);
	while (q->nr_pending)
		free(heap_pop(q));
	free(q->heap);
	q->heap = NULL;
	q->ring = NULL;
	q->again = false;
}
