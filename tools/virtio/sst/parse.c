// SPDX-License-Identifier: GPL-2.0-only
/* Reading the words of options. */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "util.h"

/* Reads the number that a word begins with; @base as of strtoull(). Return: what follows it, or NULL */
static const char *begin_number(const char *text, int base, uint64_t *value)
{
	char *end;

	/* strtoull() would take blanks and a sign */
	if (!isdigit((unsigned char)*text) || (*text == '0' && isdigit((unsigned char)text[1])))
		return NULL;
	errno = 0;
	*value = strtoull(text, &end, base);
	return errno ? NULL : end;
}

bool parse_number(const char *text, uint64_t max, uint64_t *value)
{
	const char *end = begin_number(text, 0, value);

	return end && !*end && *value <= max;
}

bool parse_bytes(const char *text, uint64_t max, uint64_t *value)
{
	static const char units[] = "KMG";
	const char *end = begin_number(text, 0, value), *unit;
	unsigned int shift;

	if (!end)
		return false;
	if (!*end)
		return *value <= max;
	unit = strchr(units, *end);
	if (!unit || end[1])
		return false;
	shift = 10 * (unsigned int)(unit - units + 1);
	if (*value > max >> shift)
		return false;
	*value <<= shift;
	return true;
}

/* Reads up to nine decimals. Return: what follows them */
static const char *read_decimals(const char *text, uint64_t *ns)
{
	uint64_t unit = NSEC_PER_SEC / 10;

	*ns = 0;
	for (; isdigit((unsigned char)*text) && unit; text++) {
		*ns += (uint64_t)(*text - '0') * unit;
		unit /= 10;
	}
	return text;
}

bool parse_seconds(const char *text, uint64_t max, uint64_t *ns)
{
	const char *end = begin_number(text, 10, ns);
	uint64_t decimals = 0;

	if (!end || *ns > max)
		return false;
	if (*end == '.' && isdigit((unsigned char)end[1]))
		end = read_decimals(end + 1, &decimals);
	*ns = *ns * NSEC_PER_SEC + decimals;
	return !*end && *ns <= max * NSEC_PER_SEC;
}

bool parse_copy(const char *text, char *copy, size_t size)
{
	size_t len = strlen(text);

	if (len >= size)
		return false;
	memcpy(copy, text, len + 1);
	return true;
}
