// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs: made, changed, run, printed. Those that reach new code are kept, and further
 * ones are made of them; without kcov they are all made anew.
 */
#include <sys/mman.h>

#include <linux/kcov.h>

#include "fuzz.h"

#define KCOV_PATH	"/sys/kernel/debug/kcov"
#define KCOV_WORDS	(16 << 10)

struct operation {
	void (*run)(struct self *s);
	unsigned char weight;
	bool main_only;
};

static const struct operation operations[] = {
	{ do_open, 4, false },
	{ do_close, 3, false },
	{ do_read, 14, false },
	{ do_write, 14, false },
	{ do_readv, 3, false },
	{ do_writev, 3, false },
	{ do_seek, 1, false },
	{ do_poll, 3, false },
	{ do_select, 1, false },
	{ do_epoll, 2, false },
	{ do_fcntl, 2, false },
	{ do_dup, 1, false },
	{ do_fork, 1, true },
	{ do_send, 1, false },
	{ do_receive, 1, false },
	{ do_splice, 1, false },
	{ do_limit, 1, true },
	{ do_transact, 10, false },
	{ do_settings, 5, false },
	{ do_cancel, 4, false },
	{ do_info, 1, false },
	{ do_events, 2, false },
	{ do_garbage, 3, false },
	{ do_setup_slots, 3, false },
	{ do_transact_slots, 6, false },
	{ do_map, 4, false },
	{ do_change_map, 2, false },
	{ do_scribble, 3, false },
	{ do_ring_open, 2, true },
	{ do_ring_close, 1, true },
	{ do_ring_queue, 14, true },
	{ do_ring_enter, 8, true },
	{ do_ring_register, 1, true },
	{ do_aio_open, 1, true },
	{ do_aio_close, 1, true },
	{ do_aio_submit, 5, true },
	{ do_aio_cancel, 1, true },
	{ do_aio_reap, 4, true },
};

#define OPERATIONS	ARRAY_SIZE(operations)

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

uint64_t next_random(struct self *s)
{
	s->random += 0x9e3779b97f4a7c15;
	return mix(s->random);
}

/* The next number of the call that runs */
uint32_t pick_number(struct self *s)
{
	unsigned int i = s->chosen++;

	if (i < CHOICES)
		return s->call->choice[i];
	return mix(s->call->choice[CHOICES - 1] + (uint64_t)i * 0x9e3779b97f4a7c15);
}

unsigned int pick(struct self *s, unsigned int n)
{
	return pick_number(s) % n;
}

static uint32_t random_operation(struct self *s)
{
	unsigned int total = 0, i, r;

	for (i = 0; i < OPERATIONS; i++)
		total += operations[i].weight;
	r = next_random(s) % total;
	for (i = 0; r >= operations[i].weight; i++)
		r -= operations[i].weight;
	return i;
}

static void make_call(struct self *s, struct call *call)
{
	unsigned int i;

	call->op = random_operation(s);
	for (i = 0; i < CHOICES; i++)
		call->choice[i] = next_random(s);
}

static void make_program(struct self *s, struct program *p)
{
	unsigned int i;

	p->nr = 1 + next_random(s) % CALLS_MAX;
	for (i = 0; i < p->nr; i++)
		make_call(s, &p->call[i]);
}

/* A process may have been killed while it kept one. */
static void take_from_corpus(struct self *s, struct program *p)
{
	unsigned int n = __atomic_load_n(&s->shared->corpus_nr, __ATOMIC_RELAXED);
	unsigned int i;

	*p = s->shared->corpus[next_random(s) % (n < CORPUS_MAX ? n : CORPUS_MAX)];
	if (!p->nr || p->nr > CALLS_MAX)
		make_program(s, p);
	for (i = 0; i < p->nr; i++)
		p->call[i].op %= OPERATIONS;
}

static void insert_call(struct self *s, struct program *p)
{
	unsigned int at = next_random(s) % p->nr;

	if (p->nr == CALLS_MAX)
		p->nr--;
	memmove(&p->call[at + 1], &p->call[at], (p->nr - at) * sizeof(p->call[0]));
	p->nr++;
	make_call(s, &p->call[at]);
}

static void remove_call(struct self *s, struct program *p)
{
	unsigned int at = next_random(s) % p->nr;

	if (p->nr == 1)
		return;
	p->nr--;
	memmove(&p->call[at], &p->call[at + 1], (p->nr - at) * sizeof(p->call[0]));
}

/* The first calls of one program, and then those of another one */
static void splice_program(struct self *s, struct program *p)
{
	unsigned int from = next_random(s) % p->nr, i;
	struct program other;

	take_from_corpus(s, &other);
	for (i = 0; i < other.nr && from < CALLS_MAX; i++)
		p->call[from++] = other.call[i];
	p->nr = from ? from : 1;
}

static void change_program(struct self *s, struct program *p)
{
	unsigned int changes = 1 + next_random(s) % 3;
	struct call *call;

	while (changes--) {
		call = &p->call[next_random(s) % p->nr];
		switch (next_random(s) % 6) {
		case 0:
			make_call(s, call);
			break;
		case 1:
			insert_call(s, p);
			break;
		case 2:
			remove_call(s, p);
			break;
		case 3:
			splice_program(s, p);
			break;
		default:
			call->choice[next_random(s) % CHOICES] = next_random(s);
		}
	}
}

