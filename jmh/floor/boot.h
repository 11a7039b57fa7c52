/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine's memory holds before its kernel runs: boot tables, boot parameters, command line and kernel. */
#ifndef BOOT_H
#define BOOT_H

#include <stddef.h>
#include <stdint.h>

/* Writes it all to `memory`, the machine's RAM, which is zero. Returns where the kernel is entered. */
uint64_t boot_load(char *memory, const char *kernel_path, size_t image_size, unsigned tsc_khz);

#endif
