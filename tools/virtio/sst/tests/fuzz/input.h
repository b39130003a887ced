/* SPDX-License-Identifier: GPL-2.0-only */
/* The fuzzer's input, taken piece by piece; after its end, everything is 0. */

#ifndef SST_FUZZ_INPUT_H
#define SST_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What libFuzzer calls for each input, and replay.c for each file */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * struct input - what is left of an input
 * @at: the next byte
 * @left: bytes that are left
 */
struct input {
	const uint8_t *at;
	size_t left;
};

static inline size_t take_bytes(struct input *in, void *to, size_t len)
{
	size_t part = len < in->left ? len : in->left;

	if (part)
		memcpy(to, in->at, part);
	memset((uint8_t *)to + part, 0, len - part);
	in->at += part;
	in->left -= part;
	return part;
}

static inline uint8_t take8(struct input *in)
{
	uint8_t value;

	take_bytes(in, &value, sizeof(value));
	return value;
}

static inline uint16_t take16(struct input *in)
{
	uint16_t value;

	take_bytes(in, &value, sizeof(value));
	return value;
}

static inline uint32_t take32(struct input *in)
{
	uint32_t value;

	take_bytes(in, &value, sizeof(value));
	return value;
}

static inline uint64_t take64(struct input *in)
{
	uint64_t value;

	take_bytes(in, &value, sizeof(value));
	return value;
}

#endif /* SST_FUZZ_INPUT_H */
