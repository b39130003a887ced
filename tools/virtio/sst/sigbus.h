/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory that the front-end takes away, by cutting off the file that it is
 * in: each access to it gives a SIGBUS, which would end the program.
 */

#ifndef SST_SIGBUS_H
#define SST_SIGBUS_H

#include "memtable.h"

/*
 * From now on, a region that is lost is replaced by zeros. Return: a descriptor that becomes
 * readable when it happens, or -1 with errno set
 */
int sigbus_open(const struct memtable *mt);

/* Makes the descriptor not readable again */
void sigbus_read(int fd);

#endif /* SST_SIGBUS_H */
