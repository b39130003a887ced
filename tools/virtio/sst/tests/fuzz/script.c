// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an input tells a front-end and its guest to do: a step is a byte that chooses it and
 * what it takes from the input. Addresses, lengths and numbers come from a byte that chooses
 * among those that matter, so that few bytes go far.
 */

#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "files.h"
#include "script.h"

/* The types of messages, of which one more than the last is unknown */
#define MSG_SET_FEATURES	2
#define MSG_SET_OWNER		3
#define MSG_SET_MEM_TABLE	5
#define MSG_SET_VRING_NUM	8
#define MSG_SET_VRING_ADDR	9
#define MSG_SET_VRING_BASE	10
#define MSG_GET_VRING_BASE	11
#define MSG_SET_VRING_KICK	12
#define MSG_SET_VRING_CALL	13
#define MSG_SET_VRING_ERR	14
#define MSG_SET_PROTOCOL_FEATURES 16
#define MSG_SET_VRING_ENABLE	18
#define MSG_SET_BACKEND_REQ_FD	21
#define MSG_GET_CONFIG		24
#define MSG_SET_CONFIG		25
#define MSG_ADD_MEM_REG		37
#define MSG_REM_MEM_REG		38
#define MSG_TYPES		40

#define NO_FD			0x100

/* Where guest memory may be cut into two regions: inside of a page, among the buffers */
#define CUT			0x28123u

/**
 * struct message - one that is being made
 * @type: its type
 * @payload: its payload
 * @len: length of that
 * @fds: its descriptors
 * @nr_fds: their number
 */
struct message {
	uint32_t type;
	uint8_t payload[8192];
	size_t len;
	int fds[16];
	unsigned int nr_fds;
};

static void add(struct message *msg, const void *data, size_t len)
{
	memcpy(msg->payload + msg->len, data, len);
	msg->len += len;
}

static void add32(struct message *msg, uint32_t value)
{
	add(msg, &value, sizeof(value));
}

static void add64(struct message *msg, uint64_t value)
{
	add(msg, &value, sizeof(value));
}

/* Sends it, in two parts if @cut is in it */
static void send_message(struct script *s, struct message *msg, uint32_t flags, size_t cut)
{
	struct vu_header header = { msg->type, flags, (uint32_t)msg->len };
	uint8_t data[sizeof(header) + sizeof(msg->payload)];
	size_t len = sizeof(header) + msg->len;

	memcpy(data, &header, sizeof(header));
	memcpy(data + sizeof(header), msg->payload, msg->len);
	if (!cut || cut >= len)
		cut = len;
	target_send(s->t, data, cut, msg->fds, msg->nr_fds);
	if (cut < len)
		target_send(s->t, data + cut, len - cut, NULL, 0);
}

static void call(struct script *s, struct message *msg)
{
	send_message(s, msg, 1, 0);
	target_run(s->t);
}

/* Values that matter */

static uint64_t take_offset(struct script *s)
{
	static const uint32_t part[] = { 0, RING_AVAIL, RING_USED, 0x1000 };
	uint8_t how = take8(&s->in);

	switch (how >> 4) {
	case 0 ... 7:
		return BUFFERS + (how & 0x7f) * 0x400u;
	case 8:
	case 9:
		return (how & 7) * RING_SIZE + part[how >> 3 & 3];
	case 10:
		return BUFFERS + (how & 15) * 0x2000u + take8(&s->in);
	case 11:
		return MEMORY - take16(&s->in);
	case 12:
		return CUT - 128u + take8(&s->in);
	case 13:
		return take32(&s->in) % (MEMORY + 0x2000);
	case 14:
		return UINT64_MAX - GUEST - take8(&s->in);
	default:
		return take64(&s->in);
	}
}

static uint64_t take_guest(struct script *s)
{
	return GUEST + take_offset(s);
}

static uint64_t take_user(struct script *s)
{
	return USER + take_offset(s);
}

static uint32_t take_length(struct script *s)
{
	static const uint32_t lengths[] = {
		sizeof(struct sst_request), sizeof(struct sst_response), sizeof(struct sst_event),
		24, 0, 1, 16, 32, 4096, 4103, 4111, MEMORY, 16 * 256, 16 * 32768, UINT32_MAX, CUT,
	};
	uint8_t how = take8(&s->in);

	switch (how >> 5) {
	case 0:
	case 1:
		return lengths[how & 15];
	case 2:
		return 16u * (how & 31);
	case 3:
		return take16(&s->in);
	case 4:
		return take32(&s->in);
	case 5:
		return UINT32_MAX - take8(&s->in);
	default:
		return how & 63;
	}
}

