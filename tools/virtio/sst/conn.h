/* SPDX-License-Identifier: GPL-2.0-only */
/* The connection to a front-end. */

#ifndef SST_CONN_H
#define SST_CONN_H

#include <stdint.h>

#include "loop.h"
#include "vhost-user.h"

/**
 * struct conn - the connection to a front-end
 * @loop: the loop that serves it
 * @vu: takes its messages
 * @closed: called when the connection has ended
 * @watch: the socket
 * @have: bytes of the message that have arrived
 * @buf: the message
 * @nr_fds: descriptors that have arrived with it
 * @fds: the descriptors
 */
struct conn {
	struct loop *loop;
	struct vu_dev *vu;
	void (*closed)(struct conn *conn);
	struct watch watch;
	size_t have;
	uint8_t buf[sizeof(struct vu_header) + VU_MAX_PAYLOAD];
	unsigned int nr_fds;
	int fds[VU_MAX_FDS];
};

/*
 * Serves the connection on a socket, which it closes at the end. The first 3
 * members are set. Return: 0, or -1 with errno set
 */
int conn_open(struct conn *conn, int fd);

/* Ends the connection, calls back, and logs why unless that is NULL */
void conn_end(struct conn *conn, const char *why);

/* Ends the connection without calling back */
void conn_close(struct conn *conn);

#endif /* SST_CONN_H */
