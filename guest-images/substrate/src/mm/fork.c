/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copy of an address space. Private pages become common to both, read-only until one of the two writes to its own.
 *
 * On a de-privileging host such a write costs a page fault of some 25 us, a copy of a page less than one. So pages that will
 * most likely be written are copied at once: a page that is writable was written since the last copy was made, and the first
 * of each area are data segments, thread control blocks and the top of the stack.
 */
#include <asm/mman.h>
#include <substrate/area.h>
#include <substrate/cpu.h>
#include <substrate/fs.h>
#include <substrate/pagetable.h>
#include <substrate/string.h>

/* Pages copied at once: in one area, and in all. */
#define EAGER_IN_AREA 12
#define EAGER_IN_ALL 96

struct copy {
	struct mm *from, *to;
	const struct area *area;
	u32 eager_in_area, eager_left;
	bool protected; /* an entry of `from` lost its right to write */
};

/* The entry of the copy, or 0 when memory is exhausted. */
static pte_t copied_page(struct copy *c, pte_t source)
{
	paddr_t frame = frame_alloc(FRAME_ANY);
	if (!frame)
		return 0;
	memcpy(phys_to_virt(frame), phys_to_virt(pte_frame(source)), PAGE_SIZE);
	c->eager_in_area--;
	c->eager_left--;
	return pte_make(frame, c->area->prot, true);
}

static bool copy_entry(struct copy *c, pte_t *source, u64 address)
{
	bool shared = c->area->flags & AREA_SHARED;
	/* Still zero: the copy finds its own zeroes when it looks. */
	if (!shared && !c->area->node && pte_untouched(*source))
		return true;
	pte_t *target = pagetable_entry(c->to->root, address, true);
	if (!target)
		return false;
	c->to->resident++;
	if (!shared && pte_present(*source) && pte_writable(*source)) {
		if (c->eager_in_area && c->eager_left && (*target = copied_page(c, *source)))
			return true;
		*source = pte_protected(*source);
		c->protected = true;
	}
	frame_get(pte_frame(*source));
	*target = *source;
	return true;
}

static bool copy_area(struct copy *c)
{
	c->eager_in_area = EAGER_IN_AREA;
	for (u64 at = c->area->start; at < c->area->end;) {
		pte_t *entry = pagetable_entry(c->from->root, at, false);
		if (!entry) {
			at = pagetable_skip(c->from->root, at);
			continue;
		}
		/* Entries of one table lie side by side. */
		u64 end = MIN(c->area->end, pagetable_table_end(at));
		for (; at < end; at += PAGE_SIZE, entry++)
			if (*entry && !copy_entry(c, entry, at))
				return false;
	}
	return true;
}

static bool copy_areas(struct mm *from, struct mm *to)
{
	to->areas = kmalloc(MAX(from->area_count, 1U) * sizeof(*to->areas));
	if (!to->areas)
		return false;
	to->area_capacity = MAX(from->area_count, 1U);
	for (u32 i = 0; i < from->area_count; i++) {
		const struct area *area = area_at(from, i);
		if (area->flags & AREA_NOT_COPIED)
			continue;
		to->areas[to->area_count++] = *area;
		to->mapped += area->end - area->start;
		if (area->node)
			node_get(area->node);
	}
	to->area_gap = to->area_count;
	return true;
}

struct mm *mm_fork(struct mm *from)
{
	struct mm *to = mm_new(0);
	if (!to)
		return NULL;
	to->map_top = to->full_above = from->map_top;
	to->stack_top = from->stack_top;
	to->brk_start = from->brk_start;
	to->brk = from->brk;
	bool plenty = frames_available() > frames_total() / 4;
	struct copy copy = { .from = from, .to = to, .eager_left = plenty ? EAGER_IN_ALL : 0 };
	bool done = copy_areas(from, to);
	for (u32 i = 0; done && i < to->area_count; i++) {
		copy.area = area_at(to, i);
		done = copy.area->flags & AREA_WIPED || copy_area(&copy);
	}
	if (copy.protected)
		mm_flush_all(from);
	if (done)
		return to;
	mm_put(to);
	return NULL;
}
