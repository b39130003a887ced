/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests that are not done with yet. */

#ifndef SST_PENDING_H
#define SST_PENDING_H

#include <linux/virtio_sst.h>
#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "virtq.h"

/* When a pending request is due that never is */
#define PENDING_NEVER	UINT64_MAX

/* What is to be done with a pending request when it is due */
enum pending_step {
	PENDING_ANSWER,		/* put the response into its chain */
	PENDING_RESPONSE,	/* send the response on the response queue */
	PENDING_CHAIN,		/* give its chain back with nothing written */
};

/**
 * struct pending - a request that is not done with yet
 * @next: the one behind it, on the response queue
 * @due: when @step is to be taken
 * @sequence: order of arrival, for equal times
 * @step: what is to be done next
 * @chain_back: its chain has been given back, only the response is missing
 * @chain_delay_ns: time from the response on the response queue to the chain,
 *	or PENDING_NEVER
 * @silence_ns: how long the device is silent when the request is done with
 * @copies: how often the response is still to be sent, on the response queue
 * @used_head: which descriptor the used ring will name
 * @both: the response is put into the chain that follows it as well
 * @stolen: its chain was given back in place of another one
 * @head: number of the chain's first descriptor
 * @used_len: bytes that the used ring will claim
 * @written: bytes that will be written
 * @resp: the response
 * @seg: pieces of the writable part
 */
struct pending {
	struct pending *next;
	uint64_t due;
	uint64_t sequence;
	enum pending_step step;
	bool chain_back;
	uint64_t chain_delay_ns;
	uint64_t silence_ns;
	unsigned int copies;
	enum answer_head used_head;
	bool both;
	bool stolen;
	uint32_t head;
	uint32_t used_len;
	uint32_t written;
	struct sst_response resp;
	struct virtq_seg seg[];
};

/**
 * struct heap - pending requests, with the one that is due next first
 * @entry: the requests
 * @nr: their number
 */
struct heap {
	struct pending **entry;
	uint32_t nr;
};

/* Makes room for a number of requests. Return: whether that was possible */
bool heap_init(struct heap *heap, uint32_t max);

/* Frees the heap, and all that is in it */
void heap_destroy(struct heap *heap);

void heap_push(struct heap *heap, struct pending *pending);
struct pending *heap_pop(struct heap *heap);

/* Returns when the next one is due, or PENDING_NEVER */
uint64_t heap_due(const struct heap *heap);

#endif /* SST_PENDING_H */