/* Returns whether the call that has just run reached code in a new order. */
static bool take_coverage(struct self *s)
{
	uint64_t n, i, last = 0, edge;
	bool new = false;

	if (!s->kcov)
		return false;
	n = __atomic_load_n(&s->kcov[0], __ATOMIC_RELAXED);
	for (i = 1; i <= n; i++) {
		edge = mix(s->kcov[i] ^ (last << 1)) % ARRAY_SIZE(s->shared->edge_map);
		last = s->kcov[i];
		if (s->shared->edge_map[edge] ||
		    __atomic_exchange_n(&s->shared->edge_map[edge], 1, __ATOMIC_RELAXED))
			continue;
		__atomic_add_fetch(&s->shared->edges, 1, __ATOMIC_RELAXED);
		new = true;
	}
	__atomic_store_n(&s->kcov[0], 0, __ATOMIC_RELAXED);
	return new;
}

static void keep_program(struct self *s, const struct program *p)
{
	unsigned int n = __atomic_fetch_add(&s->shared->corpus_nr, 1, __ATOMIC_RELAXED);

	s->shared->corpus[n < CORPUS_MAX ? n : next_random(s) % CORPUS_MAX] = *p;
}

/* Have one of the next allocations or copies of this thread fail. */
static void arm_fault(struct self *s)
{
	char text[16];

	if (next_random(s) % 4)
		return;
	snprintf(text, sizeof(text), "%u", (unsigned int)(1 + next_random(s) % 24));
	if (pwrite(s->fail_nth, text, strlen(text), 0) < 0)
		s->fail_nth = -1;
}

static void run_call(struct self *s, const struct call *call)
{
	const struct operation *op = &operations[call->op % OPERATIONS];

	if (op->main_only && !s->main)
		return;
	s->call = call;
	s->chosen = 0;
	if (s->fail_nth >= 0)
		arm_fault(s);
	op->run(s);
	__atomic_add_fetch(&s->progress->calls, 1, __ATOMIC_RELAXED);
	s->progress->steps += s->main;
}

void run_program(struct self *s, const struct program *program)
{
	struct program *p = &s->progress->history[(s->progress->last + 1) % HISTORY];
	bool new = false;
	unsigned int i;

	if (s->main) {
		*p = *program;
		s->progress->last++;
	}
	for (i = 0; i < program->nr; i++) {
		run_call(s, &program->call[i]);
		new |= take_coverage(s);
	}
	if (new)
		keep_program(s, program);
}

/* Some calls of a process that has not long to live */
void run_calls(struct self *s, unsigned int n)
{
	struct call call;

	while (n--) {
		make_call(s, &call);
		run_call(s, &call);
	}
}

void run_next_program(struct self *s)
{
	struct program p;

	if (s->shared->replay) {
		run_program(s, &s->shared->corpus[s->progress->last % s->shared->corpus_nr]);
		return;
	}
	if (s->shared->corpus_nr && next_random(s) % 2) {
		take_from_corpus(s, &p);
		change_program(s, &p);
	} else {
		make_program(s, &p);
	}
	run_program(s, &p);
}

/* Without kcov, or with faults in the way, there is no coverage. */
void start_coverage(struct self *s)
{
	int fd = open(KCOV_PATH, O_RDWR | O_CLOEXEC);
	uint64_t *buffer;

	if (fd < 0)
		return;
	if (ioctl(fd, KCOV_INIT_TRACE, KCOV_WORDS)) {
		close(fd);
		return;
	}
	buffer = mmap(NULL, KCOV_WORDS * sizeof(*buffer), PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	if (buffer != MAP_FAILED && !ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC)) {
		s->kcov = buffer;
		s->shared->coverage = true;
	}
}

/* A line of its own, whoever else writes */
void print_program(int fd, const struct program *program)
{
	char text[CALLS_MAX * (CHOICES + 1) * 10 + 16] = "# program: ";
	size_t at = strlen(text);
	unsigned int i, j;

	for (i = 0; i < program->nr && i < CALLS_MAX; i++) {
		at += sprintf(text + at, "%s%x", i ? "," : "", program->call[i].op % 0x100);
		for (j = 0; j < CHOICES; j++)
			at += sprintf(text + at, ":%x", program->call[i].choice[j]);
	}
	text[at++] = '\n';
	if (write(fd, text, at) < 0)
		_exit(2);
}

/* Returns whether the line was one of print_program(). */
bool parse_program(const char *line, struct program *program)
{
	struct call *call;
	unsigned int i;
	char *end;

	program->nr = 0;
	do {
		if (program->nr == CALLS_MAX)
			return false;
		call = &program->call[program->nr++];
		call->op = strtoul(line, &end, 16);
		for (i = 0; i < CHOICES; i++) {
			if (*end != ':')
				return false;
			call->choice[i] = strtoul(end + 1, &end, 16);
		}
		line = end + 1;
	} while (*end == ',');
	return !*end || *end == '\n';
}
