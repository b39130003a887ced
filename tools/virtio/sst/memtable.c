// SPDX-License-Identifier: GPL-2.0-only
/* The guest's memory, as the front-end shares it. */

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "memtable.h"
#include "util.h"

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a - b < b_size || b - a < a_size;
}

static bool ends_beyond(uint64_t start, uint64_t size)
{
	return size > UINT64_MAX - start;
}

static const char *region_check(const struct memtable *mt,
				const struct mem_region *region)
{
	unsigned int i;

	if (mt->nr == MEMTABLE_MAX_REGIONS)
		return "too many memory regions";
	if (!region->size)
		return "empty memory region";
	if (ends_beyond(region->guest_addr, region->size) ||
	    ends_beyond(region->user_addr, region->size))
		return "memory region exceeds the address space";
	for (i = 0; i < mt->nr; i++) {
		const struct mem_region *other = &mt->region[i];

		if (overlaps(region->guest_addr, region->size,
			     other->guest_addr, other->size) ||
		    overlaps(region->user_addr, region->size,
			     other->user_addr, other->size))
			return "overlapping memory regions";
	}
	return NULL;
}

/*
 * Finds out what the offset of a mapping of the file must be a multiple of: its
 * block size is the huge page size on hugetlbfs. A region beyond the end of
 * its file is refused, since it cannot be touched.
 */
static const char *file_check(int fd, uint64_t offset, uint64_t size,
			      uint64_t *align)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return "memory region is not in a file";
	if (ends_beyond(offset, size) || offset + size > (uint64_t)st.st_size)
		return "memory region exceeds its file";
	*align = (uint64_t)st.st_blksize;
	if (*align < page || (*align & (*align - 1)))
		*align = page;
	return NULL;
}

const char *memtable_add(struct memtable *mt, const struct mem_region *region,
			 int fd, uint64_t offset)
{
	struct mem_region *new = &mt->region[mt->nr];
	uint64_t align, skip, map_size;
	const char *error;
	void *map;

	error = region_check(mt, region);
	if (!error)
		error = file_check(fd, offset, region->size, &align);
	if (error)
		return error;

	skip = offset & (align - 1);
	/* Whole huge pages, as munmap() insists on them */
	map_size = (region->size + skip + align - 1) & ~(align - 1);
	map = mmap(NULL, map_size, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_NORESERVE, fd, (off_t)(offset - skip));
	if (map == MAP_FAILED)
		return "memory region cannot be mapped";

	*new = *region;
	new->map = map;
	new->map_size = map_size;
	new->host = (uint8_t *)map + skip;
	mt->nr++;
	return NULL;
}

const char *memtable_remove(struct memtable *mt,
			    const struct mem_region *region)
{
	unsigned int i;

	for (i = 0; i < mt->nr; i++) {
		struct mem_region *old = &mt->region[i];

		if (old->guest_addr != region->guest_addr ||
		    old->user_addr != region->user_addr ||
		    old->size != region->size)
			continue;
		munmap(old->map, old->map_size);
		*old = mt->region[--mt->nr];
		return NULL;
	}
	return "no such memory region";
}

void memtable_clear(struct memtable *mt)
{
	while (mt->nr) {
		struct mem_region *region = &mt->region[--mt->nr];

		munmap(region->map, region->map_size);
	}
}

void *memtable_user(const struct memtable *mt, uint64_t addr, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < mt->nr; i++) {
		const struct mem_region *region = &mt->region[i];
		uint64_t offset = addr - region->user_addr;

		if (offset < region->size && len <= region->size - offset)
			return region->host + offset;
	}
	return NULL;
}

const struct mem_region *memtable_find_host(const struct memtable *mt,
					    const void *addr)
{
	unsigned int i;

	for (i = 0; i < mt->nr; i++) {
		const struct mem_region *region = &mt->region[i];

		if ((uintptr_t)addr - (uintptr_t)region->map < region->map_size)
			return region;
	}
	return NULL;
}

/*
 * Translates a guest address and shortens *len to what follows it in the same
 * region: a buffer may lie in two regions that adjoin in the guest.
 */
static uint8_t *memtable_guest(const struct memtable *mt, uint64_t addr,
			       uint64_t *len)
{
	unsigned int i;

	for (i = 0; i < mt->nr; i++) {
		const struct mem_region *region = &mt->region[i];
		uint64_t offset = addr - region->guest_addr;

		if (offset >= region->size)
			continue;
		if (*len > region->size - offset)
			*len = region->size - offset;
		return region->host + offset;
	}
	return NULL;
}

bool memtable_check(const struct memtable *mt, uint64_t addr, uint64_t len)
{
	while (len) {
		uint64_t part = len;

		if (!memtable_guest(mt, addr, &part))
			return false;
		addr += part;
		len -= part;
	}
	return true;
}

bool memtable_read(const struct memtable *mt, uint64_t addr, void *buf,
		   size_t len)
{
	uint8_t *to = buf;

	while (len) {
		uint64_t part = len;
		const uint8_t *from = memtable_guest(mt, addr, &part);

		if (!from)
			return false;
		memcpy(to, from, part);
		to += part;
		addr += part;
		len -= part;
	}
	return true;
}

bool memtable_write(const struct memtable *mt, uint64_t addr, const void *buf,
		    size_t len)
{
	const uint8_t *from = buf;

	while (len) {
		uint64_t part = len;
		uint8_t *to = memtable_guest(mt, addr, &part);

		if (!to)
			return false;
		memcpy(to, from, part);
		from += part;
		addr += part;
		len -= part;
	}
	return true;
}
