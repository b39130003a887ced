// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of events: the file descriptors that programs read them from.
 *
 * Any device tells of its resets. The fixture "sent" needs one that sends events of the
 * type 1 whose data is a number that grows by 1, as vhost-user-sst does with --events.
 * SST_EVENT_RATE is how many it sends in a second, 200 by default, at most 25000.
 */
#include <grp.h>
#include <limits.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <liburing.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define EVENT		sizeof(struct sst_event)
#define MANY		SST_EVENT_CAPACITY_MAX
#define READERS		8	/* of an open file at once */
#define FILES		40
#define USER_READERS	1024	/* of a user at once */
#define NOBODY		65534
#define TYPE_TICK	1	/* of the device's events */
#define QUIET_MS	200	/* if nothing comes for so long nothing will */
#define RATE_MS		2000	/* how long the rate is kept up */

/* What was read from a descriptor */
struct list {
	unsigned int n;
	struct sst_event e[2 * MANY];
};

static struct list all, some;

/* Returns a descriptor, or -errno */
static int event_fd(int fd, unsigned int flags, unsigned int capacity)
{
	struct sst_event_setup setup = { .flags = flags, .capacity = capacity };
	int ret = ioctl(fd, SST_IOCTL_EVENT_FD, &setup);

	return ret < 0 ? -errno : ret;
}

/* Returns the number of events read, or -errno, or -EPROTO if some are not whole */
static int read_events(int fd, struct sst_event *e, unsigned int n)
{
	ssize_t bytes = read(fd, e, n * EVENT);

	return bytes < 0 ? -errno : bytes && !(bytes % EVENT) ? bytes / (ssize_t)EVENT : -EPROTO;
}

/* Read what there is from a descriptor with O_NONBLOCK. Returns how it ended. */
static int read_rest(int fd, struct list *list)
{
	int n;

	for (;; list->n += n) {
		n = read_events(fd, list->e + list->n, ARRAY_SIZE(list->e) - list->n);
		if (n < 0)
			return n;
	}
}

static int read_all(int fd, struct list *list)
{
	list->n = 0;
	return read_rest(fd, list);
}

static bool own(const struct sst_event *e, unsigned int type)
{
	return e->type == htole32(type) && e->flags == htole32(SST_EVENT_F_DRIVER);
}

/* Read one event. Returns its type if it is the driver's, 0 if it is not, or -errno. */
static int read_one(int fd)
{
	struct sst_event e;
	int n = read_events(fd, &e, 1);

	return n < 0 ? n : e.flags == htole32(SST_EVENT_F_DRIVER) ? le32toh(e.type) : 0;
}

/* Read up to the next reset, or the end. Returns 0 or -errno. */
static int read_to_reset(int fd)
{
	int ret;

	do
		ret = read_one(fd);
	while (ret >= 0 && ret != SST_EVENT_RESET);
	return ret < 0 ? ret : 0;
}

/* Have the device do nothing, not even send events, until it is reset. */
static int silence(void)
{
	int fd = sst_open(O_WRONLY);
	int ret = sst_send(fd, TYPE_SILENCE, 0);
	long long events;

	close(fd);
	do {
		events = sst_stat("events");
		sleep_ms(QUIET_MS);
	} while (sst_stat("events") != events);
	return ret;
}

/* Have at least @resets events come, and then none. */
static int stir(unsigned int resets)
{
	int ret = 0;

	while (resets-- && !ret)
		ret = sst_reset();
	return ret ?: silence();
}

/* Whether what a descriptor gave is what the other one gave, but for what it tells */
static bool same_but_for_overruns(const struct list *got, const struct list *full)
{
	unsigned long long i = 0;
	const struct sst_event *e;

	for (e = got->e; e < got->e + got->n; e++) {
		if (own(e, SST_EVENT_OVERRUN)) {
			if (e->timestamp || !e->data)
				return false;
			i += le64toh(e->data);
		} else if (i >= full->n || memcmp(e, &full->e[i++], EVENT)) {
			return false;
		}
	}
	return i == full->n;
}

static unsigned int count_own(const struct list *list, unsigned int type)
{
	unsigned int i, n = 0;

	for (i = 0; i < list->n; i++)
		n += own(&list->e[i], type);
	return n;
}

FIXTURE(events)
{
	int fd;
	int ref;	/* a descriptor that gets everything */
	char name[NAME_MAX];
	struct sst_event e[8];
};

