// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must hold whatever attackers do. Each of their requests has a tag for user_data: it
 * tells whose the request is, its type, and its number. A book, which all processes share,
 * has which numbers were answered. The payload tells whose it is as well.
 */
#include <stdarg.h>

#include "fuzz.h"

#define SHOWN_MAX	10

/* 8 bits of this, 24 of the open file, 8 of the type, 24 of the request's number */
#define TAG		0xa5ULL
#define CONTENT_TAG	0xa6ULL	/* the same, with no more than the file */
#define TAG_SHIFT	56
#define ID_SHIFT	32
#define ID_MASK		0xffffff
#define TYPE_SHIFT	24
#define TYPE_MASK	0xff
#define NUMBER_MASK	0xffffff

void complain(struct self *s, enum complaint what, const char *format, ...)
{
	const struct progress *p = s->progress;
	char text[256];
	va_list list;
	unsigned int i;

	__atomic_add_fetch(&s->shared->complaints[what], 1, __ATOMIC_RELAXED);
	if (__atomic_fetch_add(&s->shared->shown, 1, __ATOMIC_RELAXED) >= SHOWN_MAX)
		return;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	dprintf(STDOUT_FILENO, "# round %u, process %u, incarnation %u, call %x: %s\n",
		s->shared->round.number, s->number, p->incarnation, s->call ? s->call->op : 0,
		text);
	for (i = 1; s->call && i <= HISTORY; i++)
		print_program(STDOUT_FILENO, &p->history[(p->last + i) % HISTORY]);
}

/* With faults, whatever needs memory may lack it, and copies fail. */
static bool from_fault(const struct self *s, int error)
{
	return s->shared->round.faults && (error == ENOMEM || error == EFAULT || error == EAGAIN);
}

void expect_among(struct self *s, int error, const char *what, const int *errors)
{
	if (from_fault(s, error))
		return;
	for (; *errors; errors++)
		if (*errors == error)
			return;
	complain(s, COMPLAINT_ERROR, "%s: %s", what, strerror(error));
}

/*
 * EBADF if a file is not open, or not for all of @access: another thread may have closed it.
 * Otherwise what is no error. Leaves errno as it is.
 */
int unless_open(uint64_t file, unsigned int access)
{
	int error = errno, flags = fcntl(file_fd(file), F_GETFL);

	errno = error;
	return flags < 0 || access & ~(flags + 1) ? EBADF : -1;
}

static struct book_file *book_file(struct self *s, uint32_t id)
{
	return &s->shared->book[id % BOOK_FILES];
}

uint32_t new_file_id(struct self *s)
{
	uint32_t id = __atomic_add_fetch(&s->shared->ids, 1, __ATOMIC_SEQ_CST) & ID_MASK;
	struct book_file *file = book_file(s, id);

	memset(file, 0, sizeof(*file));
	__atomic_store_n(&file->id, id, __ATOMIC_SEQ_CST);
	return id;
}

uint64_t new_tag(struct self *s, uint32_t id, unsigned int type)
{
	struct book_file *file = book_file(s, id);
	uint32_t number = NUMBER_MASK;

	if (file->id == id)
		number = __atomic_fetch_add(&file->next, 1, __ATOMIC_SEQ_CST);
	if (number > NUMBER_MASK)
		number = NUMBER_MASK;
	__atomic_add_fetch(&s->shared->requests, 1, __ATOMIC_RELAXED);
	return TAG << TAG_SHIFT | (uint64_t)id << ID_SHIFT |
	       (uint64_t)(type < TYPE_MASK ? type : TYPE_MASK) << TYPE_SHIFT | number;
}

void have_untagged(struct self *s, uint32_t id)
{
	__atomic_store_n(&book_file(s, id)->untagged, 1, __ATOMIC_SEQ_CST);
}

/* Memory is sent, for so many requests at most, that may have those of others in it. */
void have_loose(struct self *s, uint32_t id, uint32_t requests)
{
	__atomic_add_fetch(&book_file(s, id)->loose, requests, __ATOMIC_SEQ_CST);
}

/* What is written to slots may be sent from there at any time. */
void have_mixed(struct self *s, uint32_t id)
{
	__atomic_store_n(&book_file(s, id)->mixed, 1, __ATOMIC_SEQ_CST);
}

