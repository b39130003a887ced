/* SPDX-License-Identifier: GPL-2.0-only */
/* Ctrl-C, for commands that have something to say at their end. */

#ifndef SSTCTL_INTERRUPT_H
#define SSTCTL_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

/* No end of the time */
#define INTERRUPT_NO_TIMEOUT	UINT64_MAX

/*
 * From now on SIGINT and SIGTERM end the program only when they come for the second time,
 * as it may be stuck in its output
 */
void interrupt_catch(void);

/* Return: whether one has come */
bool interrupted(void);

/**
 * interrupt_wait() - wait until a file can be read, the time is over, or a signal comes
 * @fd: the file, or -1
 * @timeout_ns: the time
 *
 * Does not wait if a signal has come before.
 *
 * Return: whether the file can be read, or has come to its end
 */
bool interrupt_wait(int fd, uint64_t timeout_ns);

#endif /* SSTCTL_INTERRUPT_H */
