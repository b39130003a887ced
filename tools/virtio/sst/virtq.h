/* SPDX-License-Identifier: GPL-2.0-only */
/* The device's side of a split virtqueue. */

#ifndef SST_VIRTQ_H
#define SST_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>

#include "memtable.h"

/* Largest ring, and largest indirect table */
#define VIRTQ_MAX_SIZE	32768

/* Most pieces of a chain, as in QEMU: each of them costs time */
#define VIRTQ_MAX_PIECES	1024

/* Pieces after which others get their turn */
#define VIRTQ_TURN	4096

struct vring_desc;
struct vring_avail;
struct vring_used;

/**
 * struct virtq_seg - a piece of a descriptor chain
 * @addr: guest address
 * @len: length in bytes, not 0
 */
struct virtq_seg {
	uint64_t addr;
	uint32_t len;
};

/**
 * struct virtq_chain - a descriptor chain
 * @head: number of its first descriptor
 * @nr_out: readable pieces, at the start of @seg
 * @nr_in: writable pieces, after them
 * @out_len: bytes in the readable pieces
 * @in_len: bytes in the writable pieces
 * @seg: the pieces; allocated, used again for the next chain
 * @cap: pieces that @seg has room for
 */
struct virtq_chain {
	uint16_t head;
	unsigned int nr_out;
	unsigned int nr_in;
	uint64_t out_len;
	uint64_t in_len;
	struct virtq_seg *seg;
	unsigned int cap;
};

/**
 * struct virtq - a split virtqueue
 * @desc: descriptor table, in guest memory
 * @avail: available ring, in guest memory
 * @used: used ring, in guest memory
 * @num: size of the ring, a power of two
 * @last_avail: index of the next entry of the available ring
 * @used_idx: index of the next entry of the used ring
 * @signalled: @used_idx when the driver was last considered for an interrupt
 * @signalled_valid: the driver was considered at all since the start
 * @event_idx: the driver knows the event index
 * @indirect: the driver may use indirect descriptors
 * @turn: pieces that are left of this turn
 * @error: what is wrong, after a function has failed
 */
struct virtq {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint32_t num;
	uint16_t last_avail;
	uint16_t used_idx;
	uint16_t signalled;
	bool signalled_valid;
	bool event_idx;
	bool indirect;
	uint32_t turn;
	const char *error;
};

/**
 * struct virtq_addr - where the parts of a ring are
 * @desc: address of the descriptor table in the front-end's process
 * @avail: the same for the available ring
 * @used: the same for the used ring
 */
struct virtq_addr {
	uint64_t desc;
	uint64_t avail;
	uint64_t used;
};

/*
 * Finds the ring of vq->num entries in guest memory.
 * Return: whether it is there; if not, vq->error tells why.
 */
bool virtq_map(struct virtq *vq, const struct memtable *mt,
	       const struct virtq_addr *addr);

/* Starts to use a mapped ring at the entry vq->last_avail */
void virtq_start(struct virtq *vq);

/*
 * Begins a turn: virtq_pop() finds nothing any more when it has taken VIRTQ_TURN pieces, so
 * that no guest can keep a thread from its other work
 */
void virtq_begin_turn(struct virtq *vq);

/* Returns whether the driver has made a chain available */
bool virtq_has_avail(const struct virtq *vq);

/**
 * virtq_pop() - take the next available chain
 * @vq: queue
 * @mt: guest memory
 * @chain: filled in; every piece of it was checked against @mt
 *
 * Return: 1, 0 when there is none or the turn has ended, or -1 when the ring is broken; vq->error
 * tells why.
 */
int virtq_pop(struct virtq *vq, const struct memtable *mt,
	      struct virtq_chain *chain);

/* Gives a chain back, with @len bytes said to be written to it */
void virtq_push(struct virtq *vq, uint32_t head, uint32_t len);

/*
 * Returns whether something was given back since the last call, and the driver
 * wants an interrupt for it
 */
bool virtq_needs_call(struct virtq *vq);

/* Tells the driver that it need not kick */
void virtq_disable_kick(struct virtq *vq);

/* Asks for kicks. Return: whether there is a chain already */
bool virtq_enable_kick(struct virtq *vq);

/*
 * Copy from and to the pieces of a chain, which have at least @len bytes.
 * Return: whether all of them are guest memory
 */
bool virtq_read(const struct memtable *mt, const struct virtq_seg *seg,
		void *buf, size_t len);
bool virtq_write(const struct memtable *mt, const struct virtq_seg *seg,
		 const void *buf, size_t len);

void virtq_chain_free(struct virtq_chain *chain);

#endif /* SST_VIRTQ_H */
