/* SPDX-License-Identifier: GPL-2.0-only */
/* Statistics of times, as ping(8) has them. */

#ifndef SSTCTL_RTT_H
#define SSTCTL_RTT_H

#include <stdint.h>

/**
 * struct rtt - what is known of a number of times
 * @nr: how many
 * @min: the shortest one, in ns
 * @max: the longest one, in ns
 * @sum: all of them, in ns
 * @squares: the sum of their squares
 */
struct rtt {
	uint64_t nr;
	uint64_t min;
	uint64_t max;
	uint64_t sum;
	double squares;
};

void rtt_add(struct rtt *rtt, uint64_t ns);

/* The average; 0 if there is none */
uint64_t rtt_average(const struct rtt *rtt);

/* The standard deviation, which ping(8) calls mdev */
uint64_t rtt_deviation(const struct rtt *rtt);

#endif /* SSTCTL_RTT_H */
