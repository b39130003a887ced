// SPDX-License-Identifier: GPL-2.0-only
/* The same messages over something that carries bytes: a console's port, a socket. */

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

int stream_vsock_open(struct worker *worker)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK };

	if (sscanf(worker->options->path, "%u:%u", &address.svm_cid, &address.svm_port) != 2)
		return worker_fail(worker, "the path has to be CID:PORT", EINVAL);
	worker->fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (worker->fd < 0)
		return worker_fail(worker, "socket", errno);
	if (connect(worker->fd, (struct sockaddr *)&address, sizeof(address)))
		return worker_fail(worker, "connect", errno);
	return 0;
}

static int write_all(struct worker *worker, const void *data, size_t size)
{
	ssize_t ret;

	for (; size; size -= (size_t)ret, data = (const char *)data + ret) {
		ret = write(worker->fd, data, size);
		if (ret <= 0)
			return worker_fail(worker, "write", ret ? errno : EPIPE);
	}
	return 0;
}

/*
 * Reads what is there, at least one message. @part is how much of the last message was
 * read before, and then of the one after those that were read.
 */
static int read_messages(struct worker *worker, size_t *part)
{
	char *responses = (char *)worker->responses;
	size_t size = worker->in_flight * sizeof(struct sst_response);
	size_t have = *part;
	ssize_t ret;

	while (have < sizeof(struct sst_response)) {
		ret = read(worker->fd, responses + have, size - have);
		if (ret <= 0)
			return worker_fail(worker, "read", ret ? errno : EPIPE);
		have += (size_t)ret;
	}
	*part = have % sizeof(struct sst_response);
	worker_completed(worker, (unsigned int)(have / sizeof(struct sst_response)));
	return 0;
}

int stream_run(struct worker *worker)
{
	size_t size = worker->options->batch * sizeof(struct sst_request);
	size_t part = 0;
	int ret = 0;

	worker_start(worker);
	while (!ret) {
		while (!ret && worker_may_submit(worker)) {
			worker_submitted(worker, worker->options->batch);
			ret = write_all(worker, worker->requests, size);
		}
		if (ret || !worker->in_flight)
			break;
		ret = read_messages(worker, &part);
	}
	return ret;
}
