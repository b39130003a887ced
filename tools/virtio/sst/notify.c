// SPDX-License-Identifier: GPL-2.0-only
/* Tells a service manager that the program is ready. */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "notify.h"
#include "util.h"

static const char ready[] = "READY=1";

/* An abstract address has an @ for its first byte. Return: its length, or 0 */
static socklen_t make_address(struct sockaddr_un *addr, const char *path)
{
	size_t len = strlen(path);

	if ((*path != '/' && *path != '@') || len >= sizeof(addr->sun_path))
		return 0;
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path, path, len);
	if (*path == '@')
		addr->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

int notify_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr;
	socklen_t len;
	ssize_t sent;
	int fd;

	if (!path)
		return 0;
	len = make_address(&addr, path);
	if (!len) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	sent = sendto(fd, ready, strlen(ready), MSG_NOSIGNAL,
		      (const struct sockaddr *)&addr, len);
	close_fd(&fd);
	return sent < 0 ? -1 : 0;
}
