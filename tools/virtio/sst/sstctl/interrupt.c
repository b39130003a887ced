// SPDX-License-Identifier: GPL-2.0-only
/* Ctrl-C, for commands that have something to say at their end. */

#include <poll.h>
#include <signal.h>

#include "../util.h"
#include "interrupt.h"

/* Signals are the process's, and so is what is known of them */
static volatile sig_atomic_t come;
static sigset_t ours, others;

static void note(int signal)
{
	(void)signal;
	come = 1;
}

void interrupt_catch(void)
{
	const struct sigaction action = { .sa_handler = note };

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigprocmask(SIG_BLOCK, &ours, &others);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool interrupted(void)
{
	return come;
}

void interrupt_let_in(void)
{
	sigprocmask(SIG_UNBLOCK, &ours, NULL);
}

void interrupt_keep_out(void)
{
	sigprocmask(SIG_BLOCK, &ours, NULL);
}

bool interrupt_wait(int fd, uint64_t timeout_ns)
{
	struct pollfd file = { .fd = fd, .events = POLLIN };
	const struct timespec time = {
		.tv_sec = (time_t)(timeout_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(timeout_ns % NSEC_PER_SEC),
	};

	return ppoll(&file, 1, timeout_ns == INTERRUPT_NO_TIMEOUT ? NULL : &time, &others) > 0;
}
