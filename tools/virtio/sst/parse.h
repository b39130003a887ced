/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading the words of options. */

#ifndef SST_PARSE_H
#define SST_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a whole word as a number of at most @max. Return: whether it is one */
bool parse_number(const char *text, uint64_t max, uint64_t *value);

/* Copies a word that is to be taken apart. Return: whether it fits */
bool parse_copy(const char *text, char *copy, size_t size);

#endif /* SST_PARSE_H */
