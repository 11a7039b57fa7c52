/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "reset.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layout.h"

/* linux/fs.h, since Linux 6.7; the headers may be older than the kernel. */
struct scanned_region {
	uint64_t start, end, categories;
};

struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN _IOWR('f', 16, struct scan)
#define OF_FILE (1UL << 2)
#define PRESENT (1UL << 3)
#define SWAPPED (1UL << 4)

#define MOST_REGIONS_SCANNED 512
#define MOST_PAGES 65536
#define KEPT_PAGES 1024

#define MSR_TSC 0x10
#define FAR_AWAY (1UL << 46)

/* ---- what one process needs once ---- */

static int pagemap;
static const char *content; /* of the template */
static size_t content_size;
static bool shadowed; /* KVM has shadows of the guest's page tables, and does not hear of what the host does to them */
static struct kvm_debugregs debugregs;
static struct kvm_mp_state mp_state;
static struct kvm_xcrs xcrs;

union some_msrs {
	struct kvm_msrs msrs;
	char room[sizeof(struct kvm_msrs) + 256 * sizeof(struct kvm_msr_entry)];
};

static union some_msrs all, found, different, tsc;

static bool is_on(const char *parameter)
{
	FILE *file = fopen(parameter, "re");
	int value = file ? fgetc(file) : EOF;

	if (file)
		fclose(file);
	return value == 'Y' || value == '1';
}

static void list_msrs(struct machine *machine)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x48, 0x48 }, { 0x140, 0x140 }, { 0x174, 0x176 }, { 0x1a0, 0x1a0 }, { 0x200, 0x20f }, { 0x250, 0x250 },
		{ 0x258, 0x259 }, { 0x268, 0x26f }, { 0x277, 0x277 }, { 0x2ff, 0x2ff }, { 0x4b564d00, 0x4b564d07 },
		{ 0xc0000081, 0xc0000084 }, { 0xc0000102, 0xc0000103 }, { 0xc0010200, 0xc001020b },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		for (uint32_t index = ranges[i].first; index <= ranges[i].last; index++) {
			union some_msrs one = { .msrs = { .nmsrs = 1 } };
			one.msrs.entries[0].index = index;
			if (ioctl(machine->vcpu, KVM_GET_MSRS, &one) == 1)
				all.msrs.entries[all.msrs.nmsrs++] = one.msrs.entries[0];
		}
	found = all;
}

void reset_prepare(const struct saved_machine *saved, struct machine *machine)
{
	struct scan probe = { .size = sizeof(probe) };

	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0 || ioctl(pagemap, SCAN, &probe) < 0)
		err(1, "PAGEMAP_SCAN, which Linux has since 6.7");
	content_size = saved->template.size;
	content = mmap(NULL, content_size, PROT_READ, MAP_SHARED, saved->template.fd, 0);
	if (content == MAP_FAILED)
		err(1, "mmap");
	shadowed = !is_on("/sys/module/kvm_amd/parameters/npt") && !is_on("/sys/module/kvm_intel/parameters/ept");
	KVM_CALL(machine->vcpu, KVM_GET_DEBUGREGS, &debugregs);
	KVM_CALL(machine->vcpu, KVM_GET_MP_STATE, &mp_state);
	KVM_CALL(machine->vcpu, KVM_GET_XCRS, &xcrs);
	list_msrs(machine);
	for (uint32_t i = 0; i < saved->msrs.nmsrs; i++)
		if (saved->msrs.entries[i].index == MSR_TSC) {
			tsc.msrs.nmsrs = 2;
			tsc.msrs.entries[0] = tsc.msrs.entries[1] = saved->msrs.entries[i];
			tsc.msrs.entries[0].data += FAR_AWAY;
		}
}

/* ---- memory ---- */

static uint64_t changed[MOST_PAGES];
static size_t changed_count, kept;

static void put_back(const struct region *region, uint64_t offset, size_t length)
{
	uint64_t address = region->start + offset;

	kept += length / PAGE_SIZE;
	if (kept > KEPT_PAGES) {
		kept -= length / PAGE_SIZE;
		madvise(region->host + offset, length, MADV_DONTNEED);
	} else if (address + length <= content_size) {
		memcpy(region->host + offset, content + address, length);
	} else {
		memset(region->host + offset, 0, length);
	}
	for (size_t at = 0; at < length; at += PAGE_SIZE) {
		if (changed_count == MOST_PAGES)
			errx(1, "the guest wrote to too many pages");
		changed[changed_count++] = address + at;
	}
}

static void put_back_region(const struct region *region)
{
	static struct scanned_region regions[MOST_REGIONS_SCANNED];
	uint64_t start = (uintptr_t)region->host;
	struct scan scan = {
		.size = sizeof(scan),
		.start = start,
		.end = start + region->size,
		.vec = (uintptr_t)regions,
		.vec_len = MOST_REGIONS_SCANNED,
		.category_inverted = OF_FILE,
		.category_mask = OF_FILE,
		.category_anyof_mask = PRESENT | SWAPPED,
	};

	while (scan.start < scan.end) {
		int count = ioctl(pagemap, SCAN, &scan);
		if (count < 0)
			err(1, "PAGEMAP_SCAN");
		for (int i = 0; i < count; i++)
			put_back(region, regions[i].start - start, regions[i].end - regions[i].start);
		scan.start = scan.walk_end;
	}
}

/* ---- page tables that KVM has shadows of ---- */

