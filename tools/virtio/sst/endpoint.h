/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a simulator is, or is waited for: unix:PATH or tcp:HOST:PORT. */

#ifndef SST_ENDPOINT_H
#define SST_ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>

#include "server.h"

/* What is accepted as an endpoint */
#define ENDPOINT_SYNTAX \
	"unix:PATH, tcp:HOST:PORT or tcp:[IPV6]:PORT; PATH of at most 107 bytes, PORT from 1 to 65535"

#define ENDPOINT_MAX_ADDRESSES	8

/**
 * struct endpoint - one end of connections
 * @text: what was given, NULL for none
 * @path: path of a Unix socket, or NULL
 * @host: name or address of a host, if there is no path
 * @port: its port, in decimal
 * @addr: its addresses, or that of the path
 * @addr_len: their lengths
 * @nr: their number, 0 for a host until endpoint_open()
 * @listens: the other end connects to this one
 * @server: the listening socket then, from endpoint_open() on
 */
struct endpoint {
	const char *text;
	const char *path;
	char host[256];
	char port[8];
	struct sockaddr_storage addr[ENDPOINT_MAX_ADDRESSES];
	socklen_t addr_len[ENDPOINT_MAX_ADDRESSES];
	unsigned int nr;
	bool listens;
	struct server server;
};

/* Reads what was given, which stays in use. Return: whether it is an endpoint */
bool endpoint_parse(struct endpoint *endpoint, const char *text);

/*
 * Looks up the host's addresses and listens, if that is to be done. May take long.
 * Return: 0, or the exit status of the program; what is wrong was printed.
 */
int endpoint_open(struct endpoint *endpoint);

/* Stops to listen. For an endpoint that was not opened, it does nothing */
void endpoint_close(struct endpoint *endpoint);

/*
 * Begins to connect to the address @number, below @nr, without waiting. The connection is
 * being made as long as *@connecting says so.
 * Return: a socket, or -1 with errno set
 */
int endpoint_connect(const struct endpoint *endpoint, unsigned int number, bool *connecting);

/*
 * Returns whether a socket is connected to itself, which TCP does if it gets the very port
 * of this host that it connects to, and nobody listens there
 */
bool endpoint_is_self(int fd);

/* Returns whether the host at the other end of a TCP connection takes nothing any more */
bool endpoint_is_silent(int fd);

/* Return: the socket of the next connection to an endpoint that listens, or -1 */
int endpoint_accept(const struct endpoint *endpoint);

#endif /* SST_ENDPOINT_H */
