// SPDX-License-Identifier: GPL-2.0-only
/* The command line. */

#include <getopt.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config.h"
#include "forward-options.h"
#include "log.h"
#include "options.h"
#include "parse.h"

/* One second short of 12 days: more than a test waits for */
#define MAX_USEC	UINT64_C(1000000000000)
#define MAX_MSEC	UINT64_C(1000000000)

/* Events at once */
#define MAX_EVENTS	1000

/* Features that can be chosen, by name */
static const struct {
	const char *name;
	uint64_t mask;
} feature_names[] = {
	{ "none", 0 },
	{ "version_1", BIT64(VIRTIO_F_VERSION_1) },
	{ "indirect", BIT64(VIRTIO_RING_F_INDIRECT_DESC) },
	{ "event_idx", BIT64(VIRTIO_RING_F_EVENT_IDX) },
	{ "echo", BIT64(SST_F_ECHO) },
	{ "compute", BIT64(SST_F_COMPUTE) },
	{ "memory", BIT64(SST_F_MEMORY) },
	{ "events", BIT64(SST_F_EVENTS) },
	{ "multi_queue", BIT64(SST_F_MULTI_QUEUE) },
	{ "reset", BIT64(SST_F_RESET) },
};

static uint64_t default_features(const struct options *options)
{
	uint64_t features;

	if (options->existing)
		return 0;
	features = OPTIONS_SST_FEATURES | BIT64(VIRTIO_F_VERSION_1) |
		   BIT64(VIRTIO_RING_F_INDIRECT_DESC) |
		   BIT64(VIRTIO_RING_F_EVENT_IDX);
	if (!options->events_ns && !options_relay(options))
		features &= ~BIT64(SST_F_EVENTS);
	if (options->nr_pairs == 1)
		features &= ~BIT64(SST_F_MULTI_QUEUE);
	return features;
}

static bool apply_feature(uint64_t *features, const char *word)
{
	bool take_away = *word == '-';
	unsigned int i;

	if (*word == '-' || *word == '+')
		word++;
	for (i = 0; i < ARRAY_SIZE(feature_names); i++) {
		if (strcmp(feature_names[i].name, word))
			continue;
		if (take_away)
			*features &= ~feature_names[i].mask;
		else
			*features |= feature_names[i].mask;
		return true;
	}
	return false;
}

/* A list that begins with a sign changes the default, others replace it */
static bool choose_features(struct options *options)
{
	const char *text = options->feature_words;
	char copy[256], *word, *save;

	options->features = default_features(options);
	if (!text)
		return true;
	if (!parse_copy(text, copy, sizeof(copy)))
		return false;
	if (*text != '+' && *text != '-')
		options->features = 0;
	word = strtok_r(copy, ",", &save);
	if (!word)
		return false;
	for (; word; word = strtok_r(NULL, ",", &save))
		if (!apply_feature(&options->features, word))
			return false;
	return true;
}

