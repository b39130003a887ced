// SPDX-License-Identifier: GPL-2.0-only
/* Requests that are not done with yet, in the order in which they are due. */

#include <stdlib.h>

#include "pending.h"

bool heap_init(struct heap *heap, uint32_t max)
{
	heap->nr = 0;
	heap->entry = calloc(max, sizeof(heap->entry[0]));
	return heap->entry;
}

void heap_destroy(struct heap *heap)
{
	while (heap->nr)
		free(heap->entry[--heap->nr]);
	free(heap->entry);
	heap->entry = NULL;
}

static bool earlier(const struct pending *a, const struct pending *b)
{
	if (a->due != b->due)
		return a->due < b->due;
	return a->sequence < b->sequence;
}

static void heap_swap(struct heap *heap, uint32_t a, uint32_t b)
{
	struct pending *tmp = heap->entry[a];

	heap->entry[a] = heap->entry[b];
	heap->entry[b] = tmp;
}

void heap_push(struct heap *heap, struct pending *pending)
{
	uint32_t i = heap->nr++;

	heap->entry[i] = pending;
	while (i && earlier(heap->entry[i], heap->entry[(i - 1) / 2])) {
		heap_swap(heap, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

struct pending *heap_pop(struct heap *heap)
{
	struct pending *first = heap->entry[0];
	uint32_t i = 0, child;

	heap->entry[0] = heap->entry[--heap->nr];
	for (;;) {
		child = 2 * i + 1;
		if (child >= heap->nr)
			return first;
		if (child + 1 < heap->nr &&
		    earlier(heap->entry[child + 1], heap->entry[child]))
			child++;
		if (!earlier(heap->entry[child], heap->entry[i]))
			return first;
		heap_swap(heap, i, child);
		i = child;
	}
}

uint64_t heap_due(const struct heap *heap)
{
	return heap->nr ? heap->entry[0]->due : PENDING_NEVER;
}
