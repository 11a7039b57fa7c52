/* SPDX-License-Identifier: Apache-2.0 */
/* The library that the kernel maps into every program (vdso(7)). */
#ifndef SUBSTRATE_VDSO_H
#define SUBSTRATE_VDSO_H

#include <substrate/types.h>

struct mm;

/* Its address in `mm`, for AT_SYSINFO_EHDR; or a negative errno. */
long vdso_map(struct mm *mm);

#endif