static bool fits_socket(const char *path)
{
	size_t len = strlen(path);

	return len && len < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

static bool set_socket(struct options *options, const char *arg)
{
	options->socket = arg;
	return fits_socket(arg);
}

static bool set_features(struct options *options, const char *arg)
{
	options->feature_words = arg;
	return choose_features(options);
}

static bool set_queue_size(struct options *options, const char *arg)
{
	uint64_t size;

	if (!parse_number(arg, VIRTQ_MAX_SIZE, &size))
		return false;
	options->queue_size = (uint32_t)size;
	return size >= 2 && !(size & (size - 1));
}

static bool set_queues(struct options *options, const char *arg)
{
	uint64_t nr;

	if (!parse_number(arg, OPTIONS_MAX_PAIRS, &nr))
		return false;
	options->nr_pairs = (unsigned int)nr;
	return nr;
}

static bool set_device_id(struct options *options, const char *arg)
{
	uint64_t id;

	if (!parse_number(arg, UINT32_MAX, &id))
		return false;
	options->device_id = (uint32_t)id;
	return true;
}

/* Parses a number and, behind a comma, a second one, which may be missing */
static bool parse_pair(const char *arg, uint64_t max, uint64_t *first,
		       uint64_t max_second, uint64_t *second)
{
	char copy[64], *comma;

	if (!parse_copy(arg, copy, sizeof(copy)))
		return false;
	comma = strchr(copy, ',');
	if (comma)
		*comma++ = '\0';
	return parse_number(copy, max, first) &&
	       (!comma || parse_number(comma, max_second, second));
}

static bool set_latency(struct options *options, const char *arg)
{
	uint64_t latency, jitter = 0;

	if (!parse_pair(arg, MAX_USEC, &latency, MAX_USEC, &jitter))
		return false;
	options->requestq.latency_ns = latency * NSEC_PER_USEC;
	options->requestq.jitter_ns = jitter * NSEC_PER_USEC;
	return true;
}

static bool set_response_queue(struct options *options, const char *arg)
{
	return answer_parse_order(arg, &options->requestq.way);
}

static bool set_answer(struct options *options, const char *arg)
{
	return answer_parse(&options->answers, arg);
}

static bool set_events(struct options *options, const char *arg)
{
	uint64_t interval, number = 1;

	if (!parse_pair(arg, MAX_MSEC, &interval, MAX_EVENTS, &number))
		return false;
	options->events_ns = interval * NSEC_PER_MSEC;
	options->events_at_once = number;
	return interval && number;
}

static bool set_poll(struct options *options, const char *arg)
{
	uint64_t duration;

	if (!parse_number(arg, MAX_USEC, &duration))
		return false;
	options->requestq.poll = true;
	options->requestq.poll_ns = duration * NSEC_PER_USEC;
	return true;
}

static bool set_quirks(struct options *options, const char *arg)
{
	options->existing = true;
	options->requestq.existing = true;
	return !strcmp(arg, "existing");
}

/* Its interrupts by a change of configuration space need that channel */
static bool set_hostile(struct options *options, const char *arg)
{
	uint64_t life = 1;

	if (!parse_pair(arg, UINT64_MAX, &options->hostile.seed, UINT32_MAX, &life))
		return false;
	options->hostile.on = true;
	options->hostile.life = (uint32_t)life;
	options->backend_req = true;
	return true;
}

/**
 * struct option_type - an option
 * @name: its long name
 * @arg: name of its argument, or NULL when it takes none
 * @accepted: what is accepted as the argument
 * @help: what it is for
 * @set: enters it, NULL for those that are not about a device, or take no argument
 */
struct option_type {
	const char *name;
	const char *arg;
	const char *accepted;
	const char *help;
	bool (*set)(struct options *options, const char *arg);
};

static const struct option_type option_types[] = {
	{ "socket", "PATH", "a path of at most 107 bytes",
	  "a device for front-ends on this socket, with the options behind it", set_socket },
	{ "config", "FILE", "a file with options as JSON",
	  "read options from a file", NULL },
	{ "stats", "PATH", "a path of at most 107 bytes",
	  "tell what was done as JSON, to each connection to this socket", NULL },
	{ "features", "LIST",
	  "NAME,... or +NAME,-NAME,... of version_1, indirect, event_idx, echo, compute, memory, events, multi_queue, reset, none",
	  "features to offer, or changes to the default", set_features },
	{ "queue-size", "N", "a power of two from 2 to 32768",
	  "largest queue that is accepted (256)", set_queue_size },
	{ "queues", "N", "a number from 1 to 16",
	  "pairs of queues, each with a thread of its own (1)", set_queues },
	{ "device-id", "N", "a number from 0 to 4294967295",
	  "device_id in configuration space (0)", set_device_id },
	{ "latency", "US[,JITTER]",
	  "US[,JITTER], each in microseconds from 0 to 1000000000000",
	  "answer each request this long after its arrival", set_latency },
	{ "events", "MS[,N]",
	  "MS[,N]: milliseconds, from 1 to 1000000000, and a number from 1 to 1000",
	  "send N events (1) every MS milliseconds", set_events },
	{ "poll", "US", "microseconds, from 0 to 1000000000000",
	  "busy-poll, sleep after US without a request (0: never)", set_poll },
	{ "response-queue", "ORDER", "after, before or alternate",
	  "answer on the response queue, not in the chain",
	  set_response_queue },
	{ "connect", "ENDPOINT", ENDPOINT_SYNTAX,
	  "have a simulator there answer requests", forward_set_connect },
	{ "listen", "ENDPOINT", ENDPOINT_SYNTAX,
	  "the same, but the simulator connects there", forward_set_listen },
	{ "forward-all", NULL, NULL,
	  "forward even NOOP, ECHO, RESET and GET_INFO", NULL },
	{ "in-order", NULL, NULL,
	  "the simulator answers in the order of the requests", NULL },
	{ "on-disconnect", "WHAT", FORWARD_DISCONNECT_SYNTAX,
	  "what requests do without a connection (error)", forward_set_on_disconnect },
	{ "simulator-timeout", "MS", "milliseconds, from 1 to 1000000000",
	  "time that the simulator has for an answer", forward_set_timeout },
	{ "events-connect", "ENDPOINT", ENDPOINT_SYNTAX,
	  "pass on events that come from there", forward_set_events_connect },
	{ "events-listen", "ENDPOINT", ENDPOINT_SYNTAX,
	  "the same, but the simulator connects there", forward_set_events_listen },
	{ "quirks", "existing", "existing",
	  "behave as the existing device", set_quirks },
	{ "backend-req", NULL, NULL,
	  "let User Mode Linux notice the end of this program", NULL },
	{ "answer", "TYPE=BEHAVIOUR", ANSWER_SYNTAX,
	  "for tests: answer requests of a type in this way", set_answer },
	{ "hostile", "SEED[,LIFE]",
	  "SEED[,LIFE], from 0 to 18446744073709551615 and to 4294967295",
	  "for tests: break the rules at random", set_hostile },
	{ "verbose", NULL, NULL, "log every message and state", NULL },
	{ "help", NULL, NULL, "print this text", NULL },
	{ "version", NULL, NULL, "print the version", NULL },
};

#define NR_OPTIONS	ARRAY_SIZE(option_types)

/* getopt_long() returns the index of an option, after this */
#define OPTION_BASE	256

static void print_help(void)
{
	char left[64];
	unsigned int i;

	puts("Usage: vhost-user-sst [DEFAULT]... --socket PATH [OPTION]... [--socket ...]...\n"
	     "Serve SST devices, each to one vhost-user front-end after the other.\n");
	for (i = 0; i < NR_OPTIONS; i++) {
		const struct option_type *type = &option_types[i];

		snprintf(left, sizeof(left), "--%s%s%s", type->name,
			 type->arg ? " " : "", type->arg ? type->arg : "");
		printf("  %-25s  %s\n", left, type->help);
	}
	puts("\nArguments:");
	for (i = 0; i < NR_OPTIONS; i++)
		if (option_types[i].accepted)
			printf("  --%s: %s\n", option_types[i].name,
			       option_types[i].accepted);
}

/* Prints what is wrong with a word, and what is accepted */
static void print_wrong(const char *what, const char *word)
{
	char list[896] = "";
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < NR_OPTIONS; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used,
					 " --%s%s%s", option_types[i].name,
					 option_types[i].arg ? " " : "",
					 option_types[i].arg ?
					 option_types[i].arg : "");
	log_error("%s %.40s; accepted:%s", what, word, list);
}

