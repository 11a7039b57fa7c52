/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's heap: objects up to 2 KiB from slabs of one frame and one size each, larger ones from blocks of frames.
 * What a slab holds is written down in its struct frame; free objects are chained through themselves.
 */
#include <substrate/frame.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>

#define MIN_SHIFT 4
#define CLASSES 8 /* 16 bytes … 2 KiB */
#define SLAB_MAX (1UL << (MIN_SHIFT + CLASSES - 1))

static u32 slabs_with_room[CLASSES]; /* frame number, 0: none */

static struct frame *slab(u32 number)
{
	return frame_of((paddr_t)number << PAGE_SHIFT);
}

static void list_add(u32 number)
{
	struct frame *s = slab(number);
	u32 first = slabs_with_room[s->order];
	s->refs = 0;
	s->next = first;
	if (first)
		slab(first)->refs = number;
	slabs_with_room[s->order] = number;
}

static void list_drop(u32 number)
{
	struct frame *s = slab(number);
	if (s->refs)
		slab(s->refs)->next = s->next;
	else
		slabs_with_room[s->order] = s->next;
	if (s->next)
		slab(s->next)->refs = s->refs;
}

static bool slab_new(unsigned int class)
{
	paddr_t frame = frames_alloc(0);
	if (!frame)
		return false;
	struct frame *s = frame_of(frame);
	size_t size = 1UL << (MIN_SHIFT + class);
	char *base = phys_to_virt(frame);
	for (size_t offset = 0; offset < PAGE_SIZE; offset += size)
		*(u32 *)(base + offset) = (u32)(offset + size);
	s->use = FRAME_SLAB;
	s->order = (u8)class;
	s->objects = 0;
	s->free = 0;
	list_add((u32)(frame >> PAGE_SHIFT));
	return true;
}

static void *slab_alloc(unsigned int class)
{
	if (!slabs_with_room[class] && !slab_new(class))
		return NULL;
	u32 number = slabs_with_room[class];
	struct frame *s = slab(number);
	char *object = (char *)phys_to_virt((paddr_t)number << PAGE_SHIFT) + s->free;
	s->free = *(u32 *)object;
	s->objects++;
	if (s->free >= PAGE_SIZE)
		list_drop(number);
	return object;
}

static void slab_free(struct frame *s, u32 number, char *object)
{
	bool was_full = s->free >= PAGE_SIZE;
	*(u32 *)object = s->free;
	s->free = (u32)((u64)object & (PAGE_SIZE - 1));
	s->objects--;
	if (was_full)
		list_add(number);
	/* The last slab with room stays, so that one object made and freed in turn does not cost a slab each time. */
	if (s->objects == 0 && (slabs_with_room[s->order] != number || s->next)) {
		list_drop(number);
		s->refs = 0;
		frames_free((paddr_t)number << PAGE_SHIFT, 0);
	}
}

static unsigned int class_of(size_t size)
{
	return size <= 16 ? 0 : 64 - __builtin_clzl(size - 1) - MIN_SHIFT;
}

static unsigned int order_of(size_t size)
{
	return size <= PAGE_SIZE ? 0 : 64 - __builtin_clzl((size - 1) >> PAGE_SHIFT);
}

void *kmalloc(size_t size)
{
	if (size <= SLAB_MAX)
		return slab_alloc(class_of(size));
	if (size > KMALLOC_MAX)
		return NULL;
	paddr_t block = frames_alloc(order_of(size));
	return block ? phys_to_virt(block) : NULL;
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);
	return p ? memset(p, 0, size) : NULL;
}

static size_t capacity(const void *p)
{
	const struct frame *f = frame_of(virt_to_phys(p));
	return f->use == FRAME_SLAB ? 1UL << (MIN_SHIFT + f->order) : PAGE_SIZE << f->order;
}

void *krealloc(void *p, size_t size)
{
	if (!p)
		return kmalloc(size);
	if (size <= capacity(p))
		return p;
	void *larger = kmalloc(size);
	if (larger) {
		memcpy(larger, p, capacity(p));
		kfree(p);
	}
	return larger;
}

void kfree(const void *p)
{
	if (!p)
		return;
	paddr_t pa = virt_to_phys(p);
	struct frame *f = frame_of(pa);
	BUG_ON(!f);
	if (f->use == FRAME_SLAB)
		slab_free(f, (u32)(pa >> PAGE_SHIFT), (char *)p);
	else
		frames_free(pa, f->order);
}

char *kstrndup(const char *s, size_t n)
{
	size_t length = strnlen(s, n);
	char *copy = kmalloc(length + 1);
	if (copy) {
		memcpy(copy, s, length);
		copy[length] = 0;
	}
	return copy;
}
