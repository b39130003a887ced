// SPDX-License-Identifier: GPL-2.0-only
/* The socket that front-ends connect to. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "log.h"
#include "options.h"
#include "server.h"
#include "util.h"

/* Front-ends that wait for their turn */
#define SERVER_BACKLOG	16

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Returns whether something other than a socket has the path */
static bool is_other_file(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && !S_ISSOCK(st.st_mode);
}

/* Returns whether nobody listens on a socket any more */
static bool is_stale(const struct sockaddr_un *addr)
{
	bool stale;
	int fd;

	/* Other files refuse a connection, too, and must not be removed */
	if (is_other_file(addr->sun_path))
		return false;
	fd = new_socket();
	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) &&
		errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int bind_path(int fd, const struct sockaddr_un *addr)
{
	const struct sockaddr *sa = (const struct sockaddr *)addr;

	if (!bind(fd, sa, sizeof(*addr)))
		return 0;
	if (errno != EADDRINUSE)
		return -1;
	if (is_stale(addr)) {
		unlink(addr->sun_path);
		return bind(fd, sa, sizeof(*addr));
	}
	errno = EADDRINUSE;
	return -1;
}

int server_open(struct server *server, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int error;

	memcpy(addr.sun_path, path, strlen(path) + 1);
	server->path = path;
	server->fd = new_socket();
	if (server->fd >= 0 && !bind_path(server->fd, &addr) &&
	    !listen(server->fd, SERVER_BACKLOG) && !lstat(path, &st)) {
		server->dev = st.st_dev;
		server->ino = st.st_ino;
		return 0;
	}
	error = errno;
	log_error("%s: %s", path,
		  error == EADDRINUSE && is_other_file(path) ?
		  "is not a socket" : strerror(error));
	close_fd(&server->fd);
	return error == EADDRINUSE ? EXIT_IN_USE : EXIT_FAILED;
}

void server_close(struct server *server)
{
	struct stat st;

	if (server->fd < 0)
		return;
	if (!lstat(server->path, &st) && st.st_dev == server->dev &&
	    st.st_ino == server->ino)
		unlink(server->path);
	close_fd(&server->fd);
}

int server_accept(struct server *server)
{
	return accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
}