/* @c: what getopt_long() returned; the options have no short names */
static void print_unparsed(int c, char **argv)
{
	char name[] = { '-', (char)optopt, '\0' };
	const struct option_type *type;

	if (optopt < OPTION_BASE) {
		print_wrong("unknown option",
			    optopt ? name : argv[optind - 1]);
		return;
	}
	type = &option_types[optopt - OPTION_BASE];
	if (c == ':')
		log_error("--%s: argument %s missing: %s", type->name,
			  type->arg, type->accepted);
	else
		log_error("--%s takes no argument", type->name);
}

static void make_long_options(struct option *long_options)
{
	unsigned int i;

	memset(long_options, 0, (NR_OPTIONS + 1) * sizeof(*long_options));
	for (i = 0; i < NR_OPTIONS; i++) {
		long_options[i].name = option_types[i].name;
		long_options[i].has_arg = option_types[i].arg ?
					  required_argument : no_argument;
		long_options[i].val = OPTION_BASE + (int)i;
	}
}

bool options_begin_device(struct options_list *list, const char *file, unsigned int number)
{
	struct options *device = realloc(list->device, (list->nr + 1) * sizeof(*device));

	if (!device) {
		log_error("out of memory");
		return false;
	}
	list->device = device;
	device += list->nr++;
	*device = list->defaults;
	device->file = file;
	device->number = number;
	return true;
}

