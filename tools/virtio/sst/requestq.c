// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request queue.
 *
 * A request is copied and answered by the model as soon as it is found; its
 * response waits, in a heap, until it is due. Only then the guest's buffers are
 * written and the chain is given back. Guest addresses are translated anew at
 * that time, as the guest's memory may have been mapped differently meanwhile.
 *
 * A response can go to the response queue instead. The chain is then given back
 * with nothing written, at once or behind the response; a request is done with
 * when the driver has both.
 */

#include <endian.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "count.h"
#include "log.h"
#include "requestq.h"
#include "util.h"

/* How often a polled ring is looked at between two looks at the descriptors */
#define SPIN_LOOKS	64

/*
 * Most responses that are kept after their chain has been given back. With so
 * many, no request is taken until the driver takes a response.
 */
#define MAX_OWED	4096

/* Giving requests back */

static void give_back(struct requestq *q, uint32_t head, uint32_t len)
{
	virtq_push(&q->ring->vq, head, len);
	q->nr_held--;
}

/* Ends a request with which the device is done */
static void finish(struct requestq *q, struct pending *pending)
{
	if (pending->silence_ns)
		silence_begin(q->silence, pending->silence_ns);
	free(pending);
}

/* Leaves the ring alone until it is started again, and drops what is pending */
static void get_lost(struct requestq *q)
{
	q->lost = true;
	while (q->heap.nr)
		free(q->heap.entry[--q->heap.nr]);
	responseq_drop(&q->responses);
}

/* Returns another request, the device's answer to which has not begun, or NULL */
static struct pending *find_other(struct requestq *q)
{
	struct pending *other;

	if (!q->heap.nr)
		return NULL;
	other = q->heap.entry[random_next(&q->random) % q->heap.nr];
	return other->step == PENDING_ANSWER && !other->stolen ? other : NULL;
}

/*
 * Gives a chain back, or, after a lie, another one. A chain in whose place another
 * one went stays with the device.
 */
static void give_back_pending(struct requestq *q, struct pending *pending)
{
	struct pending *other = NULL;
	enum answer_head head = pending->used_head;

	if (head == ANSWER_HEAD_OTHER)
		other = find_other(q);
	if (other) {
		other->stolen = true;
		give_back(q, other->head, pending->used_len);
		finish(q, pending);
		return;
	}
	q->nr_held--;
	if (!answer_push(&q->ring->vq, head, pending->head, pending->used_len))
		get_lost(q);
	finish(q, pending);
}

static void answer_in_chain(struct requestq *q, struct pending *pending)
{
	if (virtq_write(&q->vu->mem, pending->seg, &pending->resp,
			pending->written)) {
		give_back_pending(q, pending);
		return;
	}
	vu_ring_error(q->vu, q->index, "buffer is not memory any more");
	free(pending);
}

/* Gives a chain back whose response was on the response queue */
static void return_chain(struct requestq *q, struct pending *pending)
{
	pending->used_head = ANSWER_HEAD_OWN;
	if (pending->both) {
		answer_in_chain(q, pending);
		return;
	}
	give_back(q, pending->head, 0);
	finish(q, pending);
}

/* Takes the step that is due */
static void complete(struct requestq *q, struct pending *pending)
{
	if (pending->stolen) {
		free(pending);
		return;
	}
	switch (pending->step) {
	case PENDING_ANSWER:
		answer_in_chain(q, pending);
		break;
	case PENDING_RESPONSE:
		responseq_add(&q->responses, pending);
		break;
	case PENDING_CHAIN:
		/* The driver is to notice that the response came first */
		responseq_call(&q->responses);
		return_chain(q, pending);
		break;
	}
}

/* Lets the chain follow the response, which has been sent */
static void follow_with_chain(struct requestq *q, struct pending *pending)
{
	pending->step = PENDING_CHAIN;
	if (pending->chain_delay_ns == PENDING_NEVER) {
		finish(q, pending);
	} else if (!pending->chain_delay_ns) {
		complete(q, pending);
	} else {
		pending->due = now_ns() + pending->chain_delay_ns;
		heap_push(&q->heap, pending);
	}
}

