// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream-peer: answers requests on a Unix socket, such as that behind a port of QEMU's
 * console, with one client at a time.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "echo.h"

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1))
		return -1;
	return fd;
}

static bool receive(struct echo *echo, int fd)
{
	static uint8_t buffer[65536];
	ssize_t ret = read(fd, buffer, sizeof(buffer));

	return ret > 0 && echo_take(echo, buffer, (size_t)ret);
}

static bool transmit(struct echo *echo, int fd)
{
	ssize_t ret = send(fd, echo->out + echo->start, echo->len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (ret < 0)
		return errno == EAGAIN;
	echo->start += (size_t)ret;
	echo->len -= (size_t)ret;
	return true;
}

static void serve(int fd)
{
	struct pollfd pollfd = { .fd = fd };
	struct echo echo = {};
	bool good = true;

	while (good) {
		pollfd.events = POLLIN | (echo.len ? POLLOUT : 0);
		good = poll(&pollfd, 1, -1) > 0;
		if (good && pollfd.revents & (POLLIN | POLLHUP))
			good = receive(&echo, fd);
		if (good && echo.len)
			good = transmit(&echo, fd);
	}
	echo_reset(&echo);
	close(fd);
}

int main(int argc, char **argv)
{
	int fd, client;

	if (argc != 2) {
		fputs("usage: stream-peer SOCKET\n", stderr);
		return 2;
	}
	fd = listen_on(argv[1]);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	while ((client = accept(fd, NULL, NULL)) >= 0)
		serve(client);
	return 1;
}
