/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Interface of the benchmark's floor module: what the ring, and what the system calls,
 * take without a driver in between.
 */

#ifndef SST_FLOOR_H
#define SST_FLOOR_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Most exchanges in flight at once */
#define SST_FLOOR_DEPTH_MAX	128

/**
 * struct sst_floor_run - a measurement of the ring alone
 * @depth: exchanges in flight at most, up to SST_FLOOR_DEPTH_MAX
 * @batch: exchanges that are added with one kick, at most @depth
 * @polled: 0: sleep until the interrupt; 1: look at the ring all the time
 * @count: exchanges at most, and how many; set to how many there were
 * @samples: address of @count __u32, for what each took in nanoseconds
 * @times: address of @count __u64, for when each was over, in nanoseconds from the start
 * @time_ns: how long to go on; set to how long it took
 * @kicks: set to how often the device was notified
 * @interrupts: set to how often it interrupted
 *
 * Argument of SST_FLOOR_IOCTL_RUN on /dev/sst-floor.
 */
struct sst_floor_run {
	__u32 depth;
	__u32 batch;
	__u32 polled;
	__u32 count;
	__aligned_u64 samples;
	__aligned_u64 times;
	__aligned_u64 time_ns;
	__aligned_u64 kicks;
	__aligned_u64 interrupts;
};

#define SST_FLOOR_IOCTL_RUN	_IOWR(0xBC, 0x00, struct sst_floor_run)

/* Does nothing, on /dev/sst-null */
#define SST_FLOOR_IOCTL_EMPTY	_IO(0xBC, 0x01)

#endif /* SST_FLOOR_H */
