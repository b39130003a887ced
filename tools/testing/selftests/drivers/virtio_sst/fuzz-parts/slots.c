// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the fuzzer: slots, and what can be done to their mappings. Nothing else is ever
 * mapped where slots were, so that threads can write there at any time.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/mman.h>

#include "fuzz.h"

#define SLOTS_MAX	1024	/* of a file */
#define LOOK_MAX	16	/* slots that are looked into */

/* Memory that is new to a file has nothing of another one in it. */
static void look_for_stale(struct self *s, uint32_t id, const char *map, size_t pages)
{
	uint64_t word;
	size_t i;

	for (i = 0; i < pages * PAGE; i += sizeof(word)) {
		memcpy(&word, map + i, sizeof(word));
		if (!is_foreign_content(word, id))
			continue;
		complain(s, COMPLAINT_STALE, "new slots have what another file wrote");
		return;
	}
}

static void look_into_slots(struct self *s, int fd, uint32_t id, unsigned int nr)
{
	char *map = mmap(NULL, nr * 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return;
	if (!s->shared->round.faults)
		look_for_stale(s, id, map, nr * 2);
	munmap(map, nr * 2 * PAGE);
}

void do_setup_slots(struct self *s)
{
	uint64_t file = pick_file(s);
	struct sst_slot_setup setup = { .nr = 1 + pick(s, 8) }, before, *arg;
	int ret;

	if (!pick(s, 8))
		setup.nr = pick(s, 4) ? pick(s, 40) : pick(s, 1100);
	spoil(s, &setup, 0, sizeof(setup));
	before = setup;
	arg = offer_argument(s, file_id(file), &setup, sizeof(setup));
	ret = ioctl(file_fd(file), SST_IOCTL_SETUP_SLOTS, arg);
	/* ENOMEM for what the user may lock */
	expect(s, ret, "SETUP_SLOTS", unless_open(file, 0), file & HANDLE_EVENTS ? ENOTTY : EBUSY,
	       EFAULT, EINTR, EINVAL, ENOMEM);
	if (ret || arg != &setup)
		return;
	if (before.flags || !before.nr || before.nr > SLOTS_MAX ||
	    !all_bytes(before.reserved, 0, sizeof(before.reserved)))
		complain(s, COMPLAINT_FORM, "SETUP_SLOTS took what it must refuse");
	look_into_slots(s, file_fd(file), file_id(file),
			before.nr < LOOK_MAX ? before.nr : LOOK_MAX);
}

/* Returns the number of requests. */
unsigned int fill_slot_requests(struct self *s, uint32_t id, struct sst_slot_request *to)
{
	unsigned int nr = 1 + pick(s, pick(s, 4) ? 3 : REQUESTS_MAX), i, type;
	unsigned int first = pick(s, 8);

	for (i = 0; i < nr; i++) {
		type = pick_type(s);
		to[i] = (struct sst_slot_request){
			.type = type,
			.user_data = new_tag(s, id, type),
			.index = first + i,
		};
		if (!pick(s, 24))
			to[i].index = pick_number(s);
		if (!pick(s, 32))
			to[i].reserved = pick_number(s);
	}
	return nr;
}

/* What TRANSACT_SLOTS, or a command of that kind, has returned */
void check_slot_responses(struct self *s, uint32_t id, const struct sst_slot_request *request,
			  const struct sst_slot_response *response, long n, unsigned int nr)
{
	long i;

	if (n <= 0 || n > nr) {
		complain(s, COMPLAINT_FORM, "TRANSACT_SLOTS: %ld of %u", n, nr);
		return;
	}
	for (i = 0; i < n; i++) {
		if (request[i].reserved || response[i].index != request[i].index ||
		    response[i].user_data != request[i].user_data)
			complain(s, COMPLAINT_FOREIGN, "TRANSACT_SLOTS: not the response to it");
		check_slot_response(s, id, &response[i]);
	}
}

/* Whether the field @submitted may be what it is, of a call that has returned @ret */
static bool submitted_right(const struct self *s, const struct sst_slot_transaction *t, long ret)
{
	if (ret > 0)
		return t->submitted == t->nr;
	/* From here on it may be that it could not be stored. */
	if (s->shared->round.faults || errno == EBADF || errno == ENOTTY)
		return true;
	return !t->submitted || (t->submitted == t->nr && (errno == EINTR || errno == EFAULT));
}

void do_transact_slots(struct self *s)
{
	uint64_t file = pick_file(s);
	struct sst_slot_request request[REQUESTS_MAX];
	struct sst_slot_response response[REQUESTS_MAX];
	unsigned int nr = fill_slot_requests(s, file_id(file), request);
	struct sst_slot_transaction t = { .nr = nr }, *arg;
	bool right;
	long ret;

	t.requests = (uintptr_t)offer(s, file_id(file), request, nr * sizeof(request[0]));
	t.responses = (uintptr_t)room_for(s, response, sizeof(response));
	spoil(s, &t, offsetof(struct sst_slot_transaction, nr), sizeof(t));
	/* More of them than there are */
	if (t.nr > nr)
		t.requests = (uintptr_t)s->edge - nr * sizeof(request[0]);
	arg = offer_argument(s, file_id(file), &t, sizeof(t));
	ret = ioctl(file_fd(file), SST_IOCTL_TRANSACT_SLOTS, arg);
	right = arg != &t || submitted_right(s, &t, ret);
	expect(s, ret, "TRANSACT_SLOTS", unless_open(file, TO_READ | TO_WRITE),
	       file & HANDLE_EVENTS ? ENOTTY : EBUSY, EINTR, EINVAL, EFAULT, EAGAIN, ENOBUFS, EIO);
	if (!right)
		complain(s, COMPLAINT_FORM, "TRANSACT_SLOTS: %ld, %u of %u submitted", ret,
			 t.submitted, t.nr);
	if (ret < 0 || arg != &t)
		return;
	if (t.flags || !all_bytes(t.reserved, 0, sizeof(t.reserved)))
		complain(s, COMPLAINT_FORM, "TRANSACT_SLOTS took what it must refuse");
	if (t.nr <= nr && t.requests == (uintptr_t)request && t.responses == (uintptr_t)response)
		check_slot_responses(s, file_id(file), request, response, ret, t.nr);
}

/* Mostly what succeeds, at the place of one of the files */
void do_map(struct self *s)
{
	struct handle *h = pick_handle(s);
	uint64_t file = pick_file(s);
	size_t pages = 1 + pick(s, pick(s, 4) ? 8 : MAP_PAGES);
	int flags = pick(s, 8) ? MAP_SHARED : MAP_PRIVATE;
	int prot = pick(s, 8) ? PROT_READ | PROT_WRITE : (int)pick(s, 8);
	off_t offset = pick(s, 4) ? 0 : pick(s, 20);
	char *map;

	if (!pick(s, 16))
		offset = pick_number(s) << pick(s, 20);
	if (!pick(s, 4))
		flags |= MAP_POPULATE;
	if (s->main)
		h->map_id = file_id(file);
	/* Not there at once: what fails may leave nothing in that place. */
	map = mmap(NULL, pages * PAGE, prot, flags, file_fd(file), offset * PAGE);
	expect(s, map == MAP_FAILED ? -1 : 0, "mmap", unless_open(file, 0), EINVAL, EACCES, ENOMEM,
	       EAGAIN, EPERM, EOVERFLOW, file & HANDLE_EVENTS ? ENODEV : EINVAL);
	if (map != MAP_FAILED && mremap(map, pages * PAGE, pages * PAGE,
					MREMAP_MAYMOVE | MREMAP_FIXED, h->map) == MAP_FAILED)
		munmap(map, pages * PAGE);
}

/* The kernel's part of this is not the driver's, and may fail as it likes. */
void do_change_map(struct self *s)
{
	struct handle *h = pick_handle(s);
	size_t from = pick(s, 8), pages = 1 + pick(s, 8);
	char *at = h->map + from * PAGE;

	switch (pick(s, 8)) {
	case 0:
		mmap(at, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 1:
		mprotect(at, pages * PAGE, pick(s, 8));
		break;
	case 2:
	case 3:
		madvise(at, pages * PAGE, pick(s, 26));
		break;
	case 4:
		mremap(at, pages * PAGE, (pages + 8) * PAGE, 0);
		break;
	case 5:
		/* The old place gets something again before anybody else can. */
		if (mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			   h->map + (64 + pick(s, 32)) * PAGE) != MAP_FAILED)
			mmap(at, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 6:
		mlock(at, pages * PAGE);
		break;
	default:
		msync(at, pages * PAGE, MS_SYNC);
	}
}

/* By the kernel, which finds out what is mapped there */
void do_scribble(struct self *s)
{
	struct handle *h = pick_handle(s);
	unsigned int n = 1 + pick(s, 16);
	char *at;

	while (n--) {
		at = h->map + pick(s, 8) * PAGE;
		expect(s, pread(s->scribbler, at, 1 + pick(s, PAGE), 0), "scribble", EFAULT);
	}
}
