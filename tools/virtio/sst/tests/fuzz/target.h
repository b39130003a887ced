/* SPDX-License-Identifier: GPL-2.0-only */
/* The back-end without its program, and a front-end that shares memory with it. */

#ifndef SST_FUZZ_TARGET_H
#define SST_FUZZ_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "conn.h"
#include "device.h"

/* Where the guest's memory is, in the guest and in the front-end's process */
#define GUEST		UINT64_C(0x40000000)
#define USER		UINT64_C(0x7f0000000000)
#define MEMORY		0x40000u

/* Memory behind the rings, for buffers */
#define BUFFERS		0x20000u

/* Each ring has this much memory, enough for 256 entries */
#define RING_SIZE	0x4000u
#define RING_AVAIL	0x2000u
#define RING_USED	0x3000u
#define MAX_RINGS	7

/* Fails the input: the back-end has broken a promise */
#define insist(condition) do { if (!(condition)) abort(); } while (0)

/**
 * struct target - the back-end, and its front-end
 * @list: its options, as they are parsed
 * @options: the same, of the device
 * @device: the device
 * @loop: the loop of the main thread
 * @conn: the back-end's end of the connection
 * @connected: the connection has not ended
 * @sock: the front-end's end
 * @guest: file with the guest's memory
 * @mem: the guest's memory, mapped for the front-end
 * @lost: it was cut off and cannot be touched any more
 * @kick: kicks of each ring
 * @restless: it polls, or something that it looks at is readable for ever
 * @memory_loss: guest memory that was taken away
 * @nr_files: descriptors that were open at first
 */
struct target {
	struct options_list list;
	struct options *options;
	struct sst_device device;
	struct loop loop;
	struct conn conn;
	bool connected;
	int sock;
	int guest;
	uint8_t *mem;
	bool lost;
	int kick[MAX_RINGS];
	bool restless;
	struct sigbus memory_loss;
	unsigned int nr_files;
};

/* Starts the back-end with one of several sets of options, and connects to it */
struct target *target_start(unsigned int set);

/* Ends it; insists that nothing is left */
void target_end(struct target *t);

/* Ends the connection, and begins another one */
void target_connect(struct target *t);
void target_disconnect(struct target *t);

/* Sends part of a message; @fds are closed */
void target_send(struct target *t, const void *data, size_t len, const int *fds,
		 unsigned int nr_fds);

/* Takes the replies that have come; insists that each is well formed */
void target_receive(struct target *t);

/* Lets the back-end work. Return: whether it has come to rest */
bool target_run(struct target *t);

#endif /* SST_FUZZ_TARGET_H */
