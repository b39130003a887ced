// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users of a device that comes and goes. Each is a process that opens the device, uses
 * it in its own way until it is gone, looks at what an open file is then, and starts over
 * with the next one. Each request ends at most once, with its own data; none is passed
 * over by one that was made after it; nobody waits for ever.
 *
 * With -l a command ends each life of the device, and another one begins when all have
 * noticed. With -w the command does whatever it likes meanwhile. If it makes the file
 * "pause" in TMPDIR, all files are closed, and the file "paused" says so, until it
 * removes "pause" again.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <liburing.h>

#include "sst_test.h"

#define WINDOW		1024	/* requests that a user knows of at once */
#define DEPTH		16	/* requests of a user in flight, at most */
#define CMDS		8	/* io_uring commands of a user in flight */
#define CMD_MAX		(DEPTH / CMDS)
#define STUCK_MS	30000	/* nothing takes so long, even on a slow machine */
#define TIMEOUT_MIN_MS	80	/* the shortest that a command sets, but for a tick or two */
#define EVENT_MS	5000	/* an event that was received can be read by then */
#define USERS		9

enum state { FREE, SENT, ENDED, LOST };

struct shared {
	unsigned long long requests;
	unsigned long long ended;
	unsigned long long aborted;	/* by the driver: a reset or suspension */
	unsigned long long timeouts;
	unsigned long long lost;	/* with the device */
	unsigned long long events;
	unsigned int errors;
	unsigned int life;		/* that users may begin */
	bool pause;
	bool stop;
	bool hung;
	struct {
		unsigned int begun;	/* the life that it uses the device in */
		unsigned int over;
		bool rests;
		pid_t pid;
	} user[USERS];
};

struct user {
	struct shared *shared;
	unsigned int number;
	const char *name;
	unsigned int random;
	unsigned int life;
	int fd;
	uint64_t sent;
	uint64_t last_echo;	/* the last one that was answered, and 1 */
	unsigned int open;	/* in flight, or unread */
	long long resets;	/* of the device, as far as known */
	struct {
		uint64_t seq;
		enum state state;
		long long resets;
		unsigned long long sent_ms;
	} entry[WINDOW];
	struct sst_request req[DEPTH];
	struct sst_response resp[DEPTH];
	char *memory;		/* of slots */
	struct sst_slot_setup setup;
};

static bool free_running;

static unsigned int next_random(struct user *u)
{
	return sst_random(&u->random);
}

/* @number: that of a request, or whatever helps to understand it */
static void complain(struct user *u, const char *what, long long number)
{
	if (__atomic_add_fetch(&u->shared->errors, 1, __ATOMIC_SEQ_CST) <= 20)
		fprintf(stderr, "# life %u, %s, after %llu requests: %s (%lld)\n", u->life,
			u->name, (unsigned long long)u->sent, what, number);
}

static bool leaving(const struct user *u)
{
	return __atomic_load_n(&u->shared->stop, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&u->shared->pause, __ATOMIC_SEQ_CST);
}

/* A user's requests */

static bool is_slow(uint64_t seq)
{
	return seq % 5 == 3;
}

static void set_state(struct user *u, uint64_t seq, enum state state)
{
	u->entry[seq % WINDOW].seq = seq;
	u->entry[seq % WINDOW].state = state;
}

/* A request is to be sent now. */
static void set_sent(struct user *u, uint64_t seq)
{
	/* It takes too long to look each time. */
	if (!(next_random(u) % 8))
		u->resets = sst_stat("resets");
	set_state(u, seq, SENT);
	u->entry[seq % WINDOW].resets = u->resets;
	u->entry[seq % WINDOW].sent_ms = coarse_ms();
}

/* Whether a request is known, and in that state */
static bool has_state(const struct user *u, uint64_t seq, enum state state)
{
	return u->entry[seq % WINDOW].seq == seq && u->entry[seq % WINDOW].state == state;
}

static uint64_t user_data(const struct user *u, uint64_t seq)
{
	return (uint64_t)u->number << 56 | seq;
}

/* Prepare the next requests, as if they were sent. Every fifth takes 2 ms. */
static void enter(struct user *u, struct sst_request *req, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		uint64_t seq = u->sent++;

		sst_prepare(&req[i], is_slow(seq) ? TYPE_SOON : SST_REQUEST_ECHO,
			    user_data(u, seq));
		memset(req[i].payload, sst_pattern(seq), SST_PAYLOAD_SIZE);
		set_sent(u, seq);
	}
	u->open += n;
	__atomic_add_fetch(&u->shared->requests, n, __ATOMIC_SEQ_CST);
}