static uint64_t take_value(struct script *s)
{
	uint8_t how = take8(&s->in);

	switch (how >> 4) {
	case 0 ... 7:
		return how;
	case 8:
		return UINT64_C(1) << (how & 15);
	case 9:
		return NO_FD | (how & 15);
	case 10:
		return s->t->device.vu.features;
	case 11:
		return s->t->device.vu.features & ~BIT64(VU_F_PROTOCOL_FEATURES);
	case 12:
		return s->t->device.vu.features & ~(BIT64(28) | BIT64(29));
	case 13:
		return s->t->device.vu.protocol_features;
	case 14:
		return take32(&s->in);
	default:
		return take64(&s->in);
	}
}

/* Messages */

static void add_region(struct message *msg, uint64_t guest, uint64_t size, uint64_t user,
		       uint64_t offset)
{
	add64(msg, guest);
	add64(msg, size);
	add64(msg, user);
	add64(msg, offset);
}

/* Mostly one of the guest's memory, as it should be */
static void take_region(struct script *s, struct message *msg)
{
	uint8_t how = take8(&s->in);
	uint64_t offset, size;

	if (how < 0x80) {
		offset = (how & 15) * 0x4000u;
		size = ((how >> 4) + 1) * 0x4000u;
		add_region(msg, GUEST + offset, size, USER + offset, offset);
	} else if (how < 0xc0) {
		offset = how & 1 ? CUT : 0;
		size = how & 1 ? MEMORY - CUT : how & 2 ? CUT : MEMORY;
		add_region(msg, GUEST + offset, size, USER + offset, offset);
	} else {
		offset = take_guest(s);
		size = how & 1 ? take_offset(s) : take_length(s);
		add_region(msg, offset, size, take_user(s), take_offset(s));
	}
}

static void take_table(struct script *s, struct message *msg)
{
	uint8_t nr = take8(&s->in) % (VU_MAX_FDS + 2), i;

	add32(msg, nr);
	add32(msg, 0);
	for (i = 0; i < nr; i++)
		take_region(s, msg);
}

static void take_config(struct script *s, struct message *msg)
{
	uint32_t size;

	add32(msg, take_length(s));
	size = take_length(s);
	add32(msg, size);
	add32(msg, 0);
	msg->len += size % (VU_MAX_CONFIG + 1);
}

static void take_addr(struct script *s, struct message *msg)
{
	uint8_t ring = take8(&s->in);
	uint64_t base = USER + (ring & 7) * RING_SIZE;
	bool good = ring < 0x80;

	add32(msg, ring & 7);
	add32(msg, ring == 0xff);
	add64(msg, good ? base : take_user(s));
	add64(msg, good ? base + RING_USED : take_user(s));
	add64(msg, good ? base + RING_AVAIL : take_user(s));
	add64(msg, 0);
}

static void take_payload(struct script *s, struct message *msg)
{
	switch (msg->type) {
	case MSG_SET_FEATURES:
	case MSG_SET_PROTOCOL_FEATURES:
	case MSG_SET_VRING_KICK:
	case MSG_SET_VRING_CALL:
	case MSG_SET_VRING_ERR:
		add64(msg, take_value(s));
		break;
	case MSG_SET_VRING_NUM:
	case MSG_SET_VRING_BASE:
	case MSG_GET_VRING_BASE:
	case MSG_SET_VRING_ENABLE:
		add32(msg, take8(&s->in));
		add32(msg, (uint32_t)take_value(s));
		break;
	case MSG_SET_VRING_ADDR:
		take_addr(s, msg);
		break;
	case MSG_SET_MEM_TABLE:
		take_table(s, msg);
		break;
	case MSG_ADD_MEM_REG:
	case MSG_REM_MEM_REG:
		add64(msg, 0);
		take_region(s, msg);
		break;
	case MSG_GET_CONFIG:
	case MSG_SET_CONFIG:
		take_config(s, msg);
		break;
	}
}

