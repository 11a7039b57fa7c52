/* SPDX-License-Identifier: Apache-2.0 */
/* The processor's page tables of one address space (Intel SDM vol. 3, 4.5: 4-level paging). */
#ifndef SUBSTRATE_PAGETABLE_H
#define SUBSTRATE_PAGETABLE_H

#include <substrate/types.h>

typedef u64 pte_t;

/* A new top-level table with the kernel's half filled in; 0 when memory is exhausted. */
paddr_t pagetable_new(void);
/* Gives the tables back; no page may be mapped any more. */
void pagetable_free(paddr_t root);

/* The entry for a page; NULL when there is no table (and, with `create`, no memory for one). */
pte_t *pagetable_entry(paddr_t root, u64 address, bool create);
/* The first address ≥ `address` that may have a table, given that `address` has none. */
u64 pagetable_skip(paddr_t root, u64 address);

/* The end of what the lowest table with the entry of `address` maps (2 MiB). */
static inline u64 pagetable_table_end(u64 address) { return (address | ((1UL << 21) - 1)) + 1; }

/* At boot: makes a range of guest-physical memory visible at DIRECT_MAP. */
void direct_map(paddr_t start, paddr_t end);

pte_t pte_make(paddr_t frame, int prot, bool writable);
/* Not accessible, but the frame is kept for the day it is again (PROT_NONE). */
static inline pte_t pte_park(paddr_t frame) { return frame | 1 << 9; }
/* For a page that the program may never use: the processor notes the first access, and until then it is as it was. */
static inline pte_t pte_make_untouched(paddr_t frame, int prot, bool writable)
{
	return pte_make(frame, prot, writable) & ~(pte_t)(1 << 5);
}
static inline bool pte_untouched(pte_t pte) { return (pte & (1 | 1 << 5)) == 1; }
static inline bool pte_present(pte_t pte) { return pte & 1; }
static inline bool pte_writable(pte_t pte) { return pte & 2; }
/* The same page, not to be written any more. */
static inline pte_t pte_protected(pte_t pte) { return pte & ~(pte_t)2; }
static inline paddr_t pte_frame(pte_t pte) { return pte & 0x000ffffffffff000UL; }

#endif