/* The last ones were not sent. */
static void strike_out(struct user *u, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		set_state(u, --u->sent, FREE);
	u->open -= n;
	__atomic_sub_fetch(&u->shared->requests, n, __ATOMIC_SEQ_CST);
}

static bool is_gone(const struct user *u)
{
	return sst_poll(u->fd, 0, 0) & POLLHUP;
}

/*
 * Whether the device was reset after there had been so many resets, or went. A reset ends
 * requests first, and is counted once the device works again.
 */
static bool was_reset(struct user *u, long long before)
{
	unsigned long long until = now_ms() + STUCK_MS / 2;

	do {
		u->resets = sst_stat("resets");
		if (u->resets > before || is_gone(u))
			return true;
		sleep_ms(1);
	} while (now_ms() < until);
	return false;
}

static void check_timeout(struct user *u, uint64_t seq)
{
	unsigned long long took = coarse_ms() - u->entry[seq % WINDOW].sent_ms;

	__atomic_add_fetch(&u->shared->timeouts, 1, __ATOMIC_SEQ_CST);
	if (took < TIMEOUT_MIN_MS)
		complain(u, "timed out too early, ms", took);
}

static void check_abort(struct user *u, uint64_t seq)
{
	__atomic_add_fetch(&u->shared->aborted, 1, __ATOMIC_SEQ_CST);
	if (!was_reset(u, u->entry[seq % WINDOW].resets))
		complain(u, "aborted without a reset", seq);
}

static void check_status(struct user *u, const struct sst_response *resp, uint64_t seq)
{
	bool driver = le32toh(resp->flags) & SST_RESPONSE_F_DRIVER;
	unsigned int status = le32toh(resp->status);

	if (status == SST_RESPONSE_TIMEOUT && driver)
		check_timeout(u, seq);
	else if (status == SST_RESPONSE_ERROR && driver)
		check_abort(u, seq);
	else if (status != SST_RESPONSE_OK || driver)
		complain(u, "unexpected status", status);
	else if (!all_bytes(resp->payload, sst_pattern(seq), SST_PAYLOAD_SIZE))
		complain(u, "data of another request", seq);
}

/* The device answers the quick ones in their order: one that was passed over is lost. */
static void check_order(struct user *u, uint64_t seq)
{
	uint64_t i;

	if (is_slow(seq))
		return;
	for (i = u->last_echo; i < seq; i++)
		if (!is_slow(i) && has_state(u, i, SENT))
			complain(u, "a request was passed over", i);
	if (seq >= u->last_echo)
		u->last_echo = seq + 1;
}

static uint64_t sequence(__le64 user_data)
{
	return le64toh(user_data) & 0xffffffffffffff;
}

static void settle(struct user *u, const struct sst_response *resp)
{
	uint64_t data = le64toh(resp->user_data);
	uint64_t seq = sequence(resp->user_data);

	if (data >> 56 != u->number || !has_state(u, seq, SENT)) {
		complain(u, has_state(u, seq, ENDED) ? "a request ended twice" :
			 has_state(u, seq, LOST) ? "a request ended after the end" :
			 "a response to no request", seq);
		return;
	}
	set_state(u, seq, ENDED);
	u->open--;
	check_status(u, resp, seq);
	/* A command's responses are seen in the order of its requests, together. */
	if (le32toh(resp->status) == SST_RESPONSE_OK && u->number < 2)
		check_order(u, seq);
	__atomic_add_fetch(&u->shared->ended, 1, __ATOMIC_SEQ_CST);
}

/* What has no answer will have none. */
static void lose(struct user *u)
{
	unsigned int i;

	for (i = 0; i < WINDOW; i++) {
		if (u->entry[i].state != SENT)
			continue;
		u->entry[i].state = LOST;
		__atomic_add_fetch(&u->shared->lost, 1, __ATOMIC_SEQ_CST);
	}
	u->open = 0;
	u->last_echo = u->sent;
}

