// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the fuzzer: operations that any file has.
 */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "fuzz.h"

#define FIRST_FD	64
#define LAST_FD		900
#define CHILDREN	4
#define PATIENT_MS	1000

int file_fd(uint64_t file)
{
	return file & ~HANDLE_EVENTS & 0xffffffff;
}

uint32_t file_id(uint64_t file)
{
	return file >> 32;
}

struct handle *pick_handle(struct self *s)
{
	return &s->handles[pick(s, HANDLES)];
}

static uint64_t load(const struct handle *h)
{
	return __atomic_load_n(&h->file, __ATOMIC_RELAXED);
}

/* Mostly one that is open */
uint64_t pick_file(struct self *s)
{
	unsigned int first = pick(s, HANDLES), i;
	uint64_t file = 0;

	for (i = 0; i < HANDLES && !file; i++)
		file = load(&s->handles[(first + i) % HANDLES]);
	return file ? file : (uint64_t)-1 >> 33;
}

/*
 * A number must not soon be that of another file: what a thread, or an entry of a ring,
 * does with it would be taken for something of that file.
 */
static int rare_number(int fd)
{
	static int next = FIRST_FD;
	int from, rare;

	from = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
	if (from >= LAST_FD) {
		__atomic_store_n(&next, FIRST_FD, __ATOMIC_RELAXED);
		from = FIRST_FD;
	}
	rare = fcntl(fd, F_DUPFD_CLOEXEC, from);
	close(fd);
	return rare;
}

/* Have a file, in the place of another one that is closed. */
void set_handle(struct self *s, int fd, uint32_t id, bool events)
{
	struct handle *h = pick_handle(s);
	uint64_t file, old;

	fd = rare_number(fd);
	if (fd < 0)
		return;
	file = (uint64_t)id << 32 | (events ? HANDLE_EVENTS : 0) | (unsigned int)fd;
	old = __atomic_exchange_n(&h->file, file, __ATOMIC_SEQ_CST);
	if (old)
		close(file_fd(old));
}

void open_file(struct self *s, int flags)
{
	int fd = open(sst_device(), flags | O_CLOEXEC);

	expect(s, fd, "open", EINVAL, EMFILE, EPERM);
	if (fd >= 0 && s->patient && file_set_timeout(fd, PATIENT_MS))
		close(fd);
	else if (fd >= 0)
		set_handle(s, fd, new_file_id(s), false);
}

void do_open(struct self *s)
{
	/* 3 is for ioctl only. */
	static const int access[] = {
		O_RDWR, O_RDWR, O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY, 3,
	};
	static const int further[] = { O_APPEND, O_TRUNC, O_DIRECT, O_SYNC, O_ASYNC, O_NOATIME };
	int flags = access[pick(s, 8)];

	if (pick(s, 8) || s->patient)
		flags |= O_NONBLOCK;
	if (!pick(s, 8))
		flags |= further[pick(s, 6)];
	open_file(s, flags);
}

void do_close(struct self *s)
{
	uint64_t file = __atomic_exchange_n(&pick_handle(s)->file, 0, __ATOMIC_SEQ_CST);

	if (file)
		close(file_fd(file));
}

static void check_events(struct self *s, const struct sst_event *event, ssize_t bytes, size_t size)
{
	if (bytes < 0)
		return;
	if (!bytes || bytes % sizeof(*event) || bytes > size)
		complain(s, COMPLAINT_FORM, "read of events: %zd of %zu bytes", bytes, size);
	for (; event && bytes >= (ssize_t)sizeof(*event); bytes -= sizeof(*event), event++)
		if (le32toh(event->flags) & ~SST_EVENT_F_DRIVER)
			complain(s, COMPLAINT_FORM, "event with flags %x", le32toh(event->flags));
}

static void check_read(struct self *s, uint64_t file, const void *buffer, ssize_t ret, size_t size)
{
	if (file & HANDLE_EVENTS)
		check_events(s, buffer, ret, size);
	else
		check_responses(s, file_id(file), buffer, ret, size);
}

void do_read(struct self *s)
{
	uint64_t file = pick_file(s);
	size_t size = pick_response_bytes(s);
	void *buffer = room_for(s, s->responses, size);
	ssize_t ret = read(file_fd(file), buffer, size);

	expect(s, ret, "read", unless_open(file, TO_READ), EINTR, EINVAL, EMSGSIZE, EFAULT, EAGAIN);
	check_read(s, file, buffer == s->responses ? buffer : NULL, ret, size);
}

void do_write(struct self *s)
{
	uint64_t file = pick_file(s);
	size_t size = pick_request_bytes(s);
	const void *content = fill_requests(s, file_id(file), (size + REQ - 1) / REQ);
	void *buffer = offer(s, file_id(file), content, size);
	ssize_t ret = write(file_fd(file), buffer, size);

	expect(s, ret, "write", unless_open(file, TO_WRITE), EINTR, EINVAL, EFAULT, EAGAIN, ENOBUFS,
	       EIO);
	check_accepted(s, ret, size);
}

