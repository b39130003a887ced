// SPDX-License-Identifier: GPL-2.0-only
/* Much of a device's memory, with many requests in flight. */

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "format.h"
#include "request.h"
#include "transfer.h"

/**
 * struct window - the requests of a transfer that are made and not done with
 * @first: number of the first one of them, counted from 0
 * @sent: number of the first one that is not sent
 * @next: number of the next one to be made
 * @request: the requests, each in the place of its number modulo TRANSFER_DEPTH
 * @payload: what was read, in the same places
 * @ended: which of them have their response
 * @response: responses as they come
 */
struct window {
	uint64_t first;
	uint64_t sent;
	uint64_t next;
	struct sst_request request[TRANSFER_DEPTH];
	uint8_t payload[TRANSFER_DEPTH][SST_PAYLOAD_SIZE];
	bool ended[TRANSFER_DEPTH];
	struct sst_response response[TRANSFER_DEPTH];
};

static const char *type_name(const struct transfer *transfer)
{
	return transfer->type == SST_REQUEST_READ ? "read" : "write";
}

static void __attribute__((noreturn)) fail_call(struct transfer *transfer)
{
	int error = errno;

	progress_end(&transfer->progress);
	if (error == ENODEV)
		device_gone(transfer->device);
	fail(EXIT_OTHER, "%s: %s: %s", transfer->device->name, type_name(transfer),
	     strerror(error));
}

/* Makes the next request. Return: whether there was something left */
static bool make_request(struct transfer *transfer, struct window *window)
{
	struct sst_request *request = &window->request[window->next % TRANSFER_DEPTH];
	uint32_t nr = TRANSFER_READ_SIZE;

	if (transfer->give)
		nr = TRANSFER_WRITE_SIZE;
	if (nr > transfer->left)
		nr = (uint32_t)transfer->left;
	if (nr && transfer->give)
		nr = transfer->give(transfer->data, request->payload + sizeof(request->memory), nr);
	if (!nr)
		return false;
	request->type = htole32(transfer->type);
	request->user_data = htole64(window->next);
	request->memory.addr = htole64(transfer->address);
	request->memory.size = htole32(nr);
	window->ended[window->next % TRANSFER_DEPTH] = false;
	window->next++;
	transfer->address += nr;
	transfer->left -= nr;
	return true;
}

/* Sends those requests that stand one behind the other; the others are sent next time */
static void send_requests(struct transfer *transfer, struct window *window)
{
	size_t place = window->sent % TRANSFER_DEPTH;
	size_t nr = window->next - window->sent;
	ssize_t ret;

	if (nr > TRANSFER_DEPTH - place)
		nr = TRANSFER_DEPTH - place;
	if (!nr)
		return;
	ret = write(transfer->device->fd, &window->request[place], nr * sizeof(*window->request));
	if (ret < 0 && errno != EINTR)
		fail_call(transfer);
	if (ret > 0)
		window->sent += (size_t)ret / sizeof(*window->request);
}

static void __attribute__((noreturn))
fail_response(struct transfer *transfer, const struct sst_request *request,
	      const struct sst_response *response)
{
	char text[FORMAT_SIZE];

	progress_end(&transfer->progress);
	fail(response_exit_code(response),
	     "%s: %s of %u bytes at 0x%" PRIx64 ": %s, %s", transfer->device->name,
	     type_name(transfer), le32toh(request->memory.size), le64toh(request->memory.addr),
	     response_status(text, response), response_meaning(response));
}

/* Waits for responses, which come in any order */
static void receive_responses(struct transfer *transfer, struct window *window)
{
	ssize_t ret = read(transfer->device->fd, window->response, sizeof(window->response));
	size_t i;

	if (ret < 0 && errno != EINTR)
		fail_call(transfer);
	for (i = 0; ret > 0 && i < (size_t)ret / sizeof(*window->response); i++) {
		const struct sst_response *response = &window->response[i];
		size_t place = le64toh(response->user_data) % TRANSFER_DEPTH;

		if (response_exit_code(response))
			fail_response(transfer, &window->request[place], response);
		memcpy(window->payload[place], response->payload, SST_PAYLOAD_SIZE);
		window->ended[place] = true;
	}
}

/* Is done with those that have ended, in the order of the memory */
static void retire_requests(struct transfer *transfer, struct window *window)
{
	while (window->first < window->sent && window->ended[window->first % TRANSFER_DEPTH]) {
		size_t place = window->first % TRANSFER_DEPTH;
		uint32_t nr = le32toh(window->request[place].memory.size);

		if (transfer->take)
			transfer->take(transfer->data, window->payload[place], nr);
		transfer->done += nr;
		window->first++;
	}
	progress_update(&transfer->progress, transfer->done);
}

void transfer_run(struct transfer *transfer)
{
	struct window *window = calloc(1, sizeof(*window));
	bool more = true;

	if (!window)
		fail(EXIT_OTHER, "out of memory");
	while (more || window->first < window->next) {
		while (more && window->next - window->first < TRANSFER_DEPTH)
			more = make_request(transfer, window);
		send_requests(transfer, window);
		if (window->first < window->sent)
			receive_responses(transfer, window);
		retire_requests(transfer, window);
	}
	free(window);
	progress_end(&transfer->progress);
}
