// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests of one pair of queues that a simulator answers.
 *
 * Requests are sent as they are, and any number of them can be on their way. An answer
 * belongs to the oldest request that was sent with its ID, or to the oldest of all where
 * the simulator answers in order. A request that has timed out stays known until its answer
 * comes, so that the answer is not taken for that of another request; in order, where one
 * answer that never comes would shift all others, a time-out ends the connection.
 *
 * The stream has no marks: a simulator that sends a byte too many is out of step for good.
 * It is noticed by answers that belong to no request, and the connection is made anew.
 */

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "count.h"
#include "forward.h"
#include "log.h"
#include "model.h"
#include "util.h"

/* Requests in one system call, and responses */
#define SEND_BATCH	16
#define RECEIVE_BATCH	16

/* Requests without an answer that are remembered for the case that it comes late */
#define MAX_TIMED_OUT	4096

/* So many answers in a row that belong to no request end the connection */
#define MAX_UNMATCHED	16

/**
 * struct flight - a request at the simulator, or on its way there
 * @order: its place in forward->order
 * @live: its place in forward->live, while it has not timed out
 * @bucket: its place among those with the same hash, once it was sent
 * @pending: the request, or NULL after it has timed out
 * @deadline: when it times out
 * @sent: it was sent completely
 * @req: what is sent
 */
struct flight {
	TAILQ_ENTRY(flight) order;
	TAILQ_ENTRY(flight) live;
	TAILQ_ENTRY(flight) bucket;
	struct pending *pending;
	uint64_t deadline;
	bool sent;
	struct sst_request req;
};

static struct forward *link_to_forward(struct link *link)
{
	return container_of(link, struct forward, link);
}

/* @id as it is on the wire */
static struct flights *find_bucket(struct forward *f, __le64 id)
{
	/* Fibonacci hashing: IDs that count up are spread */
	uint64_t hash = le64toh(id) * UINT64_C(0x9e3779b97f4a7c15);

	return &f->bucket[hash >> 56 & (FORWARD_BUCKETS - 1)];
}

static void set_in_flight(struct forward *f, int change)
{
	count_add(&f->counts.in_flight, (uint64_t)change);
}

/* Ends a request, with its response in place */
static void end(struct forward *f, struct flight *flight)
{
	struct pending *pending = flight->pending;

	TAILQ_REMOVE(&f->live, flight, live);
	flight->pending = NULL;
	set_in_flight(f, -1);
	f->answered(f, pending);
}

/* Makes a response of our own. The existing device knows one error only */
static void make_response(const struct forward *f, const struct sst_request *req,
			  struct sst_response *resp, uint32_t status)
{
	memset(resp, 0, sizeof(*resp));
	resp->request_id = req->request_id;
	resp->user_data = req->user_data;
	resp->status = htole32(f->options->existing ? SST_RESPONSE_NO_DEVICE : status);
}

static void end_with(struct forward *f, struct flight *flight, uint32_t status)
{
	make_response(f, &flight->req, &flight->pending->resp, status);
	end(f, flight);
}

/* Forgets a request that has ended, or is being dropped */
static void forget(struct forward *f, struct flight *flight)
{
	if (flight->sent)
		TAILQ_REMOVE(find_bucket(f, flight->req.request_id), flight, bucket);
	TAILQ_REMOVE(&f->order, flight, order);
	free(flight);
}

/* Nothing of it was sent, so it can have had no effect */
static void end_unsent(struct forward *f, struct flight *flight)
{
	count_one(&f->counts.refused);
	f->nr_unsent--;
	end_with(f, flight, SST_RESPONSE_NO_DEVICE);
	forget(f, flight);
}

/* Time-outs */

/* Lets the timer expire with the oldest request; it may be answered until then */
static void arm_timer(struct forward *f)
{
	struct flight *first = TAILQ_FIRST(&f->live);

	if (f->timer_on || !f->options->timeout_ns || !first)
		return;
	f->timer_on = true;
	timer_set(f->timer.fd, first->deadline);
}

