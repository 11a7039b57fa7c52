/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's guest-physical memory, as the process has it mapped. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOST_REGIONS 3

/* The first part of the RAM of machines that go on from another: a memory file with what that had written. */
struct template {
	int fd;
	size_t size; /* whole pages; 0: there is none */
};

/* A file that is there as long as the process. */
struct mapped_file {
	int fd;
	size_t size; /* bytes, not rounded */
	const void *bytes;
};

struct mapped_file map_file(const char *path);

struct region {
	uint64_t start; /* guest-physical */
	size_t size;
	char *host;
	bool read_only;
};

struct memory {
	unsigned count;
	struct region regions[MOST_REGIONS];
};

void memory_map(struct memory *memory, const struct template *template, const struct mapped_file *image);
void memory_unmap(struct memory *memory);

/* Bytes of the guest's memory, which must lie within one region: the process ends if they do not. */
void *memory_at(const struct memory *memory, uint64_t address, uint64_t length, bool write);

#endif
