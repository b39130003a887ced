// SPDX-License-Identifier: GPL-2.0-only
/* Reading the words of options. */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

bool parse_number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	/* strtoull() would take blanks and a sign */
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 0);
	return !*end && !errno && *value <= max;
}

bool parse_copy(const char *text, char *copy, size_t size)
{
	size_t len = strlen(text);

	if (len >= size)
		return false;
	memcpy(copy, text, len + 1);
	return true;
}
