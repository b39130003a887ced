// SPDX-License-Identifier: GPL-2.0-only
/* What sstctl prints on standard output, as text and as JSON. */

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fail.h"
#include "format.h"
#include "output.h"

static struct value *add_value(struct record *record, enum value_kind kind, const char *key,
			       const char *label)
{
	struct value *value = &record->values[record->nr];

	if (record->nr == RECORD_MAX)
		fail(EXIT_OTHER, "too much to print");
	record->nr++;
	value->kind = kind;
	value->key = key;
	value->label = label;
	return value;
}

void record_text(struct record *record, const char *key, const char *label, const char *text)
{
	add_value(record, VALUE_TEXT, key, label)->text = text;
}

void record_number(struct record *record, enum value_kind kind, const char *key,
		   const char *label, uint64_t number)
{
	add_value(record, kind, key, label)->number = number;
}

void record_rate(struct record *record, const char *key, const char *label, double rate)
{
	add_value(record, VALUE_RATE, key, label)->rate = rate;
}

static json_object *json_features(uint64_t features)
{
	json_object *array = json_object_new_array();
	unsigned int bit;

	for (bit = 0; format_feature(bit); bit++)
		if (features >> bit & 1)
			json_object_array_add(array, json_object_new_string(format_feature(bit)));
	return array;
}

/* Numbers stay numbers: their unit is in the name */
static json_object *json_value(const struct value *value)
{
	char text[FORMAT_SIZE];

	switch (value->kind) {
	case VALUE_TEXT:
		return json_object_new_string(value->text);
	case VALUE_RATE:
		return json_object_new_double_s(value->rate, format_rate(text, value->rate));
	case VALUE_VERSION:
		return json_object_new_string(format_version(text, (uint32_t)value->number));
	case VALUE_FEATURES:
		return json_features(value->number);
	case VALUE_NONE:
		return NULL;
	default:
		return json_object_new_uint64(value->number);
	}
}

static json_object *json_record(const struct record *record)
{
	json_object *object = json_object_new_object();
	unsigned int i;

	for (i = 0; i < record->nr; i++)
		if (record->values[i].key)
			json_object_object_add(object, record->values[i].key,
					       json_value(&record->values[i]));
	return object;
}

static void print_json(json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static const char *format_unit(char *text, const struct value *value)
{
	switch (value->kind) {
	case VALUE_BYTES:
		return format_bytes(text, value->number);
	case VALUE_MS:
		return format_milliseconds(text, value->number);
	case VALUE_US:
		return format_microseconds(text, value->number);
	default:
		snprintf(text, FORMAT_SIZE, "%" PRIu64, value->number);
		return text;
	}
}

static const char *format_value(char *text, const struct value *value)
{
	switch (value->kind) {
	case VALUE_TEXT:
		return value->text;
	case VALUE_RATE:
		return format_rate(text, value->rate);
	case VALUE_VERSION:
		return format_version(text, (uint32_t)value->number);
	case VALUE_FEATURES:
		return format_features(text, value->number);
	case VALUE_NONE:
		return "-";
	default:
		return format_unit(text, value);
	}
}

/* Figures stand below each other with their last digit */
static bool is_figure(const struct value *value)
{
	return value->kind != VALUE_TEXT && value->kind != VALUE_FEATURES;
}

static unsigned int max(unsigned int a, size_t b)
{
	return a > b ? a : (unsigned int)b;
}

/* Finds out how wide a list is: its labels, and the counters in it */
static void measure_list(const struct record *record, unsigned int *labels, unsigned int *counters)
{
	char text[FORMAT_SIZE];
	unsigned int i;

	*labels = *counters = 0;
	for (i = 0; i < record->nr; i++) {
		const struct value *value = &record->values[i];

		if (!value->label)
			continue;
		*labels = max(*labels, strlen(value->label));
		if (value->kind == VALUE_COUNTER)
			*counters = max(*counters, strlen(format_value(text, value)));
	}
}

void output_list(bool json, const struct record *record)
{
	unsigned int labels, counters, i;
	char text[FORMAT_SIZE];

	if (json) {
		print_json(json_record(record));
		return;
	}
	measure_list(record, &labels, &counters);
	for (i = 0; i < record->nr; i++) {
		const struct value *value = &record->values[i];

		if (value->label)
			printf("%-*s  %*s\n", (int)labels, value->label,
			       value->kind == VALUE_COUNTER ? (int)counters : 0,
			       format_value(text, value));
	}
}

/* Prints a cell; the last one has no blanks behind it */
static void print_cell(const char *text, const struct value *like, unsigned int width, bool first,
		       bool last)
{
	if (!is_figure(like))
		width = last ? 0 : width;
	printf("%s%*s", first ? "" : "  ", is_figure(like) ? (int)width : -(int)width, text);
}

static bool is_last(const struct record *record, unsigned int i)
{
	while (++i < record->nr)
		if (record->values[i].label)
			return false;
	return true;
}

/* Prints the labels, or, with a record that is not NULL, its values */
static void print_row(const struct record *like, const struct record *record,
		      const unsigned int *widths)
{
	char text[FORMAT_SIZE];
	bool first = true;
	unsigned int i;

	for (i = 0; i < like->nr; i++) {
		if (!like->values[i].label)
			continue;
		print_cell(record ? format_value(text, &record->values[i]) : like->values[i].label,
			   &like->values[i], widths[i], first, is_last(like, i));
		first = false;
	}
	putchar('\n');
}

static void measure(const struct record *record, unsigned int *widths)
{
	char text[FORMAT_SIZE];
	unsigned int i;

	for (i = 0; i < record->nr; i++)
		if (record->values[i].label)
			widths[i] = max(max(widths[i], strlen(record->values[i].label)),
					strlen(format_value(text, &record->values[i])));
}

static void print_table(const struct record *records, unsigned int nr)
{
	unsigned int widths[RECORD_MAX] = { 0 };
	unsigned int i;

	if (!nr)
		return;
	for (i = 0; i < nr; i++)
		measure(&records[i], widths);
	print_row(&records[0], NULL, widths);
	for (i = 0; i < nr; i++)
		print_row(&records[0], &records[i], widths);
}

void output_table(bool json, const struct record *records, unsigned int nr)
{
	json_object *array;
	unsigned int i;

	if (!json) {
		print_table(records, nr);
		return;
	}
	array = json_object_new_array();
	for (i = 0; i < nr; i++)
		json_object_array_add(array, json_record(&records[i]));
	print_json(array);
}

void output_row(bool json, const struct record *record, unsigned int width, bool headline)
{
	unsigned int widths[RECORD_MAX];
	unsigned int i;

	if (json) {
		print_json(json_record(record));
		return;
	}
	for (i = 0; i < record->nr; i++)
		widths[i] = is_figure(&record->values[i]) ? width : 0;
	measure(record, widths);
	if (headline)
		print_row(record, NULL, widths);
	print_row(record, record, widths);
}

void output_line(bool json, const struct record *record, const char *fmt, ...)
{
	va_list args;

	if (json) {
		print_json(json_record(record));
		return;
	}
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

void output_flush(void)
{
	if (fflush(stdout) || ferror(stdout))
		fail(EXIT_OTHER, "standard output: %s", strerror(errno));
}