void options_about(char *about, const char *file, unsigned int number)
{
	snprintf(about, OPTIONS_MAX_ABOUT, "%.*s%sdevice %u", OPTIONS_MAX_ABOUT - 32,
		 file ? file : "", file ? ": " : "", number);
}

/* Where the next option belongs */
static struct options *current(struct options_list *list)
{
	return list->nr ? &list->device[list->nr - 1] : &list->defaults;
}

static bool set_stats(struct options_list *list, const char *arg)
{
	list->stats = arg;
	return fits_socket(arg);
}

/* Enters an option with an argument; that for statistics is about the program */
static bool apply(struct options_list *list, const struct option_type *type, const char *arg)
{
	if (type->set ? type->set(current(list), arg) : set_stats(list, arg))
		return true;
	log_error("--%s %.80s: accepted is %s", type->name, arg, type->accepted);
	return false;
}

/* Returns where an option without one is kept; that for messages is about the program */
static bool *find_flag(struct options_list *list, const char *name)
{
	struct options *options = current(list);

	if (!strcmp(name, "forward-all"))
		return &options->forward.all;
	if (!strcmp(name, "in-order"))
		return &options->forward.in_order;
	if (!strcmp(name, "backend-req"))
		return &options->backend_req;
	return &list->verbose;
}

/* Returns an option that a file may have, or NULL */
static const struct option_type *find_type(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_OPTIONS; i++)
		if (!strcmp(option_types[i].name, name) && strcmp(name, "help") &&
		    strcmp(name, "version") && strcmp(name, "config"))
			return &option_types[i];
	log_error("%.40s: no such option", name);
	return NULL;
}

bool options_enter(struct options_list *list, const char *name, const char *arg)
{
	const struct option_type *type = find_type(name);

	if (type && type->arg)
		return apply(list, type, arg);
	if (type)
		log_error("%s: takes no argument, only true or false", name);
	return false;
}

bool options_switch(struct options_list *list, const char *name, bool on)
{
	const struct option_type *type = find_type(name);

	if (type && !type->arg) {
		*find_flag(list, name) = on;
		return true;
	}
	if (type)
		log_error("%s: takes an argument", name);
	return false;
}

/* Enters an option of the command line */
static enum options_result take(struct options_list *list, const struct option_type *type)
{
	bool ok = true;

	if (!strcmp(type->name, "help")) {
		print_help();
		return OPTIONS_DONE;
	}
	if (!strcmp(type->name, "version")) {
		puts("vhost-user-sst " SST_TOOLS_VERSION);
		return OPTIONS_DONE;
	}
	if (!strcmp(type->name, "config"))
		ok = config_read(list, optarg);
	else if (type->set == set_socket)
		ok = options_begin_device(list, NULL, list->nr + 1) && apply(list, type, optarg);
	else if (type->arg)
		ok = apply(list, type, optarg);
	else
		*find_flag(list, type->name) = true;
	return ok ? OPTIONS_RUN : OPTIONS_WRONG;
}

