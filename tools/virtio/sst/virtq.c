// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's side of a split virtqueue.
 *
 * The guest can change its memory at any time, also while it is looked at.
 * Each value is therefore read once, into a local variable, and checked there.
 */

#include <endian.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <sys/param.h>

#include "virtq.h"

/* Accesses to guest memory that the compiler neither repeats nor splits */
#define load(ptr)		__atomic_load_n(ptr, __ATOMIC_RELAXED)
#define load_acquire(ptr)	__atomic_load_n(ptr, __ATOMIC_ACQUIRE)
#define store(ptr, val)		__atomic_store_n(ptr, val, __ATOMIC_RELAXED)
#define store_release(ptr, val)	__atomic_store_n(ptr, val, __ATOMIC_RELEASE)
#define full_barrier()		__atomic_thread_fence(__ATOMIC_SEQ_CST)

static bool fail(struct virtq *vq, const char *error)
{
	vq->error = error;
	return false;
}

/* The fields that event index adds after the rings */
static uint16_t *used_event(const struct virtq *vq)
{
	return (uint16_t *)&vq->avail->ring[vq->num];
}

static uint16_t *avail_event(const struct virtq *vq)
{
	return (uint16_t *)&vq->used->ring[vq->num];
}

static bool aligned(const void *ptr, unsigned int align)
{
	return (uintptr_t)ptr % align == 0;
}

bool virtq_map(struct virtq *vq, const struct memtable *mt,
	       const struct virtq_addr *addr)
{
	/* The last 2 bytes of both rings exist with event index only */
	uint64_t event = vq->event_idx ? sizeof(uint16_t) : 0;
	uint64_t num = vq->num;

	vq->desc = memtable_user(mt, addr->desc, num * sizeof(*vq->desc));
	vq->avail = memtable_user(mt, addr->avail, sizeof(*vq->avail) +
				  num * sizeof(vq->avail->ring[0]) + event);
	vq->used = memtable_user(mt, addr->used, sizeof(*vq->used) +
				 num * sizeof(vq->used->ring[0]) + event);
	if (!vq->desc || !vq->avail || !vq->used)
		return fail(vq, "ring address is outside of guest memory");
	if (!aligned(vq->desc, VRING_DESC_ALIGN_SIZE) ||
	    !aligned(vq->avail, VRING_AVAIL_ALIGN_SIZE) ||
	    !aligned(vq->used, VRING_USED_ALIGN_SIZE))
		return fail(vq, "ring address is not aligned");
	return true;
}

void virtq_start(struct virtq *vq)
{
	vq->used_idx = le16toh(load(&vq->used->idx));
	vq->signalled = vq->used_idx;
	vq->signalled_valid = false;
	vq->error = NULL;
}

void virtq_begin_turn(struct virtq *vq)
{
	vq->turn = VIRTQ_TURN;
}

bool virtq_has_avail(const struct virtq *vq)
{
	return le16toh(load(&vq->avail->idx)) != vq->last_avail;
}

/**
 * struct cursor - position in a descriptor table
 * @table: guest address of an indirect table
 * @direct: the ring's own table, or NULL in an indirect one
 * @num: entries of the table
 * @next: entry to be read next
 * @left: entries that may still follow: a longer chain has a loop
 */
struct cursor {
	uint64_t table;
	const struct vring_desc *direct;
	uint32_t num;
	uint32_t next;
	uint32_t left;
};

/* A descriptor in a copy of our own and in the byte order of this machine */
struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

static bool read_raw(const struct memtable *mt, const struct cursor *pos,
		     struct vring_desc *raw)
{
	const struct vring_desc *from;

	if (!pos->direct)
		return memtable_read(mt, pos->table + pos->next * sizeof(*raw),
				     raw, sizeof(*raw));
	from = &pos->direct[pos->next];
	raw->addr = load(&from->addr);
	raw->len = load(&from->len);
	raw->flags = load(&from->flags);
	raw->next = load(&from->next);
	return true;
}

static bool read_descriptor(struct virtq *vq, const struct memtable *mt,
			    struct cursor *pos, struct descriptor *desc)
{
	struct vring_desc raw;

	if (pos->next >= pos->num)
		return fail(vq, "descriptor number out of range");
	if (!pos->left--)
		return fail(vq, "looping descriptor chain");
	if (!read_raw(mt, pos, &raw))
		return fail(vq, "indirect table is outside of guest memory");
	desc->addr = le64toh(raw.addr);
	desc->len = le32toh(raw.len);
	desc->flags = le16toh(raw.flags);
	desc->next = le16toh(raw.next);
	return true;
}

static bool enter_indirect(struct virtq *vq, struct cursor *pos,
			   const struct descriptor *desc)
{
	uint32_t size = sizeof(struct vring_desc);

	if (!vq->indirect)
		return fail(vq, "indirect descriptor without the feature");
	if (!pos->direct)
		return fail(vq, "nested indirect descriptor");
	if (desc->flags & VRING_DESC_F_NEXT)
		return fail(vq, "indirect descriptor in the middle of a chain");
	if (!desc->len || desc->len % size || desc->len / size > VIRTQ_MAX_SIZE)
		return fail(vq, "bad size of an indirect table");
	pos->direct = NULL;
	pos->table = desc->addr;
	pos->num = desc->len / size;
	pos->next = 0;
	pos->left = pos->num;
	return true;
}