FIXTURE_SETUP(events)
{
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, sst_virtio_name(self->name, sizeof(self->name)));
	ASSERT_EQ(0, sst_set_reset_after(0));
	ASSERT_EQ(0, silence());
	self->ref = event_fd(self->fd, SST_EVENT_CLOEXEC | SST_EVENT_NONBLOCK, MANY);
	ASSERT_LE(0, self->ref);
}

FIXTURE_TEARDOWN(events)
{
	close(self->ref);
	close(self->fd);
	if (access(sst_device(), F_OK)) {
		EXPECT_EQ(0, sst_driver_do("bind", self->name));
		EXPECT_EQ(0, wait_for_device());
	} else {
		EXPECT_EQ(0, sst_reset());
	}
}

/* The call */

TEST_F(events, invalid_arguments)
{
	static const struct sst_event_setup bad[] = {
		{ .flags = 4 }, { .flags = 0x80000000 }, { .capacity = MANY + 1 },
		{ .capacity = UINT_MAX }, { .reserved = { 1 } }, { .reserved = { 0, 1 } },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_EVENT_FD, &bad[i]));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_EVENT_FD, bad_pointer()));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IOW(SST_IOCTL_TYPE, 7, char), &bad[0]));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(events, need_a_file_open_for_reading)
{
	int writer = sst_open(O_WRONLY), reader = sst_open(O_RDONLY), fd;

	EXPECT_EQ(-EBADF, event_fd(writer, 0, 0));
	fd = event_fd(reader, 0, 0);
	EXPECT_LE(0, fd);
	close(fd);
	close(reader);
	close(writer);
}

TEST_F(events, flags_of_the_descriptor)
{
	static const unsigned int flags[] = {
		0, SST_EVENT_CLOEXEC, SST_EVENT_NONBLOCK, SST_EVENT_CLOEXEC | SST_EVENT_NONBLOCK
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		int fd = event_fd(self->fd, flags[i], 0);

		ASSERT_LE(0, fd);
		EXPECT_EQ(!!(flags[i] & SST_EVENT_CLOEXEC), fcntl(fd, F_GETFD));
		EXPECT_EQ(flags[i] & SST_EVENT_NONBLOCK ? O_NONBLOCK : 0,
			  fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE));
		close(fd);
	}
}

