/* SPDX-License-Identifier: GPL-2.0-only */
/* What sstctl prints on standard output, as text and as JSON. */

#ifndef SSTCTL_OUTPUT_H
#define SSTCTL_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

/**
 * enum value_kind - what a value is
 * @VALUE_TEXT: text
 * @VALUE_NUMBER: a number of something
 * @VALUE_COUNTER: the same, in a list of such
 * @VALUE_BYTES: bytes
 * @VALUE_NS: nanoseconds; JSON only
 * @VALUE_MS: milliseconds
 * @VALUE_US: microseconds, 0: off
 * @VALUE_RATE: so many a second
 * @VALUE_VERSION: two numbers of 16 bits
 * @VALUE_FEATURES: a mask of SST_F_*
 * @VALUE_NONE: not known
 */
enum value_kind {
	VALUE_TEXT,
	VALUE_NUMBER,
	VALUE_COUNTER,
	VALUE_BYTES,
	VALUE_NS,
	VALUE_MS,
	VALUE_US,
	VALUE_RATE,
	VALUE_VERSION,
	VALUE_FEATURES,
	VALUE_NONE,
};

/**
 * struct value - something that is known about something
 * @key: its name in JSON, NULL if it is not there
 * @label: its name in text, NULL if it is not there
 * @kind: what it is
 * @number: all but VALUE_TEXT and VALUE_RATE
 * @rate: VALUE_RATE
 * @text: VALUE_TEXT
 */
struct value {
	const char *key;
	const char *label;
	enum value_kind kind;
	union {
		uint64_t number;
		double rate;
		const char *text;
	};
};

#define RECORD_MAX	40

/* All that is known about one thing: an object in JSON, a row or a list in text */
struct record {
	unsigned int nr;
	struct value values[RECORD_MAX];
};

void record_text(struct record *record, const char *key, const char *label, const char *text);
void record_number(struct record *record, enum value_kind kind, const char *key,
		   const char *label, uint64_t number);
void record_rate(struct record *record, const char *key, const char *label, double rate);

/* Prints a record: an object in JSON; a line for each value in text */
void output_list(bool json, const struct record *record);

/* Prints records of one kind: an array in JSON; a table with a headline in text */
void output_table(bool json, const struct record *records, unsigned int nr);

/**
 * output_row() - print one record of a table whose end is not known yet
 * @json: as an object, on a line of its own
 * @record: the record
 * @width: least width of columns of figures, so that they do not move with longer ones
 * @headline: whether the labels come first, in text
 */
void output_row(bool json, const struct record *record, unsigned int width, bool headline);

/* Prints a record: an object in JSON, on a line of its own; the given line in text */
__attribute__((format(printf, 3, 4)))
void output_line(bool json, const struct record *record, const char *fmt, ...);

/* Has all that was printed so far written; ends the program if that fails */
void output_flush(void);

#endif /* SSTCTL_OUTPUT_H */