/* Take responses. Returns their number, or -errno. */
static int take(struct user *u)
{
	ssize_t n = read(u->fd, u->resp, sizeof(u->resp));
	unsigned int i;

	if (n < 0)
		return -errno;
	if (!n || n % RESP) {
		complain(u, "odd return of read", n);
		return -EPROTO;
	}
	for (i = 0; i < n / RESP; i++)
		settle(u, &u->resp[i]);
	return n / RESP;
}

/* Send up to @n requests. Returns 0, or -errno. */
static int give(struct user *u, unsigned int n)
{
	ssize_t ret;

	enter(u, u->req, n);
	ret = write(u->fd, u->req, n * REQ);
	if (ret > 0 && ret % REQ == 0) {
		strike_out(u, n - ret / REQ);
		return 0;
	}
	strike_out(u, n);
	if (ret < 0)
		return -errno;
	complain(u, "odd return of write", ret);
	return -EPROTO;
}

/*
 * Returns whether one may try again: after a wait or an interruption, or since the
 * virtqueues of a device are broken, which will be found to be gone.
 */
static bool harmless(int error)
{
	return error == -EAGAIN || error == -EINTR || error == -ENOBUFS || error == -EBUSY ||
	       error == -EIO;
}

/* Ways of using the device. They return -ENODEV when it is gone, 0 to leave it. */

/* Without waiting but in poll */
static int stream(struct user *u)
{
	int ret;

	fcntl(u->fd, F_SETFL, O_NONBLOCK);
	for (;;) {
		bool leave = leaving(u);

		if (leave && !u->open)
			return 0;
		if (!leave && u->open < DEPTH && next_random(u) % 2)
			ret = give(u, 1 + next_random(u) % (DEPTH - u->open));
		else
			ret = take(u);
		if (ret == -EAGAIN)
			sst_poll(u->fd, POLLIN | (leave || u->open == DEPTH ? 0 : POLLOUT), 1000);
		else if (ret < 0 && !harmless(ret))
			return ret;
	}
}

/* Waits for a response that does not come, in read or in poll */
static int sleeper(struct user *u)
{
	int ret;

	for (;;) {
		if (leaving(u))
			return 0;
		if (!u->open) {
			sst_prepare(u->req, TYPE_NEVER, user_data(u, u->sent));
			set_sent(u, u->sent++);
			ret = write(u->fd, u->req, REQ) == REQ ? 0 : -errno;
			if (ret)
				set_state(u, --u->sent, FREE);
			u->open = !ret;
			__atomic_add_fetch(&u->shared->requests, !ret, __ATOMIC_SEQ_CST);
		} else if (u->life % 2 && !sst_poll(u->fd, POLLIN, 1000)) {
			continue;
		} else {
			ret = take(u);
		}
		if (ret < 0 && !harmless(ret))
			return ret;
	}
}

/* Waits for a device to be gone that it asks nothing of */
static int poller(struct user *u)
{
	unsigned long long until;
	struct pollfd p = { .fd = u->fd, .events = POLLIN };

	while (poll(&p, 1, -1) != 1)
		if (leaving(u))
			return 0;
	if ((p.revents & (POLLHUP | POLLERR)) != (POLLHUP | POLLERR))
		complain(u, "poll tells no end", p.revents);
	for (until = now_ms() + STUCK_MS; !(p.revents & POLLIN) && now_ms() < until; sleep_ms(1))
		poll(&p, 1, 0);
	return -ENODEV;
}

/*
 * A call about @n requests failed with @ret, and says how many were submitted. Those are to
 * be read. Returns 0, or -errno of the call or of read.
 */
static int take_rest(struct user *u, unsigned int n, unsigned int submitted, int ret)
{
	if (!submitted)
		strike_out(u, n);
	else if (submitted != n || (ret != -EINTR && ret != -ENODEV))
		complain(u, "odd number of requests submitted", submitted);
	while (u->open && (ret >= 0 || ret == -EINTR))
		ret = take(u);
	return ret < 0 ? ret : 0;
}

/* In one call each */
static int caller(struct user *u)
{
	int ret;

	while (!leaving(u)) {
		struct sst_transaction t = {
			.request = (uintptr_t)u->req,
			.response = (uintptr_t)u->resp,
			.request_size = REQ,
			.response_size = RESP,
		};

		enter(u, u->req, 1);
		ret = ioctl(u->fd, SST_IOCTL_TRANSACT, &t) ? -errno : 0;
		if (!ret)
			settle(u, u->resp);
		else
			ret = take_rest(u, 1, !!t.request_id, ret);
		if (ret && !harmless(ret))
			return ret;
	}
	return 0;
}