/* Descriptors that belong into the message, or any others */
static void take_files(struct script *s, struct message *msg, uint8_t how)
{
	unsigned int nr = how & 15, i;
	bool memory = msg->type == MSG_SET_MEM_TABLE || msg->type == MSG_ADD_MEM_REG;

	for (i = 0; i < nr; i++) {
		uint8_t kind = memory ? FILE_GUEST : FILE_KICK;

		if (how & 0x80)
			kind = take8(&s->in);
		if (kind >= FILE_FIRST_BAD)
			s->t->restless = true;
		msg->fds[i] = file_open(s->t, kind, msg->payload[0]);
	}
	msg->nr_fds = nr;
}

static void any_message(struct script *s, uint8_t type)
{
	struct message msg = { .type = type % MSG_TYPES };
	uint8_t how = take8(&s->in);
	uint32_t flags = 1 | (how & 1 ? 8 : 0);
	size_t cut = 0;

	if (how & 0x80) {
		flags = take32(&s->in);
		msg.len = take16(&s->in) % sizeof(msg.payload);
		take_bytes(&s->in, msg.payload, msg.len);
	} else {
		take_payload(s, &msg);
	}
	if (how & 2)
		cut = take8(&s->in);
	/* Without a change to a descriptor, the number that belongs there */
	take_files(s, &msg, how & 4 ? take8(&s->in) :
		   msg.type == MSG_SET_MEM_TABLE ? msg.payload[0] & 15 :
		   msg.type == MSG_ADD_MEM_REG ||
		   (msg.type >= MSG_SET_VRING_KICK && msg.type <= MSG_SET_VRING_ERR &&
		    !(msg.payload[1] & 1)));
	if (msg.type == MSG_SET_VRING_KICK && msg.payload[1] & 1)
		s->t->restless = true;
	send_message(s, &msg, flags, cut);
	target_run(s->t);
}

static void raw_bytes(struct script *s)
{
	uint8_t data[UINT8_MAX];
	size_t len = take8(&s->in);

	take_bytes(&s->in, data, len);
	if (len)
		target_send(s->t, data, len, NULL, 0);
	target_run(s->t);
}

static void reconnect(struct script *s)
{
	target_disconnect(s->t);
	target_connect(s->t);
}

/* Cuts off the file that the guest's memory is in */
static void cut_memory(struct script *s)
{
	insist(!ftruncate(s->t->guest, take8(&s->in) * 0x400));
	s->t->lost = true;
}

static void kick(struct script *s, unsigned int ring)
{
	eventfd_write(s->t->kick[ring % MAX_RINGS], 1);
}

void script_run(struct script *s)
{
	bool rest = target_run(s->t);

	target_receive(s->t);
	insist(rest || s->t->restless);
}

static bool reaches(const struct script *s, uint64_t offset, uint64_t len)
{
	return !s->t->lost && offset < MEMORY && len <= MEMORY - offset;
}

static void poke(struct script *s)
{
	uint64_t offset = take_offset(s);
	uint8_t len = take8(&s->in);

	if (reaches(s, offset, len))
		take_bytes(&s->in, s->t->mem + offset, len);
}

/* Set-up */

static void set_features(struct script *s, uint64_t features)
{
	struct message msg = { .type = MSG_SET_FEATURES };

	add64(&msg, features);
	call(s, &msg);
}

static void set_memory(struct script *s, bool cut)
{
	struct message msg = { .type = MSG_SET_MEM_TABLE };

	add32(&msg, 1 + cut);
	add32(&msg, 0);
	add_region(&msg, GUEST, cut ? CUT : MEMORY, USER, 0);
	if (cut)
		add_region(&msg, GUEST + CUT, MEMORY - CUT, USER + CUT, CUT);
	while (msg.nr_fds < 1u + cut)
		msg.fds[msg.nr_fds++] = file_open(s->t, FILE_GUEST, 0);
	call(s, &msg);
}

static void set_state(struct script *s, uint32_t type, uint32_t ring, uint32_t num)
{
	struct message msg = { .type = type };

	add32(&msg, ring);
	add32(&msg, num);
	call(s, &msg);
}

static void set_addr(struct script *s, uint32_t ring)
{
	struct message msg = { .type = MSG_SET_VRING_ADDR };

	add32(&msg, ring);
	add32(&msg, 0);
	add64(&msg, USER + ring * RING_SIZE);
	add64(&msg, USER + ring * RING_SIZE + RING_USED);
	add64(&msg, USER + ring * RING_SIZE + RING_AVAIL);
	add64(&msg, 0);
	call(s, &msg);
}

