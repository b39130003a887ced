/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line. */

#ifndef SST_OPTIONS_H
#define SST_OPTIONS_H

#include <linux/virtio_sst.h>
#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "endpoint.h"
#include "forward.h"
#include "hostile.h"
#include "requestq.h"
#include "util.h"

/* Exit status; vhost-user-sst(1) documents it */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_IN_USE = 3,
	EXIT_NO_HOST = 4,
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
 * @name: what messages are to call the device, or NULL if it is the only one
 * @features: virtio features to offer
 * @queue_size: largest ring that is accepted
 * @nr_pairs: pairs of request and response queues
 * @device_id: number in configuration space
 * @events_ns: time until the next events, 0 for none
 * @events_at_once: how many are sent then
 * @events_endpoint: where a simulator's events come from, with text NULL for nowhere
 * @forward: which requests go to a simulator, if its endpoint has a text
 * @requestq: how each request queue behaves
 * @answers: answers that differ from the model's
 * @hostile: whether, and from which seed, the device breaks its rules
 * @response_queue: the response queues are used
 * @existing: behave as the existing device
 * @backend_req: take the channel for requests of the back-end
 * @feature_words: argument of --features, or NULL
 * @file: path of the file that the device is from, or NULL for the command line
 * @number: its place there, from 1 on
 */
struct options {
	const char *socket;
	const char *name;
	uint64_t features;
	uint32_t queue_size;
	unsigned int nr_pairs;
	uint32_t device_id;
	uint64_t events_ns;
	uint64_t events_at_once;
	struct endpoint events_endpoint;
	struct forward_options forward;
	struct requestq_options requestq;
	struct answer_table answers;
	struct hostile_options hostile;
	bool response_queue;
	bool existing;
	bool backend_req;
	const char *feature_words;
	const char *file;
	unsigned int number;
};

/* Returns whether a simulator answers requests */
static inline bool options_forward(const struct options *options)
{
	return options->forward.endpoint.text;
}

/* Returns whether events come from outside; the existing device has none */
static inline bool options_relay(const struct options *options)
{
	return !options->existing &&
	       (options_forward(options) || options->events_endpoint.text);
}

/**
 * struct options_list - the options of all devices
 * @defaults: those that were given before the first device
 * @device: those of each device
 * @nr: number of devices
 * @config: the file that options came from, or NULL
 * @config_path: its path, or NULL
 * @stats: path of the socket for statistics, or NULL
 * @verbose: log what happens
 */
struct options_list {
	struct options defaults;
	struct options *device;
	unsigned int nr;
	struct json_object *config;
	const char *config_path;
	const char *stats;
	bool verbose;
};

/* What options_parse() wants the caller to do */
enum options_result {
	OPTIONS_RUN,		/* serve */
	OPTIONS_DONE,		/* end, all is done (--help, --version) */
	OPTIONS_WRONG,		/* end, what is wrong was printed */
};

enum options_result options_parse(struct options_list *list, int argc,
				  char **argv);

void options_free(struct options_list *list);

/*
 * Enters an option by its name. Both strings stay in use.
 * Return: whether that was possible; if not, what is wrong was printed
 */
bool options_enter(struct options_list *list, const char *name, const char *arg);

/* The same for an option without argument, which may be taken back */
bool options_switch(struct options_list *list, const char *name, bool on);

/*
 * Begins a new device, number @number in @file or, with NULL, on the command line. It has the
 * defaults so far. Return: whether there is memory
 */
bool options_begin_device(struct options_list *list, const char *file, unsigned int number);

/* Writes what messages are to call a device by then, whose name is not known */
#define OPTIONS_MAX_ABOUT	256
void options_about(char *about, const char *file, unsigned int number);

#endif /* SST_OPTIONS_H */
