/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the virtio SST driver share.
 *
 * The device must answer some request types in special ways, as vhost-user-sst
 * does with the options that the file "backend-options" lists.
 */
#ifndef SST_TEST_H
#define SST_TEST_H

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_sst.h>

#define REQ		sizeof(struct sst_request)
#define RESP		sizeof(struct sst_response)

/* Request types with special answers */
enum {
	TYPE_NEVER = 100,	/* none */
	TYPE_LATE = 101,	/* ECHO after 600 ms */
	TYPE_WRONG_ID = 102,	/* with another request_id and user_data */
	TYPE_SHORT = 103,	/* 100 bytes only, and it says so */
	TYPE_LONG = 104,	/* claims to be 4294967295 bytes long */
	TYPE_DIRTY = 105,	/* header only, and it claims to be complete */
	TYPE_FILL = 106,	/* payload all 0xaa */
	TYPE_TINY = 107,	/* 20 bytes, and it says so */
	TYPE_BREAK = 108,	/* after 300 ms an ID never offered: breaks the queue */
	TYPE_NO_DEVICE = 109,	/* status NO_DEVICE */
	TYPE_UNKNOWN = 110,	/* status INVALID: no special answer */
	/* The chain comes back empty, and the response on the response queue: */
	TYPE_QUEUE = 111,	/* ECHO, after the chain */
	TYPE_EARLY = 112,	/* ECHO, the chain 300 ms after the response */
	TYPE_NO_CHAIN = 113,	/* ECHO, the chain never */
	TYPE_NO_RESPONSE = 114,	/* the response never */
	TYPE_QUEUE_LATE = 115,	/* ECHO, 600 ms after the chain */
	TYPE_QUEUE_WRONG_ID = 116,	/* with another request_id */
	TYPE_QUEUE_REPEAT = 117,	/* the response twice */
	TYPE_EARLY_REPEAT = 118,	/* twice, the chain 300 ms later */
	TYPE_QUEUE_SHORT = 119,	/* 100 bytes only, and it says so */
	TYPE_QUEUE_EMPTY = 120,	/* no byte, and it says so */
	TYPE_QUEUE_LONG = 121,	/* claims to be 4294967295 bytes long */
	TYPE_QUEUE_DIRTY = 122,	/* header only, and it claims to be complete */
	/* The whole device: */
	TYPE_PAUSE = 123,	/* answered, then it does nothing for 1500 ms */
	TYPE_SILENCE = 124,	/* not answered, and nothing until a reset */
	TYPE_SOON = 125,	/* ECHO after 2 ms */
};

#define LATE_MS		600
#define EARLY_MS	300
#define PAUSE_MS	1500
#define FILL_BYTE	0xaa

static inline const char *sst_device(void)
{
	const char *path = getenv("SST_DEVICE");

	return path ? path : "/dev/sst0";
}

/* Whether the device answers one request after the other, as the existing one */
static inline bool sst_serial(void)
{
	return getenv("SST_SERIAL");
}

static inline const char *sst_name(void)
{
	return strrchr(sst_device(), '/') + 1;
}

static inline int sst_attr_set(const char *name, const char *text);

/* With SST_BUSY_POLL the device is polled for so many microseconds. */
static inline int sst_open(int flags)
{
	const char *us = getenv("SST_BUSY_POLL");

	if (us)
		sst_attr_set("busy_poll_us", us);
	return open(sst_device(), flags | O_CLOEXEC);
}

static inline unsigned long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* The clock that goes with jiffies, by which the kernel counts time-outs */
static inline unsigned long long coarse_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

static inline void sleep_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static inline void sst_prepare(struct sst_request *req, unsigned int type,
			       unsigned long long user_data)
{
	memset(req, 0, sizeof(*req));
	req->type = htole32(type);
	req->user_data = htole64(user_data);
}

/* Numerical Recipes' linear congruence: repeatable from the seed */
static inline unsigned int sst_random(unsigned int *random)
{
	*random = *random * 1664525 + 1013904223;
	return *random >> 8;
}