static void set_file(struct script *s, uint32_t type, uint32_t ring, uint8_t kind)
{
	struct message msg = { .type = type };

	add64(&msg, ring);
	msg.fds[msg.nr_fds++] = file_open(s->t, kind, ring);
	call(s, &msg);
}

static void set_ring(struct script *s, uint32_t ring)
{
	s->avail[ring] = 0;
	if (!s->t->lost)
		memset(s->t->mem + ring * RING_SIZE, 0, RING_SIZE);
	set_state(s, MSG_SET_VRING_NUM, ring, s->num);
	set_state(s, MSG_SET_VRING_BASE, ring, 0);
	set_addr(s, ring);
	set_file(s, MSG_SET_VRING_KICK, ring, FILE_KICK);
	set_file(s, MSG_SET_VRING_CALL, ring, FILE_EVENTFD);
	set_file(s, MSG_SET_VRING_ERR, ring, FILE_EVENTFD);
	set_state(s, MSG_SET_VRING_ENABLE, ring, 1);
}

void script_setup(struct script *s)
{
	uint64_t features = s->t->device.vu.features;
	uint8_t how = take8(&s->in);
	unsigned int i;

	s->num = 1u << ((how & 7) + 1);
	if (s->num > s->t->options->queue_size)
		s->num = s->t->options->queue_size;
	if (how & 0x10)
		features &= ~BIT64(VIRTIO_RING_F_EVENT_IDX);
	if (how & 0x20)
		features &= ~BIT64(VIRTIO_RING_F_INDIRECT_DESC);
	if (how & 0x40)
		features &= ~BIT64(VU_F_PROTOCOL_FEATURES);
	set_features(s, features);
	set_memory(s, how & 8);
	for (i = 0; i < s->t->device.vu.nr_rings; i++)
		set_ring(s, i);
}

void script_message(struct script *s)
{
	uint8_t what = take8(&s->in);

	switch (what) {
	case 0xff:
		script_setup(s);
		break;
	case 0xfe:
		reconnect(s);
		break;
	case 0xfd:
		cut_memory(s);
		break;
	case 0xfc:
		raw_bytes(s);
		break;
	case 0xfb:
		script_run(s);
		break;
	case 0xc0 ... 0xfa:
		script_guest(s);
		break;
	default:
		any_message(s, what);
	}
}

/* The guest */

static void put_desc(struct script *s, uint64_t at, uint64_t addr, uint32_t len,
		     uint16_t flags, uint16_t next)
{
	struct vring_desc desc = { addr, len, flags, next };

	if (reaches(s, at, sizeof(desc)))
		memcpy(s->t->mem + at, &desc, sizeof(desc));
}

static uint64_t ring_base(const struct script *s, unsigned int ring)
{
	return (ring % s->t->device.vu.nr_rings) % MAX_RINGS * RING_SIZE;
}

static void publish(struct script *s, unsigned int ring, uint16_t idx)
{
	if (!s->t->lost)
		__atomic_store_n((uint16_t *)(s->t->mem + ring_base(s, ring) + RING_AVAIL + 2), idx,
				 __ATOMIC_RELEASE);
}

static void expose(struct script *s, unsigned int ring, uint16_t head)
{
	uint16_t *idx = &s->avail[ring_base(s, ring) / RING_SIZE];
	uint64_t slot = ring_base(s, ring) + RING_AVAIL + 4;

	if (s->t->lost || !s->num)
		return;
	memcpy(s->t->mem + slot + 2 * (*idx % s->num), &head, sizeof(head));
	publish(s, ring, ++*idx);
}

/* A number of descriptors from one on, in a ring's table or in an indirect one */
static void descriptors(struct script *s, unsigned int ring)
{
	uint8_t first = take8(&s->in), how = take8(&s->in);
	uint64_t at = how & 0x80 ? take_offset(s) : ring_base(s, ring);
	unsigned int i;

	for (i = first; i <= first + (how & 15u); i++) {
		uint8_t flags = take8(&s->in);
		uint64_t addr = take_guest(s);
		uint32_t len = take_length(s);

		put_desc(s, at + 16 * i, addr, len, flags & 7,
			 flags & 8 ? take16(&s->in) : (uint16_t)(i + 1));
	}
}