static int set_up_slots(struct user *u)
{
	u->memory = sst_map_slots(u->fd, DEPTH, &u->setup);
	return u->memory == MAP_FAILED ? -errno : 0;
}

/* Some in one call, in memory that is shared with the device, which outlives it */
static int slots(struct user *u)
{
	struct sst_slot_request request[DEPTH];
	struct sst_slot_response response[DEPTH];
	struct sst_slot_transaction t = {
		.requests = (uintptr_t)request,
		.responses = (uintptr_t)response,
	};
	int ret, i;

	ret = set_up_slots(u);
	if (ret)
		return ret;
	while (!leaving(u)) {
		t.nr = 1 + next_random(u) % DEPTH;
		t.submitted = 0;
		enter(u, u->req, t.nr);
		for (i = 0; i < t.nr; i++) {
			request[i] = (struct sst_slot_request) {
				.type = le32toh(u->req[i].type),
				.user_data = le64toh(u->req[i].user_data),
				.index = i,
			};
			memcpy(u->memory + i * u->setup.slot_size, u->req[i].payload,
			       SST_PAYLOAD_SIZE);
		}
		ret = ioctl(u->fd, SST_IOCTL_TRANSACT_SLOTS, &t);
		/* Some files are closed with requests in slots. */
		if (ret < 0 && errno == EINTR && t.submitted && leaving(u))
			return 0;
		for (i = 0; i < ret; i++) {
			sst_slot_to_response(&response[i], &u->setup, u->memory, u->resp);
			settle(u, u->resp);
		}
		if (ret < 0)
			ret = take_rest(u, t.nr, t.submitted, -errno);
		else if (t.submitted != t.nr)
			complain(u, "odd number of requests submitted", t.submitted);
		else
			ret = ret < t.nr ? -ENODEV : 0;
		if (ret && !harmless(ret))
			return ret;
	}
	return 0;
}

/* Write to all slots, whoever else still knows them, and unmap them. */
static void drop_slots(struct user *u)
{
	if (u->memory && u->memory != MAP_FAILED) {
		memset(u->memory, u->life, u->setup.size);
		munmap(u->memory, u->setup.size);
	}
	u->memory = NULL;
}

/* Queue a command of some requests. */
static void queue_cmd(struct user *u, struct io_uring *ring, unsigned int i, unsigned int *nr)
{
	struct sst_uring_transact t = {
		.requests = (uintptr_t)(u->req + i * CMD_MAX),
		.responses = (uintptr_t)(u->resp + i * CMD_MAX),
		.nr = 1 + next_random(u) % CMD_MAX,
		.request_size = REQ,
		.response_size = RESP,
	};
	struct io_uring_sqe *sqe;

	/* There are more entries than commands. */
	sqe = io_uring_get_sqe(ring);
	if (!sqe)
		abort();
	*nr = t.nr;
	enter(u, u->req + i * CMD_MAX, t.nr);
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = u->fd;
	sqe->cmd_op = SST_URING_CMD_TRANSACT;
	sqe->user_data = i;
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, cmd), &t, sizeof(t));
}

/* The requests of a command were not sent, though later ones may have been. */
static void strike_out_cmd(struct user *u, unsigned int i, unsigned int n)
{
	unsigned int k;

	for (k = 0; k < n; k++)
		set_state(u, sequence(u->req[i * CMD_MAX + k].user_data), FREE);
	u->open -= n;
	__atomic_sub_fetch(&u->shared->requests, n, __ATOMIC_SEQ_CST);
}

/* Take the end of a command. Returns 0, or -errno. */
static int end_cmd(struct user *u, unsigned int i, unsigned int *nr, int res)
{
	int k;

	if (i >= CMDS || !*nr) {
		complain(u, "a completion that nobody waits for", i);
		return -EPROTO;
	}
	for (k = 0; k < res; k++)
		settle(u, &u->resp[i * CMD_MAX + k]);
	if (harmless(res))
		strike_out_cmd(u, i, *nr);
	res = res < 0 ? res : res < *nr ? -ENODEV : 0;
	*nr = 0;
	return res;
}

