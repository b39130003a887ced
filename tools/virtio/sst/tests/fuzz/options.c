// SPDX-License-Identifier: GPL-2.0-only
/* Fuzzes the command line: an input is the words, each ended by a line feed. */

#include <getopt.h>
#include <stdlib.h>

#include "input.h"
#include "options.h"
#include "parse.h"

#define MAX_WORDS	64

/* Each word has memory of its own, for the sanitizer */
static int split(struct input *in, char **argv)
{
	int argc = 0;

	while (in->left && argc < MAX_WORDS) {
		const uint8_t *end = memchr(in->at, '\n', in->left);
		size_t len = end ? (size_t)(end - in->at) : in->left;

		argv[argc] = malloc(len + 1);
		take_bytes(in, argv[argc], len);
		argv[argc++][len] = '\0';
		if (end)
			take8(in);
	}
	argv[argc] = NULL;
	return argc;
}

static void parse_numbers(const char *word)
{
	uint64_t value;

	if (parse_number(word, 1000, &value) && value > 1000)
		abort();
	if (parse_bytes(word, 1 << 20, &value) && value > 1 << 20)
		abort();
	if (parse_seconds(word, 60, &value) && value > 60 * NSEC_PER_SEC)
		abort();
}

/* What the rest of the program relies on */
static void check(const struct options *options)
{
	if (!options->socket || !options->nr_pairs ||
	    options->nr_pairs > OPTIONS_MAX_PAIRS || !options->queue_size ||
	    options->queue_size > VIRTQ_MAX_SIZE ||
	    options->queue_size & (options->queue_size - 1) ||
	    options->answers.nr > ANSWER_MAX_RULES)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	char *argv[MAX_WORDS + 1], *order[MAX_WORDS + 1];
	static struct options_list list;
	int argc, i;

	argc = split(&in, argv);
	/* getopt_long() changes the order */
	memcpy(order, argv, sizeof(order));
	for (i = 0; i < argc; i++)
		parse_numbers(argv[i]);
	/* glibc: begin anew */
	optind = 0;
	if (argc && options_parse(&list, argc, order) == OPTIONS_RUN)
		for (i = 0; i < (int)list.nr; i++)
			check(&list.device[i]);
	if (argc)
		options_free(&list);
	for (i = 0; i < argc; i++)
		free(argv[i]);
	return 0;
}
