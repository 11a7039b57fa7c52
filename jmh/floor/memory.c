/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "memory.h"

#include <err.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

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

struct mapped_file map_file(const char *path)
{
	struct mapped_file file = { .fd = open(path, O_RDONLY | O_CLOEXEC) };
	struct stat status;

	if (file.fd < 0 || fstat(file.fd, &status) < 0)
		err(1, "%s", path);
	if (status.st_size == 0)
		errx(1, "%s is empty", path);
	file.size = (size_t)status.st_size;
	file.bytes = mmap(NULL, file.size, PROT_READ, MAP_SHARED, file.fd, 0);
	if (file.bytes == MAP_FAILED)
		err(1, "%s", path);
	return file;
}

static void add(struct memory *memory, uint64_t start, size_t size, char *host, bool read_only)
{
	/* Child processes have no use for it. */
	if (madvise(host, size, MADV_DONTFORK) < 0)
		err(1, "madvise");
	memory->regions[memory->count++] = (struct region){ start, size, host, read_only };
}

void memory_map(struct memory *memory, const struct template *template, const struct mapped_file *image)
{
	size_t used = template->size;
	size_t image_size = ALIGN_UP(image->size, PAGE_SIZE);

	memory->count = 0;
	if (used)
		add(memory, 0, used, map(used, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, template->fd), false);
	add(memory, used, RAM_SIZE - used, map_huge(used, RAM_SIZE - used), false);
	add(memory, ROOT_IMAGE, image_size, map(image_size, PROT_READ, MAP_SHARED, image->fd), true);
}

void memory_unmap(struct memory *memory)
{
	while (memory->count > 0) {
		const struct region *region = &memory->regions[--memory->count];
		munmap(region->host, region->size);
	}
}

void *memory_at(const struct memory *memory, uint64_t address, uint64_t length, bool write)
{
	for (unsigned i = 0; i < memory->count; i++) {
		const struct region *region = &memory->regions[i];
		uint64_t offset = address - region->start; /* huge when the address is below */
		if (offset < region->size && length <= region->size - offset && !(write && region->read_only))
			return region->host + offset;
	}
	errx(1, "the guest names %lu bytes at 0x%lx, which are not memory it can use so", length, address);
}
