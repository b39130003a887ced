/* SPDX-License-Identifier: GPL-2.0-only */
/* What was done, as JSON, for each connection to a socket: option --stats. */

#ifndef SST_STATS_H
#define SST_STATS_H

#include "device.h"
#include "listener.h"
#include "loop.h"
#include "server.h"

/**
 * struct stats - the socket for statistics
 * @loop: the loop that serves it
 * @devices: all devices
 * @nr: their number
 * @server: the listening socket
 * @listening: waits for connections
 * @clients: connections that have not taken all so far
 */
struct stats {
	struct loop *loop;
	struct sst_device **devices;
	unsigned int nr;
	struct server server;
	struct listener listening;
	struct stats_client *clients;
};

/*
 * Begins to serve, when the first 3 members are set and the server is open.
 * Return: 0, or -1 with errno set
 */
int stats_init(struct stats *stats);

/* Ends all connections; after stats_init() only */
void stats_destroy(struct stats *stats);

#endif /* SST_STATS_H */
