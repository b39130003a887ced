/* SPDX-License-Identifier: GPL-2.0-only */
/* How sstctl ends. */

#ifndef SSTCTL_FAIL_H
#define SSTCTL_FAIL_H

/**
 * enum exit_code - exit status of sstctl; sstctl(1) has them, too
 * @EXIT_DONE: all is well
 * @EXIT_OTHER: a file cannot be read or written, the system lacks something
 * @EXIT_USAGE: the command line is wrong
 * @EXIT_NO_DEVICE: there is no such device
 * @EXIT_NO_PERMISSION: the user may not do that
 * @EXIT_NO_DRIVER: the driver is not loaded, or has no netlink interface
 * @EXIT_GONE: the device went away while it was in use
 * @EXIT_REFUSED: the device ended a request with another status than OK
 * @EXIT_TIMED_OUT: the device did not answer a request in time
 */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_OTHER = 1,
	EXIT_USAGE = 2,
	EXIT_NO_DEVICE = 3,
	EXIT_NO_PERMISSION = 4,
	EXIT_NO_DRIVER = 5,
	EXIT_GONE = 6,
	EXIT_REFUSED = 7,
	EXIT_TIMED_OUT = 8,
};

/* Prints a line on standard error, with the program's name in front */
__attribute__((format(printf, 1, 2)))
void complain(const char *fmt, ...);

/* The same, and ends the program */
__attribute__((format(printf, 2, 3), noreturn))
void fail(enum exit_code code, const char *fmt, ...);

#endif /* SSTCTL_FAIL_H */
