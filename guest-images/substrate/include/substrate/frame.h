/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel knows of each frame of RAM; for the allocators. */
#ifndef SUBSTRATE_FRAME_H
#define SUBSTRATE_FRAME_H

#include <substrate/types.h>

enum frame_use {
	FRAME_COUNTED = 0, /* page of a program or a file */
	FRAME_BLOCK,       /* first of 2^order frames of the kernel */
	FRAME_SLAB,        /* small objects of one size */
};

struct frame {
	u32 refs; /* FRAME_COUNTED; FRAME_SLAB: previous slab with room */
	u8 use;
	u8 order;    /* FRAME_BLOCK; FRAME_SLAB: size class */
	u16 objects; /* FRAME_SLAB: in use */
	u32 next;    /* next in a free list; FRAME_SLAB: next slab with room */
	u32 free;    /* FRAME_SLAB: offset of the first free object, PAGE_SIZE: none */
};

/* At boot: RAM that is free, lowest range first; then frames_init once. */
void frames_add(paddr_t start, paddr_t end);
void frames_init(void);
/* Between the two: a zero frame of the first range, for page tables. */
paddr_t frames_take_early(void);
/* NULL when the address is not in RAM. */
struct frame *frame_of(paddr_t frame);
/* A zero frame that nothing was ever stored in, or 0: a page that costs nothing to hand out. */
paddr_t frame_alloc_untouched(void);
/* Gives back such a frame that is still zero. */
void frame_put_untouched(paddr_t frame);

#endif
