/* SPDX-License-Identifier: Apache-2.0 */
/* The allocator of frames on the host: what it hands out is nobody else's, and what came back can be had again. */
#include <substrate/frame.h>
#include <substrate/mm.h>
#include <substrate/printk.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 4096U
#define FIRST 16U /* frame number of the first one */

static _Alignas(4096) u8 memory[(FIRST + FRAMES) * PAGE_SIZE];
static u8 taken[FIRST + FRAMES];

void *phys_to_virt(paddr_t pa)
{
	return memory + pa;
}

noreturn void panic(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	abort();
}

#define CHECK(cond)                                                                \
	do {                                                                           \
		if (!(cond)) {                                                             \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);             \
			exit(1);                                                               \
		}                                                                          \
	} while (0)

static paddr_t take(unsigned int order)
{
	paddr_t first = frames_alloc(order);
	u64 number = first >> PAGE_SHIFT;
	if (!first)
		return 0;
	CHECK((number & ((1UL << order) - 1)) == 0);
	for (u64 i = 0; i < 1UL << order; i++) {
		CHECK(number + i >= FIRST && number + i < FIRST + FRAMES && !taken[number + i]);
		taken[number + i] = 1;
	}
	return first;
}

static void give(paddr_t first, unsigned int order)
{
	for (u64 i = 0; i < 1UL << order; i++) {
		CHECK(taken[(first >> PAGE_SHIFT) + i]);
		taken[(first >> PAGE_SHIFT) + i] = 0;
	}
	frames_free(first, order);
}

static paddr_t singles[FRAMES];

static u32 take_all(void)
{
	u32 count = 0;
	while ((singles[count] = take(0)))
		count++;
	return count;
}

/* Memory that programs have used page by page makes stacks of the kernel again. */
static void blocks_of_single_frames(void)
{
	u32 count = take_all();
	CHECK(count > FRAMES - 64 && frames_free_now() == 0);
	/* Every second one is no block of several. */
	for (u32 i = 0; i < count; i++)
		if (singles[i] >> PAGE_SHIFT & 1)
			give(singles[i], 0);
	CHECK(!take(2));
	for (u32 i = 0; i < count; i++)
		if (!(singles[i] >> PAGE_SHIFT & 1))
			give(singles[i], 0);
	CHECK(frames_free_now() == count);
	u32 blocks = 0;
	while ((singles[blocks] = take(2)))
		blocks++;
	CHECK(blocks >= count / 4 - 2);
	for (u32 i = 0; i < blocks; i++)
		give(singles[i], 2);
	CHECK(frames_free_now() == count);
}

/* The same with pages that nobody wrote to, and with those that the host was told of. */
static void blocks_of_others(void)
{
	u32 numbers[64], count = take_all();
	for (u32 i = 0; i < count; i++)
		give(singles[i], 0);
	while (frames_reportable() > count / 2)
		frames_give_back(numbers, frames_take_free(numbers, 64, 64), true);
	CHECK(frames_free_now() == count);
	u32 blocks = 0;
	while ((singles[blocks] = take(3)))
		blocks++;
	CHECK(blocks > count / 8 - 32);
	for (u32 i = 0; i < blocks; i++)
		give(singles[i], 3);
}

static void at_random(unsigned int seed)
{
	static struct { paddr_t first; unsigned int order; } held[512];
	srand(seed);
	memset(held, 0, sizeof(held));
	for (u32 step = 0; step < 20000; step++) {
		u32 i = (u32)rand() % 512;
		if (held[i].first) {
			give(held[i].first, held[i].order);
			held[i].first = 0;
		} else {
			held[i].order = (u32)rand() % 6;
			held[i].first = take(held[i].order);
		}
	}
	for (u32 i = 0; i < 512; i++)
		if (held[i].first)
			give(held[i].first, held[i].order);
}

int main(void)
{
	frames_add(FIRST * PAGE_SIZE, (FIRST + FRAMES) * PAGE_SIZE);
	frames_init();
	blocks_of_single_frames();
	blocks_of_others();
	u64 before = frames_free_now();
	for (unsigned int seed = 1; seed <= 20; seed++)
		at_random(seed);
	CHECK(frames_free_now() == before);
	blocks_of_single_frames();
	printf("frames: all tests passed\n");
	return 0;
}
