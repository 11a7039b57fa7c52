/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program's address space: areas in a sorted array with the free room somewhere in its middle, pages on demand.
 *
 * A page fault costs some 30 us on a de-privileging host, an entry in a page table nothing. So whatever costs no memory is
 * mapped around a fault as well: pages of files that are used in place, and frames of RAM that were never touched.
 */
#include <linux/mman.h>
#include <linux/resource.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <substrate/area.h>
#include <substrate/cpu.h>
#include <substrate/err.h>
#include <substrate/frame.h>
#include <substrate/fs.h>
#include <substrate/pagetable.h>
#include <substrate/printk.h>
#include <substrate/random.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include <substrate/trap.h>
#include <substrate/user.h>

/* Pages mapped around a fault, when they cost nothing. */
#define FAULT_AROUND 64
#define MAX_AREAS 65530 /* vm.max_map_count */
#define MMAP_MIN_ADDR 0x10000UL
/* The stack's place; mappings go below it, a gap for its growth included that is as large as on Linux (mmap_base). */
#define STACK_GAP_MIN (128UL << 20)
#define STACK_GAP_MAX (TASK_SIZE / 6 * 5)
/* What a stack has at first beyond what is on it, and what it grows by, so that not every page of it is a fault. */
#define STACK_STEP (FAULT_AROUND * PAGE_SIZE)
/* Between a stack and what is mapped below it (stack_guard_gap). */
#define STACK_GUARD (256 * PAGE_SIZE)

static struct mm *active;

static u64 limit(u32 resource)
{
	return current && current->process ? current->process->rlimit[resource][0] : RLIM_INFINITY;
}

struct mm *mm_new(u64 stack_limit)
{
	struct mm *mm = kzalloc(sizeof(*mm));
	if (!mm)
		return NULL;
	mm->refs = 1;
	mm->root = pagetable_new();
	if (!mm->root) {
		kfree(mm);
		return NULL;
	}
	u64 random;
	random_bytes(&random, sizeof(random));
	mm->stack_top = TASK_SIZE - PAGE_SIZE - (random & 0x3ff) * PAGE_SIZE;
	u64 gap = MIN(MAX(stack_limit, STACK_GAP_MIN), STACK_GAP_MAX);
	mm->map_top = mm->stack_top - ALIGN_DOWN(gap, PAGE_SIZE) - (random >> 32 & 0xfff) * PAGE_SIZE;
	mm->full_above = mm->map_top;
	return mm;
}

struct mm *mm_get(struct mm *mm)
{
	mm->refs++;
	return mm;
}

static void mm_flush(struct mm *mm, u64 start, u64 pages)
{
	if (mm != active || pages == 0)
		return;
	if (pages == 1)
		cpu_invlpg(start);
	else
		cpu_load_cr3(mm->root);
}

void mm_flush_all(struct mm *mm)
{
	mm_flush(mm, 0, 2);
}

static void zap(struct mm *mm, u64 start, u64 end)
{
	u64 zapped = 0, last = start;
	for (u64 at = start; at < end;) {
		pte_t *pte = pagetable_entry(mm->root, at, false);
		if (!pte) {
			at = pagetable_skip(mm->root, at);
			continue;
		}
		if (*pte) {
			if (pte_untouched(*pte) && frame_exclusive(pte_frame(*pte)))
				frame_put_untouched(pte_frame(*pte));
			else
				frame_put(pte_frame(*pte));
			*pte = 0;
			last = at;
			zapped++;
		}
		at += PAGE_SIZE;
	}
	mm->resident -= zapped;
	mm_flush(mm, last, zapped);
}

void mm_put(struct mm *mm)
{
	if (--mm->refs)
		return;
	if (active == mm)
		mm_switch(NULL);
	for (u32 i = 0; i < mm->area_count; i++) {
		const struct area *area = area_at(mm, i);
		zap(mm, area->start, area->end);
		if (area->node)
			node_put(area->node);
	}
	pagetable_free(mm->root);
	kfree(mm->areas);
	kfree(mm);
}

/* NULL: the kernel's own tables, with no program. */
void mm_switch(struct mm *mm)
{
	extern u64 boot_pml4[];
	if (mm == active)
		return;
	active = mm;
	cpu_load_cr3(mm ? mm->root : (u64)boot_pml4 - 0xffffffff80000000UL);
}

/* ---- areas ---- */