static enum options_result finish_answers(struct options *options)
{
	enum answer_way way = options->requestq.way;
	unsigned int i;

	options->response_queue = way != ANSWER_IN_CHAIN || options->hostile.on;
	for (i = 0; i < options->answers.nr; i++) {
		const struct answer *answer = &options->answers.rule[i];
		const char *conflict = answer_conflict(answer, way);

		if (conflict) {
			log_error("--answer %u: %s", answer->type, conflict);
			return OPTIONS_WRONG;
		}
		if (answer_way(answer, way) != ANSWER_IN_CHAIN)
			options->response_queue = true;
	}
	options->requestq.answers = &options->answers;
	return OPTIONS_RUN;
}

/* What can only be judged when all options are known */
static enum options_result finish(struct options *options, const struct options *defaults)
{
	if (!options->socket) {
		log_error("has no socket");
		return OPTIONS_WRONG;
	}
	if (options->existing && options->events_ns) {
		log_error("--events does not go together with --quirks existing");
		return OPTIONS_WRONG;
	}
	if (options->existing && options->requestq.way != ANSWER_IN_CHAIN) {
		log_error("--response-queue does not go together with --quirks existing");
		return OPTIONS_WRONG;
	}
	if (options->existing && options->nr_pairs > 1) {
		log_error("--queues above 1 does not go together with --quirks existing");
		return OPTIONS_WRONG;
	}
	if (!forward_options_finish(options, defaults))
		return OPTIONS_WRONG;
	choose_features(options);
	return finish_answers(options);
}

void options_free(struct options_list *list)
{
	config_free(list);
	free(list->device);
}

/* The same, for one of several devices or of a file */
static enum options_result finish_one(struct options_list *list, struct options *options,
				      const struct options *defaults)
{
	char about[OPTIONS_MAX_ABOUT];
	enum options_result result;

	if (list->nr > 1 || options->file) {
		options_about(about, options->file, options->number);
		log_about(about);
	}
	result = finish(options, defaults);
	log_about(NULL);
	if (list->nr > 1)
		options->name = options->socket;
	return result;
}

/* Returns the defaults, or none if they are of no use to any device */
static const struct options *find_defaults(const struct options_list *list)
{
	static const struct options none;
	unsigned int i;

	for (i = 0; i < list->nr; i++)
		if (options_forward(&list->device[i]))
			return &list->defaults;
	return &none;
}

static enum options_result finish_all(struct options_list *list)
{
	const struct options *defaults = find_defaults(list);
	enum options_result result = OPTIONS_RUN;
	unsigned int i;

	if (!list->nr) {
		if (list->config_path)
			log_error("%s: has no devices", list->config_path);
		else
			log_error("--socket PATH is missing");
		return OPTIONS_WRONG;
	}
	for (i = 0; i < list->nr && result == OPTIONS_RUN; i++)
		result = finish_one(list, &list->device[i], defaults);
	return result;
}

enum options_result options_parse(struct options_list *list, int argc,
				  char **argv)
{
	struct option long_options[NR_OPTIONS + 1];
	enum options_result result = OPTIONS_RUN;
	int c;

	memset(list, 0, sizeof(*list));
	list->defaults.queue_size = 256;
	list->defaults.nr_pairs = 1;
	list->defaults.requestq.way = ANSWER_IN_CHAIN;
	make_long_options(long_options);
	opterr = 0;
	while (result == OPTIONS_RUN) {
		c = getopt_long(argc, argv, ":", long_options, NULL);
		if (c == -1)
			break;
		if (c < OPTION_BASE) {
			print_unparsed(c, argv);
			return OPTIONS_WRONG;
		}
		result = take(list, &option_types[c - OPTION_BASE]);
	}
	if (result != OPTIONS_RUN)
		return result;
	if (optind < argc) {
		print_wrong("unexpected argument", argv[optind]);
		return OPTIONS_WRONG;
	}
	return finish_all(list);
}
