// SPDX-License-Identifier: GPL-2.0-only
/* Requests to a device, one at a time. */

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../util.h"
#include "fail.h"
#include "format.h"
#include "interrupt.h"
#include "request.h"

static const struct {
	const char *name;
	const char *meaning;
} statuses[] = {
	[SST_RESPONSE_OK] = { "OK", "" },
	[SST_RESPONSE_ERROR] = { "ERROR", "the device has failed" },
	[SST_RESPONSE_BUSY] = { "BUSY", "the device does not take it now" },
	[SST_RESPONSE_INVALID] = { "INVALID",
				   "the device does not know this request, or not these numbers" },
	[SST_RESPONSE_TIMEOUT] = { "TIMEOUT", "no answer in time" },
	[SST_RESPONSE_NO_DEVICE] = { "NO_DEVICE", "no simulator behind the device" },
};

void exchange_init(struct exchange *exchange, uint32_t type)
{
	memset(exchange, 0, sizeof(*exchange));
	exchange->request.type = htole32(type);
}

/*
 * A call that was interrupted after the request was submitted leaves the response to
 * read(). A process that is stopped and continued has its calls interrupted, too.
 */
static int read_response(const struct device *device, struct sst_response *response)
{
	while (!interrupt_wait(device->fd, INTERRUPT_NO_TIMEOUT))
		if (interrupted())
			return EINTR;
	return read(device->fd, response, sizeof(*response)) < 0 ? errno : 0;
}

int exchange_run(const struct device *device, struct exchange *exchange)
{
	struct sst_transaction transaction = {
		.request = (uintptr_t)&exchange->request,
		.response = (uintptr_t)&exchange->response,
		.request_size = sizeof(exchange->request),
		.response_size = sizeof(exchange->response),
	};
	uint64_t start = now_ns();
	int error;

	do {
		error = ioctl(device->fd, SST_IOCTL_TRANSACT, &transaction) ? errno : 0;
	} while (error == EINTR && !transaction.request_id && !interrupted());
	if (error == EINTR && transaction.request_id)
		error = read_response(device, &exchange->response);
	exchange->ns = now_ns() - start;
	return error;
}

void exchange_check(const struct device *device, const struct exchange *exchange, int error,
		    const char *what)
{
	char text[FORMAT_SIZE];
	int code;

	if (error == ENODEV)
		device_gone(device);
	if (error)
		fail(EXIT_OTHER, "%s: %s: %s", device->name, what, strerror(error));
	code = response_exit_code(&exchange->response);
	if (code)
		fail(code, "%s: %s: %s, %s", device->name, what,
		     response_status(text, &exchange->response),
		     response_meaning(&exchange->response));
}

int response_exit_code(const struct sst_response *response)
{
	switch (le32toh(response->status)) {
	case SST_RESPONSE_OK:
		return EXIT_DONE;
	case SST_RESPONSE_TIMEOUT:
		return EXIT_TIMED_OUT;
	default:
		return EXIT_REFUSED;
	}
}

const char *response_status(char *text, const struct sst_response *response)
{
	uint32_t status = le32toh(response->status);

	if (status < ARRAY_SIZE(statuses))
		return statuses[status].name;
	snprintf(text, FORMAT_SIZE, "STATUS_%u", status);
	return text;
}

const char *response_meaning(const struct sst_response *response)
{
	uint32_t status = le32toh(response->status);

	if (status == SST_RESPONSE_ERROR && le32toh(response->flags) & SST_RESPONSE_F_DRIVER)
		return "the device was reset or suspended, or has answered in a wrong form";
	return status < ARRAY_SIZE(statuses) ? statuses[status].meaning :
					       "a status of the device's own";
}
