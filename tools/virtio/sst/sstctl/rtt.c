// SPDX-License-Identifier: GPL-2.0-only
/* Statistics of times, as ping(8) has them. */

#include <math.h>

#include "rtt.h"

void rtt_add(struct rtt *rtt, uint64_t ns)
{
	if (!rtt->nr || ns < rtt->min)
		rtt->min = ns;
	if (ns > rtt->max)
		rtt->max = ns;
	rtt->nr++;
	rtt->sum += ns;
	rtt->squares += (double)ns * (double)ns;
}

uint64_t rtt_average(const struct rtt *rtt)
{
	return rtt->nr ? rtt->sum / rtt->nr : 0;
}

uint64_t rtt_deviation(const struct rtt *rtt)
{
	double average, variance;

	if (!rtt->nr)
		return 0;
	average = (double)rtt->sum / (double)rtt->nr;
	variance = rtt->squares / (double)rtt->nr - average * average;
	return variance > 0 ? (uint64_t)(sqrt(variance) + 0.5) : 0;
}
