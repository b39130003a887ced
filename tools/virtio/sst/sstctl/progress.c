// SPDX-License-Identifier: GPL-2.0-only
/* How far a transfer is, on a terminal. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../util.h"
#include "format.h"
#include "progress.h"

#define UPDATE_NS	(NSEC_PER_SEC / 10)
#define DEFAULT_WIDTH	80
#define BAR_MIN		10
#define BAR_MAX		40

void progress_start(struct progress *progress, uint64_t total)
{
	progress->on = isatty(STDERR_FILENO);
	progress->total = total;
	progress->start = now_ns();
	progress->shown = progress->start;
}

static size_t terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return DEFAULT_WIDTH;
	return size.ws_col;
}

void progress_update(struct progress *progress, uint64_t done)
{
	uint64_t now = now_ns();
	char line[512];

	if (!progress->on || now - progress->shown < UPDATE_NS)
		return;
	progress->shown = now;
	/* A terminal goes to the next line behind its last column */
	fprintf(stderr, "\r%s\033[K",
		progress_line(line, terminal_width() - 1, done, progress->total,
			      now - progress->start));
}

void progress_end(struct progress *progress)
{
	if (progress->on && progress->shown != progress->start)
		fputs("\r\033[K", stderr);
	progress->on = false;
}

/* Makes "115 MiB of 256 MiB, 1.2 GiB/s, 0:03 left" */
static int describe(char *text, size_t size, uint64_t done, uint64_t total, uint64_t ns)
{
	double rate = ns ? (double)done / (double)ns * (double)NSEC_PER_SEC : 0;
	char now[FORMAT_SIZE], all[FORMAT_SIZE], speed[FORMAT_SIZE];
	uint64_t left;

	format_bytes(now, done);
	format_bytes(speed, (uint64_t)rate);
	if (total == UINT64_MAX || !rate)
		return snprintf(text, size, "%s, %s/s", now, speed);
	left = (uint64_t)((double)(total - done) / rate);
	return snprintf(text, size, "%s of %s, %s/s, %" PRIu64 ":%02" PRIu64 " left", now,
			format_bytes(all, total), speed, left / 60, left % 60);
}

static void draw_bar(char *bar, size_t width, double part)
{
	size_t full = (size_t)((double)width * part);

	memset(bar, ' ', width);
	memset(bar, '=', full);
	if (full < width)
		bar[full] = '>';
	bar[width] = '\0';
}

const char *progress_line(char *line, size_t width, uint64_t done, uint64_t total, uint64_t ns)
{
	double part = total ? (double)done / (double)total : 1;
	char text[256], bar[BAR_MAX + 1];
	size_t used, room;

	used = (size_t)describe(text, sizeof(text), done, total, ns);
	room = width > used + sizeof("100% [] ") ? width - used - sizeof("100% [] ") + 1 : 0;
	if (total == UINT64_MAX || room < BAR_MIN) {
		snprintf(line, width + 1, "%s", text);
		return line;
	}
	draw_bar(bar, room < BAR_MAX ? room : BAR_MAX, part);
	sprintf(line, "%3u%% [%s] %s", (unsigned int)(part * 100), bar, text);
	return line;
}