TEST_F(events, can_only_be_read)
{
	EXPECT_EQ(-1, write(self->ref, self->e, EVENT));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, pread(self->ref, self->e, EVENT, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, lseek(self->ref, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, ioctl(self->ref, SST_IOCTL_CANCEL, self->e));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(events, so_many_of_a_file_and_no_more)
{
	int other = sst_open(O_RDONLY), fds[READERS], fd;
	unsigned int i;

	for (i = 0; i < READERS; i++) {
		fds[i] = event_fd(other, SST_EVENT_NONBLOCK, 1);
		ASSERT_LE(0, fds[i]);
	}
	EXPECT_EQ(-EBUSY, event_fd(other, 0, 1));
	/* They are not in the way of other files. */
	fd = event_fd(self->fd, 0, 1);
	EXPECT_LE(0, fd);
	close(fd);

	/* A duplicate is the same one. */
	fd = dup(fds[0]);
	close(fds[0]);
	EXPECT_EQ(-EBUSY, event_fd(other, 0, 1));
	close(fd);
	fds[0] = event_fd(other, SST_EVENT_NONBLOCK, 1);
	EXPECT_LE(0, fds[0]);

	close(other);
	ASSERT_EQ(0, stir(1));
	for (i = 0; i < READERS; i++) {
		EXPECT_LT(0, read_events(fds[i], self->e, 2));
		close(fds[i]);
	}
}

TEST_F(events, those_of_closed_files_are_not_in_the_way)
{
	int fds[FILES][READERS], file;
	unsigned int i, j;

	for (i = 0; i < FILES; i++) {
		file = sst_open(O_RDONLY);
		for (j = 0; j < READERS; j++) {
			fds[i][j] = event_fd(file, SST_EVENT_NONBLOCK, 1);
			ASSERT_LE(0, fds[i][j]);
		}
		close(file);
	}
	ASSERT_EQ(0, stir(1));
	for (i = 0; i < FILES; i++) {
		for (j = 0; j < READERS; j++) {
			EXPECT_LT(0, read_events(fds[i][j], self->e, 2));
			close(fds[i][j]);
		}
	}
}

/* All descriptors that a user may have. Returns 0, or the line that went wrong. */
static int have_all_descriptors(const int *files)
{
	unsigned int i;
	int fd = -1;

	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		return __LINE__;
	for (i = 0; i < USER_READERS; i++) {
		fd = event_fd(files[i / READERS], 0, 1);
		if (fd < 0)
			return __LINE__;
	}
	if (event_fd(files[i / READERS], 0, 1) != -EMFILE)
		return __LINE__;
	close(fd);
	fd = event_fd(files[i / READERS], 0, 1);
	if (fd < 0 || event_fd(files[i / READERS], 0, 1) != -EMFILE)
		return __LINE__;
	return 0;
}

TEST_F(events, so_many_of_a_user_and_no_more)
{
	struct rlimit limit = { 2 * USER_READERS, 2 * USER_READERS };
	struct child *child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int files[USER_READERS / READERS + 1];
	unsigned int i;

	ASSERT_NE(MAP_FAILED, child);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		files[i] = sst_open(O_RDONLY);
		ASSERT_LE(0, files[i]);
	}
	if (child_start(child)) {
		child->result = have_all_descriptors(files);
		while (true)
			pause();
	}
	while (!child_asleep(child))
		;
	EXPECT_EQ(0, child->result);
	/* They are not in the way of others, and root may have more. */
	for (i = 0; i < ARRAY_SIZE(files) - 1; i++) {
		close(files[i]);
		files[i] = sst_open(O_RDONLY);
		EXPECT_LE(0, event_fd(files[i], 0, 1));
	}
	EXPECT_LE(0, event_fd(self->fd, 0, 1));
	ASSERT_EQ(0, kill(child->pid, SIGKILL));
	ASSERT_EQ(child->pid, waitpid(child->pid, NULL, 0));
}

/* read() */

TEST_F(events, read_too_small)
{
	ASSERT_EQ(0, stir(1));
	EXPECT_EQ(-1, read(self->ref, self->e, EVENT - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, read(self->ref, self->e, 0));
	EXPECT_EQ(EINVAL, errno);
	/* One more than fits is not begun. */
	memset(self->e, 0xff, sizeof(self->e));
	EXPECT_EQ(EVENT, read(self->ref, self->e, 2 * EVENT - 1));
	EXPECT_TRUE(all_bytes(self->e + 1, 0xff, EVENT));
	EXPECT_TRUE(own(self->e, SST_EVENT_RESET));
}

TEST_F(events, reset_is_told)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, stir(1));
		/* The first one, before what the device sends afterwards */
		ASSERT_EQ(1, read_events(self->ref, self->e, 1));
		EXPECT_TRUE(own(self->e, SST_EVENT_RESET));
		EXPECT_EQ(0, self->e->timestamp);
		EXPECT_EQ(sst_stat("resets"), le64toh(self->e->data));
		EXPECT_EQ(-EAGAIN, read_all(self->ref, &some));
		EXPECT_EQ(0, count_own(&some, SST_EVENT_RESET));
	}
}

TEST_F(events, each_descriptor_gets_all_from_when_it_was_made)
{
	int before, after, other;

	ASSERT_EQ(0, stir(1));
	before = event_fd(self->fd, SST_EVENT_NONBLOCK, MANY);
	ASSERT_EQ(-EAGAIN, read_all(self->ref, &all));
	/* Of another open file, which does not matter */
	other = sst_open(O_RDONLY);
	after = event_fd(other, SST_EVENT_NONBLOCK, MANY);
	close(other);

	ASSERT_EQ(0, stir(3));
	ASSERT_EQ(-EAGAIN, read_all(self->ref, &all));
	EXPECT_EQ(3, count_own(&all, SST_EVENT_RESET));
	EXPECT_EQ(-EAGAIN, read_all(before, &some));
	EXPECT_TRUE(same_but_for_overruns(&some, &all));
	EXPECT_EQ(-EAGAIN, read_all(after, &some));
	EXPECT_TRUE(same_but_for_overruns(&some, &all));
	EXPECT_EQ(0, count_own(&some, SST_EVENT_OVERRUN));
	close(before);
	close(after);
}

TEST_F(events, duplicates_share)
{
	struct child *child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int copy = dup(self->ref);

	ASSERT_EQ(0, stir(2));
	ASSERT_EQ(SST_EVENT_RESET, read_one(copy));
	close(self->ref);
	self->ref = -1;
	if (child_start(child))
		child_exit(child, read_to_reset(copy));
	EXPECT_EQ(0, child_end(child));
	EXPECT_EQ(-EAGAIN, read_to_reset(copy));
	close(copy);
	munmap(child, sizeof(*child));
}

