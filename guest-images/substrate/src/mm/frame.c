/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of RAM.
 *
 * RAM that was never used (the wilderness) is taken in order of address and is known to be zero: nothing is cleared and no
 * list is built at boot, so that a machine's memory costs its host nothing until a program uses it. Frames that come back are
 * recycled: kept in lists by order and used first, because the host has paid for them already. The host can have them lent (the
 * memory balloon), or be told that they are free; what it gives back, and what it was told of, comes next, because large blocks
 * can only be made of RAM that was never used.
 */
#include <substrate/frame.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>

#define MAX_ORDER 9
#define MAX_RANGES 4
/* What only the kernel may take: so that ending a program never fails for want of memory. */
#define RESERVE_FRAMES 128
/* Frames that have come back since blocks were last put together: fewer hardly make another one. */
#define GATHER_WORTH 256

struct range {
	u64 next, end; /* frame numbers: the wilderness */
};

/* Free blocks of 2^order frames. */
struct pool {
	u32 lists[MAX_ORDER + 1]; /* first frame number, 0: empty */
	u64 frames;
};

static struct {
	struct frame *frames; /* by frame number */
	u64 limit;            /* first frame number beyond RAM */
	struct range ranges[MAX_RANGES];
	unsigned int range_count;
	u32 clean_list;       /* single frames that came back untouched: still zero */
	struct pool recycled; /* the host has memory for them */
	struct pool lent;     /* the host has them */
	struct pool returned; /* by the host, or reported to it: it has no memory for them; they hold anything */
	bool (*take_back)(void);
	u64 total, clean, untouched;
	u64 put; /* blocks that came back since the last gather() */
} ram;

static void pool_put(struct pool *pool, u64 number, unsigned int order)
{
	ram.frames[number].next = pool->lists[order];
	pool->lists[order] = (u32)number;
	pool->frames += 1UL << order;
	ram.put++;
}

static u64 pool_take(struct pool *pool, unsigned int order)
{
	u32 number = pool->lists[order];
	if (number) {
		pool->lists[order] = ram.frames[number].next;
		pool->frames -= 1UL << order;
	}
	return number;
}

void frames_add(paddr_t start, paddr_t end)
{
	start = ALIGN_UP(start, PAGE_SIZE);
	end = ALIGN_DOWN(end, PAGE_SIZE);
	if (start >= end)
		return;
	if (ram.range_count == MAX_RANGES)
		panic("more than %u ranges of RAM", MAX_RANGES);
	ram.ranges[ram.range_count++] = (struct range){ start >> PAGE_SHIFT, end >> PAGE_SHIFT };
	ram.limit = MAX(ram.limit, end >> PAGE_SHIFT);
	ram.untouched += (end - start) >> PAGE_SHIFT;
}

paddr_t frames_take_early(void)
{
	struct range *first = &ram.ranges[0];
	if (ram.range_count == 0 || first->next == first->end)
		panic("too little memory for page tables");
	ram.untouched--;
	return first->next++ << PAGE_SHIFT;
}

void frames_init(void)
{
	struct range *first = &ram.ranges[0];
	u64 size = ALIGN_UP(ram.limit * sizeof(struct frame), PAGE_SIZE) >> PAGE_SHIFT;
	if (ram.range_count == 0 || first->next + size + RESERVE_FRAMES > first->end)
		panic("too little memory: %lu KiB", ram.untouched << 2);
	ram.frames = phys_to_virt(first->next << PAGE_SHIFT);
	first->next += size;
	ram.untouched -= size;
	ram.total = ram.untouched;
}

struct frame *frame_of(paddr_t frame)
{
	u64 number = frame >> PAGE_SHIFT;
	return number < ram.limit ? &ram.frames[number] : NULL;
}