/* As a driver does it: a readable buffer, a writable one, or both */
static void good_chain(struct script *s, unsigned int ring)
{
	uint8_t how = take8(&s->in), type = take8(&s->in);
	uint16_t head = (uint16_t)(4 * (how & 31));
	uint64_t base = ring_base(s, ring), at = BUFFERS + (how & 15) * 0x2000u;
	struct sst_request req = { .type = type & 15, .user_data = how };
	bool out = type & 0x80, in = type & 0x40;

	if (s->t->lost)
		return;
	req.memory.addr = type & 0x20 ? take64(&s->in) : 0;
	req.memory.size = take_length(s);
	memcpy(s->t->mem + at, &req, sizeof(req) / 2);
	if (how & 0x80) {
		put_desc(s, base + 16 * head, GUEST + at + 0x1f00, 16 * (out + in),
			 VRING_DESC_F_INDIRECT, 0);
		base = at + 0x1f00;
	}
	if (out)
		put_desc(s, base + (how & 0x80 ? 0 : 16 * head), GUEST + at, sizeof(req),
			 in ? VRING_DESC_F_NEXT : 0, how & 0x80 ? 1 : head + 1);
	if (in)
		put_desc(s, base + (how & 0x80 ? 16 * out : 16 * (head + out)), GUEST + at,
			 sizeof(struct sst_response), VRING_DESC_F_WRITE, 0);
	expose(s, ring, head);
}

/* Memory that changes while it is read */

#define MAX_RACERS	8

/**
 * struct race - what the second thread does
 * @mem: the guest's memory
 * @nr: places that change
 * @offset: where they are
 * @value: what they change to, and back
 * @end: the race is over
 */
struct race {
	uint8_t *mem;
	unsigned int nr;
	uint32_t offset[MAX_RACERS];
	uint16_t value[MAX_RACERS];
	bool end;
};

static void *run_race(void *opaque)
{
	struct race *race = opaque;
	unsigned int i;

	while (!__atomic_load_n(&race->end, __ATOMIC_RELAXED)) {
		for (i = 0; i < race->nr; i++) {
			uint16_t *at = (uint16_t *)(race->mem + race->offset[i]);

			race->value[i] = __atomic_exchange_n(at, race->value[i], __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

static void take_race(struct script *s, struct race *race)
{
	unsigned int nr = take8(&s->in) % (MAX_RACERS + 1), i;

	for (i = 0; i < nr; i++) {
		uint64_t offset = take_offset(s) + 2u * take8(&s->in);

		if (!reaches(s, offset & ~1ul, 2))
			continue;
		race->offset[race->nr] = (uint32_t)offset & ~1u;
		race->value[race->nr++] = take16(&s->in);
	}
}

static void change_while_running(struct script *s, unsigned int ring)
{
	struct race race = { .mem = s->t->mem };
	pthread_t thread;
	unsigned int i;

	take_race(s, &race);
	if (!race.nr || pthread_create(&thread, NULL, run_race, &race))
		return;
	for (i = 0; i < 4; i++) {
		kick(s, ring);
		target_run(s->t);
	}
	__atomic_store_n(&race.end, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	target_receive(s->t);
}

/* The lower bits choose the ring */
void script_guest(struct script *s)
{
	uint8_t what = take8(&s->in);
	unsigned int ring = what & 7;

	switch (what >> 3) {
	case 0 ... 5:
		good_chain(s, ring);
		break;
	case 6 ... 11:
		descriptors(s, ring);
		break;
	case 12 ... 14:
		expose(s, ring, take8(&s->in));
		break;
	case 15:
		expose(s, ring, take16(&s->in));
		break;
	case 16:
		publish(s, ring, take16(&s->in));
		break;
	case 17:
	case 18:
		poke(s);
		break;
	case 19:
		change_while_running(s, ring);
		break;
	case 20:
		set_ring(s, ring % s->t->device.vu.nr_rings % MAX_RINGS);
		break;
	case 21:
		any_message(s, take8(&s->in));
		break;
	case 22:
		cut_memory(s);
		break;
	case 23:
		usleep(take8(&s->in));
		break;
	case 24 ... 27:
		kick(s, ring);
		break;
	default:
		kick(s, ring);
		script_run(s);
	}
}
