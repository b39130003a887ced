// SPDX-License-Identifier: GPL-2.0-only
/* How sstctl ends. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fail.h"

__attribute__((format(printf, 1, 0)))
static void vcomplain(const char *fmt, va_list args)
{
	/* What was printed before stands before it, if both go to one place */
	fflush(stdout);
	fputs("sstctl: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vcomplain(fmt, args);
	va_end(args);
}

void fail(enum exit_code code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vcomplain(fmt, args);
	va_end(args);
	exit(code);
}
