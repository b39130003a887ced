// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of calls: mostly good, sometimes none at all, ending too early, or not to be
 * written.
 */
#include <sys/mman.h>

#include "fuzz.h"

/*
 * Anonymous memory that is there already: a fault in an access of the kernel's that finds no
 * memory for page tables brings User Mode Linux down. If there is none the process ends, and
 * another one starts.
 */
void *map_anonymous(size_t size, int flags)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(2);
	return memset(p, 0, size);
}

/* Not by mprotect(): User Mode Linux reads pages that are there whatever they allow. */
void take_away(void *p, size_t size)
{
	if (mmap(p, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		_exit(2);
}

void get_memory(struct self *s)
{
	char *p;

	s->requests = map_anonymous(REQUESTS_MAX * REQ, MAP_PRIVATE);
	s->responses = map_anonymous(REQUESTS_MAX * RESP, MAP_PRIVATE);
	p = map_anonymous(EDGE_SIZE + PAGE, MAP_PRIVATE);
	s->readonly = map_anonymous(EDGE_SIZE, MAP_PRIVATE);
	take_away(p + EDGE_SIZE, PAGE);
	if (mprotect(s->readonly, EDGE_SIZE, PROT_READ))
		_exit(2);
	s->edge = p + EDGE_SIZE;
	p = map_anonymous(2 * PAGE, MAP_PRIVATE);
	take_away(p + PAGE, PAGE);
	s->argument_edge = p + PAGE;
}

/*
 * Files, and for each of them a place where its slots may be mapped. A page in front of each
 * and behind the last one stays, and with it the page tables.
 */
void get_handles(struct self *s)
{
	char *p = map_anonymous((HANDLES * (MAP_PAGES + 1) + 1) * PAGE, MAP_PRIVATE);
	unsigned int i;

	s->handles = map_anonymous(HANDLES * sizeof(*s->handles), MAP_PRIVATE);
	for (i = 0; i < HANDLES; i++) {
		s->handles[i].map = p + (i * (MAP_PAGES + 1) + 1) * PAGE;
		take_away(s->handles[i].map, MAP_PAGES * PAGE);
	}
}

/* Change a word of a structure, not before @from. */
void spoil(struct self *s, void *structure, size_t from, size_t size)
{
	static const uint32_t values[] = { 0, 1, 0xffffffff, 0x80000000, 4096, 4104, 4113, 1025 };
	uint32_t *word = structure + from + pick(s, (size - from) / 4) * 4;

	if (!pick(s, 6))
		*word = pick(s, 2) ? values[pick(s, 8)] : pick_number(s);
}

static void *bad_address(struct self *s)
{
	static const uint64_t addresses[] = {
		0, 8, 0xfff, 0x7ffffffff000, 0x800000000000, 0xdead000000000000,
		0xffff800000000000, 0xffffffff81000000, 0xfffffffffffff000, 0xffffffffffffffff,
	};
	unsigned int i = pick(s, ARRAY_SIZE(addresses) + 1);

	return i ? (void *)addresses[i - 1] : s->edge;
}

static void *mapped_slot(struct handle *h, unsigned int offset)
{
	return h->map + offset % (MAP_PAGES * PAGE) / 8 * 8;
}

/* What offer() does, with the end of memory at @edge */
static void *offer_at(struct self *s, char *edge, uint32_t id, const void *content, size_t size)
{
	size_t there;

	switch (pick(s, 24)) {
	case 0:
		return bad_address(s);
	case 1:
		/* Not a tag that is sent twice, but none */
		have_untagged(s, id);
		return s->readonly;
	case 2:
		have_loose(s, id, REQUESTS_MAX);
		return mapped_slot(pick_handle(s), pick_number(s));
	case 3:
	case 4:
		there = pick(s, 2) ? size : pick(s, size + 1);
		memcpy(edge - there, content, there);
		return edge - there;
	default:
		return (void *)content;
	}
}

/* Where a call reads @size bytes from, of file @id, which @content has */
void *offer(struct self *s, uint32_t id, const void *content, size_t size)
{
	return offer_at(s, s->edge, id, content, size);
}

/* The same for a structure with addresses of what is offered as well, which must stay */
void *offer_argument(struct self *s, uint32_t id, const void *content, size_t size)
{
	return offer_at(s, s->argument_edge, id, content, size);
}

/* Where a call writes @size bytes to: @good, or somewhere else */
void *room_for(struct self *s, void *good, size_t size)
{
	struct handle *h;

	switch (pick(s, 24)) {
	case 0:
		return bad_address(s);
	case 1:
		return s->readonly;
	case 2:
		/* Others must not change whose slots these are before that is entered. */
		if (!s->main)
			return good;
		h = pick_handle(s);
		have_mixed(s, h->map_id);
		return mapped_slot(h, pick_number(s));
	case 3:
		return s->edge - pick(s, size + 1);
	default:
		return good;
	}
}

/* The same for what is written to while other calls use the edge */
void *room_for_later(struct self *s, void *good, size_t size)
{
	char *p = room_for(s, good, size);

	return p >= s->edge - EDGE_SIZE && p < s->edge ? good : p;
}

/* Types whose answers are odd, but leave the device as it is; the first ones take long. */
static const unsigned int odd_types[] = {
	TYPE_LATE, TYPE_EARLY, TYPE_QUEUE_LATE, TYPE_EARLY_REPEAT, TYPE_NO_RESPONSE,
	TYPE_WRONG_ID, TYPE_SHORT, TYPE_LONG, TYPE_DIRTY, TYPE_FILL, TYPE_TINY, TYPE_NO_DEVICE,
	TYPE_QUEUE, TYPE_QUEUE_WRONG_ID, TYPE_QUEUE_REPEAT, TYPE_QUEUE_SHORT, TYPE_QUEUE_EMPTY,
	TYPE_QUEUE_LONG, TYPE_QUEUE_DIRTY, TYPE_SOON,
};

#define SLOW_TYPES	5
#define ODD_TYPES	ARRAY_SIZE(odd_types)

/* Types that are never answered, or break the device; the last ones rarely */
static const unsigned int rude_types[] = {
	TYPE_NEVER, TYPE_NO_CHAIN, TYPE_NEVER, TYPE_BREAK, TYPE_PAUSE, TYPE_SILENCE,
};

unsigned int pick_type(struct self *s)
{
	unsigned int r = pick(s, 256);

	if (r < 140)
		return SST_REQUEST_ECHO;
	if (r < 180)
		return pick(s, 8);
	if (r < 182)
		return odd_types[pick(s, SLOW_TYPES)];
	if (r < 235)
		return odd_types[SLOW_TYPES + pick(s, ODD_TYPES - SLOW_TYPES)];
	if (r < 237 && s->shared->round.rude)
		return rude_types[pick(s, 32) ? pick(s, 3) : 3 + pick(s, 3)];
	return pick_number(s) | 0x1000;
}

/* READ and WRITE carry an address and a size in the first words of the payload. */
void fill_request(struct self *s, uint32_t id, struct sst_request *req)
{
	unsigned int type = pick_type(s);
	uint64_t content = htole64(content_tag(id));
	unsigned int i;

	sst_prepare(req, type, new_tag(s, id, type));
	req->flags = pick(s, 4) ? 0 : pick_number(s);
	req->request_id = pick_number(s);
	for (i = 0; i < SST_PAYLOAD_SIZE; i += sizeof(content))
		memcpy(req->payload + i, &content, sizeof(content));
	if (type == SST_REQUEST_READ || type == SST_REQUEST_WRITE) {
		req->memory.addr = htole64(pick(s, 1 << 20));
		req->memory.size = htole32(pick(s, SST_PAYLOAD_SIZE + 64));
		req->memory.reserved = 0;
	}
}

struct sst_request *fill_requests(struct self *s, uint32_t id, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		fill_request(s, id, &s->requests[i]);
	return s->requests;
}

/* Bytes of one or more requests: mostly such that they are accepted */
size_t pick_request_bytes(struct self *s)
{
	switch (pick(s, 16)) {
	case 0:
		return pick(s, REQUESTS_MAX * REQ);
	case 1:
		return SST_REQUEST_HEADER_SIZE - 1 + pick(s, 3);
	case 2:
		return REQ - 1 + pick(s, 3);
	case 3:
		return SST_REQUEST_HEADER_SIZE + pick(s, SST_PAYLOAD_SIZE);
	case 4:
	case 5:
	case 6:
		return (1 + pick(s, REQUESTS_MAX)) * REQ;
	default:
		return REQ;
	}
}

size_t pick_response_bytes(struct self *s)
{
	switch (pick(s, 16)) {
	case 0:
		return pick(s, REQUESTS_MAX * RESP);
	case 1:
		return SST_RESPONSE_HEADER_SIZE - 1 + pick(s, 3);
	case 2:
		return RESP - 1 + pick(s, 3);
	case 3:
		return SST_RESPONSE_HEADER_SIZE + pick(s, SST_PAYLOAD_SIZE);
	case 4:
		return RESP;
	default:
		return REQUESTS_MAX * RESP;
	}
}
