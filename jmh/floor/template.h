/* SPDX-License-Identifier: Apache-2.0 */
/* The first part of every machine's RAM: a memory file with boot tables, boot parameters, command line and kernel. */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

struct template {
	int fd;
	size_t size; /* a multiple of 2 MiB */
	uint64_t entry;
};

/* A file that is there as long as the process. */
struct mapped_file {
	int fd;
	size_t size; /* bytes, not rounded */
	const void *bytes;
};

struct mapped_file map_file(const char *path);

struct template template_prepare(const char *kernel_path, size_t image_size, unsigned tsc_khz);

#endif