static void response_done(struct responseq *responses, struct pending *pending,
			  bool sent)
{
	struct requestq *q = container_of(responses, struct requestq,
					  responses);

	if (pending->chain_back)
		q->nr_owed--;
	if (!sent) {
		free(pending);
		/* There may be room for a request now */
		q->again = true;
	} else if (pending->chain_back) {
		finish(q, pending);
	} else {
		follow_with_chain(q, pending);
	}
}

static void arm_timer(struct requestq *q)
{
	uint64_t due = heap_due(&q->heap);

	if (due == q->timer_due)
		return;
	q->timer_due = due;
	timer_set(q->timer.fd, due == PENDING_NEVER ? 0 : due);
}

static void complete_due(struct requestq *q)
{
	uint64_t now = now_ns();

	while (q->ring && !silence_on(q->silence) && heap_due(&q->heap) <= now)
		complete(q, heap_pop(&q->heap));
}

/* Taking requests */

static uint64_t latency(struct requestq *q, const struct answer *answer)
{
	const struct requestq_options *options = q->options;

	if (answer && answer->has_delay)
		return answer->delay_ns;
	if (!options->jitter_ns)
		return options->latency_ns;
	return options->latency_ns +
	       random_next(&q->random) % (options->jitter_ns + 1);
}

/* Puts the IDs into a response that a rule says, whose own are in it */
static void apply_id(struct requestq *q, enum answer_id id, struct sst_response *resp)
{
	struct pending *other;

	switch (id) {
	case ANSWER_ID_INVERTED:
		resp->request_id = ~resp->request_id;
		resp->user_data = ~resp->user_data;
		break;
	case ANSWER_ID_OTHER:
		other = find_other(q);
		if (other)
			resp->request_id = other->resp.request_id;
		break;
	case ANSWER_ID_LAST:
		resp->request_id = q->last_id;
		break;
	case ANSWER_ID_NEXT:
		/* Of the same slot, whose number is in the lower half */
		resp->request_id = htole64(le64toh(resp->request_id) +
					   (UINT64_C(1) << 48));
		break;
	case ANSWER_ID_OWN:
		break;
	}
}

static void apply_answer(struct requestq *q, const struct answer *answer,
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
	if (answer->has_chain_delay)
		pending->chain_delay_ns = answer->chain_delay_ns;
	if (answer->repeat)
		pending->copies = 2;
	if (answer->noise) {
		resp->flags = htole32(UINT32_MAX);
		resp->result = htole64(UINT64_MAX);
	}
	pending->used_head = answer->head;
	pending->both = answer->both;
	pending->silence_ns = answer->silence_ns;
	apply_id(q, answer->id, resp);
}

/* Makes the response to a request that is long enough */
static void run_request(struct requestq *q, const struct sst_request *req,
			const struct answer *answer, struct pending *pending)
{
	if (answer && !model_knows(le32toh(req->type)))
		model_echo(q->model, req, &pending->resp);
	else
		model_run(q->model, req, &pending->resp);
	if (answer)
		apply_answer(q, answer, pending);
	q->last_id = req->request_id;
}

/* The same for one that is too short; its IDs come back if they were there */
static void run_short(struct requestq *q, const struct sst_request *req,
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
}

static struct pending *new_pending(struct requestq *q)
{
	const struct virtq_chain *chain = &q->chain;
	size_t seg_size = chain->nr_in * sizeof(chain->seg[0]);
	struct pending *pending;

	pending = malloc(sizeof(*pending) + seg_size);
	if (!pending)
		return NULL;
	memset(pending, 0, offsetof(struct pending, resp));
	pending->sequence = q->sequence++;
	pending->head = chain->head;
	pending->copies = 1;
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
	pending->due = PENDING_NEVER;
	if (delay != ANSWER_NEVER)
		pending->due = q->now + delay;
	else if (pending->silence_ns)
		silence_begin(q->silence, pending->silence_ns);
	heap_push(&q->heap, pending);
}

/* Gives the chain back before the response is sent, if one is sent at all */
static void owe_response(struct requestq *q, struct pending *pending,
			 const struct answer *answer, uint64_t delay)
{
	give_back(q, pending->head, 0);
	if (answer && answer->no_response) {
		finish(q, pending);
		return;
	}
	pending->chain_back = true;
	q->nr_owed++;
	add_pending(q, pending, delay);
}

