/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The back-end's side of the vhost-user protocol, apart from the socket: takes
 * a message with its file descriptors, keeps memory and rings, makes the reply.
 */

#ifndef SST_VHOST_USER_H
#define SST_VHOST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memtable.h"
#include "util.h"
#include "virtq.h"

/* A message is a header and a payload; integers are in native byte order */
struct vu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;		/* of the payload */
};

/* Longest payload taken; no message of the protocol comes near */
#define VU_MAX_PAYLOAD	4096

/* Most file descriptors in one message, and most regions */
#define VU_MAX_FDS	8

/* Longest configuration space, and what precedes it in a message */
#define VU_MAX_CONFIG	256
struct vu_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VU_MAX_CONFIG];
};

/* Longest reply */
#define VU_MAX_REPLY	(sizeof(struct vu_header) + sizeof(struct vu_config))

/* Most rings of a device */
#define VU_MAX_RINGS	64

/* Offered on top of the device's features */
#define VU_F_PROTOCOL_FEATURES		30

#define VU_PROTOCOL_F_MQ		0
#define VU_PROTOCOL_F_REPLY_ACK		3
#define VU_PROTOCOL_F_BACKEND_REQ	5
#define VU_PROTOCOL_F_CONFIG		9
#define VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS 15

/**
 * struct vu_ring - one ring, as the front-end has set it up
 * @vq: the virtqueue; only to be used while @running
 * @addr: where the front-end said that its parts are
 * @addr_set: @addr has a meaning
 * @enabled: by SET_VRING_ENABLE, or from the start without protocol features
 * @no_kick: there are no kicks, the ring must be polled
 * @broken: the guest has made an error in the ring
 * @running: set up, enabled, not broken: the device may use the ring
 * @kick_fd: readable when the driver has kicked, or -1
 * @call_fd: written to interrupt the driver, or -1
 * @err_fd: written when the ring becomes broken, or -1
 */
struct vu_ring {
	struct virtq vq;
	struct virtq_addr addr;
	bool addr_set;
	bool enabled;
	bool no_kick;
	bool broken;
	bool running;
	int kick_fd;
	int call_fd;
	int err_fd;
} __attribute__((aligned(CACHE_LINE)));

struct vu_dev;

/**
 * struct vu_ops - what the device does
 * @ring_start: begins to use a ring. Returns false when it cannot, for instance
 *	because the kick descriptor is not fit for it
 * @ring_stop: ends the use of a ring: pending work is dropped, and neither the
 *	ring nor the guest's buffers are touched from now on
 * @pause: returns when no other thread uses rings, guest memory or what
 *	config_get() changes, and until @resume none does
 * @resume: lets other threads go on
 * @config_get: fills in VU_MAX_CONFIG zeroed bytes
 * @config_set: takes a write to configuration space, or returns false
 */
struct vu_ops {
	bool (*ring_start)(struct vu_dev *vu, unsigned int index);
	void (*ring_stop)(struct vu_dev *vu, unsigned int index);
	void (*pause)(struct vu_dev *vu);
	void (*resume)(struct vu_dev *vu);
	void (*config_get)(struct vu_dev *vu, uint8_t *config);
	bool (*config_set)(struct vu_dev *vu, uint32_t offset, uint32_t size);
};

/**
 * struct vu_dev - a device, as its front-end sees it
 * @name: what messages are to call it, or NULL if there is no other
 * @ops: the device itself
 * @features: virtio features that it offers
 * @protocol_features: protocol features that it offers
 * @nr_rings: its rings
 * @max_ring_size: most entries of a ring
 * @acked: virtio features that the front-end has chosen
 * @mem: the guest's memory
 * @rings: the rings
 * @backend_fd: the channel for requests of the back-end, or -1; its end tells the
 *	front-end that the back-end is gone
 */
struct vu_dev {
	const char *name;
	const struct vu_ops *ops;
	uint64_t features;
	uint64_t protocol_features;
	unsigned int nr_rings;
	uint32_t max_ring_size;
	uint64_t acked;
	struct memtable mem;
	struct vu_ring rings[VU_MAX_RINGS];
	int backend_fd;
};

/* Brings the state to what a new front-end expects; the first 6 members stay */
void vu_init(struct vu_dev *vu);

/* Stops every ring and lets go of everything the front-end has given */
void vu_reset(struct vu_dev *vu);

/**
 * vu_message() - handle one message
 * @vu: device
 * @msg: the message, with its header
 * @len: its length
 * @fds: descriptors that came with it; those that are kept are set to -1, the
 *	others stay the caller's to close
 * @nr_fds: their number
 * @reply: buffer of VU_MAX_REPLY bytes
 *
 * Return: length of the reply, 0 for none, or -1 when the message cannot be
 * one of the protocol, so that the connection must be closed.
 */
int vu_message(struct vu_dev *vu, const uint8_t *msg, size_t len, int *fds,
	       unsigned int nr_fds, uint8_t *reply);

/* Tells the driver about used buffers, unless it does not want to know */
void vu_ring_call(struct vu_ring *ring);

/*
 * Tell the driver, for nothing, about used buffers or a change of configuration space; to
 * be called by the thread that handles messages
 */
void vu_interrupt(struct vu_dev *vu, unsigned int index);
void vu_config_changed(struct vu_dev *vu);

/*
 * Takes a ring out of use after an error of the guest; called by the thread that
 * serves it, or while that pauses
 */
void vu_ring_error(struct vu_dev *vu, unsigned int index, const char *error);

#endif /* SST_VHOST_USER_H */