TEST_F(events, read_waits)
{
	struct child *child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = event_fd(self->fd, 0, 0);

	if (child_start(child))
		child_exit(child, read_one(fd));
	ASSERT_TRUE(child_asleep(child));
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(SST_EVENT_RESET, child_end(child));
	close(fd);
	munmap(child, sizeof(*child));
}

TEST_F(events, read_interrupted)
{
	struct child *child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = event_fd(self->fd, 0, 0);

	catch_signal(0);
	if (child_start(child))
		child_exit(child, read_one(fd));
	ASSERT_TRUE(child_asleep(child));
	kill(child->pid, SIGUSR1);
	EXPECT_EQ(-EINTR, child_end(child));

	catch_signal(SA_RESTART);
	if (child_start(child))
		child_exit(child, read_one(fd));
	ASSERT_TRUE(child_asleep(child));
	kill(child->pid, SIGUSR1);
	ASSERT_TRUE(child_asleep(child));
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(SST_EVENT_RESET, child_end(child));
	close(fd);
	munmap(child, sizeof(*child));
}

TEST_F(events, read_nonblocking)
{
	int fd = event_fd(self->fd, 0, 0);

	EXPECT_EQ(-EAGAIN, read_one(self->ref));
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, read_one(fd));
	ASSERT_EQ(0, stir(1));
	EXPECT_EQ(SST_EVENT_RESET, read_one(fd));
	close(fd);
}

TEST_F(events, what_cannot_be_stored_is_read_later)
{
	static const unsigned int capacities[] = { 4, MANY };
	/* One fits, and half of the next. */
	char *end = end_of_memory(EVENT * 3 / 2);
	unsigned int i;

	ASSERT_NE(NULL, end);
	for (i = 0; i < ARRAY_SIZE(capacities); i++) {
		int fd = event_fd(self->fd, SST_EVENT_NONBLOCK, capacities[i]);

		/* With the smaller one, what comes first is an overrun. */
		ASSERT_EQ(0, stir(6));
		EXPECT_EQ(-EFAULT, read_events(fd, bad_pointer(), 3));
		EXPECT_EQ(1, read_events(fd, (void *)end, 3));
		memcpy(some.e, end, EVENT);
		some.n = 1;
		ASSERT_EQ(-EAGAIN, read_rest(fd, &some));
		ASSERT_EQ(-EAGAIN, read_all(self->ref, &all));
		EXPECT_TRUE(same_but_for_overruns(&some, &all));
		EXPECT_EQ(capacities[i] == 4, count_own(&some, SST_EVENT_OVERRUN));
		close(fd);
	}
}

/* Overruns */

TEST_F(events, overrun_tells_how_many)
{
	static const unsigned int capacities[] = { 1, 2, 3, 4, 5 }, kept[] = { 1, 2, 4, 4, 8 };
	int fds[ARRAY_SIZE(kept)];
	long long lost = sst_stat("lost_events");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kept); i++)
		fds[i] = event_fd(self->fd, SST_EVENT_NONBLOCK, capacities[i]);
	ASSERT_EQ(0, stir(10));
	ASSERT_EQ(-EAGAIN, read_all(self->ref, &all));
	for (i = 0; i < ARRAY_SIZE(kept); i++) {
		EXPECT_EQ(-EAGAIN, read_all(fds[i], &some));
		/* It comes first, and then the newest ones. */
		ASSERT_EQ(1 + kept[i], some.n);
		EXPECT_TRUE(own(some.e, SST_EVENT_OVERRUN));
		EXPECT_EQ(all.n - kept[i], le64toh(some.e[0].data));
		EXPECT_TRUE(same_but_for_overruns(&some, &all));
		lost += all.n - kept[i];
		close(fds[i]);
	}
	EXPECT_EQ(lost, sst_stat("lost_events"));
}

TEST_F(events, overruns_at_their_places)
{
	int fd = event_fd(self->fd, SST_EVENT_NONBLOCK, 2);
	unsigned int i;

	for (i = 0; i < 3; i++) {
		/* One is left, and is among those lost, or just before them. */
		ASSERT_EQ(0, stir(5));
		ASSERT_EQ(2, read_events(fd, some.e + some.n, 2));
		some.n += 2;
	}
	ASSERT_EQ(1, read_events(fd, some.e + some.n, 2));
	some.n++;
	ASSERT_EQ(-EAGAIN, read_all(self->ref, &all));
	EXPECT_TRUE(same_but_for_overruns(&some, &all));
	EXPECT_EQ(3, count_own(&some, SST_EVENT_OVERRUN));
	close(fd);
}