/* Returns how a request is answered, or NULL if that is as the model says */
static const struct answer *choose_answer(struct requestq *q, uint32_t type,
					  struct answer *made_up)
{
	const struct answer *answer = answer_find(q->options->answers, type);

	/* The thread that takes signals ends the program */
	if (answer && answer->dies)
		kill(getpid(), SIGTERM);
	if (!answer && hostile_answer(q->hostile, &q->random, made_up))
		return made_up;
	return answer;
}

/* Decides where the response to a request goes */
static enum answer_way choose_way(struct requestq *q,
				  const struct answer *answer)
{
	enum answer_way way = answer_way(answer, q->options->way);

	if (way == ANSWER_ALTERNATE)
		way = q->alternate++ % 2 ? ANSWER_BEFORE : ANSWER_AFTER;
	return way;
}

/* Begins to answer a request; @answer is NULL if its type has no rule */
static void give_answer(struct requestq *q, struct pending *pending,
			const struct answer *answer, enum answer_way way)
{
	uint64_t delay = latency(q, answer);

	q->nr_held++;
	if (way != ANSWER_IN_CHAIN)
		pending->step = PENDING_RESPONSE;
	if (way == ANSWER_AFTER && delay != ANSWER_NEVER)
		owe_response(q, pending, answer, delay);
	else
		add_pending(q, pending, delay);
}

static bool is_forwarded(const struct requestq *q, const struct sst_request *req,
			 const struct answer *answer)
{
	return q->forward && !answer && forward_takes(q->forward, le32toh(req->type));
}

/* Gives a request to the simulator; it comes back through requestq_answered() */
static void forward_request(struct requestq *q, const struct sst_request *req,
			    struct pending *pending, enum answer_way way)
{
	q->nr_held++;
	if (way != ANSWER_IN_CHAIN)
		pending->step = PENDING_RESPONSE;
	if (way == ANSWER_AFTER) {
		give_back(q, pending->head, 0);
		pending->chain_back = true;
		q->nr_owed++;
	}
	forward_submit(q->forward, req, pending);
}

/* Those that come back together go to the guest together, in their order */
void requestq_answered(struct requestq *q, struct pending *pending)
{
	pending->sequence = q->sequence++;
	pending->due = now_ns();
	heap_push(&q->heap, pending);
	q->woken = true;
}

/* Gives the chain in q->chain back, which has no room for its response */
static void refuse_room(struct requestq *q)
{
	log_fault("room of %llu bytes for a response",
		  (unsigned long long)q->chain.in_len);
	virtq_push(&q->ring->vq, q->chain.head, 0);
}

/* Takes the request in q->chain. Return: NULL, or what is wrong */
static const char *take_request(struct requestq *q)
{
	const struct virtq_chain *chain = &q->chain;
	const struct answer *answer = NULL;
	struct answer made_up;
	struct pending *pending;
	struct sst_request req;
	size_t len = sizeof(req);
	enum answer_way way;

	count_one(&q->requests);
	if (chain->out_len < len)
		len = (size_t)chain->out_len;
	if (!virtq_read(&q->vu->mem, chain->seg, &req, len))
		return "buffer is not memory any more";
	if (len == sizeof(req))
		answer = choose_answer(q, le32toh(req.type), &made_up);
	way = choose_way(q, answer);
	if (way == ANSWER_IN_CHAIN && chain->in_len < sizeof(pending->resp)) {
		refuse_room(q);
		return NULL;
	}
	if (q->nr_held == q->ring->vq.num)
		return "more requests than the ring can hold";
	pending = new_pending(q);
	if (!pending)
		return "out of memory";
	if (len == sizeof(req) && is_forwarded(q, &req, answer)) {
		forward_request(q, &req, pending, way);
		return NULL;
	}
	if (len == sizeof(req))
		run_request(q, &req, answer, pending);
	else
		run_short(q, &req, len, pending);
	give_answer(q, pending, answer, way);
	return NULL;
}

