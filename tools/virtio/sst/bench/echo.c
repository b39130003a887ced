// SPDX-License-Identifier: GPL-2.0-only
/* Answers requests that arrive as a stream of bytes. */

#include <stdlib.h>
#include <string.h>

#include "echo.h"

/* Makes room for @len more bytes. */
static bool echo_reserve(struct echo *echo, size_t len)
{
	size_t cap = 2 * (echo->len + len);
	uint8_t *out;

	if (echo->start + echo->len + len <= echo->cap)
		return true;
	out = malloc(cap);
	if (!out)
		return false;
	if (echo->len)
		memcpy(out, echo->out + echo->start, echo->len);
	free(echo->out);
	echo->out = out;
	echo->start = 0;
	echo->cap = cap;
	return true;
}

static bool echo_answer(struct echo *echo)
{
	struct sst_response response = {
		.status = SST_RESPONSE_OK,
		.request_id = echo->request.request_id,
		.user_data = echo->request.user_data,
	};

	memcpy(response.payload, echo->request.payload, sizeof(response.payload));
	if (!echo->len)
		echo->start = 0;
	if (!echo_reserve(echo, sizeof(response)))
		return false;
	memcpy(echo->out + echo->start + echo->len, &response, sizeof(response));
	echo->len += sizeof(response);
	echo->have = 0;
	return true;
}

bool echo_take(struct echo *echo, const uint8_t *data, size_t len)
{
	size_t part;

	for (; len; data += part, len -= part) {
		part = sizeof(echo->request) - echo->have;
		if (part > len)
			part = len;
		memcpy((uint8_t *)&echo->request + echo->have, data, part);
		echo->have += part;
		if (echo->have == sizeof(echo->request) && !echo_answer(echo))
			return false;
	}
	return true;
}

void echo_reset(struct echo *echo)
{
	free(echo->out);
	memset(echo, 0, sizeof(*echo));
}
