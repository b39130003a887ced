// SPDX-License-Identifier: GPL-2.0-only
/*
 * The back-end without its program.
 *
 * Guest memory has guards around it, so that the address sanitizer sees each access outside
 * of a region: mmap() and munmap() are wrapped by the linker.
 */

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sanitizer/asan_interface.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "sigbus.h"
#include "target.h"

#define PAGE	4096u

/* In front of and behind a region: more than any 16-bit number of descriptors takes */
#define GUARD	(2u << 20)

/* More than an input can have open */
#define MAX_FILES	256

/* How often a loop may do something until it is said not to come to rest */
#define MAX_STEPS	2000

/* The same where that is no fault */
#define MAX_RESTLESS	16

void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t len);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *addr, size_t len);

static struct target target;

static const char *const option_sets[][8] = {
	{ NULL },
	{ "--queue-size=16", "--latency=1,3" },
	{ "--response-queue=alternate", "--answer=8=repeat,short:40",
	  "--answer=9=queue:before,chain-after:0", "--answer=10=in-chain,break" },
	{ "--quirks=existing" },
	{ "--queues=3", "--events=1,3", "--response-queue=before", "--latency=2" },
	{ "--answer=5=silence", "--answer=8=never", "--answer=9=keep-chain",
	  "--answer=10=no-response", "--answer=11=dirty,len:4294967295",
	  "--answer=12=queue:after,break", "--answer=13=silence:0", "--events=1,1000" },
	{ "--poll=0", "--response-queue=after" },
	{ "--queue-size=32768", "--features=-event_idx", "--backend-req" },
};

static size_t whole_pages(size_t len)
{
	return (len + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static bool is_guest_memory(int flags, int fd)
{
	return fd >= 0 && flags & MAP_SHARED;
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	size_t size = whole_pages(len);
	uint8_t *base, *map;

	if (!is_guest_memory(flags, fd))
		return __real_mmap(addr, len, prot, flags, fd, offset);
	base = __real_mmap(NULL, size + 2 * GUARD, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return MAP_FAILED;
	map = __real_mmap(base + GUARD, len, prot, flags | MAP_FIXED, fd, offset);
	if (map == MAP_FAILED)
		__real_munmap(base, size + 2 * GUARD);
	return map;
}

int __wrap_munmap(void *addr, size_t len)
{
	size_t size = whole_pages(len);

	if (addr == target.device.model.memory)
		return __real_munmap(addr, len);
	ASAN_UNPOISON_MEMORY_REGION(addr, PAGE);
	ASAN_UNPOISON_MEMORY_REGION((uint8_t *)addr + size - PAGE, PAGE);
	return __real_munmap((uint8_t *)addr - GUARD, size + 2 * GUARD);
}

/* Regions that do not begin or end with a page have something in front of or behind them */
static void guard_regions(struct target *t)
{
	unsigned int i;

	for (i = 0; i < t->device.vu.mem.nr; i++) {
		struct mem_region *region = &t->device.vu.mem.region[i];
		size_t before = (size_t)(region->host - (uint8_t *)region->map);

		ASAN_POISON_MEMORY_REGION(region->map, before);
		ASAN_POISON_MEMORY_REGION(region->host + region->size,
					  region->map_size - before - region->size);
	}
}

/**
 * struct steps - one run of a loop, until it is at rest
 * @loop: the loop
 * @busy: its own function
 * @opaque: the argument of that
 * @left: steps that are left
 * @rest: it has come to rest
 */
struct steps {
	struct loop *loop;
	bool (*busy)(void *opaque);
	void *opaque;
	unsigned int left;
	bool rest;
};

static bool readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) > 0;
}

static bool step(void *opaque)
{
	struct steps *steps = opaque;
	bool busy = steps->busy && steps->busy(steps->opaque);

	steps->rest = !busy && !readable(steps->loop->epoll_fd);
	if (steps->rest || !--steps->left)
		loop_stop(steps->loop);
	return true;
}

static bool run_loop(struct target *t, struct loop *loop)
{
	struct steps steps = {
		.loop = loop,
		.busy = loop->busy,
		.opaque = loop->opaque,
		.left = t->restless ? MAX_RESTLESS : MAX_STEPS,
	};

	loop->busy = step;
	loop->opaque = &steps;
	loop->stop = false;
	insist(!loop_run(loop));
	loop->busy = steps.busy;
	loop->opaque = steps.opaque;
	return steps.rest;
}

static bool run_workers(struct target *t)
{
	bool rest = true;
	unsigned int i;

	for (i = 0; i < t->options->nr_pairs; i++)
		if (!t->device.pairs[i].worker.paused)
			rest &= run_loop(t, &t->device.pairs[i].worker.loop);
	return rest;
}

/* As the program does it */
static void look_for_memory_loss(struct target *t)
{
	if (!readable(t->memory_loss.fd))
		return;
	sigbus_read(&t->memory_loss);
	if (t->connected)
		conn_end(&t->conn, "guest memory was taken away");
}

bool target_run(struct target *t)
{
	bool rest = run_loop(t, &t->loop);

	guard_regions(t);
	rest &= run_workers(t);
	look_for_memory_loss(t);
	return rest;
}

static void closed(struct conn *conn)
{
	struct target *t = container_of(conn, struct target, conn);

	t->connected = false;
	device_reset(&t->device);
	sigbus_read(&t->memory_loss);
}

static void make_guest(struct target *t)
{
	t->guest = memfd_create("guest", MFD_CLOEXEC);
	insist(t->guest >= 0 && !ftruncate(t->guest, MEMORY));
	t->mem = __real_mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, t->guest, 0);
	insist(t->mem != MAP_FAILED);
	t->lost = false;
}

