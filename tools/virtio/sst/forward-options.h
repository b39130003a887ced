/* SPDX-License-Identifier: GPL-2.0-only */
/* Options about a simulator in a process of its own. */

#ifndef SST_FORWARD_OPTIONS_H
#define SST_FORWARD_OPTIONS_H

#include "options.h"

#define FORWARD_DISCONNECT_SYNTAX \
	"error, queue or queue:N, N a number from 1 to 32768"

/* Each enters an option. Return: whether its argument is well formed */
bool forward_set_connect(struct options *options, const char *arg);
bool forward_set_listen(struct options *options, const char *arg);
bool forward_set_on_disconnect(struct options *options, const char *arg);
bool forward_set_timeout(struct options *options, const char *arg);
bool forward_set_events_connect(struct options *options, const char *arg);
bool forward_set_events_listen(struct options *options, const char *arg);

/*
 * Enters what follows from all options. Those of @defaults are for other devices where they
 * are about a simulator, and this device has none.
 * Return: whether they go together; if not, what is wrong was printed
 */
bool forward_options_finish(struct options *options, const struct options *defaults);

#endif /* SST_FORWARD_OPTIONS_H */