/* With many commands in flight */
static int uring(struct user *u)
{
	unsigned int nr[CMDS] = {}, in_flight = 0, i;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	bool broken = false;
	int ret = 0, res;

	if (io_uring_queue_init(2 * CMDS, &ring, IORING_SETUP_SQE128)) {
		complain(u, "no ring", errno);
		return -EPROTO;
	}
	for (;;) {
		/* Those that fail at once would push older ones out of the window. */
		broken = broken && in_flight;
		for (i = 0; i < CMDS && !ret && !broken && !leaving(u); i++) {
			if (nr[i])
				continue;
			queue_cmd(u, &ring, i, &nr[i]);
			in_flight++;
		}
		if (!in_flight)
			break;
		res = io_uring_submit_and_wait(&ring, 1);
		if (res < 0 && res != -EINTR)
			complain(u, "submission fails", res);
		while (!io_uring_peek_cqe(&ring, &cqe)) {
			i = cqe->user_data;
			res = end_cmd(u, i, i < CMDS ? &nr[i] : NULL, cqe->res);
			broken = broken || res == -EIO;
			if (res && !harmless(res))
				ret = res;
			io_uring_cqe_seen(&ring, cqe);
			in_flight--;
		}
	}
	io_uring_queue_exit(&ring);
	return ret;
}

/* Take one event. Those of one device come in their order. Returns 0, or -errno. */
static int take_event(struct user *u, int fd, struct sst_event_books *books, uint64_t *last)
{
	struct sst_event e;

	if (read(fd, &e, sizeof(e)) != sizeof(e))
		return -errno;
	__atomic_add_fetch(&u->shared->events, 1, __ATOMIC_SEQ_CST);
	sst_event_books_add(books, &e);
	if (e.flags & htole32(SST_EVENT_F_DRIVER))
		return 0;
	if (*last && le64toh(e.data) <= *last)
		complain(u, "an event out of order", le64toh(e.data));
	*last = le64toh(e.data);
	return 0;
}

/* Take all events that the driver has by now. They must be those that it has received. */
static int take_events(struct user *u, int fd, struct sst_event_books *books, uint64_t *last)
{
	unsigned long long until = now_ms() + EVENT_MS;
	unsigned int wrong = 0;
	long long received = 0;
	int ret = 0, balance;

	while (now_ms() < until) {
		received = sst_stat("events");
		while (!ret && sst_poll(fd, POLLIN, 0))
			ret = take_event(u, fd, books, last);
		if (ret)
			return ret;
		balance = sst_event_books_balance(books, received);
		if (balance > 0)
			return 0;
		wrong += !balance;
		sleep_ms(1);
	}
	/* Of events that never pause nothing can be said. */
	if (wrong >= BOOKS_WRONG && !is_gone(u))
		complain(u, "events were lost and not told, or told and not received",
			 books->told - received);
	return 0;
}

static int listener(struct user *u)
{
	struct sst_event_setup setup = { .flags = SST_EVENT_CLOEXEC };
	struct sst_event_books books;
	int fd = sst_event_books_open(&books, u->fd, &setup), ret = 0;
	uint64_t last = 0;

	if (fd < 0)
		return -errno;
	while (!leaving(u) && (!ret || ret == -EINTR)) {
		/* Some are left to come together. */
		if (next_random(u) % 4)
			ret = take_event(u, fd, &books, &last);
		else
			ret = take_events(u, fd, &books, &last);
	}
	if (!ret || ret == -EINTR)
		ret = take_events(u, fd, &books, &last);
	if (ret == -ENODEV && sst_poll(fd, POLLIN, 0) != (POLLIN | POLLHUP | POLLERR))
		complain(u, "poll for events does not tell the end", 0);
	close(fd);
	return ret == -EINTR ? 0 : ret;
}

/* Lives */

/* What every file of a dead device has to say: its responses, then that it is dead. */
static void look_at_the_dead(struct user *u)
{
	unsigned long long until = now_ms() + STUCK_MS;
	struct sst_info info;
	short seen;
	int ret;

	do {
		ret = take(u);
		/* Without waiting: the last ones may not be known to be lost yet. */
		if (ret == -EAGAIN)
			sleep_ms(1);
	} while (ret > 0 || (harmless(ret) && now_ms() < until));
	if (ret != -ENODEV)
		complain(u, "odd end of read", ret);
	lose(u);
	ret = give(u, 1);
	if (ret != -ENODEV)
		complain(u, "odd end of write", ret);
	if (!ioctl(u->fd, SST_IOCTL_GET_INFO, &info) || errno != ENODEV)
		complain(u, "odd end of ioctl", errno);
	seen = sst_poll(u->fd, POLLIN | POLLOUT, 0);
	if (seen != (POLLIN | POLLOUT | POLLHUP | POLLERR))
		complain(u, "odd end of poll", seen);
	ret = take(u);
	if (ret != -ENODEV)
		complain(u, "something to read after the end", ret);
}