/* `count` frames, aligned to their size; 0 when the wilderness has no such run. */
static u64 wilderness_take(u64 count)
{
	for (unsigned int i = 0; i < ram.range_count; i++) {
		struct range *r = &ram.ranges[i];
		u64 first = ALIGN_UP(r->next, count);
		if (first + count > r->end)
			continue;
		while (r->next < first) {
			pool_put(&ram.recycled, r->next++, 0);
			ram.untouched--;
		}
		r->next += count;
		ram.untouched -= count;
		return first;
	}
	return 0;
}

/* Halves a larger block when there is no other way. */
static u64 split_take(struct pool *pool, unsigned int order)
{
	for (unsigned int larger = order + 1; larger <= MAX_ORDER; larger++) {
		u64 number = pool_take(pool, larger);
		if (!number)
			continue;
		while (larger-- > order)
			pool_put(pool, number + (1UL << larger), larger);
		return number;
	}
	return 0;
}

static u64 used_take(unsigned int order)
{
	u64 number = pool_take(&ram.recycled, order);
	return number ? number : pool_take(&ram.returned, order);
}

/* What there is when neither a block of that order nor wilderness is left. */
static u64 last_take(unsigned int order)
{
	u64 number = split_take(&ram.recycled, order);
	if (!number)
		number = split_take(&ram.returned, order);
	while (!number && ram.lent.frames && ram.take_back && ram.take_back()) {
		number = pool_take(&ram.returned, order);
		if (!number)
			number = split_take(&ram.returned, order);
	}
	return number;
}

static void mark(u32 list, unsigned int order)
{
	for (u32 number = list; number; number = ram.frames[number].next)
		for (u32 i = 0; i < 1U << order; i++)
			ram.frames[number + i].use = FRAME_FREE;
}

static bool all_free(u64 first, u64 count)
{
	for (u64 number = first; number < first + count; number++)
		if (number >= ram.limit || ram.frames[number].use != FRAME_FREE)
			return false;
	return true;
}

/* The largest block that begins there and is free. */
static unsigned int free_order(u64 first)
{
	unsigned int order = 0;
	while (order < MAX_ORDER && !(first & (1UL << order)) && all_free(first + (1UL << order), 1UL << order))
		order++;
	return order;
}

/*
 * Free frames that lie side by side become blocks again. It looks at all frames, so it is done when there is no other way; what
 * is known of the free ones besides is forgotten.
 */
static void gather(void)
{
	for (unsigned int order = 0; order <= MAX_ORDER; order++) {
		mark(ram.recycled.lists[order], order);
		mark(ram.returned.lists[order], order);
	}
	mark(ram.clean_list, 0);
	ram.recycled = ram.returned = (struct pool){ .frames = 0 };
	ram.clean_list = 0;
	ram.clean = 0;
	for (u64 number = 1; number < ram.limit;) {
		if (ram.frames[number].use != FRAME_FREE) {
			number++;
			continue;
		}
		unsigned int order = free_order(number);
		for (u64 i = 0; i < 1UL << order; i++)
			ram.frames[number + i].use = FRAME_COUNTED;
		pool_put(&ram.recycled, number, order);
		number += 1UL << order;
	}
	ram.put = 0;
}

static u64 clean_take(void)
{
	u32 number = ram.clean_list;
	if (number) {
		ram.clean_list = ram.frames[number].next;
		ram.clean--;
	}
	return number;
}

/* Zero, and of no cost to the host so far. */
static u64 zero_take(void)
{
	u64 number = clean_take();
	return number ? number : wilderness_take(1);
}

paddr_t frame_alloc_untouched(void)
{
	if (frames_available() <= RESERVE_FRAMES)
		return 0;
	u64 number = zero_take();
	if (number) {
		ram.frames[number].refs = 1;
		ram.frames[number].use = FRAME_COUNTED;
	}
	return number << PAGE_SHIFT;
}

void frame_put_untouched(paddr_t frame)
{
	struct frame *f = frame_of(frame);
	f->refs = 0;
	f->next = ram.clean_list;
	ram.clean_list = (u32)(frame >> PAGE_SHIFT);
	ram.clean++;
}