/* Whether what is wrong is one of the requests that may have any tag; it was the last time. */
static bool take_loose(struct book_file *file)
{
	uint32_t loose = __atomic_load_n(&file->loose, __ATOMIC_SEQ_CST);

	while (loose && !__atomic_compare_exchange_n(&file->loose, &loose, loose - 1, false,
						     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return loose;
}

/* Counts a response, and returns whether it was @checked. */
static bool count(struct self *s, bool checked)
{
	__atomic_add_fetch(checked ? &s->shared->responses : &s->shared->unchecked, 1,
			   __ATOMIC_RELAXED);
	return checked;
}

static uint32_t tag_id(uint64_t tag)
{
	return tag >> ID_SHIFT & ID_MASK;
}

uint64_t content_tag(uint32_t id)
{
	return CONTENT_TAG << TAG_SHIFT | (uint64_t)id << ID_SHIFT;
}

bool is_foreign_content(uint64_t word, uint32_t id)
{
	return word >> TAG_SHIFT == CONTENT_TAG && tag_id(word) != id;
}

static bool is_own(const struct book_file *file, uint32_t id, uint64_t tag)
{
	uint32_t number = tag & NUMBER_MASK;

	return tag >> TAG_SHIFT == TAG && tag_id(tag) == id &&
	       (number < file->next || number == NUMBER_MASK);
}

/* Whether it is entered already that a request was answered; now it is. */
static bool is_entered(struct book_file *file, uint32_t number)
{
	uint32_t bit = 1u << number % 32;

	return __atomic_fetch_or(&file->seen[number / 32], bit, __ATOMIC_SEQ_CST) & bit;
}

/* Enter that a request was answered. Returns whether it is known to be one of the file's. */
static bool enter(struct self *s, uint32_t id, uint64_t tag, uint64_t request_id)
{
	struct book_file *file = book_file(s, id);
	uint32_t number = tag & NUMBER_MASK;
	bool own = is_own(file, id, tag);

	if (file->id != id || (!tag && file->untagged) || (own && number >= BOOK_REQUESTS))
		return count(s, false);
	if (own && !is_entered(file, number))
		return count(s, true);
	if (take_loose(file))
		return count(s, false);
	if (own)
		complain(s, COMPLAINT_TWICE, "file %u has response %u twice", id, number);
	else
		complain(s, COMPLAINT_FOREIGN, "file %u has the response %llx, id %llx", id,
			 (unsigned long long)tag, (unsigned long long)request_id);
	return count(s, true);
}

static bool made_by_driver(uint32_t flags, uint32_t status, uint64_t result)
{
	return flags == SST_RESPONSE_F_DRIVER && !result &&
	       (status == SST_RESPONSE_TIMEOUT || status == SST_RESPONSE_ERROR);
}

/* What the simulator's memory has is everybody's. */
static void check_payload(struct self *s, uint32_t id, const struct sst_response *resp,
			  size_t size)
{
	struct book_file *file = book_file(s, id);
	uint64_t word;
	size_t i;

	if (file->mixed || (le64toh(resp->user_data) >> TYPE_SHIFT & TYPE_MASK) == SST_REQUEST_READ)
		return;
	for (i = 0; i + sizeof(word) <= size; i += sizeof(word)) {
		memcpy(&word, resp->payload + i, sizeof(word));
		if (!is_foreign_content(le64toh(word), id))
			continue;
		if (!take_loose(file))
			complain(s, COMPLAINT_FOREIGN, "file %u has data of file %u", id,
				 tag_id(le64toh(word)));
		return;
	}
}

void check_response(struct self *s, uint32_t id, const struct sst_response *resp, size_t size)
{
	uint32_t flags = le32toh(resp->flags);

	bool known = enter(s, id, le64toh(resp->user_data), le64toh(resp->request_id));

	if (flags && (!made_by_driver(flags, le32toh(resp->status), resp->result) ||
		      !all_bytes(resp->payload, 0, size - SST_RESPONSE_HEADER_SIZE)))
		complain(s, COMPLAINT_FORM, "odd response: flags %x, status %u", flags,
			 le32toh(resp->status));
	if (known)
		check_payload(s, id, resp, size - SST_RESPONSE_HEADER_SIZE);
}

/* What a call has returned that reads responses of @size bytes each, or one of less */
void check_responses(struct self *s, uint32_t id, const void *buffer, ssize_t bytes, size_t size)
{
	size_t each = size < RESP ? size : RESP;

	if (bytes < 0)
		return;
	if (!bytes || bytes % each || bytes > size) {
		complain(s, COMPLAINT_FORM, "read: %zd of %zu bytes", bytes, size);
		return;
	}
	for (; bytes && buffer; bytes -= each, buffer += each)
		check_response(s, id, buffer, each);
}

void check_slot_response(struct self *s, uint32_t id, const struct sst_slot_response *resp)
{
	enter(s, id, resp->user_data, resp->request_id);
	if (resp->reserved || (resp->flags && !made_by_driver(resp->flags, resp->status,
							      resp->result)))
		complain(s, COMPLAINT_FORM, "odd response in a slot: flags %x, status %u",
			 resp->flags, resp->status);
}

/* What a call has returned that writes requests of @size bytes */
void check_accepted(struct self *s, ssize_t ret, size_t size)
{
	if (ret >= 0 && (!ret || ret > size || (size < REQ ? ret != size : ret % REQ)))
		complain(s, COMPLAINT_FORM, "write: %zd of %zu bytes", ret, size);
}
