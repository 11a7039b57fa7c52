/* SPDX-License-Identifier: Apache-2.0 */
/* A machine at rest, from which others go on: the same of it as the Java VMM saves (SavedMachine, VcpuState). */
#ifndef SAVED_H
#define SAVED_H

#include "machine.h"

#define MOST_MSRS 64

struct saved_machine {
	struct template template;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
	struct kvm_xsave xsave;
	union {
		struct kvm_msrs msrs; /* that differ from a fresh vCPU's, and the time-stamp counter */
		char msrs_room[sizeof(struct kvm_msrs) + MOST_MSRS * sizeof(struct kvm_msr_entry)];
	};
	struct console console;
};

/* Saves a machine that is idle; `fresh` is one that has only powered on. */
void machine_save(struct saved_machine *saved, const struct kvm *kvm, struct machine *machine, struct machine *fresh);

/* Has a machine that was created with the template go on. */
void machine_restore(struct machine *machine, struct saved_machine *saved);

#endif
