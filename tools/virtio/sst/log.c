// SPDX-License-Identifier: GPL-2.0-only
/* Messages on standard error, each with the program's name in front. */

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "log.h"
#include "util.h"

/* At most LOG_BURST faults are printed in each LOG_PERIOD_NS */
#define LOG_BURST	20
#define LOG_PERIOD_NS	(5 * NSEC_PER_SEC)

/* The process has one standard error, so its state is one per process, too */
static struct {
	bool verbose;
	pthread_mutex_t lock;		/* protects the members below */
	uint64_t period_start;
	unsigned int printed;
	unsigned long suppressed;
} log_state = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
};

static __thread const char *log_name;

void log_about(const char *name)
{
	log_name = name;
}

void log_set_verbose(bool verbose)
{
	log_state.verbose = verbose;
}

__attribute__((format(printf, 1, 0)))
static void log_vprint(const char *fmt, va_list args)
{
	char line[1024];

	vsnprintf(line, sizeof(line), fmt, args);
	if (log_name)
		fprintf(stderr, "vhost-user-sst: %s: %s\n", log_name, line);
	else
		fprintf(stderr, "vhost-user-sst: %s\n", line);
}

void log_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vprint(fmt, args);
	va_end(args);
}

void log_debug(const char *fmt, ...)
{
	va_list args;

	if (!log_state.verbose)
		return;
	va_start(args, fmt);
	log_vprint(fmt, args);
	va_end(args);
}

/* Returns whether one more fault may be printed now */
static bool log_allowed(void)
{
	uint64_t now = now_ns();
	unsigned long suppressed = 0;
	bool allowed;

	pthread_mutex_lock(&log_state.lock);
	if (now - log_state.period_start >= LOG_PERIOD_NS) {
		suppressed = log_state.suppressed;
		log_state.period_start = now;
		log_state.printed = 0;
		log_state.suppressed = 0;
	}
	allowed = log_state.printed < LOG_BURST;
	if (allowed)
		log_state.printed++;
	else
		log_state.suppressed++;
	pthread_mutex_unlock(&log_state.lock);

	if (suppressed)
		log_error("%lu messages suppressed", suppressed);
	return allowed;
}

void log_fault(const char *fmt, ...)
{
	va_list args;

	if (!log_allowed())
		return;
	va_start(args, fmt);
	log_vprint(fmt, args);
	va_end(args);
}
