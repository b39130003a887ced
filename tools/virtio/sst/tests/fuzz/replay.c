// SPDX-License-Identifier: GPL-2.0-only
/* Runs inputs that were kept, without a fuzzer, and prints TAP: PROGRAM FILE... */

#include <stdio.h>
#include <stdlib.h>

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

int main(int argc, char **argv)
{
	int i;

	printf("TAP version 13\n1..%d\n", argc - 1);
	for (i = 1; i < argc; i++) {
		/* Said before, in case that it crashes */
		fprintf(stderr, "%s\n", argv[i]);
		run(argv[i]);
		printf("ok %d - %s\n", i, argv[i]);
		fflush(stdout);
	}
	return 0;
}