TEST_F(events, no_overrun_without_loss)
{
	int fd = event_fd(self->fd, SST_EVENT_NONBLOCK, 0);
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, stir(1));
		ASSERT_EQ(-EAGAIN, read_all(self->ref, &all));
		ASSERT_EQ(-EAGAIN, read_all(fd, &some));
		EXPECT_EQ(all.n > SST_EVENT_CAPACITY_DEFAULT,
			  count_own(&some, SST_EVENT_OVERRUN));
		EXPECT_TRUE(same_but_for_overruns(&some, &all));
	}
	close(fd);
}

/* poll() and io_uring */

TEST_F(events, poll)
{
	struct epoll_event ready = {}, wanted = { .events = EPOLLIN | EPOLLET };
	int fd = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(fd, EPOLL_CTL_ADD, self->ref, &wanted));
	EXPECT_EQ(0, sst_poll(self->ref, POLLIN | POLLOUT, 0));
	EXPECT_EQ(0, epoll_wait(fd, &ready, 1, 0));
	ASSERT_EQ(0, stir(1));
	EXPECT_EQ(POLLIN, sst_poll(self->ref, POLLIN | POLLOUT, 0));
	EXPECT_EQ(1, epoll_wait(fd, &ready, 1, 0));
	EXPECT_EQ(EPOLLIN, ready.events);
	EXPECT_EQ(0, epoll_wait(fd, &ready, 1, 0));
	ASSERT_EQ(-EAGAIN, read_all(self->ref, &all));
	EXPECT_EQ(0, sst_poll(self->ref, POLLIN, 0));
	close(fd);
}

/* What is put back is there again for those who share the descriptor, and no others. */
TEST_F(events, poll_not_woken_by_another_reader)
{
	struct epoll_event ready = {}, wanted = { .events = EPOLLIN | EPOLLET };
	int fd = event_fd(self->fd, SST_EVENT_NONBLOCK, MANY);
	int others = epoll_create1(EPOLL_CLOEXEC), own = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(others, EPOLL_CTL_ADD, self->ref, &wanted));
	ASSERT_EQ(0, epoll_ctl(own, EPOLL_CTL_ADD, fd, &wanted));
	ASSERT_EQ(0, stir(1));
	EXPECT_EQ(1, epoll_wait(others, &ready, 1, 0));
	EXPECT_EQ(1, epoll_wait(own, &ready, 1, 0));
	/* An edge is a wake-up. */
	EXPECT_EQ(0, epoll_wait(others, &ready, 1, 0));
	EXPECT_EQ(0, epoll_wait(own, &ready, 1, 0));
	EXPECT_EQ(-EFAULT, read_events(fd, bad_pointer(), 1));
	EXPECT_EQ(1, epoll_wait(own, &ready, 1, 0));
	EXPECT_EQ(0, epoll_wait(others, &ready, 1, 0));
	close(own);
	close(others);
	close(fd);
}

TEST_F(events, poll_waits)
{
	struct child *child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (child_start(child))
		child_exit(child, sst_poll(self->ref, POLLIN, 10000));
	ASSERT_TRUE(child_asleep(child));
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(POLLIN, child_end(child));
	munmap(child, sizeof(*child));
}

static void uring_read(struct io_uring *ring, int fd, struct sst_event *e, unsigned int n)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_read(sqe, fd, e, n * EVENT, 0);
	io_uring_submit(ring);
}

