// SPDX-License-Identifier: GPL-2.0-only
/*
 * A time in which the device does nothing, to test drivers: it takes neither
 * requests nor buffers, and gives none back. What the queues are told
 * meanwhile, by kicks and timers, they look at when the silence ends.
 */

#include "log.h"
#include "silence.h"
#include "util.h"

static void timer_ready(struct watch *watch)
{
	struct silence *silence = container_of(watch, struct silence, timer);

	/* A silence that ended otherwise has switched the timer off */
	if (timer_read(watch->fd))
		silence_end(silence);
}

int silence_init(struct silence *silence)
{
	int fd = timer_open();

	if (fd < 0)
		return -1;
	silence->timer.ready = timer_ready;
	return loop_add(silence->loop, &silence->timer, fd);
}

void silence_destroy(struct silence *silence)
{
	close_fd(&silence->timer.fd);
}

void silence_begin(struct silence *silence, uint64_t duration_ns)
{
	silence->on = true;
	silence->timed = duration_ns != SILENCE_UNTIL_RESET;
	if (silence->timed)
		timer_set(silence->timer.fd, now_ns() + duration_ns);
	log_debug("the device is silent");
}

void silence_end(struct silence *silence)
{
	if (!silence->on)
		return;
	silence->on = false;
	timer_set(silence->timer.fd, 0);
	log_debug("the device goes on");
	silence->ended(silence);
}

void silence_reset(struct silence *silence)
{
	if (!silence->timed)
		silence_end(silence);
}
