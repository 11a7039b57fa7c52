/* SPDX-License-Identifier: Apache-2.0 */
/* Physical frames, kernel memory, and the program's address space. */
#ifndef SUBSTRATE_MM_H
#define SUBSTRATE_MM_H

#include <substrate/list.h>
#include <substrate/types.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

/* All guest-physical memory, root image and device windows included, is visible to the kernel here (Linux's own address). */
#define DIRECT_MAP 0xffff888000000000UL
#define DIRECT_MAP_SIZE (512UL << 30)

/* First address a program cannot have; one page short of the canonical hole, as on Linux. */
#define TASK_SIZE 0x7ffffffff000UL

#ifdef SUBSTRATE_HOST_TEST
void *phys_to_virt(paddr_t pa);
paddr_t virt_to_phys(const void *va);
#else
static inline void *phys_to_virt(paddr_t pa) { return (void *)(DIRECT_MAP + pa); }
/* Of an address in the direct map; kernel_to_phys() is for addresses in the kernel's image. */
static inline paddr_t virt_to_phys(const void *va) { return (u64)va - DIRECT_MAP; }
#endif

/* ---- frames (mm/frame.c) ---- */

/*
 * A frame of RAM is counted: frame_alloc gives it with one reference, the last frame_put frees it. Frames outside RAM
 * (the root image) are there for ever: get and put leave them alone, so that callers need not care.
 * frame_alloc returns 0 when memory is exhausted. FRAME_ZERO asks for zeroed memory: frames never used before are zero
 * already and cost nothing.
 */
enum frame_flags { FRAME_ANY = 0, FRAME_ZERO = 1 };
paddr_t frame_alloc(enum frame_flags flags);
void frame_get(paddr_t frame);
void frame_put(paddr_t frame);
/* True when this is the only reference to a RAM frame: it may be written in place instead of copied. */
bool frame_exclusive(paddr_t frame);
/* 2^order physically contiguous frames for the kernel itself; order 0…9. */
paddr_t frames_alloc(unsigned int order);
void frames_free(paddr_t first, unsigned int order);
u64 frames_total(void);
u64 frames_available(void);

/* ---- kernel heap (mm/kmalloc.c) ---- */

/* NULL when memory is exhausted; at most KMALLOC_MAX bytes; 16-byte aligned. */
#define KMALLOC_MAX (2UL << 20)
void *kmalloc(size_t size);
void *kzalloc(size_t size);
void *krealloc(void *p, size_t size);
void kfree(const void *p);
char *kstrndup(const char *s, size_t n);

/* ---- the program's address space (mm/mm.c) ---- */

struct node;
struct mm;

/* RLIMIT_STACK of programs that the host starts, bytes; as on Linux. */
#define STACK_LIMIT (8UL << 20)
/* Mappings leave room below the stack for one of that limit. */
struct mm *mm_new(u64 stack_limit);
struct mm *mm_get(struct mm *mm);
void mm_put(struct mm *mm);
void mm_switch(struct mm *mm);

/* As mmap(2): `prot` PROT_*, `flags` MAP_*; `node` NULL for anonymous memory. Returns the address or a negative errno. */
long mm_map(struct mm *mm, u64 addr, u64 length, int prot, int flags, struct node *node, u64 offset);
long mm_unmap(struct mm *mm, u64 addr, u64 length);
long mm_protect(struct mm *mm, u64 addr, u64 length, int prot);
/* Writes one /proc/<pid>/maps line a call into buf: the first area that ends above *addr, which then is moved to its end.
 * Returns the line's length, 0 when there is none. */
size_t mm_describe(struct mm *mm, u64 *addr, char *buf, size_t size);
u64 mm_resident_bytes(const struct mm *mm);
u64 mm_virtual_bytes(const struct mm *mm);

#endif
