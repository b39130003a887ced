// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load with a ledger: processes write requests and read responses, through one
 * open file or one each, and every request is entered in memory that all share.
 * In the end each accepted request must have ended exactly once, with its own
 * data; a request whose file was closed must not have ended more than once.
 *
 * With a command to disturb them, the processes go on until it ends, and requests
 * may end with an error of the driver.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "sst_test.h"

#define STUCK_AFTER_S	100

enum {
	ENTRY_NONE,	/* not written, or not accepted */
	ENTRY_SENT,
	ENTRY_ENDED,
	ENTRY_CLOSED,	/* its file was closed before it was read */
};

struct options {
	unsigned int processes;
	unsigned int requests;	/* of each process */
	unsigned int depth;	/* that a process has at once, at most */
	unsigned int seed;
	bool shared;		/* one open file for all */
	bool signals;		/* processes are interrupted all the time */
	bool closes;		/* files are closed with requests in flight */
	bool timeouts;		/* some requests are answered too late */
	bool nonblock;
	bool transactions;	/* some requests are made in one call */
	bool cancels;		/* requests are cancelled all the time */
	bool slots;		/* some requests are in shared slots, several in one call */
	bool hops;		/* processes go from CPU to CPU */
	bool failures;		/* the device may end requests with an error */
	const char *command;	/* what goes on meanwhile */
};

struct ledger {
	unsigned int errors;
	unsigned int timeouts;
	unsigned int aborted;	/* ended by the driver before their time */
	unsigned int failed;	/* ended by the device with an error */
	unsigned int closed;
	unsigned int sent;
	unsigned int ended;
	bool stop;
	unsigned int entry[];
};

struct worker {
	const struct options *options;
	struct ledger *ledger;
	unsigned int number;
	unsigned int random;
	unsigned int sent;
	unsigned int open;	/* of this process, without an answer so far */
	unsigned int first_open;	/* entries before it have no open file */
	int fd;
	unsigned int first_slot;	/* of depth ones that are this process's */
	struct sst_slot_setup setup;
	char *memory;		/* of all slots of the open file, if it has any */
	uint64_t *in_slot;	/* what was last in each of this process's: the request, and 1 */
};

static unsigned int next_random(struct worker *w)
{
	return sst_random(&w->random);
}

static void complain(struct worker *w, const char *what, uint64_t id)
{
	__atomic_add_fetch(&w->ledger->errors, 1, __ATOMIC_SEQ_CST);
	fprintf(stderr, "# process %u, request %llu: %s\n", w->number,
		(unsigned long long)id, what);
}

/* Some requests take long, to be in flight when something happens. */
static unsigned int pick_type(struct worker *w)
{
	const struct options *o = w->options;

	if (!(o->timeouts || o->cancels || o->command) || next_random(w) % 16)
		return SST_REQUEST_ECHO;
	return TYPE_LATE;
}

static void prepare(struct worker *w, struct sst_request *req, uint64_t id)
{
	sst_prepare(req, pick_type(w), id);
	memset(req->payload, sst_pattern(id), SST_PAYLOAD_SIZE);
}

/* Nothing will come of going on. */
static void give_up(struct worker *w, const char *what)
{
	complain(w, what, w->sent);
	_exit(1);
}

/* Write up to @n requests. They are entered before, and struck out if refused. */
static void send_some(struct worker *w, struct sst_request *req, unsigned int n)
{
	uint64_t first = (uint64_t)w->number * w->options->requests + w->sent;
	unsigned int i, accepted = 0;
	ssize_t ret;

	for (i = 0; i < n; i++) {
		prepare(w, &req[i], first + i);
		__atomic_store_n(&w->ledger->entry[first + i], ENTRY_SENT,
				 __ATOMIC_SEQ_CST);
	}
	ret = write(w->fd, req, n * REQ);
	if (ret > 0 && ret % REQ == 0)
		accepted = ret / REQ;
	else if (ret >= 0 || (errno != EAGAIN && errno != EINTR && errno != ENOBUFS))
		give_up(w, ret < 0 ? strerror(errno) : "odd return of write");
	for (i = accepted; i < n; i++)
		__atomic_store_n(&w->ledger->entry[first + i], ENTRY_NONE,
				 __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&w->ledger->sent, accepted, __ATOMIC_SEQ_CST);
	w->sent += accepted;
	w->open += accepted;
}