/* What the payload of a request consists of that has this number */
static inline unsigned char sst_pattern(unsigned long long number)
{
	return number * 37 + 1;
}

/* Settings of an open file, and a cancellation. These return 0 or more, or -errno. */

static inline int file_set(int fd, unsigned int flags, unsigned int value)
{
	struct sst_settings settings = {
		.flags = flags,
		.request_timeout_ms = value,
		.request_limit = value,
	};

	return ioctl(fd, SST_IOCTL_SET_SETTINGS, &settings) ? -errno : 0;
}

static inline int file_set_timeout(int fd, unsigned int ms)
{
	return file_set(fd, SST_SETTING_TIMEOUT, ms);
}

static inline int file_set_limit(int fd, unsigned int limit)
{
	return file_set(fd, SST_SETTING_LIMIT, limit);
}

/* Returns how many were cancelled, or -errno */
static inline int file_cancel(int fd, unsigned long long user_data, unsigned int flags)
{
	struct sst_cancel c = { .user_data = user_data, .flags = flags, .count = 12345 };

	if (!ioctl(fd, SST_IOCTL_CANCEL, &c))
		return c.count;
	return errno == ENOENT && c.count ? -EPROTO : -errno;
}

/* Returns 0, or -errno */
static inline int sst_send(int fd, unsigned int type, unsigned long long user_data)
{
	struct sst_request req;
	ssize_t n;

	sst_prepare(&req, type, user_data);
	n = write(fd, &req, sizeof(req));
	return n == sizeof(req) ? 0 : n < 0 ? -errno : -EPROTO;
}

/* Returns 0, or -errno */
static inline int sst_receive(int fd, struct sst_response *resp)
{
	ssize_t n = read(fd, resp, sizeof(*resp));

	return n == sizeof(*resp) ? 0 : n < 0 ? -errno : -EPROTO;
}

/* Get slots, and map them. Returns MAP_FAILED if that fails, and errno is set. */
static inline void *sst_map_slots(int fd, unsigned int nr, struct sst_slot_setup *setup)
{
	*setup = (struct sst_slot_setup){ .nr = nr };
	if (ioctl(fd, SST_IOCTL_SETUP_SLOTS, setup))
		return MAP_FAILED;
	return mmap(NULL, setup->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* What a response in a slot would be elsewhere; the slots are at @memory. */
static inline void sst_slot_to_response(const struct sst_slot_response *from,
					const struct sst_slot_setup *setup,
					const void *memory, struct sst_response *to)
{
	to->status = htole32(from->status);
	to->flags = htole32(from->flags);
	to->request_id = htole64(from->request_id);
	to->user_data = htole64(from->user_data);
	to->result = htole64(from->result);
	memcpy(to->payload, (const char *)memory + from->index * setup->slot_size +
	       setup->response_offset, SST_PAYLOAD_SIZE);
}

/* Fill the device with requests of another file. Returns that file, or -1. */
static inline int sst_fill_queue(const struct sst_info *info, unsigned int type)
{
	int fd = sst_open(O_RDWR);
	unsigned int i;

	if (fd < 0 || file_set_limit(fd, SST_REQUEST_LIMIT_MAX))
		return -1;
	for (i = 0; i < info->queue_size; i++)
		if (sst_send(fd, type, i))
			return -1;
	return fd;
}

static inline short sst_poll(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, timeout_ms) > 0 ? p.revents : 0;
}

static inline bool all_bytes(const void *p, unsigned char byte, size_t n)
{
	const unsigned char *b = p;

	while (n--)
		if (*b++ != byte)
			return false;
	return true;
}

/* The compiler must not see what it is. */
static inline void *bad_pointer(void)
{
	return (void *)atol("8");
}

/* The end of memory: the last @size bytes before what must not be touched */
static inline void *end_of_memory(size_t size)
{
	size_t page = getpagesize();
	size_t length = (size + page - 1) / page * page;
	char *p = mmap(NULL, length + page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + length, page, PROT_NONE))
		return NULL;
	return p + length - size;
}

static inline void *readonly_memory(const void *content, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	memcpy(p, content, size);
	return mprotect(p, size, PROT_READ) ? NULL : p;
}

