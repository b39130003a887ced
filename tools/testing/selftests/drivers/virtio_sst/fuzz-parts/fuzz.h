/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the fuzzer share.
 *
 * An attacker is a process that runs programs: short sequences of calls. A call is an
 * operation and some numbers, from which everything random in it is taken, so that a
 * program can be kept, changed and replayed.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <signal.h>
#include <stdint.h>

#include "../sst_test.h"
#include "kselftest.h"

#define CHOICES		8	/* numbers of a call; further ones are made of the last */
#define CALLS_MAX	12	/* of a program */
#define CORPUS_MAX	1024
#define HISTORY		8	/* programs of each attacker that are shown after a failure */
#define ATTACKERS_MAX	16
#define WITNESSES	2
#define HANDLES		8	/* files that an attacker has open at most */
#define REQUESTS_MAX	16	/* of one call */
#define BOOK_FILES	4096
#define BOOK_REQUESTS	8192	/* of one open file; further ones are not entered */

struct call {
	uint32_t op;
	uint32_t choice[CHOICES];
};

struct program {
	uint32_t nr;
	struct call call[CALLS_MAX];
};

/* What an open file has asked for and got; on a page that all processes share */
struct book_file {
	uint32_t id;
	uint32_t next;		/* number of its next request */
	uint32_t untagged;	/* it may have requests without a tag */
	uint32_t loose;		/* so many of its requests may have any tag */
	uint32_t mixed;		/* its slots may have data of others */
	uint32_t seen[BOOK_REQUESTS / 32];
};

/* What went wrong, in the order of its report */
enum complaint {
	COMPLAINT_FOREIGN,	/* a response, or a part of one, of somebody else */
	COMPLAINT_TWICE,
	COMPLAINT_FORM,		/* a result that the documentation does not allow */
	COMPLAINT_ERROR,	/* an error that it does not allow */
	COMPLAINT_STALE,	/* memory that was not cleared */
	COMPLAINT_WITNESS,
	COMPLAINT_STUCK,
	COMPLAINT_DIED,
	COMPLAINT_KERNEL,	/* the kernel has reported something */
	COMPLAINT_LEFT,		/* requests in flight or unbalanced counters in the end */
	COMPLAINT_MEMORY,
	COMPLAINTS
};

/* What a process has done, for the supervisor */
struct progress {
	uint64_t calls;
	uint64_t steps;		/* the same without those of further threads and children */
	uint64_t answers;	/* of a witness */
	uint64_t longest_ms;	/* that a witness waited for one */
	uint32_t incarnation;
	uint32_t last;		/* in history, the program that runs */
	struct program history[HISTORY];
};

/* What a round is like */
struct round {
	uint32_t number;
	bool rude;		/* requests that break the device, or stop it */
	bool faults;		/* allocations and copies fail in attackers */
};

struct shared {
	uint64_t seed;
	bool coverage;
	struct round round;
	unsigned int shown;	/* complaints so far that were printed */
	uint64_t complaints[COMPLAINTS];
	uint64_t requests;
	uint64_t responses;	/* checked, and not */
	uint64_t unchecked;
	uint32_t ids;		/* of open files so far */
	uint32_t edges;
	bool no_aio;		/* nothing of libaio */
	bool replay;		/* the programs of the corpus, and no others */
	uint32_t corpus_nr;
	struct program corpus[CORPUS_MAX];
	struct progress attacker[ATTACKERS_MAX];
	struct progress witness[WITNESSES];
	uint32_t edge_map[1 << 16];
	struct book_file book[BOOK_FILES];
};

/*
 * A file of an attacker; its threads share these. The number of the open file and the
 * descriptor are one word, so that none of them sees a file with another one's number.
 */
struct handle {
	uint64_t file;
	char *map;		/* MAP_PAGES that nothing else is ever mapped to */
	uint32_t map_id;	/* of the file whose slots are mapped there */
};

#define PAGE		4096
#define MAP_PAGES	127

#define HANDLE_EVENTS	0x80000000u	/* in the lower half of handle.file */

/* A thread of an attacker */
struct self {
	struct shared *shared;
	struct progress *progress;
	struct handle *handles;
	uint64_t random;
	const struct call *call;
	unsigned int chosen;
	unsigned int number;
	bool main;		/* has rings, children and coverage */
	bool patient;		/* no signal comes: nothing may wait without an end */
	int fail_nth;		/* where it is told which allocation or copy fails, or -1 */
	int post;		/* a socket that descriptors are sent through */
	int other_post;
	uint64_t *kcov;
	/* Memory to read from and to write to */
	struct sst_request *requests;
	struct sst_response *responses;
	char *edge;		/* the byte behind the last one that can be used */
	char *argument_edge;	/* the same for structures that are arguments */
	char *readonly;
	int scribbler;		/* a file with nothing but SCRIBBLE in it */
};