static void check(struct worker *w, const struct sst_response *resp)
{
	uint64_t id = le64toh(resp->user_data);
	unsigned int status = le32toh(resp->status);
	unsigned int before;

	if (id >= (uint64_t)w->options->processes * w->options->requests) {
		complain(w, "user_data that nobody sent", id);
		return;
	}
	before = __atomic_exchange_n(&w->ledger->entry[id], ENTRY_ENDED,
				     __ATOMIC_SEQ_CST);
	if (before != ENTRY_SENT)
		complain(w, before == ENTRY_ENDED ? "ended twice" :
			 before == ENTRY_CLOSED ? "ended after its file was closed" :
			 "ended and never sent", id);
	if (status == SST_RESPONSE_TIMEOUT && w->options->timeouts)
		__atomic_add_fetch(&w->ledger->timeouts, 1, __ATOMIC_SEQ_CST);
	else if (status == SST_RESPONSE_ERROR &&
		 le32toh(resp->flags) == SST_RESPONSE_F_DRIVER &&
		 (w->options->cancels || w->options->command))
		__atomic_add_fetch(&w->ledger->aborted, 1, __ATOMIC_SEQ_CST);
	else if (w->options->failures && !le32toh(resp->flags) &&
		 (status == SST_RESPONSE_ERROR || status == SST_RESPONSE_NO_DEVICE))
		__atomic_add_fetch(&w->ledger->failed, 1, __ATOMIC_SEQ_CST);
	else if (status != SST_RESPONSE_OK)
		complain(w, "unexpected status", id);
	else if (!all_bytes(resp->payload, sst_pattern(id), SST_PAYLOAD_SIZE))
		complain(w, "data of another request", id);
	__atomic_add_fetch(&w->ledger->ended, 1, __ATOMIC_SEQ_CST);
}

/* Make one request in one call. If it is interrupted the response is to be read. */
static void transact(struct worker *w, struct sst_request *req, struct sst_response *resp)
{
	uint64_t id = (uint64_t)w->number * w->options->requests + w->sent;
	struct sst_transaction t = {
		.request = (uintptr_t)req,
		.response = (uintptr_t)resp,
		.request_size = sizeof(*req),
		.response_size = sizeof(*resp),
	};
	int ret;

	prepare(w, req, id);
	__atomic_store_n(&w->ledger->entry[id], ENTRY_SENT, __ATOMIC_SEQ_CST);
	ret = ioctl(w->fd, SST_IOCTL_TRANSACT, &t);
	if (ret && errno != EINTR && errno != EAGAIN && errno != ENOBUFS)
		give_up(w, strerror(errno));
	if (ret && !t.request_id) {
		__atomic_store_n(&w->ledger->entry[id], ENTRY_NONE, __ATOMIC_SEQ_CST);
		return;
	}
	__atomic_add_fetch(&w->ledger->sent, 1, __ATOMIC_SEQ_CST);
	w->sent++;
	if (ret)
		w->open++;
	else if (le64toh(resp->user_data) != id || le64toh(resp->request_id) != t.request_id)
		complain(w, "response of another request", id);
	else
		check(w, resp);
}

static void fill_slot(const struct worker *w, struct sst_slot_request *to, unsigned int index,
		      uint64_t id, unsigned int type)
{
	*to = (struct sst_slot_request){ .type = type, .user_data = id, .index = index };
	memset(w->memory + index * w->setup.slot_size, sst_pattern(id), SST_PAYLOAD_SIZE);
}

/*
 * Returns the next of this process's slots from number @from on that no request is in whose
 * response is still to be read, or -1.
 */
