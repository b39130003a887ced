/* SPDX-License-Identifier: GPL-2.0-only */
/* Options from a file: option --config. */

#ifndef SST_CONFIG_H
#define SST_CONFIG_H

#include "options.h"

/* Enters the options of a file. Return: whether that was possible; if not, it was printed */
bool config_read(struct options_list *list, const char *path);

/* Lets go of the file, when no option is used any more */
void config_free(struct options_list *list);

#endif /* SST_CONFIG_H */
