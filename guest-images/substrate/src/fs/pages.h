/* SPDX-License-Identifier: Apache-2.0 */
/* The pages of one file that are in memory: a radix tree from page number to frame, as high as the highest page needs. */
#ifndef SUBSTRATE_FS_PAGES_H
#define SUBSTRATE_FS_PAGES_H

#include <substrate/types.h>

/* In place of a frame: the page is all zeroes although the image has something there. */
#define PAGE_HOLE 1UL

struct pages {
	u64 root;   /* a slot: 0, PAGE_HOLE, a frame or (height > 0) an inner node */
	u32 height; /* levels of inner nodes */
	u64 count;  /* frames held */
};

/* The frame of a page, PAGE_HOLE, or 0 when the tree says nothing about it. */
paddr_t pages_get(const struct pages *pages, u64 index);
/* Stores a frame (whose reference is taken over) or PAGE_HOLE where nothing or a hole was. 0 or -ENOMEM. */
long pages_set(struct pages *pages, u64 index, paddr_t frame);
/* Forgets pages first…last: their frames are put. The number of frames that were there. */
u64 pages_erase(struct pages *pages, u64 first, u64 last);
/* The first page ≥ index that has a frame; false when there is none. */
bool pages_next(const struct pages *pages, u64 index, u64 *found);

#endif
