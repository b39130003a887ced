/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests to a device, one at a time. */

#ifndef SSTCTL_REQUEST_H
#define SSTCTL_REQUEST_H

#include <linux/virtio_sst.h>
#include <stddef.h>
#include <stdint.h>

#include "device.h"

/* A request and its response */
struct exchange {
	struct sst_request request;
	struct sst_response response;
	uint64_t ns;	/* from the one to the other */
};

/* Makes the request one of a type, all else 0 */
void exchange_init(struct exchange *exchange, uint32_t type);

/**
 * exchange_run() - send a request and wait for its response
 * @device: the device
 * @exchange: the request, and where the response goes
 *
 * Return: 0 if there is a response, of whatever status, or an error: EINTR if a signal
 * came that was let in, ENODEV if the device is gone
 */
int exchange_run(const struct device *device, struct exchange *exchange);

/* Ends the program if the request, which was to do @what, did not succeed */
void exchange_check(const struct device *device, const struct exchange *exchange, int error,
		    const char *what);

/* What kind of end the program comes to because of a response; EXIT_DONE if it is good */
int response_exit_code(const struct sst_response *response);

/* Name of the status of a response, as in SST_RESPONSE_OK; @text has FORMAT_SIZE bytes */
const char *response_status(char *text, const struct sst_response *response);

/* What a status that is not OK means */
const char *response_meaning(const struct sst_response *response);

#endif /* SSTCTL_REQUEST_H */