/* Wait for a completion. Returns its result, or -ETIME. */
static int uring_wait(struct io_uring *ring)
{
	struct __kernel_timespec t = { .tv_sec = 5 };
	struct io_uring_cqe *cqe;
	int ret;

	ret = io_uring_wait_cqe_timeout(ring, &cqe, &t);
	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

TEST_F(events, uring_read)
{
	int fd = event_fd(self->fd, 0, 0);
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	ASSERT_EQ(0, io_uring_queue_init(8, &ring, 0));
	io_uring_prep_read(io_uring_get_sqe(&ring), fd, self->e, EVENT - 1, 0);
	io_uring_submit(&ring);
	EXPECT_EQ(-EINVAL, uring_wait(&ring));

	/* It waits, and does not wait until its buffer is full. */
	uring_read(&ring, fd, some.e, MANY);
	sleep_ms(50);
	EXPECT_EQ(-EAGAIN, io_uring_peek_cqe(&ring, &cqe));
	ASSERT_EQ(0, stir(1));
	EXPECT_LE(EVENT, uring_wait(&ring));
	EXPECT_TRUE(own(some.e, SST_EVENT_RESET));
	io_uring_queue_exit(&ring);
	close(fd);
}

TEST_F(events, uring_reads_share)
{
	int fd = event_fd(self->fd, 0, 0);
	unsigned int i, j, found = 0;
	struct io_uring ring;

	ASSERT_EQ(0, io_uring_queue_init(8, &ring, 0));
	for (i = 0; i < 4; i++)
		uring_read(&ring, fd, self->e + i, 1);
	ASSERT_EQ(0, stir(4));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(EVENT, uring_wait(&ring));
	}
	/* Whichever got which, all of the first ones were read once. */
	ASSERT_EQ(-EAGAIN, read_all(self->ref, &all));
	for (i = 0; i < 4; i++)
		for (j = 0; j < 4; j++)
			if (!memcmp(self->e + j, all.e + i, EVENT))
				found |= 1 << j;
	EXPECT_EQ(0xf, found);
	io_uring_queue_exit(&ring);
	close(fd);
}

TEST_F(events, uring_reads_cancelled_with_the_ring)
{
	int fd = event_fd(self->fd, 0, 0);
	struct io_uring ring;

	ASSERT_EQ(0, io_uring_queue_init(8, &ring, 0));
	uring_read(&ring, fd, self->e, 1);
	uring_read(&ring, fd, self->e + 1, 1);
	io_uring_queue_exit(&ring);
	ASSERT_EQ(0, stir(1));
	EXPECT_EQ(SST_EVENT_RESET, read_one(fd));
	close(fd);
}

/* The end */

TEST_F(events, descriptor_outlives_that_of_the_device)
{
	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(0, stir(1));
	EXPECT_EQ(SST_EVENT_RESET, read_one(self->ref));
	/* And the device itself */
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	EXPECT_EQ(-ENODEV, read_all(self->ref, &all));
	EXPECT_EQ(POLLIN | POLLHUP | POLLERR, sst_poll(self->ref, POLLIN, 0));
}

TEST_F(events, gone_device)
{
	struct child *child = mmap(NULL, 3 * sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = event_fd(self->fd, 0, 0);
	struct io_uring ring;

	ASSERT_EQ(0, io_uring_queue_init(8, &ring, 0));
	uring_read(&ring, fd, self->e, 1);
	if (child_start(&child[0]))
		child_exit(&child[0], read_one(fd));
	if (child_start(&child[1]))
		child_exit(&child[1], read_one(fd));
	if (child_start(&child[2]))
		child_exit(&child[2], sst_poll(fd, POLLIN, 10000));
	ASSERT_TRUE(child_asleep(&child[0]));
	ASSERT_TRUE(child_asleep(&child[1]));
	ASSERT_TRUE(child_asleep(&child[2]));
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	EXPECT_EQ(-ENODEV, child_end(&child[0]));
	EXPECT_EQ(-ENODEV, child_end(&child[1]));
	EXPECT_EQ(POLLIN | POLLHUP | POLLERR, child_end(&child[2]));
	EXPECT_EQ(-ENODEV, uring_wait(&ring));
	EXPECT_EQ(-ENODEV, read_one(fd));
	EXPECT_EQ(-ENODEV, event_fd(self->fd, 0, 0));
	/* Not an end that passes */
	ASSERT_EQ(0, sst_driver_do("bind", self->name));
	ASSERT_EQ(0, wait_for_device());
	EXPECT_EQ(-ENODEV, read_one(fd));
	io_uring_queue_exit(&ring);
	close(fd);
	munmap(child, 3 * sizeof(*child));
}

TEST_F(events, what_came_before_the_end_can_be_read)
{
	ASSERT_EQ(0, stir(3));
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	EXPECT_EQ(POLLIN | POLLHUP | POLLERR, sst_poll(self->ref, POLLIN, 0));
	EXPECT_EQ(-ENODEV, read_all(self->ref, &all));
	EXPECT_EQ(3, count_own(&all, SST_EVENT_RESET));
	EXPECT_TRUE(own(all.e, SST_EVENT_RESET));
	EXPECT_EQ(POLLIN | POLLHUP | POLLERR, sst_poll(self->ref, POLLIN, 0));
}

/* Make descriptors, read or not, and close them, until that fails. Returns how. */
static int come_and_go(int fd, bool wait, unsigned int capacity)
{
	int ret;

	do {
		int events = event_fd(fd, 0, capacity);

		if (events < 0)
			return events;
		ret = wait ? read_one(events) : 0;
		close(events);
	} while (ret >= 0);

	return ret;
}

TEST_F(events, unbound_while_readers_come_and_go)
{
	enum { CHILDREN = 4 };
	struct child *child = mmap(NULL, CHILDREN * sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int i;

	ASSERT_EQ(0, sst_reset());
	for (i = 0; i < CHILDREN; i++)
		if (child_start(&child[i]))
			child_exit(&child[i], come_and_go(self->fd, i & 1, 1 << i));
	sleep_ms(300);
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	for (i = 0; i < CHILDREN; i++) {
		EXPECT_EQ(-ENODEV, child_end(&child[i]));
	}
	munmap(child, CHILDREN * sizeof(*child));
}

/* Events of the device */

FIXTURE(sent)
{
	int fd;
	int ref;
};

FIXTURE_SETUP(sent)
{
	struct sst_info info;

	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &info));
	ASSERT_TRUE(info.features & 1 << SST_F_EVENTS);
	ASSERT_EQ(0, sst_set_reset_after(0));
	ASSERT_EQ(0, silence());
	self->ref = event_fd(self->fd, SST_EVENT_NONBLOCK, MANY);
	ASSERT_LE(0, self->ref);
}

