// SPDX-License-Identifier: GPL-2.0-only
/*
 * A time in which the device does nothing, to test drivers: it takes neither
 * requests nor buffers, and gives none back. What the queues are told
 * meanwhile, by kicks and timers, they look at when the silence ends.
 */

#include "log.h"
#include "silence.h"
#include "util.h"

bool silence_on(const struct silence *silence)
{
	return __atomic_load_n(&silence->on, __ATOMIC_RELAXED);
}

static void set_on(struct silence *silence, bool on)
{
	__atomic_store_n(&silence->on, on, __ATOMIC_RELAXED);
	log_debug("the device %s", on ? "is silent" : "goes on");
}

/* Ends a silence with the lock held */
static void end_locked(struct silence *silence)
{
	if (!silence->on)
		return;
	set_on(silence, false);
	timer_set(silence->timer.fd, 0);
}

static void timer_ready(struct watch *watch)
{
	struct silence *silence = container_of(watch, struct silence, timer);
	bool ended;

	/* What ended or prolonged the silence since then has set the timer anew */
	pthread_mutex_lock(&silence->lock);
	ended = timer_read(watch->fd);
	if (ended)
		end_locked(silence);
	pthread_mutex_unlock(&silence->lock);
	if (ended)
		silence->ended(silence);
}

int silence_init(struct silence *silence)
{
	int fd = timer_open();

	if (fd < 0)
		return -1;
	pthread_mutex_init(&silence->lock, NULL);
	silence->timer.ready = timer_ready;
	return loop_add(silence->loop, &silence->timer, fd);
}

void silence_destroy(struct silence *silence)
{
	close_fd(&silence->timer.fd);
	pthread_mutex_destroy(&silence->lock);
}

void silence_begin(struct silence *silence, uint64_t duration_ns)
{
	pthread_mutex_lock(&silence->lock);
	set_on(silence, true);
	silence->timed = duration_ns != SILENCE_UNTIL_RESET;
	timer_set(silence->timer.fd,
		  silence->timed ? now_ns() + duration_ns : 0);
	pthread_mutex_unlock(&silence->lock);
}

void silence_end(struct silence *silence)
{
	pthread_mutex_lock(&silence->lock);
	end_locked(silence);
	pthread_mutex_unlock(&silence->lock);
}

void silence_reset(struct silence *silence)
{
	pthread_mutex_lock(&silence->lock);
	if (!silence->timed)
		end_locked(silence);
	pthread_mutex_unlock(&silence->lock);
}
