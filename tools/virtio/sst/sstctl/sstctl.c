// SPDX-License-Identifier: GPL-2.0-only
/* sstctl shows, tests and changes the devices of the driver virtio-sst. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../util.h"
#include "commands.h"
#include "fail.h"
#include "options.h"
#include "output.h"

/**
 * struct command - a command
 * @name: its name
 * @arguments: what it takes besides options
 * @letters: the options that it takes
 * @min: the least number of arguments
 * @max: the largest one, -1: any
 * @run: does it
 * @help: what it does
 */
struct command {
	const char *name;
	const char *arguments;
	const char *letters;
	int min;
	int max;
	int (*run)(const struct options *options, int argc, char **argv);
	const char *help;
};

static const struct command commands[] = {
	{ "list", "", "", 0, 0, command_list, "list the devices" },
	{ "info", "", "t", 0, 0, command_info, "tell about a device and its simulator" },
	{ "ping", "", "cistq", 0, 0, command_ping,
	  "send requests and tell how long the answers take" },
	{ "echo", "[TEXT]...", "t", 0, -1, command_echo,
	  "send text, or standard input, to the device and back" },
	{ "compute", "UNITS", "mt", 1, 1, command_compute,
	  "have the device compute and tell the cycles" },
	{ "read", "ADDRESS SIZE", "fxt", 2, 2, command_read, "read the device's memory" },
	{ "write", "ADDRESS [SIZE]", "ft", 1, 2, command_write, "write the device's memory" },
	{ "configure", "PARAMETER VALUE", "t", 2, 2, command_configure,
	  "set a parameter of the simulator" },
	{ "reset", "", "St", 0, 0, command_reset, "reset the device (as root), or its simulator" },
	{ "events", "", "c", 0, 0, command_events, "print what the device tells by itself" },
	{ "stats", "", "ciQ", 0, 0, command_stats, "print what the driver has counted" },
	{ "set", "NAME VALUE", "", 2, 2, command_set,
	  "set request_timeout_ms or busy_poll_us (as root)" },
};

static void print_help(void)
{
	unsigned int i;
	char left[48];

	puts("Usage: sstctl [OPTION]... COMMAND [OPTION]... [ARGUMENT]...\n"
	     "Show, test and change the devices of the driver virtio-sst.\n\nCommands:");
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].arguments);
		printf("  %-25s  %s\n", left, commands[i].help);
	}
	puts("\nOptions of all commands:");
	options_help(OPTIONS_COMMON);
	puts("\n\"sstctl COMMAND --help\" tells about the options of a command.");
}

static void print_command_help(const struct command *command)
{
	printf("Usage: sstctl %s [OPTION]...%s%s\n%c%s.\n\nOptions:\n", command->name,
	       *command->arguments ? " " : "", command->arguments,
	       *command->help - 'a' + 'A', command->help + 1);
	options_help(command->letters);
	options_help(OPTIONS_COMMON);
}

static void __attribute__((noreturn)) fail_command(const char *word)
{
	char list[256] = "";
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, " %s", commands[i].name);
	if (word)
		fail(EXIT_USAGE, "unknown command %.40s; there are:%s", word, list);
	fail(EXIT_USAGE, "a command is missing; there are:%s", list);
}

static const struct command *find_command(const char *word)
{
	unsigned int i;

	for (i = 0; word && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, word))
			return &commands[i];
	fail_command(word);
}

/* Prints what --help and --version ask for. Return: whether they were given */
static bool inform(const struct options *options, const struct command *command)
{
	if (options->version)
		puts("sstctl " SST_TOOLS_VERSION);
	else if (options->help && command)
		print_command_help(command);
	else if (options->help)
		print_help();
	else
		return false;
	return true;
}

static int run_command(struct options *options, int argc, char **argv)
{
	const struct command *command = find_command(*argv);
	char letters[32];
	int first;

	snprintf(letters, sizeof(letters), "%s%s", command->letters, OPTIONS_COMMON);
	first = options_parse(options, letters, argc, argv, false);
	if (inform(options, command))
		return EXIT_DONE;
	argc -= first;
	argv += first;
	if (argc < command->min || (command->max >= 0 && argc > command->max))
		fail(EXIT_USAGE, "%s takes %s%s", command->name,
		     *command->arguments ? "the arguments " : "no argument", command->arguments);
	return command->run(options, argc, argv);
}

/* A device must not get the number of an output that is closed: text would be requests */
static void open_standard(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			fail(EXIT_OTHER, "/dev/null: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	struct options options;
	int first, code = EXIT_DONE;

	open_standard();
	options_init(&options);
	first = options_parse(&options, OPTIONS_COMMON, argc, argv, true);
	if (!inform(&options, NULL))
		code = run_command(&options, argc - first, argv + first);
	output_flush();
	return code;
}
