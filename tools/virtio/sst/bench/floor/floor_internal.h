/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two parts of the floor module share. */

#ifndef SST_FLOOR_INTERNAL_H
#define SST_FLOOR_INTERNAL_H

/**
 * sst_null_init() - register /dev/sst-null
 *
 * Context: Process context.
 * Return: 0 or a negative error code.
 */
int sst_null_init(void);

/**
 * sst_null_exit() - undo sst_null_init()
 *
 * Context: Process context.
 */
void sst_null_exit(void);

#endif /* SST_FLOOR_INTERNAL_H */