/* Cut memory into pieces. Returns their number. */
static int cut(struct self *s, struct iovec *v, int max, char *memory, size_t size)
{
	size_t piece;
	int n = 0;

	while (n < max) {
		piece = n == max - 1 ? size : pick(s, size + 1);
		v[n++] = (struct iovec){ memory, piece };
		memory += piece;
		size -= piece;
	}
	return n;
}

/* A piece that is just too long would have responses written over other memory. */
static void spoil_vector(struct self *s, struct iovec *v, int n)
{
	struct iovec *one = &v[pick(s, n)];

	switch (pick(s, 16)) {
	case 0:
		one->iov_len = (size_t)1 << 63;
		break;
	case 1:
		one->iov_base = bad_pointer();
	}
}

/* The kernel refuses some flags before it asks the driver. */
static int pick_rwf(struct self *s)
{
	return pick(s, 4) ? 0 : (int)(pick_number(s) & (RWF_NOWAIT | RWF_HIPRI | RWF_DSYNC));
}

void do_readv(struct self *s)
{
	uint64_t file = pick_file(s);
	size_t size = pick_response_bytes(s);
	struct iovec v[4], *arg;
	int n = cut(s, v, 4, (char *)s->responses, size);
	ssize_t ret;

	spoil_vector(s, v, n);
	arg = offer_argument(s, file_id(file), v, sizeof(v));
	/* What else is there would be taken for addresses. */
	if (arg != v && arg != (void *)s->readonly)
		arg = bad_pointer();
	ret = preadv2(file_fd(file), arg, n, -1, pick_rwf(s));
	expect(s, ret, "readv", unless_open(file, TO_READ), EINTR, EINVAL, EMSGSIZE, EFAULT, EAGAIN,
	       EOPNOTSUPP, ESPIPE);
	if (arg == v)
		check_read(s, file, NULL, ret, size);
}

void do_writev(struct self *s)
{
	uint64_t file = pick_file(s);
	size_t size = pick_request_bytes(s);
	char *content = (char *)fill_requests(s, file_id(file), (size + REQ - 1) / REQ);
	struct iovec v[4], *arg;
	int n = cut(s, v, 4, content, size);
	ssize_t ret;

	spoil_vector(s, v, n);
	arg = pick(s, 16) ? v : offer_argument(s, file_id(file), v, sizeof(v));
	ret = pwritev2(file_fd(file), arg, n, -1, pick_rwf(s));
	expect(s, ret, "writev", unless_open(file, TO_WRITE), EINTR, EINVAL, EFAULT, EAGAIN,
	       ENOBUFS, EIO, EOPNOTSUPP, ESPIPE);
}

void do_seek(struct self *s)
{
	int fd = file_fd(pick_file(s));
	ssize_t ret;

	switch (pick(s, 5)) {
	case 0:
		ret = lseek(fd, pick_number(s), pick(s, 6));
		break;
	case 1:
		ret = pread(fd, s->responses, RESP, pick_number(s));
		break;
	case 2:
		ret = pwrite(fd, s->requests, REQ, pick_number(s));
		break;
	case 3:
		ret = ftruncate(fd, pick_number(s));
		break;
	default:
		ret = fsync(fd);
	}
	if (ret >= 0)
		complain(s, COMPLAINT_FORM, "a file without a position took one");
	expect(s, ret, "seek", EBADF, ESPIPE, EINVAL, ENXIO);
}

void do_poll(struct self *s)
{
	struct pollfd p[3];
	unsigned int i;

	for (i = 0; i < 3; i++)
		p[i] = (struct pollfd){ .fd = file_fd(pick_file(s)), .events = pick_number(s) };
	expect(s, poll(p, 3, pick(s, 3)), "poll", EINTR);
	for (i = 0; i < 3; i++)
		if (p[i].revents & (POLLERR | POLLHUP))
			complain(s, COMPLAINT_FORM, "poll: the device is gone");
}

void do_select(struct self *s)
{
	struct timeval t = { .tv_usec = pick(s, 2000) };
	uint64_t file = pick_file(s);
	int fd = file_fd(file);
	fd_set r, w, x;

	if (fd >= FD_SETSIZE)
		return;
	FD_ZERO(&r);
	FD_SET(fd, &r);
	w = r;
	x = r;
	expect(s, select(fd + 1, pick(s, 4) ? &r : NULL, pick(s, 4) ? &w : NULL, &x, &t), "select",
	       unless_open(file, 0), EINTR);
}

