/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters that one thread changes at a time, and any thread may read. */

#ifndef SST_COUNT_H
#define SST_COUNT_H

#include <stdint.h>

static inline void count_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline void count_one(uint64_t *counter)
{
	count_add(counter, 1);
}

static inline uint64_t count_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif /* SST_COUNT_H */
