// SPDX-License-Identifier: GPL-2.0-only
/*
 * The back-end's side of the vhost-user protocol, apart from the socket.
 *
 * A ring runs while it has addresses, a kick descriptor and is enabled. It is
 * stopped for good, until it is set up again, when the front-end changes what
 * it rests on: the features, the memory or its base. User Mode Linux may reset
 * a device without any other sign.
 *
 * The device may serve rings in threads of its own. They pause while a message is
 * handled, so that nothing here needs a lock.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "log.h"
#include "util.h"
#include "vhost-user.h"

#define VU_VERSION		1
#define VU_FLAG_VERSION_MASK	3
#define VU_FLAG_REPLY		(1U << 2)
#define VU_FLAG_NEED_REPLY	(1U << 3)

/* Payload of SET_VRING_KICK, _CALL and _ERR */
#define VU_RING_INDEX_MASK	0xff
#define VU_RING_NO_FD		0x100

enum vu_request_type {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38,
};

/* Sent by the back-end */
#define VU_BACKEND_CONFIG_CHANGE	2

struct vu_vring_state {
	uint32_t index;
	uint32_t num;
};

struct vu_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct vu_mem_region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

struct vu_mem_table {
	uint32_t nr;
	uint32_t padding;
	struct vu_mem_region region[VU_MAX_FDS];
};

struct vu_mem_slot {
	uint64_t padding;
	struct vu_mem_region region;
};

union vu_payload {
	uint64_t u64;
	struct vu_vring_state state;
	struct vu_vring_addr addr;
	struct vu_mem_table table;
	struct vu_mem_slot slot;
	struct vu_config config;
	uint8_t bytes[VU_MAX_PAYLOAD];
};

/**
 * struct vu_request - a message while it is handled
 * @payload: its payload, and after that the payload of the reply
 * @size: size of the payload, then of that of the reply
 * @fds: its descriptors; one that is kept is replaced by -1
 * @nr_fds: their number
 * @error: what is wrong with it
 */
struct vu_request {
	union vu_payload payload;
	uint32_t size;
	int *fds;
	unsigned int nr_fds;
	const char *error;
};

static bool refuse(struct vu_request *req, const char *error)
{
	req->error = error;
	return false;
}

static bool reply_u64(struct vu_request *req, uint64_t value)
{
	req->payload.u64 = value;
	req->size = sizeof(value);
	return true;
}

static bool has_feature(const struct vu_dev *vu, unsigned int bit)
{
	return vu->acked & BIT64(bit);
}

/* Writes to an eventfd, or to the pipe or socket that UML has in its place */
static void signal_fd(int fd)
{
	const uint64_t one = 1;

	/* A full one has been signalled; a closed one has no reader to tell */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		log_debug("cannot signal the driver: %s", strerror(errno));
}

void vu_ring_call(struct vu_ring *ring)
{
	if (virtq_needs_call(&ring->vq))
		signal_fd(ring->call_fd);
}

void vu_interrupt(struct vu_dev *vu, unsigned int index)
{
	signal_fd(vu->rings[index].call_fd);
}

void vu_config_changed(struct vu_dev *vu)
{
	const struct vu_header msg = {
		.request = VU_BACKEND_CONFIG_CHANGE,
		.flags = VU_VERSION,
	};

	if (vu->backend_fd >= 0 &&
	    write(vu->backend_fd, &msg, sizeof(msg)) != sizeof(msg))
		log_debug("cannot tell of a change: %s", strerror(errno));
}

/* Ends the use of a ring; it may go on with what has been set up */
static void ring_halt(struct vu_dev *vu, unsigned int index)
{
	struct vu_ring *ring = &vu->rings[index];

	if (!ring->running)
		return;
	log_debug("queue %u stops", index);
	vu->ops->ring_stop(vu, index);
	ring->running = false;
}