void do_epoll(struct self *s)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT }, out[4];
	int fd = epoll_create1(EPOLL_CLOEXEC);
	unsigned int i;
	uint64_t file;

	expect(s, fd, "epoll_create", EMFILE);
	if (fd < 0)
		return;
	if (!pick(s, 2))
		e.events |= EPOLLET;
	if (!pick(s, 4))
		e.events |= EPOLLEXCLUSIVE;
	for (i = 0; i < 3; i++) {
		file = pick_file(s);
		expect(s, epoll_ctl(fd, EPOLL_CTL_ADD, file_fd(file), &e), "epoll_ctl",
		       unless_open(file, 0), EEXIST);
	}
	if (!pick(s, 2))
		do_close(s);
	expect(s, epoll_wait(fd, out, 4, pick(s, 3)), "epoll_wait", EINTR);
	close(fd);
}

void do_fcntl(struct self *s)
{
	int fd = file_fd(pick_file(s)), on = pick(s, 8) || s->patient;

	switch (pick(s, 5)) {
	case 0:
	case 1:
		fcntl(fd, F_SETFL, pick(s, 8) || s->patient ? O_NONBLOCK : 0);
		break;
	case 2:
		fcntl(fd, F_SETFL,
		      O_NONBLOCK | (pick_number(s) & (O_ASYNC | O_APPEND | O_DIRECT)));
		break;
	case 3:
		fcntl(fd, F_SETOWN, getpid());
		break;
	default:
		ioctl(fd, pick(s, 2) ? FIONBIO : FIOASYNC, &on);
	}
}

void do_dup(struct self *s)
{
	uint64_t file = pick_file(s);
	int fd = dup(file_fd(file));

	expect(s, fd, "dup", unless_open(file, 0), EMFILE);
	if (fd >= 0)
		set_handle(s, fd, file_id(file), file & HANDLE_EVENTS);
}

static void live_shortly(struct self *s)
{
	struct itimerval t = { { 0, 1500 }, { 0, 1500 } };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setitimer(ITIMER_REAL, &t, NULL);
	s->kcov = NULL;
	s->random ^= (uint64_t)getpid() << 32;
	run_calls(s, 1 + next_random(s) % 12);
	_exit(0);
}

/* Children are killed when others take their place, if they still live. */
void do_fork(struct self *s)
{
	static pid_t children[CHILDREN];
	static unsigned int next;
	pid_t *child = &children[next++ % CHILDREN];

	if (*child) {
		kill(*child, SIGKILL);
		while (waitpid(*child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	*child = fork();
	if (!*child) {
		memset(children, 0, sizeof(children));
		s->main = false;
		live_shortly(s);
	}
	if (*child < 0)
		*child = 0;
}

/*
 * To whichever attacker is there first; descriptors nobody takes are closed in the end. A file
 * that others may have wait is not for those who are patient.
 */
void do_send(struct self *s)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	uint64_t file = pick_file(s);
	struct iovec v = { &file, sizeof(file) };
	struct msghdr m = {
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd = file_fd(file);

	if (s->patient)
		return;
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	expect(s, sendmsg(s->post, &m, MSG_DONTWAIT | MSG_NOSIGNAL), "sendmsg",
	       unless_open(file, 0), EAGAIN, ENOBUFS, ETOOMANYREFS);
}

void do_receive(struct self *s)
{
	char control[CMSG_SPACE(sizeof(int))];
	uint64_t file = 0;
	struct iovec v = { &file, sizeof(file) };
	struct msghdr m = {
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	ssize_t ret;
	int fd;

	if (s->patient)
		return;
	ret = recvmsg(s->other_post, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	header = CMSG_FIRSTHDR(&m);
	expect(s, ret, "recvmsg", EAGAIN);
	/* There may have been no number left for it. */
	if (ret < 0 || !header || header->cmsg_len != CMSG_LEN(sizeof(int)))
		return;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	set_handle(s, fd, file_id(file), file & HANDLE_EVENTS);
}

/* The driver has none of these: they must not work half. */
void do_splice(struct self *s)
{
	int fd = file_fd(pick_file(s));
	int ends[2];
	ssize_t ret;

	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC))
		return;
	switch (pick(s, 4)) {
	case 0:
		ret = splice(fd, NULL, ends[1], NULL, 65536, SPLICE_F_NONBLOCK);
		break;
	case 1:
		ret = write(ends[1], s->readonly, REQ);
		ret = splice(ends[0], NULL, fd, NULL, 65536, SPLICE_F_NONBLOCK);
		break;
	case 2:
		ret = sendfile(ends[1], fd, NULL, 65536);
		break;
	default:
		ret = copy_file_range(fd, NULL, ends[1], NULL, 65536, 0);
	}
	if (ret >= 0)
		complain(s, COMPLAINT_FORM, "splice works");
	expect(s, ret, "splice", EBADF, EINVAL, ESPIPE, EAGAIN);
	close(ends[0]);
	close(ends[1]);
}

void do_limit(struct self *s)
{
	struct rlimit files = { 40 + pick(s, LAST_FD + 100), 1024 };
	struct rlimit locked = { pick(s, 64) * 4096, 64 * 4096 };

	if (pick(s, 2))
		setrlimit(RLIMIT_NOFILE, &files);
	else
		setrlimit(RLIMIT_MEMLOCK, &locked);
}
