// SPDX-License-Identifier: GPL-2.0-only
/* The options of sstctl and of its commands. */

#include <getopt.h>
#include <inttypes.h>
#include <linux/virtio_sst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../parse.h"
#include "../util.h"
#include "fail.h"
#include "options.h"

#define DEFAULT_SIZE	56
#define MAX_SECONDS	86400

static bool set_json(struct options *options, const char *arg)
{
	(void)arg;
	options->json = true;
	return true;
}

static bool set_device(struct options *options, const char *arg)
{
	options->device = arg;
	return *arg;
}

static bool set_help(struct options *options, const char *arg)
{
	(void)arg;
	options->help = true;
	return true;
}

static bool set_version(struct options *options, const char *arg)
{
	(void)arg;
	options->version = true;
	return true;
}

static bool set_count(struct options *options, const char *arg)
{
	return parse_number(arg, UINT64_MAX, &options->count) && options->count;
}

static bool set_interval(struct options *options, const char *arg)
{
	options->has_interval = true;
	return parse_seconds(arg, MAX_SECONDS, &options->interval_ns);
}

static bool set_size(struct options *options, const char *arg)
{
	uint64_t size;

	if (!parse_number(arg, SST_PAYLOAD_SIZE, &size))
		return false;
	options->size = (uint32_t)size;
	return true;
}

static bool set_timeout(struct options *options, const char *arg)
{
	uint64_t ns;

	if (!parse_seconds(arg, MAX_SECONDS, &ns))
		return false;
	options->timeout_ms = (uint32_t)(ns / NSEC_PER_MSEC);
	return options->timeout_ms;
}

static bool set_quiet(struct options *options, const char *arg)
{
	(void)arg;
	options->quiet = true;
	return true;
}

static bool set_file(struct options *options, const char *arg)
{
	options->file = arg;
	return *arg;
}

static bool set_hex(struct options *options, const char *arg)
{
	(void)arg;
	options->hex = true;
	return true;
}

static bool set_model(struct options *options, const char *arg)
{
	uint64_t model;

	if (!parse_number(arg, UINT32_MAX, &model))
		return false;
	options->model = (uint32_t)model;
	return true;
}

static bool set_queues(struct options *options, const char *arg)
{
	(void)arg;
	options->queues = true;
	return true;
}

static bool set_simulator(struct options *options, const char *arg)
{
	(void)arg;
	options->simulator = true;
	return true;
}

/**
 * struct option_type - an option
 * @letter: its short name
 * @name: its long name
 * @arg: name of its argument, or NULL when it takes none
 * @accepted: what is accepted as the argument
 * @help: what it is for
 * @set: enters it
 */
struct option_type {
	char letter;
	const char *name;
	const char *arg;
	const char *accepted;
	const char *help;
	bool (*set)(struct options *options, const char *arg);
};

static const struct option_type option_types[] = {
	{ 'c', "count", "N", "a number from 1 on", "end after N of them", set_count },
	{ 'i', "interval", "SECONDS", "seconds from 0 to 86400, such as 0.2",
	  "time from one to the next", set_interval },
	{ 's', "size", "BYTES", "a number of bytes from 0 to 4080",
	  "bytes of payload, at most 4080 (56)", set_size },
	{ 't', "timeout", "SECONDS", "seconds from 0.001 to 86400",
	  "how long the device has to answer (as set for it)", set_timeout },
	{ 'q', "quiet", NULL, NULL, "print only the summary", set_quiet },
	{ 'f', "file", "FILE", "the name of a file",
	  "this file instead of standard input or output", set_file },
	{ 'x', "hex", NULL, NULL, "print a hexadecimal dump, as is done on a terminal", set_hex },
	{ 'm', "model", "N", "a number from 0 to 4294967295", "latency model (0)", set_model },
	{ 'Q', "queues", NULL, NULL, "each pair of queues by itself", set_queues },
	{ 'S', "simulator", NULL, NULL,
	  "ask the simulator to start again, instead of resetting the device", set_simulator },
	{ 'j', "json", NULL, NULL, "print JSON", set_json },
	{ 'd', "device", "DEVICE", "N, sstN or /dev/sstN",
	  "the device: N, sstN or /dev/sstN (the first one)", set_device },
	{ 'h', "help", NULL, NULL, "print this text", set_help },
	{ 'V', "version", NULL, NULL, "print the version", set_version },
};

