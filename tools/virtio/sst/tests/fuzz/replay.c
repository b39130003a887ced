// SPDX-License-Identifier: GPL-2.0-only
/* Runs the inputs in a folder, without a fuzzer, and prints TAP: PROGRAM FOLDER */

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"

static void run(const char *path)
{
	static uint8_t data[1 << 16];
	FILE *file = fopen(path, "rb");
	uint8_t *copy;
	size_t size;

	if (!file) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	/* Of its exact size, for the sanitizer */
	copy = malloc(size + !size);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* One test for all of them: it fails by not coming to its end */
int main(int argc, char **argv)
{
	struct dirent **entry;
	char path[PATH_MAX];
	int nr, i;

	if (argc != 2)
		return 2;
	nr = scandir(argv[1], &entry, is_input, alphasort);
	printf("TAP version 13\n1..1\n");
	for (i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry[i]->d_name);
		free(entry[i]);
		/* Said before, in case that it crashes */
		fprintf(stderr, "%s\n", path);
		run(path);
	}
	if (nr <= 0) {
		perror(argv[1]);
		return 1;
	}
	free(entry);
	printf("ok 1 - %d inputs in %s\n", nr, argv[1]);
	return 0;
}