/* Ends the use of a ring until the front-end sets it up again */
static void ring_stop(struct vu_dev *vu, unsigned int index)
{
	struct vu_ring *ring = &vu->rings[index];

	ring_halt(vu, index);
	close_fd(&ring->kick_fd);
	ring->no_kick = false;
	ring->broken = false;
}

static void stop_all(struct vu_dev *vu)
{
	unsigned int i;

	for (i = 0; i < vu->nr_rings; i++)
		ring_stop(vu, i);
}

void vu_ring_error(struct vu_dev *vu, unsigned int index, const char *error)
{
	struct vu_ring *ring = &vu->rings[index];

	log_fault("queue %u: %s; the queue is out of use", index, error);
	ring_halt(vu, index);
	ring->broken = true;
	signal_fd(ring->err_fd);
}

/* Starts a ring as soon as it is set up completely */
static bool ring_update(struct vu_dev *vu, unsigned int index)
{
	struct vu_ring *ring = &vu->rings[index];
	struct virtq *vq = &ring->vq;

	if (ring->running || ring->broken || !ring->enabled ||
	    !ring->addr_set || (ring->kick_fd < 0 && !ring->no_kick))
		return true;

	vq->event_idx = has_feature(vu, VIRTIO_RING_F_EVENT_IDX);
	vq->indirect = has_feature(vu, VIRTIO_RING_F_INDIRECT_DESC);
	if (!virtq_map(vq, &vu->mem, &ring->addr)) {
		vu_ring_error(vu, index, vq->error);
		return false;
	}
	virtq_start(vq);
	log_debug("queue %u starts, %u entries", index, vq->num);
	ring->running = true;
	if (vu->ops->ring_start(vu, index))
		return true;
	ring_stop(vu, index);
	return false;
}

static bool get_features(struct vu_dev *vu, struct vu_request *req)
{
	return reply_u64(req, vu->features);
}

static bool set_features(struct vu_dev *vu, struct vu_request *req)
{
	uint64_t features = req->payload.u64;
	unsigned int i;

	stop_all(vu);
	if (features & ~vu->features)
		return refuse(req, "features that were not offered");
	vu->acked = features;
	for (i = 0; i < vu->nr_rings; i++)
		vu->rings[i].enabled =
			!has_feature(vu, VU_F_PROTOCOL_FEATURES);
	return true;
}

static bool set_owner(struct vu_dev *vu, struct vu_request *req)
{
	(void)vu;
	(void)req;
	return true;
}

static bool reset_owner(struct vu_dev *vu, struct vu_request *req)
{
	(void)req;
	stop_all(vu);
	return true;
}

static bool get_protocol_features(struct vu_dev *vu, struct vu_request *req)
{
	return reply_u64(req, vu->protocol_features);
}

static bool set_protocol_features(struct vu_dev *vu, struct vu_request *req)
{
	if (req->payload.u64 & ~vu->protocol_features)
		return refuse(req, "protocol features that were not offered");
	return true;
}

static bool get_queue_num(struct vu_dev *vu, struct vu_request *req)
{
	return reply_u64(req, vu->nr_rings);
}

static bool add_region(struct vu_dev *vu, struct vu_request *req,
		       const struct vu_mem_region *from, int fd)
{
	struct mem_region region = {
		.guest_addr = from->guest_addr,
		.size = from->size,
		.user_addr = from->user_addr,
	};

	req->error = memtable_add(&vu->mem, &region, fd, from->mmap_offset);
	return !req->error;
}

/* virtio_uml of Linux 6.12 sends a table of two regions, whatever is in use of it. */
static bool table_fits(const struct vu_mem_table *table, uint32_t size)
{
	size_t header = offsetof(struct vu_mem_table, region);

	return size >= header && (size - header) % sizeof(table->region[0]) == 0 &&
	       table->nr <= VU_MAX_FDS &&
	       table->nr <= (size - header) / sizeof(table->region[0]);
}

