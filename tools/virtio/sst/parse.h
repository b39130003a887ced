/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading the words of options. */

#ifndef SST_PARSE_H
#define SST_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads a whole word as a number of at most @max, decimal or, with 0x, hexadecimal. Other
 * zeros in front are refused: some take such a number for octal, others for decimal.
 * Return: whether it is one
 */
bool parse_number(const char *text, uint64_t max, uint64_t *value);

/* The same, with K, M or G behind it for 2^10, 2^20 or 2^30 times as many */
bool parse_bytes(const char *text, uint64_t max, uint64_t *value);

/* Reads a whole word as decimal seconds of at most @max, in nanoseconds: 3, 0.25 */
bool parse_seconds(const char *text, uint64_t max, uint64_t *ns);

/* Copies a word that is to be taken apart. Return: whether it fits */
bool parse_copy(const char *text, char *copy, size_t size);

#endif /* SST_PARSE_H */
