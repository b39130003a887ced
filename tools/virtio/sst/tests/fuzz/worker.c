// SPDX-License-Identifier: GPL-2.0-only
/*
 * Workers without threads, in place of those of the program: the fuzzer runs their loops
 * itself, so that an input does the same each time.
 */

#include "util.h"
#include "worker.h"

int worker_start(struct worker *worker)
{
	worker->pause = true;
	worker->paused = true;
	worker->wake.fd = -1;
	return loop_init(&worker->loop);
}

void worker_stop(struct worker *worker)
{
	loop_destroy(&worker->loop);
}

void worker_pause(struct worker *worker)
{
	worker->pause = true;
	worker->paused = true;
}

void worker_wait_paused(struct worker *worker)
{
	(void)worker;
}

void worker_resume(struct worker *worker)
{
	worker->pause = false;
	worker->paused = false;
}
