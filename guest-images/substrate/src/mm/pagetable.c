/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/mman.h>
#include <substrate/cpu.h>
#include <substrate/frame.h>
#include <substrate/mm.h>
#include <substrate/pagetable.h>
#include <substrate/printk.h>
#include <substrate/string.h>

#define KEPT_ROOTS 8
#define KEPT_TABLES 24 /* in one tree */
#define LEVELS 4
#define ENTRIES 512
#define USER_ENTRIES 256 /* of the top level */
#define PTE_NX (1UL << 63)
/* Accessed and dirty are set beforehand: nobody reads them, and the processor need not write them back. */
#define PTE_LEAF (PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY)
#define PTE_TABLE (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED)

extern u64 boot_pml4[];

static paddr_t table_new(void)
{
	return frame_alloc(FRAME_ZERO);
}

/*
 * Tables of address spaces that are gone, all levels linked as they were, the lowest empty. On a de-privileging host the
 * processor works on shadows of the tables: a table that is used again as what it was costs nothing, a new one costs faults.
 * A child most often has its pages where the last one had them.
 */
static paddr_t kept[KEPT_ROOTS];
static unsigned int kept_count;

paddr_t pagetable_new(void)
{
	if (kept_count)
		return kept[--kept_count];
	paddr_t root = table_new();
	if (root)
		memcpy((u64 *)phys_to_virt(root) + USER_ENTRIES, boot_pml4 + USER_ENTRIES, USER_ENTRIES * sizeof(u64));
	return root;
}

static void table_free(paddr_t table, int level)
{
	const u64 *entries = phys_to_virt(table);
	if (level > 1)
		for (int i = 0; i < (level == LEVELS ? USER_ENTRIES : ENTRIES); i++)
			if (pte_present(entries[i]))
				table_free(pte_frame(entries[i]), level - 1);
	frame_put(table);
}

static u32 table_count(paddr_t table, int level)
{
	const u64 *entries = phys_to_virt(table);
	u32 count = 1;
	if (level > 1)
		for (int i = 0; i < (level == LEVELS ? USER_ENTRIES : ENTRIES) && count <= KEPT_TABLES; i++)
			if (pte_present(entries[i]))
				count += level == 2 ? 1 : table_count(pte_frame(entries[i]), level - 1);
	return count;
}

void pagetable_free(paddr_t root)
{
	if (kept_count < KEPT_ROOTS && table_count(root, LEVELS) <= KEPT_TABLES)
		kept[kept_count++] = root;
	else
		table_free(root, LEVELS);
}

static unsigned int shift_of(int level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

static u64 *entry_at(paddr_t table, u64 address, int level)
{
	return (u64 *)phys_to_virt(table) + (address >> shift_of(level) & (ENTRIES - 1));
}

pte_t *pagetable_entry(paddr_t root, u64 address, bool create)
{
	paddr_t table = root;
	for (int level = LEVELS; level > 1; level--) {
		u64 *entry = entry_at(table, address, level);
		if (!pte_present(*entry)) {
			paddr_t below = create ? table_new() : 0;
			if (!below)
				return NULL;
			*entry = below | PTE_TABLE;
		}
		table = pte_frame(*entry);
	}
	return entry_at(table, address, 1);
}

u64 pagetable_skip(paddr_t root, u64 address)
{
	paddr_t table = root;
	int level = LEVELS;
	for (; level > 1; level--) {
		u64 *entry = entry_at(table, address, level);
		if (!pte_present(*entry))
			break;
		table = pte_frame(*entry);
	}
	u64 span = 1UL << shift_of(level);
	return ALIGN_DOWN(address, span) + span;
}

pte_t pte_make(paddr_t frame, int prot, bool writable)
{
	pte_t pte = frame | PTE_LEAF;
	if (writable)
		pte |= PTE_WRITE;
	if (!(prot & PROT_EXEC))
		pte |= PTE_NX;
	return pte;
}

void direct_map(paddr_t start, paddr_t end)
{
	extern u64 direct_pdpt[];
	const u64 span = 1UL << 21;
	for (paddr_t at = ALIGN_DOWN(start, span); at < end; at += span) {
		if (at >= DIRECT_MAP_SIZE)
			panic("memory at %lx is beyond the direct map", at);
		u64 *entry = &direct_pdpt[at >> 30];
		if (!pte_present(*entry))
			*entry = frames_take_early() | PTE_TABLE;
		u64 *large = (u64 *)phys_to_virt(pte_frame(*entry)) + (at >> 21 & (ENTRIES - 1));
		*large = at | PTE_TABLE | PTE_DIRTY | PTE_LARGE;
	}
}
