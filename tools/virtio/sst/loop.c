// SPDX-License-Identifier: GPL-2.0-only
/* An event loop: calls back when a descriptor is ready or a timer is due. */

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "log.h"
#include "loop.h"
#include "util.h"

int loop_init(struct loop *loop)
{
	loop->stop = false;
	loop->busy = NULL;
	loop->opaque = NULL;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll_fd < 0 ? -1 : 0;
}

void loop_destroy(struct loop *loop)
{
	close_fd(&loop->epoll_fd);
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}

int loop_add(struct loop *loop, struct watch *watch, int fd)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.ptr = watch,
	};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return -1;
	watch->fd = fd;
	return 0;
}

void loop_watch_writable(struct loop *loop, struct watch *watch, bool on)
{
	struct epoll_event event = {
		.events = on ? EPOLLIN | EPOLLOUT : EPOLLIN,
		.data.ptr = watch,
	};

	epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

void loop_remove(struct loop *loop, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fd = -1;
}

static void call_back(struct watch *watch, uint32_t events)
{
	/* The watch may be gone afterwards */
	const char *about = watch->about;

	if (about)
		log_about(about);
	/* What is readable as well is told again */
	if (events & EPOLLOUT)
		watch->writable(watch);
	else
		watch->ready(watch);
	if (about)
		log_about(NULL);
}

/*
 * Takes one event at a time, so that a callback may remove any watch: no event
 * of a removed one can be left in a batch. epoll serves ready descriptors in
 * turn, so that none starves.
 */
static int loop_step(struct loop *loop)
{
	bool busy = loop->busy && loop->busy(loop->opaque);
	struct epoll_event event;
	int ret;

	ret = epoll_wait(loop->epoll_fd, &event, 1, busy ? 0 : -1);
	if (ret < 0)
		return errno == EINTR ? 0 : -1;
	if (ret == 0)
		return 0;
	call_back(event.data.ptr, event.events);
	return 0;
}

int loop_run(struct loop *loop)
{
	int ret = 0;

	while (!loop->stop && !ret)
		ret = loop_step(loop);
	return ret;
}

int timer_open(void)
{
	return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

static struct timespec ns_to_timespec(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / NSEC_PER_SEC),
		.tv_nsec = (long)(ns % NSEC_PER_SEC),
	};
}

/* Sets the timer to an absolute time; 0 switches it off */
void timer_set(int fd, uint64_t due_ns)
{
	struct itimerspec spec = { .it_value = ns_to_timespec(due_ns) };

	timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* Lets the timer expire every interval from now on; 0 switches it off */
void timer_set_periodic(int fd, uint64_t interval_ns)
{
	struct itimerspec spec = {
		.it_value = ns_to_timespec(interval_ns),
		.it_interval = ns_to_timespec(interval_ns),
	};

	timerfd_settime(fd, 0, &spec, NULL);
}

/* Returns how often the timer expired since it was last read or set */
uint64_t timer_read(int fd)
{
	uint64_t expirations;

	if (read(fd, &expirations, sizeof(expirations)) != sizeof(expirations))
		return 0;
	return expirations;
}

bool kick_read(int fd)
{
	uint64_t count;
	ssize_t ret = read(fd, &count, sizeof(count));

	return ret > 0 || (ret < 0 && (errno == EAGAIN || errno == EINTR));
}