static inline void sst_attr_path(char *path, const char *name)
{
	snprintf(path, PATH_MAX, "/sys/class/virtio-sst/%s/%s", sst_name(), name);
}

static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static inline int read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	if (n < 0)
		n = -errno;
	else
		text[n] = 0;
	close(fd);
	return n;
}

static inline int sst_attr_set(const char *name, const char *text)
{
	char path[PATH_MAX];

	sst_attr_path(path, name);
	return write_file(path, text);
}

static inline int sst_attr_get(const char *name, char *text, size_t size)
{
	char path[PATH_MAX];

	sst_attr_path(path, name);
	return read_file(path, text, size);
}

static inline int sst_set_timeout(unsigned int ms)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", ms);
	return sst_attr_set("request_timeout_ms", text);
}

/* After how many overdue requests in a row the driver resets a device; 0: never */
static inline int sst_set_reset_after(unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	return write_file("/sys/module/virtio_sst/parameters/reset_after", text);
}

/* A counter in the text of the file "stats", or -1 */
static inline long long sst_stat_in(const char *text, const char *name)
{
	size_t length = strlen(name);
	const char *line;

	for (line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
		if (!strncmp(line, name, length) && line[length] == ' ')
			return atoll(line + length + 1);
	return -1;
}

/* A counter of the file "stats", or -1 */
static inline long long sst_stat(const char *name)
{
	char text[4096];

	if (sst_attr_get("stats", text, sizeof(text)) < 0)
		return -1;
	return sst_stat_in(text, name);
}

/*
 * Looks, a millisecond apart, at which they do not balance, and never do: events are lost. A
 * few such looks are at events that are counted and cannot be read yet.
 */
#define BOOKS_WRONG	300

/*
 * What became of the events of a descriptor. Those that it was told of are as many as the
 * driver has received meanwhile, unless the device was reset.
 */
struct sst_event_books {
	unsigned long long told;	/* events read, and those told to be lost */
	long long before;		/* received before there was the descriptor, at least */
	long long after;		/* the same, at most */
	long long resets;
};

/* Returns the descriptor, or -1 and errno is set. */
static inline int sst_event_books_open(struct sst_event_books *books, int fd,
				       struct sst_event_setup *setup)
{
	int ret;

	books->told = 0;
	books->resets = sst_stat("resets");
	books->before = sst_stat("events");
	ret = ioctl(fd, SST_IOCTL_EVENT_FD, setup);
	if (ret >= 0)
		books->after = sst_stat("events");
	return ret;
}

static inline void sst_event_books_add(struct sst_event_books *books, const struct sst_event *e)
{
	if (!e->flags)
		books->told++;
	else if (e->type == htole32(SST_EVENT_OVERRUN))
		books->told += le64toh(e->data);
}

/*
 * Whether the descriptor told of all events, which were @received before it had none left:
 * 1, 0, or -EAGAIN if more came meanwhile, so that it cannot be said. The driver counts an
 * event shortly before it can be read.
 */
static inline int sst_event_books_balance(const struct sst_event_books *books,
					  long long received)
{
	long long told = books->told;

	if (sst_stat("resets") != books->resets)
		return 1;
	if (sst_stat("events") != received)
		return -EAGAIN;
	return told >= received - books->after && told <= received - books->before;
}

/* Ask for a reset and wait up to 10 s for its end. Returns 0, or -errno */
static inline int sst_reset(void)
{
	unsigned long long end = now_ms() + 10000;
	long long before = sst_stat("resets");
	int ret = sst_attr_set("reset", "1");

	while (!ret && sst_stat("resets") == before) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		sleep_ms(1);
	}
	return ret;
}

/* Whether each request so far has ended in one way, or is in flight */
static inline bool sst_stats_balance(void)
{
	static const char *const ways[] = {
		"responses", "timeouts", "malformed", "abandoned", "cancelled", "aborted",
		"in_flight", NULL
	};
	const char *const *way;
	long long sum = 0;
	char text[4096];

	if (sst_attr_get("stats", text, sizeof(text)) < 0)
		return false;
	for (way = ways; *way; way++)
		sum += sst_stat_in(text, *way);
	return sst_stat_in(text, "requests") == sum;
}

