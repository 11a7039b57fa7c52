/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an address space: for mm/ and the code that starts programs. */
#ifndef SUBSTRATE_AREA_H
#define SUBSTRATE_AREA_H

#include <substrate/mm.h>

enum {
	AREA_SHARED = 1,
	AREA_NOT_COPIED = 2, /* a forked process does not have it (MADV_DONTFORK) */
	AREA_KERNEL = 8,     /* pages of the kernel's image (mm_map_kernel) */
	AREA_WIPED = 4,      /* it finds zeroes there (MADV_WIPEONFORK) */
	AREA_STACK = 16,     /* of the first thread: it grows down to where it is used */
};

struct area {
	u64 start, end; /* page-aligned, end excluded */
	int prot;       /* PROT_* */
	u32 flags;
	struct node *node; /* held; NULL: anonymous */
	u64 offset;        /* of `start` in the file */
};

struct mm {
	u32 refs;
	u32 area_count, area_capacity;
	u32 area_gap;       /* the free room lies before the area of this index: where the last change was, the next is near */
	struct area *areas; /* sorted, not overlapping; by area_at */
	paddr_t root;
	u64 resident; /* pages */
	u64 mapped;   /* bytes */
	u64 map_top;  /* mappings without a wish for an address go below */
	u64 full_above; /* from here to map_top everything is mapped, so that nobody need look there */
	u64 stack_top;
	u64 brk_start, brk;
};

/* By index, in the order of their addresses; stays there until the next area comes or goes. */
static inline struct area *area_at(const struct mm *mm, u32 i)
{
	return &mm->areas[i < mm->area_gap ? i : i + mm->area_capacity - mm->area_count];
}

/* A copy of an address space, whose private pages part when they are written; NULL when memory is exhausted. */
struct mm *mm_fork(struct mm *from);
/* The processor forgets what it knows of the address space: entries lost a right. */
void mm_flush_all(struct mm *mm);
struct area *mm_area(struct mm *mm, u64 address);
/* The first thread's stack, with room for so many bytes: the rest comes as it is used, up to RLIMIT_STACK. 0 or -ENOMEM. */
long mm_map_stack(struct mm *mm, u64 bytes);
/* Maps all pages of a range that is mapped already, filled with what a program would find there. */
bool mm_populate(struct mm *mm, u64 start, u64 end, bool write);
/* Reads the memory of a program that need not be the running one: bytes, short at the first hole, -EFAULT for none. */
ssize_t mm_read(struct mm *mm, u64 address, void *buf, size_t length);
/* Forgets the content of private pages: they read as zero, or as the file, from now on (MADV_DONTNEED). */
long mm_discard(struct mm *mm, u64 address, u64 length);
/* Changes the flags of the areas of a range, all of it mapped. 0, -ENOMEM, -EINVAL. */
long mm_mark(struct mm *mm, u64 address, u64 length, u32 set, u32 clear);
/* Maps pages of the kernel's image over a range that is mapped without access; a program that may write gets its own copies. */
long mm_map_kernel(struct mm *mm, u64 address, paddr_t first, u64 length, int prot);
/* As mremap(2). */
long mm_remap(struct mm *mm, u64 address, u64 old_length, u64 new_length, int flags, u64 new_address);

#endif