#define SCRATCH_PML4 0x22000UL
#define SCRATCH_PDPT 0x23000UL
#define SCRATCH_DIRECTORY 0x24000UL
#define SCRATCH_CODE 0x26000UL
#define SCRATCH_END 0x2a000UL
#define MOST_IN_CODE ((SCRATCH_END - SCRATCH_CODE - 1) / 8)
#define OPEN 0x67UL /* present, writable, user, accessed, dirty */

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){ .limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .s = 1,
				     .l = code, .db = !code, .g = 1 };
}

static void write_by_emulator(struct machine *machine, const uint64_t *pages, size_t count)
{
	char *memory = memory_at(&machine->memory, 0, SCRATCH_END, true);
	uint64_t *directory = (uint64_t *)(memory + SCRATCH_DIRECTORY);
	struct kvm_sregs sregs;

	memset(memory + SCRATCH_PML4, 0, SCRATCH_CODE - SCRATCH_PML4);
	*(uint64_t *)(memory + SCRATCH_PML4) = SCRATCH_PDPT | OPEN;
	*(uint64_t *)(memory + SCRATCH_PDPT) = SCRATCH_DIRECTORY | OPEN;
	for (uint64_t i = 0; i < 512; i++)
		directory[i] = i << 21 | OPEN | 1 << 7;
	for (size_t i = 0; i < count; i++) {
		uint64_t instruction = pages[i] << 24 | 0x8b8366; /* orw $0, disp32(%rbx) */
		memcpy(memory + SCRATCH_CODE + 8 * i, &instruction, 8);
	}
	memory[SCRATCH_CODE + 8 * count] = (char)0xf4; /* hlt */

	KVM_CALL(machine->vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs = flat(0x10, 11, true);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat(0x18, 3, false);
	sregs.cr0 = 1UL << 31 | 1 << 4 | 1;
	sregs.cr3 = SCRATCH_PML4;
	sregs.cr4 = 1 << 5;
	sregs.efer = 1 << 10 | 1 << 8;
	KVM_CALL(machine->vcpu, KVM_SET_SREGS, &sregs);
	KVM_CALL(machine->vcpu, KVM_SET_REGS, (&(struct kvm_regs){ .rip = SCRATCH_CODE, .rflags = 2 }));
	machine->run->request_interrupt_window = 0;
	KVM_CALL(machine->vcpu, KVM_RUN, 0);
	if (machine->run->exit_reason != KVM_EXIT_HLT)
		errx(1, "exit %u of the guest that writes to page tables", machine->run->exit_reason);
}

static void forget_translations(struct machine *machine)
{
	struct kvm_sregs sregs;

	if (shadowed) {
		for (size_t i = 0; i < changed_count; i += MOST_IN_CODE)
			write_by_emulator(machine, changed + i,
					  changed_count - i < MOST_IN_CODE ? changed_count - i : MOST_IN_CODE);
		memcpy(memory_at(&machine->memory, SCRATCH_PML4, SCRATCH_END - SCRATCH_PML4, true),
		       content + SCRATCH_PML4, SCRATCH_END - SCRATCH_PML4);
	} else {
		KVM_CALL(machine->vcpu, KVM_GET_SREGS, &sregs);
		sregs.cr4 ^= 1 << 7;
		KVM_CALL(machine->vcpu, KVM_SET_SREGS, &sregs);
	}
}

/* ---- the vCPU ---- */

static void write_msrs(struct machine *machine)
{
	KVM_CALL(machine->vcpu, KVM_SET_MSRS, &tsc);
	KVM_CALL(machine->vcpu, KVM_GET_MSRS, &found);
	different.msrs.nmsrs = 0;
	for (uint32_t i = 0; i < all.msrs.nmsrs; i++)
		if (found.msrs.entries[i].data != all.msrs.entries[i].data)
			different.msrs.entries[different.msrs.nmsrs++] = all.msrs.entries[i];
	if (different.msrs.nmsrs)
		KVM_CALL(machine->vcpu, KVM_SET_MSRS, &different);
}

void machine_reset(struct machine *machine, struct saved_machine *saved)
{
	struct kvm_sync_regs *on_entry = &machine->run->s.regs;

	write_msrs(machine);
	KVM_CALL(machine->vcpu, KVM_SET_XCRS, &xcrs);
	KVM_CALL(machine->vcpu, KVM_SET_XSAVE, &saved->xsave);
	KVM_CALL(machine->vcpu, KVM_SET_DEBUGREGS, &debugregs);
	KVM_CALL(machine->vcpu, KVM_SET_MP_STATE, &mp_state);
	KVM_CALL(machine->vcpu, KVM_SET_SREGS, &saved->sregs);
	KVM_CALL(machine->vcpu, KVM_SET_REGS, &saved->regs);
	KVM_CALL(machine->vcpu, KVM_SET_VCPU_EVENTS, &saved->events);
	changed_count = kept = 0;
	for (unsigned i = 0; i < machine->memory.count; i++)
		if (!machine->memory.regions[i].read_only)
			put_back_region(&machine->memory.regions[i]);
	forget_translations(machine);
	on_entry->regs = saved->regs;
	on_entry->sregs = saved->sregs;
	on_entry->events = saved->events;
	machine->run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	machine->halted = true;
	machine->pending = 0;
	machine->wake_deadline = 0;
	console_init(&machine->console, &machine->memory, agent_received, &machine->agent);
	agent_init(&machine->agent, &machine->console);
	console_restore(&machine->console, &saved->console);
}