/* One of which nothing was sent is not sent any more */
static void time_out(struct forward *f, struct flight *flight)
{
	if (flight->sent || (flight == f->unsent && f->offset)) {
		count_one(&f->counts.timed_out);
		end_with(f, flight, SST_RESPONSE_TIMEOUT);
		f->nr_timed_out++;
		return;
	}
	if (f->unsent == flight)
		f->unsent = TAILQ_NEXT(flight, order);
	end_unsent(f, flight);
}

static void timer_ready(struct watch *watch)
{
	struct forward *f = container_of(watch, struct forward, timer);
	uint64_t now = now_ns();
	struct flight *flight;

	timer_read(watch->fd);
	f->timer_on = false;
	while ((flight = TAILQ_FIRST(&f->live)) && flight->deadline <= now)
		time_out(f, flight);
	arm_timer(f);
	if (f->nr_timed_out && f->options->in_order)
		link_fail(&f->link, "an answer is missing: it is not known whose the next one is");
	else if (f->nr_timed_out > MAX_TIMED_OUT)
		link_fail(&f->link, "too many requests without an answer");
}

/* Sending */

static void sent(struct forward *f, struct flight *flight)
{
	flight->sent = true;
	f->used = true;
	TAILQ_INSERT_TAIL(find_bucket(f, flight->req.request_id), flight, bucket);
	f->unsent = TAILQ_NEXT(flight, order);
	f->offset = 0;
	f->nr_unsent--;
}

static void advance(struct forward *f, size_t bytes)
{
	size_t left;

	while (bytes) {
		left = sizeof(f->unsent->req) - f->offset;
		if (bytes < left) {
			f->offset += bytes;
			return;
		}
		bytes -= left;
		sent(f, f->unsent);
	}
}