/* Index of the first area that ends above `address`. */
static u32 area_index(const struct mm *mm, u64 address)
{
	u32 low = 0, high = mm->area_count;
	while (low < high) {
		u32 middle = (low + high) / 2;
		if (area_at(mm, middle)->end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct area *mm_area(struct mm *mm, u64 address)
{
	u32 i = area_index(mm, address);
	return i < mm->area_count && area_at(mm, i)->start <= address ? area_at(mm, i) : NULL;
}

static bool mergeable(const struct area *low, const struct area *high)
{
	return low->end == high->start && low->prot == high->prot && low->flags == high->flags && low->node == high->node &&
	       (!low->node || low->offset + (low->end - low->start) == high->offset);
}

static void move_gap(struct mm *mm, u32 to)
{
	u32 gap = mm->area_gap, room = mm->area_capacity - mm->area_count;
	if (to < gap)
		memmove(mm->areas + to + room, mm->areas + to, (gap - to) * sizeof(*mm->areas));
	else
		memmove(mm->areas + gap, mm->areas + gap + room, (to - gap) * sizeof(*mm->areas));
	mm->area_gap = to;
}

static long area_reserve(struct mm *mm, u32 more)
{
	if (mm->area_count + more <= mm->area_capacity)
		return 0;
	if (mm->area_count + more > MAX_AREAS)
		return -ENOMEM;
	move_gap(mm, mm->area_count);
	u32 capacity = MAX(mm->area_capacity * 2, 16U);
	struct area *areas = krealloc(mm->areas, capacity * sizeof(*areas));
	if (!areas)
		return -ENOMEM;
	mm->areas = areas;
	mm->area_capacity = capacity;
	return 0;
}

/* Room must be reserved. */
static void area_insert(struct mm *mm, u32 i, const struct area *area)
{
	move_gap(mm, i);
	mm->areas[i] = *area;
	mm->area_gap++;
	mm->area_count++;
	mm->mapped += area->end - area->start;
}

static void area_remove(struct mm *mm, u32 i)
{
	const struct area *area = area_at(mm, i);
	mm->mapped -= area->end - area->start;
	if (area->node)
		node_put(area->node);
	move_gap(mm, i);
	mm->area_count--;
}

/* Cuts the area that spans `address` in two there. Room must be reserved. */
static void area_split(struct mm *mm, u64 address)
{
	u32 i = area_index(mm, address);
	if (i == mm->area_count || area_at(mm, i)->start >= address)
		return;
	struct area high = *area_at(mm, i);
	high.start = address;
	high.offset += address - area_at(mm, i)->start;
	if (high.node)
		node_get(high.node);
	mm->mapped -= high.end - address;
	area_at(mm, i)->end = address;
	area_insert(mm, i + 1, &high);
}

/* Joins neighbours from area i-1 up to `last`. */
static void area_merge(struct mm *mm, u64 start, u64 end)
{
	u32 i = area_index(mm, start ? start - 1 : 0);
	while (i + 1 < mm->area_count && area_at(mm, i)->start < end) {
		struct area *low = area_at(mm, i), *high = area_at(mm, i + 1);
		if (!mergeable(low, high)) {
			i++;
			continue;
		}
		u64 size = high->end - high->start;
		low->end = high->end;
		mm->mapped += size;
		area_remove(mm, i + 1);
	}
}

static bool range_ok(u64 address, u64 length)
{
	return length <= TASK_SIZE && address <= TASK_SIZE - length;
}

/* The highest gap of `length` below `end`; 0: none. */
static u64 find_gap(const struct mm *mm, u64 length, u64 end)
{
	for (u32 i = area_index(mm, end); i <= mm->area_count; i--) {
		u64 below = i == 0 ? MMAP_MIN_ADDR : area_at(mm, i - 1)->end;
		if (i < mm->area_count)
			end = MIN(end, area_at(mm, i)->start);
		if (below < end && end - below >= length)
			return end - length;
		if (i == 0)
			break;
	}
	return 0;
}

/* The same below the place where mappings go. */
static u64 find_place(struct mm *mm, u64 length)
{
	const struct area *area;
	while ((area = mm_area(mm, mm->full_above - 1)))
		mm->full_above = area->start;
	return find_gap(mm, length, mm->full_above);
}

static bool is_free(const struct mm *mm, u64 address, u64 length)
{
	u32 i = area_index(mm, address);
	return i == mm->area_count || area_at(mm, i)->start >= address + length;
}

/* As Linux's heuristic overcommit: a single request for more than there is in all is refused. */
static bool hopeless(u64 length, int prot, int flags)
{
	return prot & PROT_WRITE && !(flags & (MAP_NORESERVE | MAP_SHARED)) && length >> PAGE_SHIFT > frames_total();
}

/* Bytes of a range that are mapped. */
static u64 covered(const struct mm *mm, u64 address, u64 end)
{
	u64 bytes = 0;
	for (u32 i = area_index(mm, address); i < mm->area_count && area_at(mm, i)->start < end; i++)
		bytes += MIN(area_at(mm, i)->end, end) - MAX(area_at(mm, i)->start, address);
	return bytes;
}

/* As Linux counts data: private, writable, and no stack. */
static bool is_data(int prot, u32 flags)
{
	return prot & PROT_WRITE && !(flags & (AREA_SHARED | AREA_STACK));
}

static u64 data_bytes(const struct mm *mm)
{
	u64 bytes = 0;
	for (u32 i = 0; i < mm->area_count; i++)
		if (is_data(area_at(mm, i)->prot, area_at(mm, i)->flags))
			bytes += area_at(mm, i)->end - area_at(mm, i)->start;
	return bytes;
}

/* RLIMIT_AS and RLIMIT_DATA (getrlimit(2)): may there be so much more? */
static bool may_grow(const struct mm *mm, u64 bytes, u64 data)
{
	u64 most = limit(RLIMIT_AS), most_data = limit(RLIMIT_DATA);
	if (bytes > most || mm->mapped > most - bytes)
		return false;
	return !data || most_data == RLIM_INFINITY || (data <= most_data && data_bytes(mm) <= most_data - data);
}

long mm_map(struct mm *mm, u64 address, u64 length, int prot, int flags, struct node *node, u64 offset)
{
	bool fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
	if (length == 0 || offset & ~PAGE_MASK || (fixed && address & ~PAGE_MASK))
		return -EINVAL;
	length = ALIGN_UP(length, PAGE_SIZE);
	if (length == 0 || length > TASK_SIZE || offset + length < offset || hopeless(length, prot, flags))
		return -ENOMEM;
	address = ALIGN_DOWN(address, PAGE_SIZE);
	if (fixed) {
		if (!range_ok(address, length))
			return -ENOMEM;
		if (address < MMAP_MIN_ADDR)
			return -EPERM;
		if (flags & MAP_FIXED_NOREPLACE && !is_free(mm, address, length))
			return -EEXIST;
	} else if (address < MMAP_MIN_ADDR || !range_ok(address, length) || !is_free(mm, address, length)) {
		address = find_place(mm, length);
		if (!address)
			address = find_gap(mm, length, TASK_SIZE);
		if (!address)
			return -ENOMEM;
	}
	u64 new = length - (fixed ? covered(mm, address, address + length) : 0);
	if (!may_grow(mm, new, is_data(prot, flags & MAP_SHARED ? AREA_SHARED : 0) ? length : 0) || area_reserve(mm, 3))
		return -ENOMEM;
	if (fixed) {
		long error = mm_unmap(mm, address, length);
		if (error)
			return error;
	}
	struct area area = { .start = address, .end = address + length, .prot = prot, .offset = node ? offset : 0,
	                     .flags = flags & MAP_SHARED ? AREA_SHARED : 0, .node = node ? node_get(node) : NULL };
	area_insert(mm, area_index(mm, address), &area);
	area_merge(mm, address, address + length);
	return (long)address;
}

long mm_unmap(struct mm *mm, u64 address, u64 length)
{
	if (address & ~PAGE_MASK || length == 0 || length > TASK_SIZE)
		return -EINVAL;
	length = ALIGN_UP(length, PAGE_SIZE);
	if (!range_ok(address, length))
		return -EINVAL;
	if (is_free(mm, address, length))
		return 0;
	if (area_reserve(mm, 2))
		return -ENOMEM;
	area_split(mm, address);
	area_split(mm, address + length);
	u32 i = area_index(mm, address);
	while (i < mm->area_count && area_at(mm, i)->start < address + length)
		area_remove(mm, i);
	if (mm->full_above < address + length)
		mm->full_above = MIN(address + length, mm->map_top);
	zap(mm, address, address + length);
	return 0;
}

long mm_discard(struct mm *mm, u64 address, u64 length)
{
	u64 end = address + length;
	for (u64 at = address; at < end;) {
		const struct area *area = mm_area(mm, at);
		if (!area)
			return -ENOMEM;
		/* The pages of a shared file stay the file's; they only leave this address space. The kernel's would not come back. */
		if (!(area->flags & AREA_KERNEL))
			zap(mm, at, MIN(area->end, end));
		at = area->end;
	}
	return 0;
}

/* Entries of pages that are there follow the new protection; writing to private ones goes through a fault. */
static pte_t protected_entry(const struct area *area, pte_t pte)
{
	paddr_t frame = pte_frame(pte);
	if (!(area->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)))
		return pte_park(frame);
	/* A private page is the program's own when nobody else refers to it; a file's page and the image's are not. */
	bool own = area->flags & AREA_SHARED ? frame_of(frame) != NULL : frame_exclusive(frame);
	return pte_make(frame, area->prot, area->prot & PROT_WRITE && own);
}

static void reprotect(struct mm *mm, const struct area *area)
{
	u64 changed = 0, last = 0;
	for (u64 at = area->start; at < area->end; at += PAGE_SIZE) {
		pte_t *pte = pagetable_entry(mm->root, at, false);
		if (!pte) {
			at = pagetable_skip(mm->root, at) - PAGE_SIZE;
			continue;
		}
		pte_t next = *pte ? protected_entry(area, *pte) : 0;
		if (next != *pte) {
			*pte = next;
			last = at;
			changed++;
		}
	}
	mm_flush(mm, last, changed);
}

/* Areas begin and end at the range's ends; false when a part of it is not mapped or memory is exhausted. */
static bool cut_out(struct mm *mm, u64 address, u64 end)
{
	for (u64 at = address; at < end;) {
		const struct area *area = mm_area(mm, at);
		if (!area)
			return false;
		at = area->end;
	}
	if (area_reserve(mm, 2))
		return false;
	area_split(mm, address);
	area_split(mm, end);
	return true;
}

long mm_mark(struct mm *mm, u64 address, u64 length, u32 set, u32 clear)
{
	u64 end = address + length;
	if (!range_ok(address, length) || !cut_out(mm, address, end))
		return -ENOMEM;
	for (u32 i = area_index(mm, address); i < mm->area_count && area_at(mm, i)->start < end; i++) {
		struct area *area = area_at(mm, i);
		/* madvise(2): only private memory without a file can be wiped. */
		if (set & AREA_WIPED && (area->node || area->flags & AREA_SHARED))
			return -EINVAL;
		area->flags = (area->flags & ~clear) | set;
	}
	area_merge(mm, address, end);
	return 0;
}

/* What a range has in data with that protection and has not yet. */
static u64 data_of_change(const struct mm *mm, u64 address, u64 end, int prot)
{
	u64 bytes = 0;
	for (u32 i = area_index(mm, address); i < mm->area_count && area_at(mm, i)->start < end; i++) {
		const struct area *area = area_at(mm, i);
		if (is_data(prot, area->flags) && !is_data(area->prot, area->flags))
			bytes += MIN(area->end, end) - MAX(area->start, address);
	}
	return bytes;
}

long mm_protect(struct mm *mm, u64 address, u64 length, int prot)
{
	if (address & ~PAGE_MASK)
		return -EINVAL;
	length = ALIGN_UP(length, PAGE_SIZE);
	if (!range_ok(address, length))
		return -ENOMEM;
	u64 end = address + length;
	if (!may_grow(mm, 0, data_of_change(mm, address, end, prot)) || !cut_out(mm, address, end))
		return -ENOMEM;
	for (u32 i = area_index(mm, address); i < mm->area_count && area_at(mm, i)->start < end; i++) {
		if (area_at(mm, i)->prot == prot)
			continue;
		area_at(mm, i)->prot = prot;
		reprotect(mm, area_at(mm, i));
	}
	area_merge(mm, address, end);
	return 0;
}

/* ---- faults ---- */

/* mm must be the active one: pages are filled through the program's own addresses, which it is about to use anyway. */
static bool fill_copy(struct mm *mm, u64 address, pte_t *pte, paddr_t source, int prot)
{
	paddr_t frame = frame_alloc(FRAME_ANY);
	if (!frame)
		return false;
	if (mm == active) {
		*pte = pte_make(frame, prot, true);
		user_access_begin();
		memcpy((void *)address, phys_to_virt(source), PAGE_SIZE);
		user_access_end();
	} else {
		memcpy(phys_to_virt(frame), phys_to_virt(source), PAGE_SIZE);
		*pte = pte_make(frame, prot, true);
	}
	return true;
}

static bool out_of_memory(struct fault_result *result)
{
	*result = (struct fault_result){ .signo = SIGKILL, .si_code = SI_KERNEL, .what = "out of memory" };
	return false;
}

/* A page of a file: used in place when it is shared or only read, copied when it is private and written. */
static bool map_file_page(struct mm *mm, const struct area *area, u64 address, pte_t *pte, bool write,
                          struct fault_result *result)
{
	bool shared = area->flags & AREA_SHARED;
	u64 index = (area->offset + (address - area->start)) >> PAGE_SHIFT;
	paddr_t frame;
	long error = node_frame(area->node, index, shared && area->prot & PROT_WRITE, &frame);
	if (error == -ENXIO) {
		*result = (struct fault_result){ .signo = SIGBUS, .si_code = BUS_ADRERR, .what = "a page beyond the file's end" };
		return false;
	}
	if (error)
		return out_of_memory(result);
	if (write && !shared) {
		bool filled = fill_copy(mm, address, pte, frame, area->prot);
		frame_put(frame);
		if (!filled)
			return out_of_memory(result);
	} else {
		*pte = pte_make(frame, area->prot, shared && area->prot & PROT_WRITE);
	}
	mm->resident++;
	return true;
}

/* Maps untouched frames around a new page, or pages of the file in place: both cost nothing but the entries. */
static void map_around(struct mm *mm, const struct area *area, u64 address, bool write)
{
	u64 window = FAULT_AROUND * PAGE_SIZE;
	u64 start = MAX(area->start, ALIGN_DOWN(address, window));
	u64 end = MIN(area->end, ALIGN_DOWN(address, window) + window);
	struct fault_result ignored;
	if (area->node && write && !(area->flags & AREA_SHARED))
		return;
	for (u64 at = start; at < end; at += PAGE_SIZE) {
		pte_t *pte = pagetable_entry(mm->root, at, true);
		if (!pte)
			return;
		if (*pte)
			continue;
		if (area->node) {
			if (!map_file_page(mm, area, at, pte, false, &ignored))
				return;
			continue;
		}
		paddr_t frame = frame_alloc_untouched();
		if (!frame)
			return;
		*pte = pte_make_untouched(frame, area->prot, area->prot & PROT_WRITE);
		mm->resident++;
	}
}

static bool map_new_page(struct mm *mm, const struct area *area, u64 address, pte_t *pte, bool write,
                         struct fault_result *result)
{
	if (area->node) {
		if (!map_file_page(mm, area, address, pte, write, result))
			return false;
	} else {
		paddr_t frame = frame_alloc(FRAME_ZERO);
		if (!frame)
			return out_of_memory(result);
		*pte = pte_make(frame, area->prot, area->prot & PROT_WRITE);
		mm->resident++;
	}
	map_around(mm, area, address, write);
	return true;
}

/* The page is there but may not be written: a private page of a file, one shared with another address space, or a page
 * of the image that a shared mapping only read until now. */
static bool make_own(struct mm *mm, const struct area *area, u64 address, pte_t *pte, struct fault_result *result)
{
	paddr_t frame = pte_frame(*pte);
	if (area->flags & AREA_SHARED) {
		*pte = 0;
		mm->resident--;
		bool mapped = map_file_page(mm, area, address, pte, true, result);
		frame_put(frame);
		return mapped;
	}
	if (frame_exclusive(frame)) {
		*pte = pte_make(frame, area->prot, true);
		return true;
	}
	if (!fill_copy(mm, address, pte, frame, area->prot))
		return out_of_memory(result);
	frame_put(frame);
	return true;
}

long mm_map_stack(struct mm *mm, u64 bytes)
{
	u64 length = MIN(ALIGN_UP(bytes, PAGE_SIZE) + STACK_STEP, MAX(ALIGN_DOWN(limit(RLIMIT_STACK), PAGE_SIZE), ALIGN_UP(bytes, PAGE_SIZE)));
	if (!may_grow(mm, length, 0) || area_reserve(mm, 1))
		return -ENOMEM;
	struct area area = { .start = mm->stack_top - length, .end = mm->stack_top, .prot = PROT_READ | PROT_WRITE, .flags = AREA_STACK };
	area_insert(mm, area_index(mm, area.start), &area);
	return 0;
}

/* The stack grows down to an address below it, if it may; the area that has the address, or NULL. */
static const struct area *grow_stack(struct mm *mm, u64 address)
{
	u32 i = area_index(mm, address);
	struct area *stack = i < mm->area_count ? area_at(mm, i) : NULL;
	if (!stack || !(stack->flags & AREA_STACK))
		return NULL;
	u64 below = i > 0 ? area_at(mm, i - 1)->end + STACK_GUARD : MMAP_MIN_ADDR;
	u64 lowest = stack->end - MIN(ALIGN_DOWN(limit(RLIMIT_STACK), PAGE_SIZE), stack->end);
	u64 start = MAX(ALIGN_DOWN(address, STACK_STEP), MAX(below, lowest));
	if (address < start || !may_grow(mm, stack->start - start, 0))
		return NULL;
	mm->mapped += stack->start - start;
	stack->start = start;
	return stack;
}

bool mm_fault(struct mm *mm, u64 address, u32 access, struct fault_result *result)
{
	const struct area *area = mm_area(mm, address);
	bool write = access & FAULT_WRITE;
	if (!area)
		area = grow_stack(mm, address);
	if (!area)
		return false;
	int need = write ? PROT_WRITE : access & FAULT_EXEC ? PROT_EXEC : PROT_READ | PROT_WRITE | PROT_EXEC;
	if (!(area->prot & need)) {
		result->si_code = SEGV_ACCERR;
		result->what = "a protected address";
		return false;
	}
	address = ALIGN_DOWN(address, PAGE_SIZE);
	pte_t *pte = pagetable_entry(mm->root, address, true);
	if (!pte)
		return out_of_memory(result);
	if (!*pte)
		return map_new_page(mm, area, address, pte, write, result);
	if (!pte_present(*pte))
		*pte = protected_entry(area, *pte);
	if (write && !pte_writable(*pte))
		return make_own(mm, area, address, pte, result);
	/* Another fault mended it, or the processor still had the old entry. */
	mm_flush(mm, address, 1);
	return true;
}

bool mm_populate(struct mm *mm, u64 start, u64 end, bool write)
{
	struct fault_result ignored;
	for (u64 at = ALIGN_DOWN(start, PAGE_SIZE); at < end; at += PAGE_SIZE) {
		pte_t *pte = pagetable_entry(mm->root, at, true);
		const struct area *area = mm_area(mm, at);
		if (!pte || !area)
			return false;
		if (*pte)
			continue;
		if (!map_new_page(mm, area, at, pte, write, &ignored))
			return false;
	}
	return true;
}

ssize_t mm_read(struct mm *mm, u64 address, void *buf, size_t length)
{
	size_t done = 0;
	while (done < length) {
		u64 at = address + done;
		struct fault_result ignored;
		pte_t *pte = range_ok(at, 1) ? pagetable_entry(mm->root, at, false) : NULL;
		if (!pte || !*pte) {
			if (!range_ok(at, 1) || !mm_fault(mm, at, 0, &ignored))
				return done ? (ssize_t)done : -EFAULT;
			continue;
		}
		size_t n = MIN(length - done, PAGE_SIZE - (at & ~PAGE_MASK));
		memcpy((char *)buf + done, (char *)phys_to_virt(pte_frame(*pte)) + (at & ~PAGE_MASK), n);
		done += n;
	}
	return (ssize_t)done;
}

long mm_map_kernel(struct mm *mm, u64 address, paddr_t first, u64 length, int prot)
{
	if (!cut_out(mm, address, address + length))
		return -ENOMEM;
	struct area *area = mm_area(mm, address);
	area->prot = prot;
	area->flags |= AREA_KERNEL;
	for (u64 at = 0; at < length; at += PAGE_SIZE) {
		pte_t *pte = pagetable_entry(mm->root, address + at, true);
		if (!pte)
			return -ENOMEM;
		frame_get(first + at);
		*pte = pte_make(first + at, prot, false);
		mm->resident++;
	}
	return 0;
}

/* ---- mremap ---- */

/* Moves what is mapped at `from` to `to`, where nothing is. */
static bool move_pages(struct mm *mm, u64 from, u64 to, u64 length)
{
	u64 moved = 0;
	for (u64 offset = 0; offset < length; offset += PAGE_SIZE) {
		pte_t *source = pagetable_entry(mm->root, from + offset, false);
		if (!source || !*source)
			continue;
		pte_t *target = pagetable_entry(mm->root, to + offset, true);
		if (!target)
			return false;
		*target = *source;
		*source = 0;
		moved++;
	}
	mm_flush(mm, from, moved ? 2 : 0);
	return true;
}

long mm_remap(struct mm *mm, u64 address, u64 old_length, u64 new_length, int flags, u64 new_address)
{
	bool fixed = flags & MREMAP_FIXED;
	if (address & ~PAGE_MASK || new_length == 0 || flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED) ||
	    (fixed && (!(flags & MREMAP_MAYMOVE) || new_address & ~PAGE_MASK)) || old_length == 0)
		return -EINVAL;
	old_length = ALIGN_UP(old_length, PAGE_SIZE);
	new_length = ALIGN_UP(new_length, PAGE_SIZE);
	struct area *found = mm_area(mm, address);
	if (!found || !range_ok(address, old_length) || address + old_length > found->end)
		return -EFAULT;
	if (new_length > TASK_SIZE || (new_length > old_length && hopeless(new_length, found->prot, 0)))
		return -ENOMEM;
	if (!fixed && new_length <= old_length) {
		if (new_length < old_length)
			mm_unmap(mm, address + new_length, old_length - new_length);
		return (long)address;
	}
	struct area area = *found;
	int map_flags = area.flags & AREA_SHARED ? MAP_SHARED : MAP_PRIVATE;
	u64 offset = area.offset + (address - area.start);
	u64 end = address + old_length;
	if (!fixed && end == area.end && range_ok(address, new_length) && is_free(mm, end, new_length - old_length)) {
		long at = mm_map(mm, end, new_length - old_length, area.prot, map_flags | MAP_FIXED, area.node, offset + old_length);
		return at < 0 ? at : (long)address;
	}
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	if (fixed && new_address < address + old_length && address < new_address + new_length)
		return -EINVAL;
	struct node *node = area.node ? node_get(area.node) : NULL;
	/* What goes makes room for what comes. */
	mm->mapped -= old_length;
	long to = mm_map(mm, fixed ? new_address : 0, new_length, area.prot, map_flags | (fixed ? MAP_FIXED : 0), node, offset);
	mm->mapped += old_length;
	if (to >= 0) {
		if (move_pages(mm, address, (u64)to, MIN(old_length, new_length)))
			mm_unmap(mm, address, old_length);
		else
			to = -ENOMEM;
	}
	if (node)
		node_put(node);
	return to;
}

/* ---- what /proc tells ---- */

u64 mm_resident_bytes(const struct mm *mm)
{
	return mm->resident << PAGE_SHIFT;
}

u64 mm_virtual_bytes(const struct mm *mm)
{
	return mm->mapped;
}

static const char *area_name(const struct mm *mm, const struct area *area, char *path, size_t size)
{
	if (area->node) {
		ssize_t n = node_path(area->node, path, size);
		return n < 0 ? "" : path;
	}
	if (area->flags & AREA_KERNEL)
		return area->prot & PROT_EXEC ? "[vdso]" : "[vvar]";
	if (area->end == mm->stack_top)
		return "[stack]";
	if (area->start == ALIGN_UP(mm->brk_start, PAGE_SIZE) && mm->brk > mm->brk_start)
		return "[heap]";
	return "";
}

size_t mm_describe(struct mm *mm, u64 *address, char *buf, size_t size)
{
	u32 i = area_index(mm, *address);
	if (i == mm->area_count)
		return 0;
	const struct area *a = area_at(mm, i);
	*address = a->end;
	char *path = kmalloc(PATH_MAX);
	if (!path)
		return 0;
	path[0] = 0;
	const char *name = area_name(mm, a, path, PATH_MAX);
	int n = snprintf(buf, size, "%08lx-%08lx %c%c%c%c %08lx 00:00 %lu", a->start, a->end, a->prot & PROT_READ ? 'r' : '-',
	                 a->prot & PROT_WRITE ? 'w' : '-', a->prot & PROT_EXEC ? 'x' : '-', a->flags & AREA_SHARED ? 's' : 'p',
	                 a->offset, a->node ? node_id(a->node) : 0);
	if ((size_t)n < size)
		n += *name ? snprintf(buf + n, size - n, "%*s%s\n", MAX(73 - n, 1), "", name) : snprintf(buf + n, size - n, "\n");
	kfree(path);
	return MIN((size_t)n, size - 1);
}