static const struct {
	const char *name;
	int (*use)(struct user *u);
} ways[USERS] = {
	{ "stream", stream }, { "stream", stream }, { "sleeper", sleeper }, { "poller", poller },
	{ "caller", caller }, { "slots", slots }, { "uring", uring }, { "listener", listener },
	{ "caller", caller },
};

/* Wait for a device, or to leave. Returns whether there is one. */
static bool open_device(struct user *u)
{
	for (;; sleep_ms(1)) {
		if (leaving(u))
			return false;
		if (!free_running && __atomic_load_n(&u->shared->life, __ATOMIC_SEQ_CST) == u->life)
			continue;
		u->fd = sst_open(O_RDWR);
		if (u->fd >= 0)
			return true;
		if (errno != ENOENT && errno != ENXIO && errno != ENODEV) {
			complain(u, "open fails", errno);
			_exit(1);
		}
	}
}

static void rest(struct user *u)
{
	__atomic_store_n(&u->shared->user[u->number].rests, true, __ATOMIC_SEQ_CST);
	while (leaving(u)) {
		if (u->shared->stop)
			_exit(0);
		sleep_ms(2);
	}
	__atomic_store_n(&u->shared->user[u->number].rests, false, __ATOMIC_SEQ_CST);
}

static void live(struct user *u)
{
	int old = -1, ret;

	for (;;) {
		if (!open_device(u)) {
			close(old);
			old = -1;
			rest(u);
			continue;
		}
		u->life++;
		u->resets = sst_stat("resets");
		__atomic_store_n(&u->shared->user[u->number].begun, u->life, __ATOMIC_SEQ_CST);
		ret = ways[u->number].use(u);
		if (ret == -ENODEV)
			look_at_the_dead(u);
		else if (ret)
			complain(u, "fails", ret);
		drop_slots(u);
		/* Some dead ones are kept until the next one is there. */
		close(old);
		old = u->fd;
		if (!ret || next_random(u) % 2) {
			close(old);
			old = -1;
		}
		lose(u);
		__atomic_store_n(&u->shared->user[u->number].over, u->life, __ATOMIC_SEQ_CST);
	}
}

