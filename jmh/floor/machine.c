/* SPDX-License-Identifier: Apache-2.0 */
/* How a machine is made, and unmade: the same calls, in the same order, as the Java VMM makes. */
#define _GNU_SOURCE
#include "machine.h"

#include <err.h>
#include <linux/kvm.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot.h"
#include "layout.h"
#include "wake.h"

static void set_memory_regions(struct machine *machine)
{
	for (unsigned i = 0; i < machine->memory.count; i++) {
		const struct region *region = &machine->memory.regions[i];
		KVM_CALL(machine->vm, KVM_SET_USER_MEMORY_REGION,
			 (&(struct kvm_userspace_memory_region){
				 .slot = i,
				 .flags = region->read_only ? KVM_MEM_READONLY : 0,
				 .guest_phys_addr = region->start,
				 .memory_size = region->size,
				 .userspace_addr = (uintptr_t)region->host,
			 }));
	}
}

static void create_vcpu(struct machine *machine, int run_size)
{
	machine->vcpu = KVM_CALL(machine->vm, KVM_CREATE_VCPU, 0);
	machine->run_size = (size_t)run_size;
	machine->run = mmap(NULL, machine->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, machine->vcpu, 0);
	if (machine->run == MAP_FAILED)
		err(1, "mmap vCPU");
}

/* What firmware does: `cpuid`, XCR0, fast strings, and RAM that is cached (Intel SDM 4, table 2-2). */
static void power_on(struct machine *machine, struct kvm *kvm)
{
	union {
		struct kvm_msrs msrs;
		char room[sizeof(struct kvm_msrs) + 2 * sizeof(struct kvm_msr_entry)];
	} two = { .msrs.nmsrs = 2 };
	struct kvm_msr_entry *entries = two.msrs.entries;

	KVM_CALL(machine->vcpu, KVM_SET_CPUID2, &kvm->cpuid);
	if (kvm->xcr0)
		KVM_CALL(machine->vcpu, KVM_SET_XCRS,
			 (&(struct kvm_xcrs){ .nr_xcrs = 1, .xcrs = { { .value = kvm->xcr0 } } }));
	entries[0].index = 0x1a0; /* IA32_MISC_ENABLE */
	entries[1].index = 0x2ff; /* IA32_MTRR_DEF_TYPE */
	if (KVM_CALL(machine->vcpu, KVM_GET_MSRS, &two) != 2)
		errx(1, "KVM_GET_MSRS: not both");
	entries[0].data |= 1;
	entries[1].data = 1 << 11 | 6;
	if (KVM_CALL(machine->vcpu, KVM_SET_MSRS, &two) != 2)
		errx(1, "KVM_SET_MSRS: not both");
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.l = code,
		.db = !code,
		.g = 1,
	};
}

/* The 64-bit boot protocol (Documentation/arch/x86/boot.rst). */
static void enter_kernel(struct machine *machine, const struct kvm *kvm, uint64_t entry)
{
	struct kvm_sregs sregs;

	KVM_CALL(machine->vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs = flat_segment(0x10, 11, true);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat_segment(0x18, 3, false);
	sregs.gdt.base = BOOT_GDT;
	sregs.gdt.limit = 4 * 8 - 1;
	sregs.idt.base = 0;
	sregs.idt.limit = 0;
	sregs.cr0 = 1UL << 31 | 1 << 18 | 1 << 16 | 1 << 5 | 1 << 4 | 1 << 1 | 1; /* PG, AM, WP, NE, ET, MP, PE */
	sregs.cr3 = BOOT_PML4;
	sregs.cr4 = 1 << 10 | 1 << 9 | 1 << 5 | kvm->cr4_osxsave; /* OSXMMEXCPT, OSFXSR, PAE */
	sregs.efer = 1 << 11 | 1 << 10 | 1 << 8;          /* NXE, LMA, LME */
	KVM_CALL(machine->vcpu, KVM_SET_SREGS, &sregs);
	KVM_CALL(machine->vcpu, KVM_SET_REGS,
		 (&(struct kvm_regs){ .rip = entry, .rsi = BOOT_PARAMS, .rsp = BOOT_STACK, .rflags = 2 }));
}

void machine_create(struct machine *machine, struct kvm *kvm, const struct template *template,
		    const struct mapped_file *image)
{
	machine->halted = false;
	machine->pending = 0;
	machine->wake_deadline = 0;
	machine->vm = KVM_CALL(kvm->fd, KVM_CREATE_VM, 0);
	memory_map(&machine->memory, template, image);
	set_memory_regions(machine);
	create_vcpu(machine, kvm->run_size);
	power_on(machine, kvm);
	wake_admit(machine->vcpu);
	console_init(&machine->console, &machine->memory, agent_received, &machine->agent);
	agent_init(&machine->agent, &machine->console);
}

void machine_boot(struct machine *machine, const struct kvm *kvm, const char *kernel_path,
		  const struct mapped_file *image)
{
	char *ram = memory_at(&machine->memory, 0, RAM_SIZE, true);

	enter_kernel(machine, kvm, boot_load(ram, kernel_path, image->size, kvm->tsc_khz));
}

void machine_destroy(struct machine *machine)
{
	close(machine->vcpu);
	close(machine->vm);
	munmap(machine->run, machine->run_size);
	memory_unmap(&machine->memory);
}
