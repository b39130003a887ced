/* SPDX-License-Identifier: GPL-2.0-only */
/* The options of sstctl and of its commands. */

#ifndef SSTCTL_OPTIONS_H
#define SSTCTL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Letters of the options that go with every command */
#define OPTIONS_COMMON	"jdhV"

/**
 * struct options - what the command line says
 * @json: print JSON
 * @help: print a summary
 * @version: print the version
 * @quiet: print the end only
 * @hex: print bytes as a hexadecimal dump
 * @simulator: reset the simulated device, not the virtio device
 * @queues: for each pair of queues
 * @has_interval: @interval_ns was given
 * @device: which device, NULL: the first one
 * @file: instead of standard input or output, or NULL
 * @count: end after so many, 0: never
 * @interval_ns: between two of them
 * @size: bytes of payload
 * @timeout_ms: how long the device has for a response, 0: as it is set for the device
 * @model: latency model of a computation
 */
struct options {
	bool json;
	bool help;
	bool version;
	bool quiet;
	bool hex;
	bool simulator;
	bool queues;
	bool has_interval;
	const char *device;
	const char *file;
	uint64_t count;
	uint64_t interval_ns;
	uint32_t size;
	uint32_t timeout_ms;
	uint32_t model;
};

/* What holds when the command line says nothing */
void options_init(struct options *options);

/**
 * options_parse() - read options
 * @options: where they go
 * @letters: those that are accepted
 * @argc: number of words
 * @argv: the words, without options those from the returned index on. The first one is
 *	not looked at
 * @up_to_word: leave what follows the first word that is no option
 *
 * Ends the program if something is wrong.
 *
 * Return: the index of the first word that is no option
 */
int options_parse(struct options *options, const char *letters, int argc, char **argv,
		  bool up_to_word);

/* Prints a line about each of the options of these letters */
void options_help(const char *letters);

/* Reads an argument that is a number; ends the program if it is none */
uint64_t options_number(const char *what, const char *text, uint64_t min, uint64_t max);

/* The same for bytes, such as 4096, 0x1000, 4K */
uint64_t options_bytes(const char *what, const char *text, uint64_t min, uint64_t max);

#endif /* SSTCTL_OPTIONS_H */
