// SPDX-License-Identifier: GPL-2.0-only
/* File descriptors of all kinds, as a front-end may send them. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "files.h"

static int open_guest(struct target *t, unsigned int ring)
{
	(void)ring;
	return dup(t->guest);
}

static int open_kick(struct target *t, unsigned int ring)
{
	return dup(t->kick[ring % MAX_RINGS]);
}

static int open_eventfd(struct target *t, unsigned int ring)
{
	(void)t;
	(void)ring;
	return eventfd(0, EFD_CLOEXEC);
}

static int open_full_eventfd(struct target *t, unsigned int ring)
{
	int fd = open_eventfd(t, ring);

	eventfd_write(fd, UINT64_MAX - 1);
	return fd;
}

/* Each read takes one of very many */
static int open_semaphore(struct target *t, unsigned int ring)
{
	(void)t;
	(void)ring;
	return eventfd(INT32_MAX, EFD_CLOEXEC | EFD_SEMAPHORE);
}

static int pipe_end(int end)
{
	int fds[2];

	insist(!pipe2(fds, O_CLOEXEC));
	close(fds[!end]);
	return fds[end];
}

/* Nobody writes to it */
static int open_pipe_out(struct target *t, unsigned int ring)
{
	(void)t;
	(void)ring;
	return pipe_end(0);
}

/* Nobody reads from it */
static int open_pipe_in(struct target *t, unsigned int ring)
{
	(void)t;
	(void)ring;
	return pipe_end(1);
}

static int open_socket(struct target *t, unsigned int ring)
{
	(void)t;
	(void)ring;
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* The connection itself */
static int open_self(struct target *t, unsigned int ring)
{
	(void)ring;
	return dup(t->sock);
}

static int open_epoll(struct target *t, unsigned int ring)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = epoll_create1(EPOLL_CLOEXEC);

	eventfd_write(t->kick[ring % MAX_RINGS], 1);
	epoll_ctl(fd, EPOLL_CTL_ADD, t->kick[ring % MAX_RINGS], &event);
	return fd;
}

/* Readable again as soon as it was read */
static int open_timer(struct target *t, unsigned int ring)
{
	struct itimerspec spec = { { 0, 1 }, { 0, 1 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	(void)t;
	(void)ring;
	timerfd_settime(fd, 0, &spec, NULL);
	return fd;
}

static int open_null(struct target *t, unsigned int ring)
{
	(void)t;
	(void)ring;
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static int open_folder(struct target *t, unsigned int ring)
{
	(void)t;
	(void)ring;
	return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* In Linux, this opens the file itself anew */
static int open_read_only(struct target *t, unsigned int ring)
{
	char path[32];

	(void)ring;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", t->guest);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_path(struct target *t, unsigned int ring)
{
	(void)t;
	(void)ring;
	return open("/", O_PATH | O_CLOEXEC);
}

static int memory(off_t size, unsigned int seals)
{
	int fd = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	insist(fd >= 0 && !ftruncate(fd, size));
	fcntl(fd, F_ADD_SEALS, seals);
	return fd;
}

static int open_empty(struct target *t, unsigned int ring)
{
	(void)t;
	(void)ring;
	return memory(0, 0);
}

static int open_odd(struct target *t, unsigned int ring)
{
	(void)t;
	return memory(MEMORY - 1 - (off_t)(ring & 0xff), 0);
}

static int open_sealed(struct target *t, unsigned int ring)
{
	(void)t;
	(void)ring;
	return memory(MEMORY, F_SEAL_WRITE);
}

/* Much larger than the machine, and nothing in it */
static int open_huge(struct target *t, unsigned int ring)
{
	(void)t;
	(void)ring;
	return memory((off_t)1 << 42, 0);
}

static int (*const kinds[])(struct target *t, unsigned int ring) = {
	[FILE_GUEST] = open_guest,
	[FILE_KICK] = open_kick,
	[FILE_EVENTFD] = open_eventfd,
	[FILE_FIRST_BAD] = open_full_eventfd,
	open_semaphore, open_pipe_out, open_pipe_in, open_socket, open_self, open_epoll,
	open_timer, open_null, open_folder, open_read_only, open_path, open_empty, open_odd,
	open_sealed, open_huge,
};

int file_open(struct target *t, uint8_t kind, unsigned int ring)
{
	int fd = kinds[kind % ARRAY_SIZE(kinds)](t, ring);

	insist(fd >= 0);
	return fd;
}
