/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "memory.h"

#include <err.h>
#include <sys/mman.h>

#include "layout.h"

static char *map(size_t size, int protection, int flags, int fd)
{
	void *at = mmap(NULL, size, protection, flags, fd, 0);
	if (at == MAP_FAILED)
		err(1, "mmap");
	return at;
}

/* KVM uses a huge page only where host and guest address agree modulo 2 MiB. */
static char *map_huge(uint64_t start, size_t size)
{
	size_t reserved = size + HUGE_PAGE_SIZE;
	char *reservation =
		map(reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	size_t head = (start - (uintptr_t)reservation) & (HUGE_PAGE_SIZE - 1);
	size_t tail = HUGE_PAGE_SIZE - head;

	if (head)
		munmap(reservation, head);
	munmap(reservation + head + size, tail);
	/* A host without huge pages has small ones: the same bytes, only slower. */
	madvise(reservation + head, size, MADV_HUGEPAGE);
	return reservation + head;
}

void memory_map(struct memory *memory, const struct template *template, const struct mapped_file *image)
{
	size_t image_size = ALIGN_UP(image->size, PAGE_SIZE);
	size_t ram_size = RAM_SIZE - template->size;

	memory->regions[TEMPLATE_REGION] = (struct region){
		.size = template->size,
		.host = map(template->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, template->fd),
	};
	memory->regions[RAM_REGION] = (struct region){
		.start = template->size,
		.size = ram_size,
		.host = map_huge(template->size, ram_size),
	};
	memory->regions[IMAGE_REGION] = (struct region){
		.start = ROOT_IMAGE,
		.size = image_size,
		.host = map(image_size, PROT_READ, MAP_SHARED, image->fd),
		.read_only = true,
	};
	for (int i = 0; i < REGIONS; i++)
		if (madvise(memory->regions[i].host, memory->regions[i].size, MADV_DONTFORK) < 0)
			err(1, "madvise");
}

void memory_unmap(struct memory *memory)
{
	for (int i = REGIONS - 1; i >= 0; i--)
		munmap(memory->regions[i].host, memory->regions[i].size);
}

void *memory_at(const struct memory *memory, uint64_t address, uint64_t length, bool write)
{
	for (int i = 0; i < REGIONS; i++) {
		const struct region *region = &memory->regions[i];
		uint64_t offset = address - region->start; /* huge when the address is below */
		if (offset < region->size && length <= region->size - offset && !(write && region->read_only))
			return region->host + offset;
	}
	errx(1, "the guest names %lu bytes at 0x%lx, which are not memory it can use so", length, address);
}
