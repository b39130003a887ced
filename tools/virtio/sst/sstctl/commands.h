/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands of sstctl. */

#ifndef SSTCTL_COMMANDS_H
#define SSTCTL_COMMANDS_H

#include "options.h"

/*
 * Each gets the words that are no options, as many as sstctl.c says that it takes, and
 * returns one of enum exit_code.
 */
int command_list(const struct options *options, int argc, char **argv);
int command_info(const struct options *options, int argc, char **argv);
int command_ping(const struct options *options, int argc, char **argv);
int command_echo(const struct options *options, int argc, char **argv);
int command_compute(const struct options *options, int argc, char **argv);
int command_read(const struct options *options, int argc, char **argv);
int command_write(const struct options *options, int argc, char **argv);
int command_configure(const struct options *options, int argc, char **argv);
int command_reset(const struct options *options, int argc, char **argv);
int command_events(const struct options *options, int argc, char **argv);
int command_stats(const struct options *options, int argc, char **argv);
int command_set(const struct options *options, int argc, char **argv);

#endif /* SSTCTL_COMMANDS_H */
