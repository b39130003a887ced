// SPDX-License-Identifier: GPL-2.0-only
/* A thread with an event loop of its own, which another thread can make pause. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "log.h"
#include "options.h"
#include "util.h"
#include "worker.h"

/* How long a worker may take to pause until it is interrupted */
#define PATIENCE_NS	(200 * NSEC_PER_MSEC)

static void pause_here(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->paused = true;
	pthread_cond_broadcast(&worker->changed);
	while (worker->pause)
		pthread_cond_wait(&worker->changed, &worker->lock);
	worker->paused = false;
	pthread_mutex_unlock(&worker->lock);
}

static void wake_ready(struct watch *watch)
{
	kick_read(watch->fd);
	pause_here(container_of(watch, struct worker, wake));
}

static void *run(void *opaque)
{
	struct worker *worker = opaque;

	log_about(worker->name);
	sigbus_use(worker->sigbus);
	pause_here(worker);
	if (loop_run(&worker->loop)) {
		log_error("cannot wait for events: %s", strerror(errno));
		exit(EXIT_FAILED);
	}
	return NULL;
}

static int add_wake(struct worker *worker)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -1;
	worker->wake.ready = wake_ready;
	return loop_add(&worker->loop, &worker->wake, fd);
}

int worker_start(struct worker *worker)
{
	if (loop_init(&worker->loop) || add_wake(worker))
		return -1;
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->changed, NULL);
	/* Before it begins it touches nothing either */
	worker->pause = true;
	worker->paused = true;
	errno = pthread_create(&worker->thread, NULL, run, worker);
	return errno ? -1 : 0;
}

void worker_stop(struct worker *worker)
{
	worker_pause(worker);
	worker_wait_paused(worker);
	loop_stop(&worker->loop);
	worker_resume(worker);
	pthread_join(worker->thread, NULL);
	pthread_cond_destroy(&worker->changed);
	pthread_mutex_destroy(&worker->lock);
	close_fd(&worker->wake.fd);
	loop_destroy(&worker->loop);
}

void worker_pause(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->pause = true;
	if (!worker->paused)
		eventfd_write(worker->wake.fd, 1);
	pthread_mutex_unlock(&worker->lock);
}

static bool wait_changed(struct worker *worker, uint64_t ns)
{
	uint64_t end = now_ns() + ns;
	const struct timespec time = {
		.tv_sec = (time_t)(end / NSEC_PER_SEC),
		.tv_nsec = (long)(end % NSEC_PER_SEC),
	};

	return !pthread_cond_clockwait(&worker->changed, &worker->lock, CLOCK_MONOTONIC, &time);
}

void worker_wait_paused(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	while (!worker->paused)
		if (!wait_changed(worker, PATIENCE_NS) && !worker->paused)
			pthread_kill(worker->thread, WORKER_SIGNAL);
	pthread_mutex_unlock(&worker->lock);
}

void worker_resume(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->pause = false;
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
}
