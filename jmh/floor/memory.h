/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's guest-physical memory, as the process has it mapped. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "template.h"

enum { TEMPLATE_REGION, RAM_REGION, IMAGE_REGION, REGIONS };

struct region {
	uint64_t start; /* guest-physical */
	size_t size;
	char *host;
	bool read_only;
};

struct memory {
	struct region regions[REGIONS];
};

void memory_map(struct memory *memory, const struct template *template, const struct mapped_file *image);
void memory_unmap(struct memory *memory);

/* Bytes of the guest's memory, which must lie within one region: the process ends if they do not. */
void *memory_at(const struct memory *memory, uint64_t address, uint64_t length, bool write);

#endif