/* Wait up to 10 s until a counter has a value. Returns the last one seen. */
static inline long long sst_wait_stat(const char *name, long long value)
{
	unsigned long long end = now_ms() + 10000;
	long long seen;

	while ((seen = sst_stat(name)) != value && now_ms() < end)
		sleep_ms(10);
	return seen;
}

/* Name of the virtio device, such as "virtio0" */
static inline int sst_virtio_name(char *name, size_t size)
{
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t n;

	sst_attr_path(path, "device");
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = 0;
	snprintf(name, size, "%s", strrchr(link, '/') + 1);
	return 0;
}

static inline int sst_driver_do(const char *what, const char *virtio_name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/virtio/drivers/virtio-sst/%s", what);
	return write_file(path, virtio_name);
}

/* Wait up to 10 s for the device file. Returns 0, or -errno */
static inline int wait_for_device(void)
{
	unsigned long long end = now_ms() + 10000;

	while (access(sst_device(), F_OK)) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		sleep_ms(1);
	}
	return 0;
}

/* Unbind and bind the driver, and wait for the device file. Returns 0, or -errno */
static inline int sst_rebind(void)
{
	char name[NAME_MAX];
	int ret;

	ret = sst_virtio_name(name, sizeof(name));
	if (!ret)
		ret = sst_driver_do("unbind", name);
	if (!ret)
		ret = sst_driver_do("bind", name);
	return ret ?: wait_for_device();
}

/* Why the machine cannot be suspended, or NULL */
static inline const char *sst_suspend_missing(void)
{
	char text[256];

	if (read_file("/sys/power/state", text, sizeof(text)) < 0 || !strstr(text, "freeze"))
		return "this machine cannot be suspended";
	if (access("/sys/power/pm_test", W_OK))
		return "the kernel has no /sys/power/pm_test";
	return NULL;
}

/* Suspend only up to the devices, and at once back again. Returns 0, or -errno */
static inline int sst_suspend(void)
{
	int ret;

	write_file("/sys/module/suspend/parameters/pm_test_delay", "0");
	ret = write_file("/sys/power/pm_test", "devices") ?:
	      write_file("/sys/power/state", "freeze");
	write_file("/sys/power/pm_test", "none");
	return ret;
}

/* What a child process does, in memory that it shares with its parent */
struct child {
	pid_t pid;
	bool started;
	int result;
};

/* Returns true in the child, which has to end with child_exit(). */
static inline bool child_start(struct child *c)
{
	pid_t pid;

	c->started = false;
	pid = fork();
	if (pid) {
		c->pid = pid;
		return false;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	__atomic_store_n(&c->started, true, __ATOMIC_SEQ_CST);
	return true;
}

static inline void child_exit(struct child *c, int result)
{
	c->result = result;
	_exit(0);
}

/* Wait for the end of a child. Returns its result. */
static inline int child_end(struct child *c)
{
	int status;

	if (waitpid(c->pid, &status, 0) != c->pid || status)
		return -ECHILD;
	return c->result;
}

/* Wait up to 10 s until a child sleeps in what it does. Returns whether it does. */
static inline bool child_asleep(const struct child *c)
{
	unsigned long long until = now_ms() + 10000;
	char path[64], text[512], *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", c->pid);
	for (; now_ms() < until; sleep_ms(1)) {
		if (!__atomic_load_n(&c->started, __ATOMIC_SEQ_CST))
			continue;
		if (read_file(path, text, sizeof(text)) < 0)
			return false;
		state = strrchr(text, ')');
		if (state && state[1] && state[2] == 'S')
			return true;
		if (state && state[1] && state[2] == 'Z')
			return false;
	}
	return false;
}

static inline void do_nothing(int number)
{
	(void)number;
}

static inline void catch_signal(int flags)
{
	struct sigaction action = { .sa_handler = do_nothing, .sa_flags = flags };

	sigaction(SIGUSR1, &action, NULL);
}

#endif /* SST_TEST_H */