static bool set_mem_table(struct vu_dev *vu, struct vu_request *req)
{
	const struct vu_mem_table *table = &req->payload.table;
	unsigned int i;

	stop_all(vu);
	memtable_clear(&vu->mem);
	if (!table_fits(table, req->size))
		return refuse(req, "number of regions does not fit the size");
	if (req->nr_fds != table->nr)
		return refuse(req, "number of regions does not fit the files");
	for (i = 0; i < table->nr; i++) {
		if (add_region(vu, req, &table->region[i], req->fds[i]))
			continue;
		memtable_clear(&vu->mem);
		return false;
	}
	return true;
}

static bool get_max_mem_slots(struct vu_dev *vu, struct vu_request *req)
{
	(void)vu;
	return reply_u64(req, MEMTABLE_MAX_REGIONS);
}

static bool add_mem_reg(struct vu_dev *vu, struct vu_request *req)
{
	if (req->nr_fds != 1)
		return refuse(req, "memory region without a file");
	return add_region(vu, req, &req->payload.slot.region, req->fds[0]);
}

/* Rings that lay in a removed region end, the others go on */
static bool rem_mem_reg(struct vu_dev *vu, struct vu_request *req)
{
	const struct vu_mem_region *from = &req->payload.slot.region;
	struct mem_region region = {
		.guest_addr = from->guest_addr,
		.size = from->size,
		.user_addr = from->user_addr,
	};
	unsigned int i;

	req->error = memtable_remove(&vu->mem, &region);
	if (req->error)
		return false;
	for (i = 0; i < vu->nr_rings; i++) {
		struct vu_ring *ring = &vu->rings[i];

		if (ring->running && !virtq_map(&ring->vq, &vu->mem,
						&ring->addr))
			vu_ring_error(vu, i, ring->vq.error);
	}
	return true;
}

/* Returns the ring that a message names, or NULL */
static struct vu_ring *find_ring(struct vu_dev *vu, struct vu_request *req,
				 uint32_t index)
{
	if (index < vu->nr_rings)
		return &vu->rings[index];
	refuse(req, "no such queue");
	return NULL;
}

static bool set_vring_num(struct vu_dev *vu, struct vu_request *req)
{
	struct vu_ring *ring = find_ring(vu, req, req->payload.state.index);
	uint32_t num = req->payload.state.num;

	if (!ring)
		return false;
	if (ring->running)
		return refuse(req, "the queue is in use");
	if (!num || num > vu->max_ring_size || (num & (num - 1)))
		return refuse(req, "size of the queue is not supported");
	ring->vq.num = num;
	ring->addr_set = false;
	return true;
}

static bool set_vring_addr(struct vu_dev *vu, struct vu_request *req)
{
	const struct vu_vring_addr *addr = &req->payload.addr;
	struct vu_ring *ring = find_ring(vu, req, addr->index);

	if (!ring)
		return false;
	if (ring->running)
		return refuse(req, "the queue is in use");
	ring->addr_set = false;
	if (addr->flags)
		return refuse(req, "logging was not offered");
	if (!ring->vq.num)
		return refuse(req, "the queue has no size yet");
	ring->addr.desc = addr->desc;
	ring->addr.avail = addr->avail;
	ring->addr.used = addr->used;
	if (!virtq_map(&ring->vq, &vu->mem, &ring->addr))
		return refuse(req, ring->vq.error);
	ring->addr_set = true;
	return ring_update(vu, addr->index);
}

static bool set_vring_base(struct vu_dev *vu, struct vu_request *req)
{
	struct vu_ring *ring = find_ring(vu, req, req->payload.state.index);

	if (!ring)
		return false;
	ring_stop(vu, req->payload.state.index);
	if (req->payload.state.num > UINT16_MAX)
		return refuse(req, "base of the queue out of range");
	ring->vq.last_avail = (uint16_t)req->payload.state.num;
	return true;
}

static bool get_vring_base(struct vu_dev *vu, struct vu_request *req)
{
	struct vu_ring *ring = find_ring(vu, req, req->payload.state.index);

	if (!ring)
		return false;
	ring_stop(vu, req->payload.state.index);
	req->payload.state.num = ring->vq.last_avail;
	req->size = sizeof(req->payload.state);
	return true;
}

