/* SPDX-License-Identifier: GPL-2.0-only */
/* The back-end of the benchmark's peers: what its parts share. */

#ifndef SST_PEER_H
#define SST_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn.h"
#include "echo.h"
#include "loop.h"
#include "server.h"
#include "vhost-user.h"

#define PEER_MAX_RINGS	6

struct peer;

/**
 * struct peer_queue - a virtqueue
 * @peer: whose it is
 * @index: which one it is
 * @kick: the driver's kicks
 * @ring: the ring, NULL while it does not run
 * @chain: the chain that was taken last
 */
struct peer_queue {
	struct peer *peer;
	unsigned int index;
	struct watch kick;
	struct vu_ring *ring;
	struct virtq_chain chain;
};

/**
 * struct peer_kind - a kind of device
 * @name: what it is called
 * @features: its features, without those of the ring
 * @nr_rings: its virtqueues
 * @config: fills in configuration space
 * @serve: the driver has given something to a queue
 * @reset: the driver is gone
 */
struct peer_kind {
	const char *name;
	uint64_t features;
	unsigned int nr_rings;
	void (*config)(uint8_t *config);
	void (*serve)(struct peer *peer, unsigned int index);
	void (*reset)(struct peer *peer);
};

extern const struct peer_kind peer_console;
extern const struct peer_kind peer_vsock;

/**
 * struct peer - the program
 * @kind: what it is
 * @loop: the event loop
 * @server: the listening socket
 * @listening: waits for a front-end, while none is served
 * @conn: the connection to it
 * @vu: the device as it sees it
 * @queues: the virtqueues
 * @buffer: what was taken from a chain
 * @buffer_size: its size
 * @echo: the conversation
 */
struct peer {
	const struct peer_kind *kind;
	struct loop loop;
	struct server server;
	struct watch listening;
	struct conn conn;
	struct vu_dev vu;
	struct peer_queue queues[PEER_MAX_RINGS];
	uint8_t *buffer;
	size_t buffer_size;
	struct echo echo;
};

/**
 * peer_pop() - take the next chain of a queue
 * @q: the queue
 *
 * Return: whether there is one; the queue may be out of use otherwise
 */
bool peer_pop(struct peer_queue *q);

/* Reads all that is readable in the chain into peer->buffer. Return: whether it could */
bool peer_read(struct peer_queue *q);

/* Gives the chain back after writing @len bytes of @data to it. Return: the same */
bool peer_give(struct peer_queue *q, const void *data, size_t len);

/**
 * peer_rest() - end the work on a queue for now
 * @q: the queue
 * @more: chains would be of use
 *
 * Interrupts the driver if it wants to know what was given back. Asks for kicks only if
 * there is a use for them.
 *
 * Return: whether there is another chain, and a use for it
 */
bool peer_rest(struct peer_queue *q, bool more);

#endif /* SST_PEER_H */
