// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints how fast the processor's time-stamp counter runs, in kHz. The speed in
 * /proc/cpuinfo is another one where the clock rate changes.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000000 };
	unsigned long long ticks;
	long long ns;

	ns = now_ns();
	ticks = __rdtsc();
	nanosleep(&pause, NULL);
	ns = now_ns() - ns;
	ticks = __rdtsc() - ticks;
	printf("%.0f\n", ticks * 1e6 / ns);
	return 0;
}