FIXTURE_TEARDOWN(sent)
{
	EXPECT_EQ(0, sst_reset());
	close(self->ref);
	close(self->fd);
}

static unsigned int rate(void)
{
	const char *text = getenv("SST_EVENT_RATE");

	return text ? atoi(text) : 200;
}

/* Read for so long whatever comes. Returns 0 or -errno. */
static int read_for(int fd, unsigned int ms, struct list *list)
{
	unsigned long long end = now_ms() + ms;
	int ret;

	do {
		sst_poll(fd, POLLIN, 10);
		ret = read_rest(fd, list);
	} while (ret == -EAGAIN && now_ms() < end);

	return ret == -EAGAIN ? 0 : ret;
}

TEST_F(sent, come_in_order)
{
	unsigned long long number = 0;
	unsigned int i;

	ASSERT_EQ(0, sst_reset());
	for (i = 0; i < 20 && all.n <= 20; i++)
		ASSERT_EQ(0, read_for(self->ref, 500, &all));
	ASSERT_LT(20, all.n);
	EXPECT_TRUE(own(all.e, SST_EVENT_RESET));
	for (i = 1; i < all.n; i++) {
		ASSERT_EQ(TYPE_TICK, le32toh(all.e[i].type));
		ASSERT_EQ(0, all.e[i].flags);
		if (i > 1) {
			ASSERT_LT(number, le64toh(all.e[i].data));
		}
		number = le64toh(all.e[i].data);
	}
}

TEST_F(sent, overruns)
{
	int fd = event_fd(self->fd, SST_EVENT_NONBLOCK, 4);
	unsigned int i;
	int n;

	ASSERT_EQ(0, sst_reset());
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, read_for(self->ref, 50, &all));
		/* Not all that it has: what is left may be lost, too. */
		n = read_events(fd, some.e + some.n, 3);
		some.n += n < 0 ? 0 : n;
	}
	ASSERT_EQ(0, silence());
	ASSERT_EQ(-EAGAIN, read_rest(self->ref, &all));
	ASSERT_EQ(-EAGAIN, read_rest(fd, &some));
	EXPECT_TRUE(same_but_for_overruns(&some, &all));
	EXPECT_LT(1, count_own(&some, SST_EVENT_OVERRUN));
	close(fd);
}

/* What several readers of one descriptor have got */
struct readers {
	struct child child[4];
	struct list list[4];
};

/* Read up to @n events at once, until a signal comes. */
static int read_until_signal(int fd, struct list *list, unsigned int n)
{
	int ret;

	do {
		ret = read_events(fd, list->e + list->n, n);
		list->n += ret < 0 ? 0 : ret;
	} while (ret > 0);

	return ret;
}

