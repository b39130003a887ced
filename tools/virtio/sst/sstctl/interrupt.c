// SPDX-License-Identifier: GPL-2.0-only
/* Ctrl-C, for commands that have something to say at their end. */

#include <poll.h>
#include <signal.h>

#include "../util.h"
#include "interrupt.h"

/* A signal is the process's, and so is what is known of it */
static volatile sig_atomic_t come;

static void note(int signal)
{
	(void)signal;
	come = 1;
}

void interrupt_catch(void)
{
	const struct sigaction action = {
		.sa_handler = note,
		.sa_flags = SA_RESTART | SA_RESETHAND,
	};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool interrupted(void)
{
	return come;
}

bool interrupt_wait(int fd, uint64_t timeout_ns)
{
	struct pollfd file = { .fd = fd, .events = POLLIN };
	const struct timespec time = {
		.tv_sec = (time_t)(timeout_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(timeout_ns % NSEC_PER_SEC),
	};
	sigset_t ours, others;
	int ret = 0;

	/* None may come between the look and the wait */
	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigprocmask(SIG_BLOCK, &ours, &others);
	if (!come)
		ret = ppoll(&file, 1, timeout_ns == INTERRUPT_NO_TIMEOUT ? NULL : &time, &others);
	sigprocmask(SIG_SETMASK, &others, NULL);
	return ret > 0;
}