static bool set_vring_enable(struct vu_dev *vu, struct vu_request *req)
{
	uint32_t index = req->payload.state.index;
	struct vu_ring *ring = find_ring(vu, req, index);

	if (!ring)
		return false;
	ring->enabled = req->payload.state.num;
	if (ring->enabled)
		return ring_update(vu, index);
	ring_halt(vu, index);
	return true;
}

/*
 * Takes the descriptor of a SET_VRING_KICK, _CALL or _ERR message into *fd, or
 * -1 when it says that there is none. A write to it must never block.
 */
static struct vu_ring *take_ring_fd(struct vu_dev *vu, struct vu_request *req,
				    int *fd)
{
	bool no_fd = req->payload.u64 & VU_RING_NO_FD;
	uint32_t index = req->payload.u64 & VU_RING_INDEX_MASK;
	struct vu_ring *ring = find_ring(vu, req, index);

	if (!ring)
		return NULL;
	if (req->nr_fds != (no_fd ? 0 : 1)) {
		refuse(req, "wrong number of files");
		return NULL;
	}
	*fd = -1;
	if (no_fd)
		return ring;
	*fd = req->fds[0];
	req->fds[0] = -1;
	fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK);
	return ring;
}

static bool set_vring_kick(struct vu_dev *vu, struct vu_request *req)
{
	unsigned int index = req->payload.u64 & VU_RING_INDEX_MASK;
	struct vu_ring *ring;
	int fd;

	ring = take_ring_fd(vu, req, &fd);
	if (!ring)
		return false;
	ring_halt(vu, index);
	close_fd(&ring->kick_fd);
	ring->kick_fd = fd;
	ring->no_kick = fd < 0;
	if (!ring_update(vu, index))
		return refuse(req, "the queue cannot be started");
	return true;
}

static bool set_vring_call(struct vu_dev *vu, struct vu_request *req)
{
	struct vu_ring *ring;
	int fd;

	ring = take_ring_fd(vu, req, &fd);
	if (!ring)
		return false;
	close_fd(&ring->call_fd);
	ring->call_fd = fd;
	return true;
}

static bool set_vring_err(struct vu_dev *vu, struct vu_request *req)
{
	struct vu_ring *ring;
	int fd;

	ring = take_ring_fd(vu, req, &fd);
	if (!ring)
		return false;
	close_fd(&ring->err_fd);
	ring->err_fd = fd;
	return true;
}

static bool set_backend_req_fd(struct vu_dev *vu, struct vu_request *req)
{
	if (!(vu->protocol_features & BIT64(VU_PROTOCOL_F_BACKEND_REQ)))
		return refuse(req, "the channel was not offered");
	if (req->nr_fds != 1)
		return refuse(req, "wrong number of files");
	close_fd(&vu->backend_fd);
	vu->backend_fd = req->fds[0];
	fcntl(vu->backend_fd, F_SETFL,
	      fcntl(vu->backend_fd, F_GETFL) | O_NONBLOCK);
	req->fds[0] = -1;
	return true;
}

static bool config_in_range(const struct vu_request *req)
{
	const struct vu_config *config = &req->payload.config;

	return config->offset <= VU_MAX_CONFIG &&
	       config->size <= VU_MAX_CONFIG - config->offset &&
	       req->size >= offsetof(struct vu_config, data) + config->size;
}

static bool get_config(struct vu_dev *vu, struct vu_request *req)
{
	struct vu_config *config = &req->payload.config;
	uint8_t all[VU_MAX_CONFIG] = { 0 };

	if (!config_in_range(req))
		return refuse(req, "range of configuration space");
	vu->ops->config_get(vu, all);
	memcpy(config->data, all + config->offset, config->size);
	req->size = offsetof(struct vu_config, data) + config->size;
	return true;
}