/* Whether each event of one is in exactly one of the others, in its order */
static bool shared_out(const struct readers *r, const struct list *full)
{
	unsigned int next[4] = {}, i, j;

	for (i = 0; i < full->n; i++) {
		unsigned int found = 0;

		for (j = 0; j < 4; j++)
			if (next[j] < r->list[j].n &&
			    !memcmp(&r->list[j].e[next[j]], &full->e[i], EVENT)) {
				next[j]++;
				found++;
			}
		if (found != 1)
			return false;
	}
	return true;
}

TEST_F(sent, readers_of_one_descriptor_share_them)
{
	struct readers *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = event_fd(self->fd, 0, MANY);
	unsigned int i;

	ASSERT_NE(MAP_FAILED, (void *)r);
	catch_signal(0);
	for (i = 0; i < 4; i++)
		if (child_start(&r->child[i]))
			child_exit(&r->child[i], read_until_signal(fd, &r->list[i], 1 + i));
	ASSERT_EQ(0, sst_reset());
	sleep_ms(500);
	ASSERT_EQ(0, silence());
	while (sst_poll(fd, POLLIN, 0))
		sleep_ms(1);
	for (i = 0; i < 4; i++) {
		ASSERT_TRUE(child_asleep(&r->child[i]));
		kill(r->child[i].pid, SIGUSR1);
		EXPECT_EQ(-EINTR, child_end(&r->child[i]));
	}
	ASSERT_EQ(-EAGAIN, read_all(self->ref, &all));
	EXPECT_LT(20, all.n);
	EXPECT_TRUE(shared_out(r, &all));
	close(fd);
	munmap(r, sizeof(*r));
}

static int read_in_vain(int fd)
{
	int ret;

	do
		ret = read_events(fd, bad_pointer(), 3);
	while (ret == -EFAULT);

	return ret;
}

TEST_F(sent, reader_whose_memory_is_bad_takes_none)
{
	struct child *child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = event_fd(self->fd, 0, MANY);

	ASSERT_EQ(0, sst_reset());
	sleep_ms(1000);
	ASSERT_EQ(0, silence());
	ASSERT_EQ(-EAGAIN, read_all(self->ref, &all));
	ASSERT_LT(100, all.n);
	catch_signal(0);
	if (child_start(child))
		child_exit(child, read_in_vain(fd));
	/* One by one, each of which the other one may have at the moment */
	while (some.n < all.n) {
		ASSERT_EQ(1, read_events(fd, some.e + some.n, 1));
		some.n++;
	}
	ASSERT_TRUE(child_asleep(child));
	kill(child->pid, SIGUSR1);
	EXPECT_EQ(-EINTR, child_end(child));
	EXPECT_EQ(0, memcmp(some.e, all.e, all.n * EVENT));
	close(fd);
	munmap(child, sizeof(*child));
}

/* What the device had no buffer for, as the numbers of its events show */
static unsigned long long dropped(const struct list *list)
{
	unsigned long long number, last = 0, sum = 0;
	bool first = true;
	unsigned int i;

	for (i = 0; i < list->n; i++) {
		if (list->e[i].flags)
			continue;
		number = le64toh(list->e[i].data);
		sum += first ? 0 : number - last - 1;
		last = number;
		first = false;
	}
	return sum;
}

TEST_F(sent, many_a_second_and_none_lost_unseen)
{
	unsigned long long received = sst_stat("events"), lost = sst_stat("lost_events");
	unsigned long long expected = rate() * RATE_MS / 1000;
	int fd = event_fd(self->fd, SST_EVENT_NONBLOCK, 0);

	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(0, read_for(fd, RATE_MS, &some));
	ASSERT_EQ(0, silence());
	ASSERT_EQ(-EAGAIN, read_rest(fd, &some));
	ASSERT_EQ(-EAGAIN, read_all(self->ref, &all));
	received = sst_stat("events") - received;
	lost = sst_stat("lost_events") - lost;
	TH_LOG("%llu received, %llu of them lost by the reader, %llu dropped by the device",
	       received, lost, dropped(&all));

	/* Each that came, and the reset, was read, or is in the number of an overrun. */
	EXPECT_EQ(received + 1, all.n);
	EXPECT_TRUE(same_but_for_overruns(&some, &all));
	EXPECT_EQ(some.n - count_own(&some, SST_EVENT_OVERRUN) + lost, all.n);
	/* The device has kept to its rate, and most of it has come through. */
	EXPECT_LE(expected * 9 / 10, received + dropped(&all));
	EXPECT_LE(expected / 2, received);
	close(fd);
}

TEST_HARNESS_MAIN
