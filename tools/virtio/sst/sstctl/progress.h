/* SPDX-License-Identifier: GPL-2.0-only */
/* How far a transfer is, on a terminal. */

#ifndef SSTCTL_PROGRESS_H
#define SSTCTL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct progress - what is shown, on standard error
 * @on: standard error is a terminal
 * @total: bytes in all, or UINT64_MAX if nobody knows
 * @start: when it began
 * @shown: when it was last shown
 */
struct progress {
	bool on;
	uint64_t total;
	uint64_t start;
	uint64_t shown;
};

void progress_start(struct progress *progress, uint64_t total);

/* Shows that so many bytes are through, if it is time for that */
void progress_update(struct progress *progress, uint64_t done);

/* Takes away what is shown */
void progress_end(struct progress *progress);

/*
 * Makes a line of at most @width characters: "45% [=====>    ] 115 MiB of 256 MiB, 1.2 GiB/s,
 * 0:03 left", less where there is no room for it or the total is not known
 */
const char *progress_line(char *line, size_t width, uint64_t done, uint64_t total, uint64_t ns);

#endif /* SSTCTL_PROGRESS_H */
