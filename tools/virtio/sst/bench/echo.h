/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Answers requests that arrive as a stream of bytes, each with the bytes of a response, as
 * vhost-user-sst does with messages.
 */

#ifndef SST_ECHO_H
#define SST_ECHO_H

#include <linux/virtio_sst.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct echo - bytes of requests in, bytes of responses out
 * @request: the request that is arriving
 * @have: how much of it is there
 * @out: responses that are to be sent
 * @start: index of the first byte that was not sent
 * @len: bytes that were not sent
 * @cap: bytes that @out has room for
 */
struct echo {
	struct sst_request request;
	size_t have;
	uint8_t *out;
	size_t start;
	size_t len;
	size_t cap;
};

/* Takes @len bytes that the driver has sent. Return: whether there was memory */
bool echo_take(struct echo *echo, const uint8_t *data, size_t len);

/* Forgets everything */
void echo_reset(struct echo *echo);

#endif /* SST_ECHO_H */
