/* SPDX-License-Identifier: GPL-2.0-only */
/* File descriptors of all kinds, as a front-end may send them. */

#ifndef SST_FUZZ_FILES_H
#define SST_FUZZ_FILES_H

#include "target.h"

/* Kinds below this are those that belong into a message */
#define FILE_GUEST	0
#define FILE_KICK	1
#define FILE_EVENTFD	2
#define FILE_FIRST_BAD	3

/* Returns a new descriptor of a kind; @ring: whose kicks, for FILE_KICK */
int file_open(struct target *t, uint8_t kind, unsigned int ring);

#endif /* SST_FUZZ_FILES_H */