static void parse(struct target *t, unsigned int set)
{
	char *argv[ARRAY_SIZE(option_sets[0]) + 3] = { "fuzz", "--socket=-" };
	int argc = 2;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(option_sets[set]) && option_sets[set][i]; i++)
		argv[argc++] = (char *)option_sets[set][i];
	/* glibc: begin anew */
	optind = 0;
	insist(options_parse(&t->list, argc, argv) == OPTIONS_RUN);
	t->options = t->list.device;
	t->restless = t->options->requestq.poll || t->options->events_ns;
}

void target_connect(struct target *t)
{
	int fds[2];

	insist(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	t->sock = fds[0];
	insist(!conn_open(&t->conn, fds[1]));
	t->connected = true;
}

static bool at_rest(struct target *t)
{
	unsigned int i;

	for (i = 0; i < t->options->nr_pairs; i++) {
		struct loop *loop = &t->device.pairs[i].worker.loop;

		if (loop->busy(loop->opaque) || readable(loop->epoll_fd))
			return false;
	}
	return !readable(t->loop.epoll_fd);
}

void target_disconnect(struct target *t)
{
	/* The back-end may have been given the socket itself, which would stay open */
	shutdown(t->sock, SHUT_RDWR);
	close_fd(&t->sock);
	/* It may have pushed many messages before */
	while (t->connected)
		run_loop(t, &t->loop);
	insist(!t->device.vu.mem.nr && !t->device.running);
	insist(at_rest(t));
}

static unsigned int count_files(void)
{
	unsigned int nr = 0;
	int fd;

	for (fd = 0; fd < MAX_FILES; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

struct target *target_start(unsigned int set)
{
	struct target *t = &target;
	unsigned int i;

	signal(SIGPIPE, SIG_IGN);
	memset(t, 0, sizeof(*t));
	t->nr_files = count_files();
	insist(!sigbus_open(&t->memory_loss, &t->device.vu.mem));
	t->device.sigbus = &t->memory_loss;
	parse(t, set % ARRAY_SIZE(option_sets));
	make_guest(t);
	for (i = 0; i < MAX_RINGS; i++) {
		t->kick[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		insist(t->kick[i] >= 0);
	}
	insist(!loop_init(&t->loop));
	t->conn.loop = &t->loop;
	t->conn.vu = &t->device.vu;
	t->conn.closed = closed;
	insist(!device_init(&t->device, t->options, &t->loop));
	target_connect(t);
	return t;
}

void target_end(struct target *t)
{
	unsigned int i;

	target_disconnect(t);
	device_destroy(&t->device);
	sigbus_close(&t->memory_loss);
	options_free(&t->list);
	loop_destroy(&t->loop);
	for (i = 0; i < MAX_RINGS; i++)
		close_fd(&t->kick[i]);
	__real_munmap(t->mem, MEMORY);
	close_fd(&t->guest);
	insist(count_files() == t->nr_files);
}

void target_send(struct target *t, const void *data, size_t len, const int *fds,
		 unsigned int nr_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(16 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (nr_fds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nr_fds * sizeof(int));
	}
	sendmsg(t->sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (nr_fds)
		close(fds[--nr_fds]);
}

void target_receive(struct target *t)
{
	struct vu_header header;
	uint8_t payload[VU_MAX_REPLY];

	/* A ring may have been given the socket, and have taken parts of replies for kicks */
	if (t->restless)
		return;
	while (recv(t->sock, &header, sizeof(header), MSG_DONTWAIT) == sizeof(header)) {
		insist(header.flags == 5 && header.size <= sizeof(payload));
		insist(!header.size || recv(t->sock, payload, header.size, MSG_DONTWAIT) ==
		       (ssize_t)header.size);
	}
}
