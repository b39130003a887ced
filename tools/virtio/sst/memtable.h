/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's memory, as the front-end shares it. */

#ifndef SST_MEMTABLE_H
#define SST_MEMTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMTABLE_MAX_REGIONS	64

/**
 * struct mem_region - a piece of guest memory
 * @guest_addr: its address in the guest
 * @size: its size in bytes
 * @user_addr: its address in the front-end's process
 * @host: where it is mapped here
 * @map: start of the mapping, which begins at a page of the file
 * @map_size: size of the mapping
 */
struct mem_region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint8_t *host;
	void *map;
	size_t map_size;
};

/**
 * struct memtable - all guest memory
 * @nr: regions in use
 * @region: the regions, disjoint in both address spaces
 */
struct memtable {
	unsigned int nr;
	struct mem_region region[MEMTABLE_MAX_REGIONS];
};

/**
 * memtable_add() - map one more region
 * @mt: table
 * @region: address and size of the region; the other members are ignored
 * @fd: file that holds it; stays the caller's
 * @offset: where in the file it begins
 *
 * Return: NULL, or what is wrong.
 */
const char *memtable_add(struct memtable *mt, const struct mem_region *region,
			 int fd, uint64_t offset);

/* Unmaps the region that has exactly these addresses. Return: as above */
const char *memtable_remove(struct memtable *mt,
			    const struct mem_region *region);

/* Unmaps every region */
void memtable_clear(struct memtable *mt);

/*
 * Translates an address in the front-end's process. Return: where @len bytes
 * from there on are mapped, or NULL when they are not all in one region.
 */
void *memtable_user(const struct memtable *mt, uint64_t addr, uint64_t len);

/* Returns whether @len bytes at guest address @addr are all guest memory */
bool memtable_check(const struct memtable *mt, uint64_t addr, uint64_t len);

/* Returns the region that an address of this process is in the mapping of, or NULL */
const struct mem_region *memtable_find_host(const struct memtable *mt,
					    const void *addr);

/* Copy from and to guest addresses. Return: whether all of it was possible */
bool memtable_read(const struct memtable *mt, uint64_t addr, void *buf,
		   size_t len);
bool memtable_write(const struct memtable *mt, uint64_t addr, const void *buf,
		    size_t len);

#endif /* SST_MEMTABLE_H */
