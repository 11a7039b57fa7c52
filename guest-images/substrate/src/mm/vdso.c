/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/mman.h>
#include <substrate/area.h>
#include <substrate/err.h>
#include <substrate/mm.h>
#include <substrate/time.h>
#include <substrate/vdso.h>

#define KERNEL_BASE 0xffffffff80000000UL

extern const char vdso_image[], vdso_image_end[];

/* Pages of the kernel's image belong to nobody else: who maps and unmaps them must not free them. */
static void keep_pages(paddr_t clock, paddr_t image, u64 size)
{
	static bool kept;
	if (kept)
		return;
	kept = true;
	frame_get(clock);
	for (u64 at = 0; at < size; at += PAGE_SIZE)
		frame_get(image + at);
}

long vdso_map(struct mm *mm)
{
	paddr_t clock = (u64)clock_page_address() - KERNEL_BASE, image = (u64)vdso_image - KERNEL_BASE;
	u64 size = (u64)(vdso_image_end - vdso_image);
	keep_pages(clock, image, size);
	/* The library finds the clock at a fixed distance: one place for both. */
	long at = mm_map(mm, 0, PAGE_SIZE + size, PROT_NONE, MAP_PRIVATE, NULL, 0);
	if (at < 0)
		return at;
	long error = mm_map_kernel(mm, (u64)at, clock, PAGE_SIZE, PROT_READ);
	if (!error)
		error = mm_map_kernel(mm, (u64)at + PAGE_SIZE, image, size, PROT_READ | PROT_EXEC);
	return error ? error : at + (long)PAGE_SIZE;
}
