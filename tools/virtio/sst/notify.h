/* SPDX-License-Identifier: GPL-2.0-only */
/* Tells a service manager that the program is ready. */

#ifndef SST_NOTIFY_H
#define SST_NOTIFY_H

/*
 * Says so as sd_notify(3) describes it, if NOTIFY_SOCKET in the environment says where.
 * Return: 0, or -1 with errno set
 */
int notify_ready(void);

#endif /* SST_NOTIFY_H */