static int next_slot(const struct worker *w, unsigned int from)
{
	unsigned int depth = w->options->depth, i;
	uint64_t id;

	for (i = 0; i < depth; i++) {
		id = w->in_slot[(from + i) % depth];
		if (!id || w->ledger->entry[id - 1] != ENTRY_SENT)
			return (from + i) % depth;
	}
	return -1;
}

/*
 * Make @n requests in slots in one call, any of which may be the device's still. If it is
 * interrupted the responses are to be read.
 */
static void transact_slots(struct worker *w, struct sst_response *resp, unsigned int n)
{
	uint64_t first = (uint64_t)w->number * w->options->requests + w->sent;
	struct sst_slot_request request[n];
	struct sst_slot_response response[n];
	struct sst_slot_transaction t = {
		.requests = (uintptr_t)request,
		.responses = (uintptr_t)response,
	};
	int slot = next_random(w) % w->options->depth, ret;
	unsigned int i;

	for (i = 0; i < n; i++, slot++) {
		slot = next_slot(w, slot);
		if (slot < 0)
			break;
		w->in_slot[slot] = first + i + 1;
		fill_slot(w, &request[i], w->first_slot + slot, first + i,
			  i ? SST_REQUEST_ECHO : pick_type(w));
		__atomic_store_n(&w->ledger->entry[first + i], ENTRY_SENT, __ATOMIC_SEQ_CST);
	}
	/* Of a file that processes share, others may have to read responses first. */
	n = i;
	if (!n)
		return;
	t.nr = n;
	ret = ioctl(w->fd, SST_IOCTL_TRANSACT_SLOTS, &t);
	if (ret < 0 && errno != EINTR && errno != EBUSY && errno != EAGAIN && errno != ENOBUFS)
		give_up(w, strerror(errno));
	if (t.submitted != n && (t.submitted || ret >= 0))
		give_up(w, "odd number of requests submitted");
	if (!t.submitted) {
		for (i = 0; i < n; i++)
			__atomic_store_n(&w->ledger->entry[first + i], ENTRY_NONE,
					 __ATOMIC_SEQ_CST);
		return;
	}
	if (ret < 0 ? errno != EINTR : ret != n)
		give_up(w, "odd number of responses");
	__atomic_add_fetch(&w->ledger->sent, n, __ATOMIC_SEQ_CST);
	w->sent += n;
	if (ret < 0) {
		w->open += n;
		return;
	}
	for (i = 0; i < n; i++) {
		sst_slot_to_response(&response[i], &w->setup, w->memory, resp);
		if (response[i].user_data != first + i || response[i].index != request[i].index)
			complain(w, "response of another request", first + i);
		else
			check(w, resp);
	}
}

/* Returns 0, or -1 and errno is set. */
static int set_up_slots(struct worker *w, unsigned int nr)
{
	w->memory = sst_map_slots(w->fd, nr, &w->setup);
	return w->memory == MAP_FAILED ? -1 : 0;
}

/* Change to any CPU, with whatever is in flight. */
static void hop(struct worker *w)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(next_random(w) % sysconf(_SC_NPROCESSORS_ONLN), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		give_up(w, strerror(errno));
}

/* Cancel all of the open file, or one that is perhaps in flight. */
static void cancel(struct worker *w)
{
	struct sst_cancel c = { .flags = SST_CANCEL_ALL };

	if (next_random(w) % 2 && w->sent) {
		c.flags = 0;
		c.user_data = (uint64_t)w->number * w->options->requests + w->sent - 1;
	}
	if (ioctl(w->fd, SST_IOCTL_CANCEL, &c) && errno != ENOENT)
		give_up(w, strerror(errno));
}

/* Read up to @n responses, whoever sent the requests. */
static void receive_some(struct worker *w, struct sst_response *resp, unsigned int n)
{
	ssize_t ret = read(w->fd, resp, n * RESP);
	unsigned int i;

	if (ret < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (errno == EAGAIN)
			sst_poll(w->fd, POLLIN, 100);
		return;
	}
	if (ret <= 0 || ret % RESP)
		give_up(w, ret < 0 ? strerror(errno) : "odd return of read");
	for (i = 0; i < ret / RESP; i++)
		check(w, &resp[i]);
	w->open -= i;
}