#define SCRIBBLE	0x5a
#define EDGE_SIZE	(REQUESTS_MAX * RESP / PAGE * PAGE + 2 * PAGE)

/* program.c: random numbers, programs, coverage */
uint64_t next_random(struct self *s);
unsigned int pick(struct self *s, unsigned int n);
uint32_t pick_number(struct self *s);
void run_next_program(struct self *s);
void run_program(struct self *s, const struct program *program);
void run_calls(struct self *s, unsigned int n);
void print_program(int fd, const struct program *program);
bool parse_program(const char *line, struct program *program);
void start_coverage(struct self *s);

/* oracle.c: what must hold */
__printf(3, 4)
void complain(struct self *s, enum complaint what, const char *format, ...);
void expect_among(struct self *s, int error, const char *what, const int *errors);
uint32_t new_file_id(struct self *s);
uint64_t new_tag(struct self *s, uint32_t id, unsigned int type);
uint64_t content_tag(uint32_t id);
bool is_foreign_content(uint64_t word, uint32_t id);
void have_untagged(struct self *s, uint32_t id);
void have_loose(struct self *s, uint32_t id, uint32_t requests);
void have_mixed(struct self *s, uint32_t id);
int unless_open(uint64_t file, unsigned int access);
void check_response(struct self *s, uint32_t id, const struct sst_response *resp, size_t size);
void check_responses(struct self *s, uint32_t id, const void *buffer, ssize_t bytes, size_t size);
void check_slot_response(struct self *s, uint32_t id, const struct sst_slot_response *resp);
void check_accepted(struct self *s, ssize_t ret, size_t size);

/* What a file must be open for, as parameters of unless_open() */
#define TO_READ		1u
#define TO_WRITE	2u

/* Fails unless a call succeeded, or failed in one of these ways */
#define expect(s, call, what, ...)						\
do {										\
	long ret_of_call = (call);						\
										\
	if (ret_of_call < 0)							\
		expect_among(s, errno, what, (const int []){ __VA_ARGS__, 0 });	\
} while (0)

/* memory.c: good and bad memory */
void *map_anonymous(size_t size, int flags);
void take_away(void *p, size_t size);
void get_memory(struct self *s);
void get_handles(struct self *s);
void spoil(struct self *s, void *structure, size_t from, size_t size);
void *offer(struct self *s, uint32_t id, const void *content, size_t size);
void *offer_argument(struct self *s, uint32_t id, const void *content, size_t size);
void *room_for(struct self *s, void *good, size_t size);
void *room_for_later(struct self *s, void *good, size_t size);
unsigned int pick_type(struct self *s);
void fill_request(struct self *s, uint32_t id, struct sst_request *req);
struct sst_request *fill_requests(struct self *s, uint32_t id, unsigned int n);
size_t pick_request_bytes(struct self *s);
size_t pick_response_bytes(struct self *s);

/* files.c: file operations */
uint64_t pick_file(struct self *s);
struct handle *pick_handle(struct self *s);
void set_handle(struct self *s, int fd, uint32_t id, bool events);
int file_fd(uint64_t file);
uint32_t file_id(uint64_t file);
void open_file(struct self *s, int flags);
void do_open(struct self *s);
void do_close(struct self *s);
void do_read(struct self *s);
void do_write(struct self *s);
void do_readv(struct self *s);
void do_writev(struct self *s);
void do_seek(struct self *s);
void do_poll(struct self *s);
void do_select(struct self *s);
void do_epoll(struct self *s);
void do_fcntl(struct self *s);
void do_dup(struct self *s);
void do_fork(struct self *s);
void do_send(struct self *s);
void do_receive(struct self *s);
void do_splice(struct self *s);
void do_limit(struct self *s);

/* ioctls.c */
void do_transact(struct self *s);
void do_settings(struct self *s);
void do_cancel(struct self *s);
void do_info(struct self *s);
void do_events(struct self *s);
void do_garbage(struct self *s);

/* slots.c */
void do_setup_slots(struct self *s);
void do_transact_slots(struct self *s);
void do_map(struct self *s);
void do_change_map(struct self *s);
void do_scribble(struct self *s);
unsigned int fill_slot_requests(struct self *s, uint32_t id, struct sst_slot_request *to);
void check_slot_responses(struct self *s, uint32_t id, const struct sst_slot_request *request,
			  const struct sst_slot_response *response, long n, unsigned int nr);

/* uring.c */
void do_ring_open(struct self *s);
void do_ring_close(struct self *s);
void do_ring_queue(struct self *s);
void do_ring_enter(struct self *s);
void do_ring_register(struct self *s);

/* aio.c */
void do_aio_open(struct self *s);
void do_aio_close(struct self *s);
void do_aio_submit(struct self *s);
void do_aio_cancel(struct self *s);
void do_aio_reap(struct self *s);

/* witness.c */
void witness(struct shared *shared, unsigned int number);

#endif /* FUZZ_H */