static bool set_config(struct vu_dev *vu, struct vu_request *req)
{
	const struct vu_config *config = &req->payload.config;

	if (!config_in_range(req))
		return refuse(req, "range of configuration space");
	if (!vu->ops->config_set(vu, config->offset, config->size))
		return refuse(req, "configuration space is read-only");
	return true;
}

/**
 * struct vu_handler - how one type of message is handled
 * @name: its name, for messages in the log
 * @fn: the function; returns false and sets the request's error on failure
 * @min: least size of its payload
 * @max: largest size of its payload
 * @fds: most descriptors that may come with it
 * @replies: it has a reply of its own
 */
struct vu_handler {
	const char *name;
	bool (*fn)(struct vu_dev *vu, struct vu_request *req);
	uint32_t min;
	uint32_t max;
	unsigned int fds;
	bool replies;
};

#define U64		sizeof(uint64_t)
#define STATE		sizeof(struct vu_vring_state)
#define ADDR		sizeof(struct vu_vring_addr)
#define TABLE_MIN	offsetof(struct vu_mem_table, region)
#define TABLE_MAX	sizeof(struct vu_mem_table)
#define SLOT		sizeof(struct vu_mem_slot)
#define CONFIG_MIN	offsetof(struct vu_config, data)
#define CONFIG_MAX	sizeof(struct vu_config)

static const struct vu_handler handlers[] = {
	[VU_GET_FEATURES] = {
		"GET_FEATURES", get_features, 0, 0, 0, true },
	[VU_SET_FEATURES] = {
		"SET_FEATURES", set_features, U64, U64, 0, false },
	[VU_SET_OWNER] = {
		"SET_OWNER", set_owner, 0, 0, 0, false },
	[VU_RESET_OWNER] = {
		"RESET_OWNER", reset_owner, 0, 0, 0, false },
	[VU_SET_MEM_TABLE] = {
		"SET_MEM_TABLE", set_mem_table, TABLE_MIN, TABLE_MAX, VU_MAX_FDS, false },
	[VU_SET_VRING_NUM] = {
		"SET_VRING_NUM", set_vring_num, STATE, STATE, 0, false },
	[VU_SET_VRING_ADDR] = {
		"SET_VRING_ADDR", set_vring_addr, ADDR, ADDR, 0, false },
	[VU_SET_VRING_BASE] = {
		"SET_VRING_BASE", set_vring_base, STATE, STATE, 0, false },
	[VU_GET_VRING_BASE] = {
		"GET_VRING_BASE", get_vring_base, STATE, STATE, 0, true },
	[VU_SET_VRING_KICK] = {
		"SET_VRING_KICK", set_vring_kick, U64, U64, 1, false },
	[VU_SET_VRING_CALL] = {
		"SET_VRING_CALL", set_vring_call, U64, U64, 1, false },
	[VU_SET_VRING_ERR] = {
		"SET_VRING_ERR", set_vring_err, U64, U64, 1, false },
	[VU_GET_PROTOCOL_FEATURES] = {
		"GET_PROTOCOL_FEATURES", get_protocol_features, 0, 0, 0, true },
	[VU_SET_PROTOCOL_FEATURES] = {
		"SET_PROTOCOL_FEATURES", set_protocol_features, U64, U64, 0, false },
	[VU_GET_QUEUE_NUM] = {
		"GET_QUEUE_NUM", get_queue_num, 0, 0, 0, true },
	[VU_SET_VRING_ENABLE] = {
		"SET_VRING_ENABLE", set_vring_enable, STATE, STATE, 0, false },
	[VU_SET_BACKEND_REQ_FD] = {
		"SET_BACKEND_REQ_FD", set_backend_req_fd, 0, 0, 1, false },
	[VU_GET_CONFIG] = {
		"GET_CONFIG", get_config, CONFIG_MIN, CONFIG_MAX, 0, true },
	[VU_SET_CONFIG] = {
		"SET_CONFIG", set_config, CONFIG_MIN, CONFIG_MAX, 0, false },
	[VU_GET_MAX_MEM_SLOTS] = {
		"GET_MAX_MEM_SLOTS", get_max_mem_slots, 0, 0, 0, true },
	[VU_ADD_MEM_REG] = {
		"ADD_MEM_REG", add_mem_reg, SLOT, SLOT, 1, false },
	[VU_REM_MEM_REG] = {
		/* Older front-ends send the region's file here, too */
		"REM_MEM_REG", rem_mem_reg, SLOT, SLOT, 1, false },
};