paddr_t frame_alloc(enum frame_flags wanted)
{
	enum frame_flags flags = wanted;
	if (frames_available() <= RESERVE_FRAMES)
		return 0;
	u64 number = used_take(0);
	if (!number) {
		number = zero_take();
		flags = FRAME_ANY;
	}
	if (!number) {
		number = last_take(0);
		flags = wanted;
	}
	if (!number)
		return 0;
	if (flags & FRAME_ZERO)
		memset(phys_to_virt(number << PAGE_SHIFT), 0, PAGE_SIZE);
	ram.frames[number].refs = 1;
	ram.frames[number].use = FRAME_COUNTED;
	return number << PAGE_SHIFT;
}

void frame_get(paddr_t frame)
{
	struct frame *f = frame_of(frame);
	if (f)
		f->refs++;
}

void frame_put(paddr_t frame)
{
	struct frame *f = frame_of(frame);
	if (!f)
		return;
	BUG_ON(f->refs == 0);
	if (--f->refs == 0)
		pool_put(&ram.recycled, frame >> PAGE_SHIFT, 0);
}

bool frame_exclusive(paddr_t frame)
{
	struct frame *f = frame_of(frame);
	return f && f->refs == 1;
}

paddr_t frames_alloc(unsigned int order)
{
	BUG_ON(order > MAX_ORDER);
	u64 number = used_take(order);
	if (!number)
		number = wilderness_take(1UL << order);
	if (!number)
		number = last_take(order);
	if (!number && order == 0)
		number = clean_take();
	if (!number && order > 0 && ram.put >= GATHER_WORTH) {
		gather();
		number = used_take(order);
		if (!number)
			number = last_take(order);
	}
	if (!number)
		return 0;
	ram.frames[number].use = FRAME_BLOCK;
	ram.frames[number].order = (u8)order;
	return number << PAGE_SHIFT;
}

void frames_free(paddr_t first, unsigned int order)
{
	pool_put(&ram.recycled, first >> PAGE_SHIFT, order);
}

/* Moves blocks between pools, large ones first, and writes down the numbers of their frames. */
static u32 move(struct pool *from, struct pool *to, u32 *numbers, u32 most)
{
	u32 count = 0;

	for (unsigned int order = MAX_ORDER + 1; order-- > 0;) {
		while (from->lists[order] && most - count >= 1U << order) {
			u64 first = pool_take(from, order);
			pool_put(to, first, order);
			for (u32 i = 0; i < 1U << order; i++)
				numbers[count++] = (u32)first + i;
		}
	}
	return count;
}

u32 frames_lend(u32 *numbers, u32 most)
{
	return move(&ram.recycled, &ram.lent, numbers, most);
}

u32 frames_return(u32 *numbers, u32 most)
{
	return move(&ram.lent, &ram.returned, numbers, most);
}

void frames_when_short(bool (*take_back)(void))
{
	ram.take_back = take_back;
}

u32 frames_take_free(u32 *blocks, u32 most, u32 frames)
{
	u32 count = 0, taken = 0;

	for (unsigned int order = MAX_ORDER + 1; order-- > 0;) {
		while (count < most && taken < frames && ram.recycled.lists[order]) {
			u64 first = pool_take(&ram.recycled, order);
			ram.frames[first].order = (u8)order;
			blocks[count++] = (u32)first;
			taken += 1U << order;
		}
	}
	return count;
}

void frames_give_back(const u32 *blocks, u32 count, bool reported)
{
	/* The last one first: what was taken first is the next to be taken. */
	while (count-- > 0)
		pool_put(reported ? &ram.returned : &ram.recycled, blocks[count], ram.frames[blocks[count]].order);
}

u32 frames_in_block(u32 first)
{
	return 1U << ram.frames[first].order;
}

u64 frames_reportable(void)
{
	return ram.recycled.frames;
}

u64 frames_total(void)
{
	return ram.total;
}

u64 frames_available(void)
{
	return frames_free_now() + (ram.take_back ? ram.lent.frames : 0);
}

u64 frames_free_now(void)
{
	return ram.untouched + ram.clean + ram.recycled.frames + ram.returned.frames;
}
