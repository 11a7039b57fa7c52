/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel knows of each frame of RAM; for the allocators. */
#ifndef SUBSTRATE_FRAME_H
#define SUBSTRATE_FRAME_H

#include <substrate/types.h>

enum frame_use {
	FRAME_COUNTED = 0, /* page of a program or a file */
	FRAME_BLOCK,       /* first of 2^order frames of the kernel */
	FRAME_SLAB,        /* small objects of one size */
	FRAME_FREE,        /* only while blocks are put together */
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

/*
 * For the memory balloon. Lends the host at most `most` free frames that it has memory for, and writes down their numbers; those
 * are nobody's until frames_return gives some of them back, with anything in them. How many; 512 at a time are enough for every block.
 */
u32 frames_lend(u32 *numbers, u32 most);
u32 frames_return(u32 *numbers, u32 most);
/* Lent frames count as available from now on: when there are no others, `take_back` returns some, or says that it cannot now. */
void frames_when_short(bool (*take_back)(void));
/* Without those that are lent. */
u64 frames_free_now(void);

/*
 * For reports of free memory. Takes free blocks that the host has memory for, at most `most` of them and about `frames` frames, and
 * writes down the first frame of each. They are nobody's until they are given back: as they were, or, when the host has
 * taken the memory, with anything in them.
 */
u32 frames_take_free(u32 *blocks, u32 most, u32 frames);
void frames_give_back(const u32 *blocks, u32 count, bool reported);
/* Of a block that was taken so. */
u32 frames_in_block(u32 first);
/* Free frames that the host has memory for. */
u64 frames_reportable(void);

#endif