static bool chain_grow(struct virtq_chain *chain)
{
	unsigned int cap = chain->cap ? chain->cap * 2 : 8;
	struct virtq_seg *seg;

	seg = realloc(chain->seg, cap * sizeof(*seg));
	if (!seg)
		return false;
	chain->seg = seg;
	chain->cap = cap;
	return true;
}

static bool chain_add(struct virtq *vq, const struct memtable *mt,
		      struct virtq_chain *chain, const struct descriptor *desc)
{
	unsigned int nr = chain->nr_out + chain->nr_in;

	if (!desc->len)
		return fail(vq, "empty descriptor");
	if (nr == VIRTQ_MAX_PIECES)
		return fail(vq, "chain has too many pieces");
	if (!memtable_check(mt, desc->addr, desc->len))
		return fail(vq, "buffer is outside of guest memory");
	if (nr == chain->cap && !chain_grow(chain))
		return fail(vq, "out of memory");

	if (chain->nr_in && !(desc->flags & VRING_DESC_F_WRITE))
		return fail(vq, "readable descriptor after a writable one");

	if (desc->flags & VRING_DESC_F_WRITE) {
		chain->nr_in++;
		chain->in_len += desc->len;
	} else {
		chain->nr_out++;
		chain->out_len += desc->len;
	}
	chain->seg[nr] = (struct virtq_seg){
		.addr = desc->addr,
		.len = desc->len,
	};
	return true;
}

static bool chain_walk(struct virtq *vq, const struct memtable *mt,
		       struct virtq_chain *chain)
{
	struct cursor pos = {
		.direct = vq->desc,
		.num = vq->num,
		.next = chain->head,
		.left = vq->num,
	};
	struct descriptor desc;

	for (;;) {
		if (!read_descriptor(vq, mt, &pos, &desc))
			return false;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (!enter_indirect(vq, &pos, &desc))
				return false;
			continue;
		}
		if (!chain_add(vq, mt, chain, &desc))
			return false;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return true;
		pos.next = desc.next;
	}
}

int virtq_pop(struct virtq *vq, const struct memtable *mt,
	      struct virtq_chain *chain)
{
	uint16_t ready = le16toh(load_acquire(&vq->avail->idx)) -
			 vq->last_avail;
	uint32_t slot = vq->last_avail & (vq->num - 1);

	if (!ready || !vq->turn)
		return 0;
	if (ready > vq->num) {
		fail(vq, "index of the available ring out of range");
		return -1;
	}
	chain->head = le16toh(load(&vq->avail->ring[slot]));
	chain->nr_out = 0;
	chain->nr_in = 0;
	chain->out_len = 0;
	chain->in_len = 0;
	if (!chain_walk(vq, mt, chain))
		return -1;
	vq->last_avail++;
	vq->turn -= MIN(vq->turn, chain->nr_out + chain->nr_in);
	return 1;
}

void virtq_push(struct virtq *vq, uint32_t head, uint32_t len)
{
	struct vring_used_elem *elem;

	elem = &vq->used->ring[vq->used_idx & (vq->num - 1)];
	store(&elem->id, htole32(head));
	store(&elem->len, htole32(len));
	vq->used_idx++;
	store_release(&vq->used->idx, htole16(vq->used_idx));
}

bool virtq_needs_call(struct virtq *vq)
{
	uint16_t old = vq->signalled;
	bool valid = vq->signalled_valid;

	if (vq->used_idx == old)
		return false;
	vq->signalled = vq->used_idx;
	vq->signalled_valid = true;
	/* The driver looks at the used ring after it has asked for interrupts */
	full_barrier();
	if (!vq->event_idx)
		return !(le16toh(load(&vq->avail->flags)) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	return !valid || vring_need_event(le16toh(load(used_event(vq))),
					  vq->used_idx, old);
}

void virtq_disable_kick(struct virtq *vq)
{
	/* With event index, an old index stays in place and has this effect */
	if (!vq->event_idx)
		store(&vq->used->flags, htole16(VRING_USED_F_NO_NOTIFY));
}

bool virtq_enable_kick(struct virtq *vq)
{
	if (vq->event_idx)
		store(avail_event(vq), htole16(vq->last_avail));
	else
		store(&vq->used->flags, 0);
	/* A chain added before the driver saw this would go unnoticed */
	full_barrier();
	return virtq_has_avail(vq);
}

bool virtq_read(const struct memtable *mt, const struct virtq_seg *seg,
		void *buf, size_t len)
{
	uint8_t *to = buf;

	for (; len; seg++) {
		size_t part = seg->len < len ? seg->len : len;

		if (!memtable_read(mt, seg->addr, to, part))
			return false;
		to += part;
		len -= part;
	}
	return true;
}

bool virtq_write(const struct memtable *mt, const struct virtq_seg *seg,
		 const void *buf, size_t len)
{
	const uint8_t *from = buf;

	for (; len; seg++) {
		size_t part = seg->len < len ? seg->len : len;

		if (!memtable_write(mt, seg->addr, from, part))
			return false;
		from += part;
		len -= part;
	}
	return true;
}

void virtq_chain_free(struct virtq_chain *chain)
{
	free(chain->seg);
	chain->seg = NULL;
	chain->cap = 0;
}
