/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line. */

#ifndef SST_OPTIONS_H
#define SST_OPTIONS_H

#include <linux/virtio_sst.h>
#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "hostile.h"
#include "requestq.h"
#include "util.h"

/* Exit status; vhost-user-sst(1) documents it */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_IN_USE = 3,
};

/* The virtio feature bits that are those of the SST device itself */
#define OPTIONS_SST_FEATURES \
	(BIT64(SST_F_ECHO) | BIT64(SST_F_COMPUTE) | BIT64(SST_F_MEMORY) | \
	 BIT64(SST_F_EVENTS) | BIT64(SST_F_MULTI_QUEUE) | BIT64(SST_F_RESET))

/* Most pairs of request and response queues */
#define OPTIONS_MAX_PAIRS	16

/**
 * struct options - what the command line says
 * @socket: path of the socket
 * @features: virtio features to offer
 * @queue_size: largest ring that is accepted
 * @nr_pairs: pairs of request and response queues
 * @device_id: number in configuration space
 * @events_ns: time until the next events, 0 for none
 * @events_at_once: how many are sent then
 * @requestq: how each request queue behaves
 * @answers: answers that differ from the model's
 * @hostile: whether, and from which seed, the device breaks its rules
 * @response_queue: the response queues are used
 * @existing: behave as the existing device
 * @backend_req: take the channel for requests of the back-end
 * @verbose: log what happens
 * @feature_words: argument of --features, or NULL
 */
struct options {
	const char *socket;
	uint64_t features;
	uint32_t queue_size;
	unsigned int nr_pairs;
	uint32_t device_id;
	uint64_t events_ns;
	uint64_t events_at_once;
	struct requestq_options requestq;
	struct answer_table answers;
	struct hostile_options hostile;
	bool response_queue;
	bool existing;
	bool backend_req;
	bool verbose;
	const char *feature_words;
};

/* What options_parse() wants the caller to do */
enum options_result {
	OPTIONS_RUN,		/* serve */
	OPTIONS_DONE,		/* end, all is done (--help, --version) */
	OPTIONS_WRONG,		/* end, what is wrong was printed */
};

enum options_result options_parse(struct options *options, int argc,
				  char **argv);

#endif /* SST_OPTIONS_H */
