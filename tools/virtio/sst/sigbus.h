/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory that the front-end takes away, by cutting off the file that it is
 * in: each access to it gives a SIGBUS, which would end the program.
 */

#ifndef SST_SIGBUS_H
#define SST_SIGBUS_H

#include "memtable.h"

/**
 * struct sigbus - guest memory of one front-end that may be taken away
 * @mt: the memory
 * @fd: becomes readable when that happens
 * @next: that of another front-end
 */
struct sigbus {
	const struct memtable *mt;
	int fd;
	struct sigbus *next;
};

/*
 * From now on, a region that is lost is replaced by zeros. Called by the main thread, as is
 * sigbus_close(). Return: 0, or -1 with errno set
 */
int sigbus_open(struct sigbus *sigbus, const struct memtable *mt);

/* Ends that, when no other thread uses the memory any more */
void sigbus_close(struct sigbus *sigbus);

/* This thread uses no other guest memory; without this, it is the one that changes tables */
void sigbus_use(struct sigbus *sigbus);

/* Makes the descriptor not readable again */
void sigbus_read(struct sigbus *sigbus);

#endif /* SST_SIGBUS_H */