/* The existing device begins a request only when the last one is answered */
static bool may_take(const struct requestq *q)
{
	if (silence_on(q->silence) || q->nr_owed == MAX_OWED || q->lost)
		return false;
	if (q->forward && !forward_may_take(q->forward))
		return false;
	return !q->options->existing || !q->heap.nr;
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
		/* requestq_wake() will look again */
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

static void begin_turn(struct requestq *q)
{
	virtq_begin_turn(&q->ring->vq);
	if (q->responses.ring)
		virtq_begin_turn(&q->responses.ring->vq);
}

/* Serves the ring, with one interrupt for all that was answered */
static void serve(struct requestq *q)
{
	bool any;

	begin_turn(q);
	virtq_disable_kick(&q->ring->vq);
	any = take_requests(q);
	if (q->forward)
		forward_flush(q->forward);
	if (q->ring) {
		arm_timer(q);
		vu_ring_call(q->ring);
		rest(q, any);
	}
	responseq_call(&q->responses);
}

void requestq_wake(struct requestq *q)
{
	if (!q->ring || silence_on(q->silence))
		return;
	q->woken = false;
	begin_turn(q);
	responseq_pump(&q->responses);
	complete_due(q);
	if (q->ring)
		serve(q);
	else
		responseq_call(&q->responses);
}

void requestq_wake_later(struct requestq *q)
{
	q->woken = true;
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
	if (!q->ring || silence_on(q->silence))
		return false;
	if (q->woken || responseq_busy(&q->responses))
		requestq_wake(q);
	else if (q->again && spin(q))
		serve(q);
	else if (q->again)
		rest(q, false);
	return (q->ring && (q->again || q->woken)) || responseq_busy(&q->responses);
}

static void kick_ready(struct watch *watch)
{
	struct requestq *q = container_of(watch, struct requestq, kick);

	if (!kick_read(watch->fd))
		vu_ring_error(q->vu, q->index, "kick file cannot be read");
	else if (!silence_on(q->silence))
		serve(q);
}

static void timer_ready(struct watch *watch)
{
	struct requestq *q = container_of(watch, struct requestq, timer);

	timer_read(watch->fd);
	q->timer_due = PENDING_NEVER;
	requestq_wake(q);
}

static void responses_kicked(struct responseq *responses)
{
	requestq_wake(container_of(responses, struct requestq, responses));
}

static void init_responses(struct requestq *q)
{
	struct responseq *responses = &q->responses;

	responses->loop = q->loop;
	responses->vu = q->vu;
	responses->silence = q->silence;
	responses->kicked = responses_kicked;
	responses->done = response_done;
	responseq_init(responses);
}

int requestq_init(struct requestq *q)
{
	int fd = timer_open();

	if (fd < 0)
		return -1;
	q->kick.fd = -1;
	q->kick.ready = kick_ready;
	q->timer.ready = timer_ready;
	q->timer_due = PENDING_NEVER;
	init_responses(q);
	return loop_add(q->loop, &q->timer, fd);
}

void requestq_destroy(struct requestq *q)
{
	close_fd(&q->timer.fd);
	responseq_destroy(&q->responses);
	virtq_chain_free(&q->chain);
}

bool requestq_active(const struct requestq *q)
{
	return q->ring || q->responses.ring;
}

bool requestq_start(struct requestq *q)
{
	struct vu_ring *ring = &q->vu->rings[q->index];

	if (!heap_init(&q->heap, ring->vq.num + MAX_OWED))
		return false;
	if (!ring->no_kick && loop_add(q->loop, &q->kick, ring->kick_fd)) {
		heap_destroy(&q->heap);
		return false;
	}
	q->ring = ring;
	q->nr_held = 0;
	q->nr_owed = 0;
	q->alternate = 0;
	q->random = hostile_random(q->hostile, q->index);
	q->last_id = 0;
	q->lost = false;
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
	q->timer_due = PENDING_NEVER;
	responseq_drop(&q->responses);
	if (q->heap.nr)
		log_debug("%u requests dropped", q->heap.nr);
	if (q->forward)
		forward_drop(q->forward);
	heap_destroy(&q->heap);
	q->ring = NULL;
	q->again = false;
}