#define NR_OPTIONS	ARRAY_SIZE(option_types)

static const struct option_type *find_option(int letter)
{
	unsigned int i;

	for (i = 0; i < NR_OPTIONS; i++)
		if (option_types[i].letter == letter)
			return &option_types[i];
	return NULL;
}

/* The same for one that is in option_types */
static const struct option_type *known_option(int letter)
{
	const struct option_type *type = find_option(letter);

	if (!type)
		abort();
	return type;
}

/* Enters the options of some letters into what getopt_long() takes */
static void make_getopt(const char *letters, struct option *long_options, char *short_options)
{
	const struct option_type *type;

	for (; *letters; letters++) {
		type = known_option(*letters);
		*short_options++ = type->letter;
		if (type->arg)
			*short_options++ = ':';
		*long_options++ = (struct option) {
			.name = type->name,
			.has_arg = type->arg ? required_argument : no_argument,
			.val = type->letter,
		};
	}
	*short_options = '\0';
	memset(long_options, 0, sizeof(*long_options));
}

/* Ends the program because of what getopt_long() does not like */
static void __attribute__((noreturn))
fail_unparsed(int c, const char *letters, const char *word)
{
	const struct option_type *type = find_option(optopt);
	char list[512] = "";
	size_t used = 0;

	if (type && strchr(letters, optopt)) {
		if (c == ':')
			fail(EXIT_USAGE, "--%s: %s missing: %s", type->name, type->arg,
			     type->accepted);
		fail(EXIT_USAGE, "--%s takes no argument", type->name);
	}
	for (; *letters; letters++) {
		type = known_option(*letters);
		used += (size_t)snprintf(list + used, sizeof(list) - used, " --%s%s%s",
					 type->name, type->arg ? " " : "",
					 type->arg ? type->arg : "");
	}
	if (optopt)
		fail(EXIT_USAGE, "unknown option -%c; accepted here:%s", optopt, list);
	fail(EXIT_USAGE, "unknown option %.40s; accepted here:%s", word, list);
}

void options_init(struct options *options)
{
	*options = (struct options) {
		.size = DEFAULT_SIZE,
		.interval_ns = NSEC_PER_SEC,
	};
}

int options_parse(struct options *options, const char *letters, int argc, char **argv,
		  bool up_to_word)
{
	struct option long_options[NR_OPTIONS + 1];
	char short_options[2 * NR_OPTIONS + 3];
	const struct option_type *type;
	int c;

	/* It has to start again with other options, and to leave the messages to us */
	optind = 0;
	opterr = 0;
	short_options[0] = up_to_word ? '+' : ':';
	short_options[1] = ':';
	make_getopt(letters, long_options, short_options + (up_to_word ? 2 : 1));
	while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (c == '?' || c == ':')
			fail_unparsed(c, letters, argv[optind - 1]);
		type = known_option(c);
		if (!type->set(options, optarg))
			fail(EXIT_USAGE, "--%s %.80s: accepted is %s", type->name, optarg,
			     type->accepted);
	}
	return optind;
}

void options_help(const char *letters)
{
	const struct option_type *type;
	char left[64];

	for (; *letters; letters++) {
		type = known_option(*letters);
		snprintf(left, sizeof(left), "-%c, --%s%s%s", type->letter, type->name,
			 type->arg ? " " : "", type->arg ? type->arg : "");
		printf("  %-25s  %s\n", left, type->help);
	}
}

uint64_t options_number(const char *what, const char *text, uint64_t min, uint64_t max)
{
	uint64_t value;

	if (!parse_number(text, max, &value) || value < min)
		fail(EXIT_USAGE,
		     "%s %.80s: accepted is a number, decimal or with 0x, from %" PRIu64
		     " to %" PRIu64,
		     what, text, min, max);
	return value;
}

uint64_t options_bytes(const char *what, const char *text, uint64_t min, uint64_t max)
{
	uint64_t value;

	if (!parse_bytes(text, max, &value) || value < min)
		fail(EXIT_USAGE,
		     "%s %.80s: accepted is a number, decimal or with 0x, or one with K, M or G, from %"
		     PRIu64 " to %" PRIu64,
		     what, text, min, max);
	return value;
}
