/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/err.h>
#include <substrate/mm.h>
#include "pages.h"

#define FAN_BITS 6
#define FAN_OUT (1u << FAN_BITS)

struct inner {
	u64 slots[FAN_OUT];
};

static struct inner *inner_of(u64 slot)
{
	return (struct inner *)slot;
}

/* Pages below one slot of a node whose height is `height`; saturates where a shift would overflow. */
static u64 span_of(u32 height)
{
	return height * FAN_BITS >= 64 ? ~0UL : 1UL << (height * FAN_BITS);
}

static bool covers(const struct pages *pages, u64 index)
{
	return pages->height * FAN_BITS >= 64 || index >> (pages->height * FAN_BITS) == 0;
}

static u32 slot_number(u64 index, u32 level)
{
	return (index >> ((level - 1) * FAN_BITS)) & (FAN_OUT - 1);
}

paddr_t pages_get(const struct pages *pages, u64 index)
{
	u64 slot = pages->root;

	if (!covers(pages, index))
		return 0;
	for (u32 level = pages->height; level > 0 && slot; level--)
		slot = inner_of(slot)->slots[slot_number(index, level)];
	return slot;
}

static long grow(struct pages *pages, u64 index)
{
	while (!covers(pages, index)) {
		if (pages->root) {
			struct inner *top = kzalloc(sizeof(*top));
			if (!top)
				return -ENOMEM;
			top->slots[0] = pages->root;
			pages->root = (u64)top;
		}
		pages->height++;
	}
	return 0;
}

long pages_set(struct pages *pages, u64 index, paddr_t frame)
{
	u64 *slot = &pages->root;

	if (grow(pages, index) < 0)
		return -ENOMEM;
	for (u32 level = pages->height; level > 0; level--) {
		if (!*slot) {
			struct inner *inner = kzalloc(sizeof(*inner));
			if (!inner)
				return -ENOMEM;
			*slot = (u64)inner;
		}
		slot = &inner_of(*slot)->slots[slot_number(index, level)];
	}
	*slot = frame;
	if (frame != PAGE_HOLE)
		pages->count++;
	return 0;
}

/* Erases within the subtree at *slot, whose first page is `base`; frees it when nothing is left. */
static u64 erase_below(struct pages *pages, u64 *slot, u32 height, u64 base, u64 first, u64 last)
{
	u64 erased = 0, span;
	struct inner *inner;
	bool empty = true;

	if (!*slot)
		return 0;
	if (height == 0) {
		if (*slot != PAGE_HOLE) {
			frame_put(*slot);
			pages->count--;
			erased = 1;
		}
		*slot = 0;
		return erased;
	}
	inner = inner_of(*slot);
	span = span_of(height - 1);
	for (u32 i = 0; i < FAN_OUT; i++) {
		u64 start = base + i * span;
		if (inner->slots[i] && start <= last && start + (span - 1) >= first)
			erased += erase_below(pages, &inner->slots[i], height - 1, start, first, last);
		if (inner->slots[i])
			empty = false;
	}
	if (empty) {
		kfree(inner);
		*slot = 0;
	}
	return erased;
}

u64 pages_erase(struct pages *pages, u64 first, u64 last)
{
	u64 erased = 0;

	if (first < span_of(pages->height))
		erased = erase_below(pages, &pages->root, pages->height, 0, first, last);
	if (!pages->root)
		pages->height = 0;
	return erased;
}

static bool next_below(u64 slot, u32 height, u64 base, u64 index, u64 *found)
{
	u64 span;

	if (!slot)
		return false;
	if (height == 0) {
		*found = base;
		return slot != PAGE_HOLE;
	}
	span = span_of(height - 1);
	for (u32 i = 0; i < FAN_OUT; i++) {
		u64 start = base + i * span;
		if (start + (span - 1) >= index && next_below(inner_of(slot)->slots[i], height - 1, start, index, found))
			return true;
	}
	return false;
}

bool pages_next(const struct pages *pages, u64 index, u64 *found)
{
	return next_below(pages->root, pages->height, 0, index, found) && *found >= index;
}
