// SPDX-License-Identifier: GPL-2.0-only
/* For LD_PRELOAD: sockets that are accepted have little room for what is sent. */

#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int accept4(int fd, struct sockaddr *restrict addr, socklen_t *restrict len, int flags)
{
	int ret = (int)syscall(SYS_accept4, fd, addr, len, flags), size = 1;

	if (ret >= 0)
		setsockopt(ret, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return ret;
}