/* Sends some requests. Return: as sendmsg() */
static ssize_t send_some(struct forward *f)
{
	struct iovec iov[SEND_BATCH];
	struct msghdr msg = { .msg_iov = iov };
	struct flight *flight = f->unsent;

	for (; flight && msg.msg_iovlen < SEND_BATCH; flight = TAILQ_NEXT(flight, order))
		iov[msg.msg_iovlen++] = (struct iovec){ &flight->req, sizeof(flight->req) };
	iov[0].iov_base = (char *)iov[0].iov_base + f->offset;
	iov[0].iov_len -= f->offset;
	return sendmsg(f->link.socket.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Receiving */

/* Returns the request that a response is for, or NULL */
static struct flight *find_flight(struct forward *f, const struct sst_response *resp)
{
	struct flight *flight = TAILQ_FIRST(&f->order);

	if (f->options->in_order)
		return flight && flight->sent ? flight : NULL;
	TAILQ_FOREACH(flight, find_bucket(f, resp->request_id), bucket)
		if (flight->req.request_id == resp->request_id)
			break;
	return flight;
}

/* The existing device passes on the IDs that its simulator sends, but one status only */
static void take_answer(struct forward *f, struct flight *flight,
			const struct sst_response *answer)
{
	struct sst_response *resp = &flight->pending->resp;

	count_one(&f->counts.answered);
	*resp = *answer;
	if (!f->options->existing) {
		resp->request_id = flight->req.request_id;
		resp->user_data = flight->req.user_data;
	} else if (resp->status) {
		resp->status = htole32(SST_RESPONSE_NO_DEVICE);
	}
	end(f, flight);
}

/* Return: NULL, or why the connection is to be ended */
static const char *drop_unmatched(struct forward *f, const struct sst_response *resp)
{
	f->faulty = true;
	count_one(&f->counts.unmatched);
	log_fault("%s: a response to no request, with request_id %#llx", f->link.name,
		  (unsigned long long)le64toh(resp->request_id));
	if (f->options->in_order)
		return "nobody waits for a response: out of step";
	if (++f->nr_unmatched == MAX_UNMATCHED)
		return "too many responses to no request: out of step";
	return NULL;
}

/* Return: as above */
static const char *take_response(struct forward *f, const struct sst_response *resp)
{
	struct flight *flight = find_flight(f, resp);

	if (!flight)
		return drop_unmatched(f, resp);
	/* The existing device does not look at it, but has one request at a time */
	if (f->options->in_order && !f->options->existing && resp->flags)
		return "the reserved word of a response is not 0: out of step";
	f->nr_unmatched = 0;
	link_was_of_use(&f->link);
	if (flight->pending) {
		take_answer(f, flight, resp);
	} else {
		f->nr_timed_out--;
		count_one(&f->counts.late);
	}
	forget(f, flight);
	return NULL;
}

/* Returns whether a response can come: one to a request that was sent, maybe in part */
static bool is_expecting(const struct forward *f)
{
	const struct flight *first = TAILQ_FIRST(&f->order);

	return f->offset || (first && first->sent);
}

/* Takes the whole responses that have arrived; the rest waits for more */
static void take_responses(struct forward *f)
{
	size_t nr = f->have / sizeof(*f->buffer), i;
	const char *why = NULL;

	for (i = 0; i < nr && !why; i++)
		why = take_response(f, &f->buffer[i]);
	f->have -= nr * sizeof(*f->buffer);
	memmove(f->buffer, f->buffer + nr, f->have);
	if (!why && f->options->in_order && f->have && !is_expecting(f))
		why = "bytes behind the last response: out of step";
	if (why)
		link_fail(&f->link, why);
}

static void end_of_stream(struct forward *f)
{
	char why[80] = "the simulator has ended the connection";

	if (f->have)
		snprintf(why, sizeof(why),
			 "the connection has ended after %zu of %zu bytes of a response",
			 f->have, sizeof(*f->buffer));
	link_fail(&f->link, why);
}

/* Receives once. Return: whether there may be more */
static bool receive(struct forward *f)
{
	size_t room = RECEIVE_BATCH * sizeof(*f->buffer) - f->have;
	ssize_t ret;

	ret = recv(f->link.socket.fd, (char *)f->buffer + f->have, room, MSG_DONTWAIT);
	if (ret > 0) {
		f->have += (size_t)ret;
		take_responses(f);
		return f->link.state == LINK_UP;
	}
	if (ret == 0)
		end_of_stream(f);
	else if (errno != EAGAIN && errno != EINTR)
		link_fail(&f->link, strerror(errno));
	return false;
}

static void readable(struct link *link)
{
	receive(link_to_forward(link));
}

/* The connection */

/* Answers that have arrived count, and so does what the simulator did to the connection */
static void sending_failed(struct forward *f, int error)
{
	while (receive(f))
		;
	if (f->link.state == LINK_UP)
		link_fail(&f->link, strerror(error));
}

void forward_flush(struct forward *f)
{
	ssize_t ret = 0;

	if (f->link.state != LINK_UP)
		return;
	while (f->unsent && ret >= 0) {
		ret = send_some(f);
		if (ret > 0)
			advance(f, (size_t)ret);
	}
	if (ret < 0 && errno != EAGAIN && errno != EINTR)
		sending_failed(f, errno);
	else
		link_watch_writable(&f->link, f->unsent);
}

static void writable(struct link *link)
{
	forward_flush(link_to_forward(link));
}

/* What was sent, maybe in part, is never sent again; what was not may wait */
static void end_sent(struct forward *f, struct flight *flight)
{
	if (flight->pending) {
		count_one(&f->counts.failed);
		end_with(f, flight, SST_RESPONSE_ERROR);
	}
	forget(f, flight);
}

/* Of requests that were not sent, the oldest ones may wait; the others end in their order */
static void end_surplus(struct forward *f)
{
	struct flight *flight = TAILQ_FIRST(&f->order), *next;
	uint32_t waiting = f->options->max_waiting;

	for (; flight; flight = next) {
		next = TAILQ_NEXT(flight, order);
		if (waiting)
			waiting--;
		else
			end_unsent(f, flight);
	}
}

static void forget_stream(struct forward *f)
{
	f->have = 0;
	f->offset = 0;
	f->nr_timed_out = 0;
	f->nr_unmatched = 0;
}

static void down(struct link *link)
{
	struct forward *f = link_to_forward(link);
	struct flight *first;

	if (f->offset)
		sent(f, f->unsent);
	while ((first = TAILQ_FIRST(&f->order)) && first->sent)
		end_sent(f, first);
	end_surplus(f);
	f->unsent = TAILQ_FIRST(&f->order);
	forget_stream(f);
}

static void up(struct link *link)
{
	struct forward *f = link_to_forward(link);

	f->used = false;
	f->faulty = false;
	forward_flush(f);
}

/* Taking requests */

bool forward_takes(const struct forward *f, uint32_t type)
{
	return f->options->all || model_forwards(type, f->options->existing);
}

bool forward_may_take(const struct forward *f)
{
	return !f->options->existing || TAILQ_EMPTY(&f->live);
}

/* Returns whether a request can be sent, or wait for that */
static bool has_way(const struct forward *f)
{
	return f->link.state == LINK_UP || f->link.resuming ||
	       f->nr_unsent < f->options->max_waiting;
}

/* Ends a request that has not become one of ours */
static void refuse(struct forward *f, const struct sst_request *req,
		   struct pending *pending, uint32_t status)
{
	count_one(&f->counts.refused);
	make_response(f, req, &pending->resp, status);
	f->answered(f, pending);
}

static void add(struct forward *f, struct flight *flight)
{
	TAILQ_INSERT_TAIL(&f->order, flight, order);
	TAILQ_INSERT_TAIL(&f->live, flight, live);
	if (!f->unsent)
		f->unsent = flight;
	f->nr_unsent++;
	count_one(&f->counts.forwarded);
	set_in_flight(f, 1);
	arm_timer(f);
}

void forward_submit(struct forward *f, const struct sst_request *req,
		    struct pending *pending)
{
	struct flight *flight;

	if (!has_way(f)) {
		refuse(f, req, pending, SST_RESPONSE_NO_DEVICE);
		return;
	}
	flight = malloc(sizeof(*flight));
	if (!flight) {
		refuse(f, req, pending, SST_RESPONSE_ERROR);
		return;
	}
	flight->pending = pending;
	flight->deadline = f->options->timeout_ns ? now_ns() + f->options->timeout_ns : 0;
	flight->sent = false;
	flight->req = *req;
	add(f, flight);
}

/* Returns whether something may come that a later request must not get */
static bool is_owed(const struct forward *f)
{
	return f->have || is_expecting(f) || f->faulty;
}

static void drop_all(struct forward *f)
{
	struct flight *first, *next;

	while ((first = TAILQ_FIRST(&f->live))) {
		TAILQ_REMOVE(&f->live, first, live);
		free(first->pending);
		count_one(&f->counts.dropped);
		set_in_flight(f, -1);
	}
	for (first = TAILQ_FIRST(&f->order); first; first = next) {
		next = TAILQ_NEXT(first, order);
		forget(f, first);
	}
	f->unsent = NULL;
	f->nr_unsent = 0;
	forget_stream(f);
}

void forward_drop(struct forward *f)
{
	bool owed = is_owed(f);

	drop_all(f);
	if (owed)
		link_restart(&f->link);
}

void forward_end_guest(struct forward *f)
{
	if (f->link.state == LINK_UP && f->used)
		link_restart(&f->link);
}

int forward_init(struct forward *f)
{
	unsigned int i;
	int fd = timer_open();

	f->buffer = malloc(RECEIVE_BATCH * sizeof(*f->buffer));
	if (fd < 0 || !f->buffer)
		return -1;
	TAILQ_INIT(&f->order);
	TAILQ_INIT(&f->live);
	for (i = 0; i < FORWARD_BUCKETS; i++)
		TAILQ_INIT(&f->bucket[i]);
	f->timer.ready = timer_ready;
	if (loop_add(f->loop, &f->timer, fd))
		return -1;
	f->link.loop = f->loop;
	f->link.endpoint = &f->options->endpoint;
	f->link.up = up;
	f->link.down = down;
	f->link.readable = readable;
	f->link.writable = writable;
	return link_init(&f->link);
}

void forward_destroy(struct forward *f)
{
	drop_all(f);
	link_destroy(&f->link);
	close_fd(&f->timer.fd);
	free(f->buffer);
}