/* Open a file of the process's own. Returns 0, or -1 and errno is set. */
static int open_own(struct worker *w)
{
	w->fd = sst_open(O_RDWR | (w->options->nonblock ? O_NONBLOCK : 0));
	if (w->fd < 0)
		return -1;
	return w->options->slots ? set_up_slots(w, w->options->depth) : 0;
}

/* Close the file with what it has in flight, and open another one. */
static void reopen(struct worker *w)
{
	uint64_t base = (uint64_t)w->number * w->options->requests;
	unsigned int sent;
	unsigned int i;

	if (w->memory)
		munmap(w->memory, w->setup.size);
	close(w->fd);
	for (i = w->first_open; i < w->sent; i++) {
		sent = ENTRY_SENT;
		if (__atomic_compare_exchange_n(&w->ledger->entry[base + i], &sent,
						ENTRY_CLOSED, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			__atomic_add_fetch(&w->ledger->closed, 1, __ATOMIC_SEQ_CST);
	}
	w->first_open = w->sent;
	w->open = 0;
	if (open_own(w))
		give_up(w, strerror(errno));
}

static void on_signal(int number)
{
	(void)number;
}

static void be_interrupted(void)
{
	struct itimerval t = { { 0, 3000 }, { 0, 3000 } };
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

static unsigned int min_of(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/*
 * With a shared file each process reads as many responses as it has sent
 * requests, so that all are read in the end, by whomever.
 */
static void work(struct worker *w)
{
	unsigned int depth = w->options->depth;
	struct sst_response *resp = calloc(depth, RESP);
	struct sst_request *req = calloc(depth, REQ);

	w->in_slot = calloc(depth, sizeof(*w->in_slot));
	if (!req || !resp || !w->in_slot)
		abort();
	if (w->options->signals)
		be_interrupted();
	for (;;) {
		bool stop = __atomic_load_n(&w->ledger->stop, __ATOMIC_SEQ_CST);
		unsigned int left = min_of(depth - w->open, stop ? 0 :
					   w->options->requests - w->sent);

		if (!left && !w->open)
			break;
		if (left && w->options->transactions && next_random(w) % 4 == 0)
			transact(w, req, resp);
		else if (left && w->options->slots && next_random(w) % 3 == 0)
			transact_slots(w, resp, 1 + next_random(w) % left);
		else if (left && (!w->open || next_random(w) % 2))
			send_some(w, req, 1 + next_random(w) % left);
		else
			receive_some(w, resp, 1 + next_random(w) % w->open);
		if (w->options->cancels && next_random(w) % 8 == 0)
			cancel(w);
		if (w->options->closes && next_random(w) % 64 == 0)
			reopen(w);
		if (w->options->hops && next_random(w) % 8 == 0)
			hop(w);
	}
	free(w->in_slot);
	free(resp);
	free(req);
}

/* What all share is in @w already, if there is such. */
static void worker(struct worker *w, unsigned int number)
{
	w->number = number;
	w->random = w->options->seed * 2654435761U + number;
	if (w->options->shared)
		w->first_slot = number * w->options->depth;
	if (!w->options->shared && open_own(w))
		complain(w, strerror(errno), 0);
	else
		work(w);
	_exit(0);
}

static unsigned int settle(const struct options *o, const struct ledger *ledger)
{
	uint64_t all = (uint64_t)o->processes * o->requests, i;
	unsigned int errors = ledger->errors;

	for (i = 0; i < all; i++) {
		if (ledger->entry[i] != ENTRY_SENT)
			continue;
		errors++;
		fprintf(stderr, "# request %llu: never ended\n", (unsigned long long)i);
	}
	if (ledger->ended + ledger->closed != ledger->sent ||
	    (!o->command && ledger->sent != all) || !ledger->sent) {
		errors++;
		fprintf(stderr, "# %u ended and %u closed of %u\n", ledger->ended,
			ledger->closed, ledger->sent);
	}
	if (o->failures ? !ledger->failed :
	    (o->command || o->cancels) && !ledger->aborted) {
		errors++;
		fprintf(stderr, "# no request was in flight when it mattered\n");
	}
	printf("# %u requests, %u ended, %u of them by time-out, %u by the driver otherwise\n",
	       ledger->sent, ledger->ended, ledger->timeouts, ledger->aborted);
	printf("# %u failed, %u closed, %u errors\n", ledger->failed, ledger->closed, errors);
	return errors;
}

/* Somebody waits for what never comes. Nobody can be asked any more. */
static void on_stuck(int number)
{
	static const char text[] = "# stuck: a process has waited too long\n";

	(void)number;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) > 0)
		kill(0, SIGKILL);
	_exit(1);
}

static int print_usage(void)
{
	fprintf(stderr,
		"usage: ledger [-p PROCESSES] [-n REQUESTS] [-d DEPTH] [-r SEED] [-sictbokmaew]\n"
		"-s one shared file, -i interrupted, -c closes, -t time-outs, -b nonblocking,\n"
		"-o some requests in one call, -k cancels, -m some in slots, -a on any CPU\n"
		"-e the device may end requests with ERROR or NO_DEVICE, and has to\n"
		"-w COMMAND what goes on meanwhile\n");
	return 2;
}

static int parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt(argc, argv, "p:n:d:r:sictbokmaew:")) != -1) {
		switch (c) {
		case 'p':
			o->processes = atoi(optarg);
			break;
		case 'n':
			o->requests = atoi(optarg);
			break;
		case 'd':
			o->depth = atoi(optarg);
			break;
		case 'r':
			o->seed = atoi(optarg);
			break;
		case 's':
			o->shared = true;
			break;
		case 'i':
			o->signals = true;
			break;
		case 'c':
			o->closes = true;
			break;
		case 't':
			o->timeouts = true;
			break;
		case 'b':
			o->nonblock = true;
			break;
		case 'o':
			o->transactions = true;
			break;
		case 'k':
			o->cancels = true;
			break;
		case 'm':
			o->slots = true;
			break;
		case 'a':
			o->hops = true;
			break;
		case 'e':
			o->failures = true;
			break;
		case 'w':
			o->command = optarg;
			break;
		default:
			return print_usage();
		}
	}
	return o->processes && o->requests && o->depth && optind == argc ? 0 : print_usage();
}