static void start_user(struct shared *shared, unsigned int number, unsigned int seed)
{
	static struct user u;
	pid_t pid = fork();

	if (pid) {
		shared->user[number].pid = pid;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	u.shared = shared;
	u.number = number;
	u.name = ways[number].name;
	u.random = seed * 2654435761U + number;
	catch_signal(0);
	live(&u);
}

/* The command, and the whole */

/* Wait for what @reached says of each user, or give up. Wake them now and then if @wake. */
static bool wait_for_all(struct shared *shared, bool (*reached)(struct shared *, unsigned int),
			 bool wake, const char *what)
{
	unsigned long long until = now_ms() + STUCK_MS;
	unsigned int i = 0;

	for (; i < USERS; sleep_ms(1)) {
		for (i = 0; i < USERS && reached(shared, i); i++)
			;
		if (i < USERS && now_ms() > until) {
			fprintf(stderr, "# life %u: %s hangs: %s\n", shared->life,
				ways[i].name, what);
			shared->errors++;
			shared->hung = true;
			write_file("/proc/sysrq-trigger", "w");
			return false;
		}
		if (i < USERS && wake)
			kill(shared->user[i].pid, SIGUSR1);
	}
	return true;
}

static bool has_begun(struct shared *shared, unsigned int i)
{
	return __atomic_load_n(&shared->user[i].begun, __ATOMIC_SEQ_CST) == shared->life;
}

static bool is_over(struct shared *shared, unsigned int i)
{
	return __atomic_load_n(&shared->user[i].over, __ATOMIC_SEQ_CST) == shared->life;
}

static bool rests(struct shared *shared, unsigned int i)
{
	return __atomic_load_n(&shared->user[i].rests, __ATOMIC_SEQ_CST);
}

static void run(struct shared *shared, const char *command)
{
	char life[16];

	snprintf(life, sizeof(life), "%u", shared->life);
	setenv("SST_LIFE", life, 1);
	if (!system(command))
		return;
	fprintf(stderr, "# life %u: failed: %s\n", shared->life, command);
	shared->errors++;
}

/* Have the command end one life after the other. */
static void end_lives(struct shared *shared, const char *command, unsigned int seconds)
{
	unsigned long long until = now_ms() + seconds * 1000ULL;

	while (now_ms() < until && !shared->errors) {
		__atomic_add_fetch(&shared->life, 1, __ATOMIC_SEQ_CST);
		if (!wait_for_all(shared, has_begun, false, "no device"))
			return;
		run(shared, command);
		if (!wait_for_all(shared, is_over, false, "does not notice the end"))
			return;
	}
}

/* Let the command do what it likes, and the users pause when it wants that. */
static void accompany(struct shared *shared, const char *command)
{
	char pause[PATH_MAX], paused[PATH_MAX];
	struct child c;
	int status = -1;

	snprintf(pause, sizeof(pause), "%s/pause", getenv("TMPDIR") ?: "/tmp");
	snprintf(paused, sizeof(paused), "%s/paused", getenv("TMPDIR") ?: "/tmp");
	if (child_start(&c)) {
		run(shared, command);
		_exit(0);
	}
	for (; !waitpid(c.pid, &status, WNOHANG); sleep_ms(5)) {
		bool wanted = !access(pause, F_OK);

		if (wanted == shared->pause)
			continue;
		__atomic_store_n(&shared->pause, wanted, __ATOMIC_SEQ_CST);
		if (!wanted)
			unlink(paused);
		else if (wait_for_all(shared, rests, true, "does not close its file"))
			close(open(paused, O_CREAT | O_WRONLY, 0600));
	}
	if (status) {
		fprintf(stderr, "# who runs the command ended with status %#x\n", status);
		shared->errors++;
	}
}

/* @name: of what has ended a life */
static void print_figures(const struct shared *shared, const char *name)
{
	if (name)
		printf("# figure: %s %u\n", name, shared->life);
	printf("# figure: requests %llu\n", shared->requests);
	printf("# figure: requests answered %llu\n",
	       shared->ended - shared->aborted - shared->timeouts);
	printf("# figure: requests aborted %llu\n", shared->aborted);
	printf("# figure: requests timed out %llu\n", shared->timeouts);
	printf("# figure: requests in flight at the end %llu\n", shared->lost);
	printf("# figure: events %llu\n", shared->events);
}

static int print_usage(void)
{
	fprintf(stderr, "usage: lives [-t SECONDS] [-r SEED] [-f NAME] -l COMMAND | -w COMMAND\n"
		"-l COMMAND what ends a life of the device, for so many seconds, and\n"
		"-f NAME how that is called in the figures\n"
		"-w COMMAND what goes on meanwhile\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *end_command = NULL, *command = NULL, *name = NULL;
	unsigned int seconds = 10, seed = 1, i;
	struct shared *shared;
	int option;

	while ((option = getopt(argc, argv, "t:r:f:l:w:")) != -1) {
		switch (option) {
		case 't':
			seconds = atoi(optarg);
			break;
		case 'r':
			seed = strtoul(optarg, NULL, 10);
			break;
		case 'f':
			name = optarg;
			break;
		case 'l':
			end_command = optarg;
			break;
		case 'w':
			command = optarg;
			break;
		default:
			return print_usage();
		}
	}
	if (!end_command == !command || optind < argc)
		return print_usage();
	free_running = command;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	for (i = 0; i < USERS; i++)
		start_user(shared, i, seed);
	if (command)
		accompany(shared, command);
	else
		end_lives(shared, end_command, seconds);
	__atomic_store_n(&shared->stop, true, __ATOMIC_SEQ_CST);
	/* Who hangs has said so already. */
	if (!shared->hung)
		wait_for_all(shared, rests, true, "does not close its file");
	for (i = 0; i < USERS; i++)
		kill(shared->user[i].pid, SIGKILL);
	if (shared->requests != shared->ended + shared->lost || !shared->ended) {
		fprintf(stderr, "# %llu requests, %llu ended, %llu lost\n", shared->requests,
			shared->ended, shared->lost);
		shared->errors++;
	}
	print_figures(shared, name);
	return shared->errors ? 1 : 0;
}
