/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "saved.h"

#include <err.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layout.h"

#define MSR_TSC 0x10
#define MOST_INDICES 1024

/* ---- model-specific registers ---- */

struct one_msr {
	struct kvm_msrs msrs;
	struct kvm_msr_entry entry;
};

/* KVM lists what any vCPU could have. */
static bool read_msr(int vcpu, uint32_t index, uint64_t *value)
{
	struct one_msr one = { .msrs.nmsrs = 1, .entry.index = index };
	bool there = ioctl(vcpu, KVM_GET_MSRS, &one) == 1;

	*value = one.entry.data;
	return there;
}

static void save_msrs(struct saved_machine *saved, const struct kvm *kvm, int vcpu, int fresh)
{
	union {
		struct kvm_msr_list list;
		char room[sizeof(struct kvm_msr_list) + MOST_INDICES * sizeof(uint32_t)];
	} known = { .list.nmsrs = MOST_INDICES };

	KVM_CALL(kvm->fd, KVM_GET_MSR_INDEX_LIST, &known);
	saved->msrs.nmsrs = 0;
	for (uint32_t i = 0; i < known.list.nmsrs; i++) {
		uint32_t index = known.list.indices[i];
		uint64_t value, reset;
		if (!read_msr(vcpu, index, &value))
			continue;
		if (index != MSR_TSC && read_msr(fresh, index, &reset) && reset == value)
			continue;
		if (saved->msrs.nmsrs == MOST_MSRS)
			errx(1, "the guest has changed too many MSRs");
		saved->msrs.entries[saved->msrs.nmsrs++] = (struct kvm_msr_entry){ .index = index, .data = value };
	}
}

/* ---- memory ---- */

static bool has_content(const char *page)
{
	return page[0] != 0 || memcmp(page, page + 1, PAGE_SIZE - 1) != 0;
}

/* Up to the last page with content; a page without stays a hole in the file, and takes no memory. */
static struct template save_memory(const struct memory *memory)
{
	const char *ram = memory_at(memory, 0, RAM_SIZE, false);
	struct template template = { .size = RAM_SIZE };

	while (template.size > 0 && !has_content(ram + template.size - PAGE_SIZE))
		template.size -= PAGE_SIZE;
	template.fd = memfd_create("floor-guest", MFD_CLOEXEC);
	if (template.fd < 0 || ftruncate(template.fd, (off_t)template.size) < 0)
		err(1, "memfd_create");
	for (size_t at = 0; at < template.size; at += PAGE_SIZE)
		if (has_content(ram + at) && pwrite(template.fd, ram + at, PAGE_SIZE, (off_t)at) != PAGE_SIZE)
			err(1, "saving memory");
	return template;
}

/* ---- the machine ---- */

void machine_save(struct saved_machine *saved, const struct kvm *kvm, struct machine *machine, struct machine *fresh)
{
	struct kvm_xcrs xcrs, reset;

	if (!machine->halted || machine->wake_deadline || !machine->console.agent_port_open)
		errx(1, "the guest does not wait for the host alone; its console:\n%.*s",
		     (int)machine->console.text_length, machine->console.text);
	if (KVM_CALL(kvm->fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_XSAVE2) > (int)sizeof(saved->xsave))
		errx(1, "this host's vector state needs more than %zu bytes", sizeof(saved->xsave));
	KVM_CALL(machine->vcpu, KVM_GET_REGS, &saved->regs);
	KVM_CALL(machine->vcpu, KVM_GET_SREGS, &saved->sregs);
	KVM_CALL(machine->vcpu, KVM_GET_VCPU_EVENTS, &saved->events);
	KVM_CALL(machine->vcpu, KVM_GET_XSAVE, &saved->xsave);
	KVM_CALL(machine->vcpu, KVM_GET_XCRS, &xcrs);
	KVM_CALL(fresh->vcpu, KVM_GET_XCRS, &reset);
	if (xcrs.nr_xcrs != reset.nr_xcrs || xcrs.xcrs[0].value != reset.xcrs[0].value)
		errx(1, "the guest has changed XCR0, which is not saved");
	save_msrs(saved, kvm, machine->vcpu, fresh->vcpu);
	saved->template = save_memory(&machine->memory);
	saved->console = machine->console;
}

void machine_restore(struct machine *machine, struct saved_machine *saved)
{
	struct kvm_sync_regs *on_entry = &machine->run->s.regs;

	if (KVM_CALL(machine->vcpu, KVM_SET_MSRS, &saved->msrs) != (int)saved->msrs.nmsrs)
		errx(1, "KVM_SET_MSRS: not all");
	KVM_CALL(machine->vcpu, KVM_SET_XSAVE, &saved->xsave);
	on_entry->regs = saved->regs;
	on_entry->sregs = saved->sregs;
	on_entry->events = saved->events;
	machine->run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	machine->halted = true;
	console_restore(&machine->console, &saved->console);
}
