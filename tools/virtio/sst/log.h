/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages on standard error, each with the program's name in front. */

#ifndef SST_LOG_H
#define SST_LOG_H

#include <stdbool.h>

/* Chooses whether log_debug() prints; called once, before any thread starts */
void log_set_verbose(bool verbose);

/* Names, or with NULL no more, what the messages of this thread are about */
void log_about(const char *name);

/* What the person who started the daemon must know */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * A fault of the guest or of the front-end. Limited in rate: they could send
 * faults faster than a log takes them.
 */
void log_fault(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What happens in normal running; printed with --verbose only */
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* SST_LOG_H */
