/* SPDX-License-Identifier: GPL-2.0-only */
/* The socket that front-ends connect to. */

#ifndef SST_SERVER_H
#define SST_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * struct server - a listening Unix socket
 * @fd: the socket
 * @path: its path
 * @dev: device number of the path, to know it again
 * @ino: the same, inode number
 */
struct server {
	int fd;
	const char *path;
	dev_t dev;
	ino_t ino;
};

/*
 * Listens on a path. A socket there that nobody serves any more is replaced.
 * Return: 0, or the exit status of the program; what is wrong was printed.
 */
int server_open(struct server *server, const char *path);

/* Stops to listen, if it does, and removes the path, if it is still ours */
void server_close(struct server *server);

/* Return: the next front-end's socket, or -1 */
int server_accept(struct server *server);

#endif /* SST_SERVER_H */