int main(int argc, char **argv)
{
	struct options o = { .processes = 4, .requests = 1000, .depth = 8, .seed = 1 };
	struct worker w = { .options = &o, .fd = -1 };
	struct ledger *ledger;
	unsigned int i;

	if (parse(argc, argv, &o))
		return 2;
	setpgid(0, 0);
	ledger = mmap(NULL, sizeof(*ledger) +
		      (size_t)o.processes * o.requests * sizeof(*ledger->entry),
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ledger == MAP_FAILED) {
		perror("ledger");
		return 1;
	}
	w.ledger = ledger;
	if (o.shared) {
		w.fd = sst_open(O_RDWR | (o.nonblock ? O_NONBLOCK : 0));
		if (w.fd < 0 || (o.slots && set_up_slots(&w, o.processes * o.depth))) {
			perror(sst_device());
			return 1;
		}
	}
	for (i = 0; i < o.processes; i++)
		if (!fork())
			worker(&w, i);
	signal(SIGALRM, on_stuck);
	if (o.command) {
		if (system(o.command)) {
			fprintf(stderr, "# failed: %s\n", o.command);
			ledger->errors++;
		}
		__atomic_store_n(&ledger->stop, true, __ATOMIC_SEQ_CST);
	}
	alarm(STUCK_AFTER_S);
	while (wait(NULL) > 0)
		;
	return settle(&o, ledger) ? 1 : 0;
}