static const struct vu_handler *find_handler(uint32_t type)
{
	if (type >= ARRAY_SIZE(handlers) || !handlers[type].fn)
		return NULL;
	return &handlers[type];
}

static bool handle(struct vu_dev *vu, const struct vu_handler *handler,
		   struct vu_request *req)
{
	if (!handler)
		return refuse(req, "unknown message");
	if (req->size < handler->min || req->size > handler->max)
		return refuse(req, "wrong size");
	if (req->nr_fds > handler->fds)
		return refuse(req, "files that do not belong there");
	return handler->fn(vu, req);
}

static int make_reply(const struct vu_header *header,
		      const struct vu_request *req, uint8_t *reply)
{
	struct vu_header out = {
		.request = header->request,
		.flags = VU_VERSION | VU_FLAG_REPLY,
		.size = req->size,
	};

	memcpy(reply, &out, sizeof(out));
	memcpy(reply + sizeof(out), &req->payload, req->size);
	return (int)(sizeof(out) + req->size);
}

int vu_message(struct vu_dev *vu, const uint8_t *msg, size_t len, int *fds,
	       unsigned int nr_fds, uint8_t *reply)
{
	struct vu_request req = { .fds = fds, .nr_fds = nr_fds };
	const struct vu_handler *handler;
	struct vu_header header;
	const char *name;
	bool ok;

	if (len < sizeof(header))
		return -1;
	memcpy(&header, msg, sizeof(header));
	if ((header.flags & VU_FLAG_VERSION_MASK) != VU_VERSION ||
	    header.size > VU_MAX_PAYLOAD ||
	    header.size != len - sizeof(header))
		return -1;
	memcpy(&req.payload, msg + sizeof(header), header.size);
	req.size = header.size;

	handler = find_handler(header.request);
	name = handler ? handler->name : "?";
	log_debug("message %u (%s), %u bytes, %u files", header.request, name,
		  header.size, nr_fds);
	vu->ops->pause(vu);
	ok = handle(vu, handler, &req);
	vu->ops->resume(vu);
	if (!ok)
		log_fault("message %u (%s): %s", header.request, name,
			  req.error ? req.error : "failed");

	if (handler && handler->replies) {
		/* A reply without payload tells of an error */
		if (!ok)
			req.size = 0;
		return make_reply(&header, &req, reply);
	}
	if (!(header.flags & VU_FLAG_NEED_REPLY))
		return 0;
	reply_u64(&req, ok ? 0 : 1);
	return make_reply(&header, &req, reply);
}

static void ring_init(struct vu_ring *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->enabled = true;
	ring->kick_fd = -1;
	ring->call_fd = -1;
	ring->err_fd = -1;
}

void vu_init(struct vu_dev *vu)
{
	unsigned int i;

	vu->acked = 0;
	vu->mem.nr = 0;
	vu->backend_fd = -1;
	for (i = 0; i < VU_MAX_RINGS; i++)
		ring_init(&vu->rings[i]);
}

void vu_reset(struct vu_dev *vu)
{
	unsigned int i;

	vu->ops->pause(vu);
	stop_all(vu);
	for (i = 0; i < vu->nr_rings; i++) {
		close_fd(&vu->rings[i].call_fd);
		close_fd(&vu->rings[i].err_fd);
	}
	close_fd(&vu->backend_fd);
	memtable_clear(&vu->mem);
	vu_init(vu);
	vu->ops->resume(vu);
}
