/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual machine of one vCPU, with a console, the agent behind it, and a wake timer. */
#ifndef MACHINE_H
#define MACHINE_H

#include "agent.h"
#include "console.h"
#include "kvm.h"
#include "memory.h"

struct machine {
	int vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	struct memory memory;
	bool halted;            /* and not run since */
	unsigned pending;       /* interrupts that the guest is to get, a bit each */
	uint64_t wake_deadline; /* CLOCK_MONOTONIC in ns; 0: not armed */
	struct console console;
	struct agent agent;
};

/* Makes a machine whose memory begins as a template, and is zero where there is none; its vCPU has powered on. */
void machine_create(struct machine *machine, struct kvm *kvm, const struct template *template,
		    const struct mapped_file *image);

/* Puts a machine of zeros before the first instruction of its kernel. */
void machine_boot(struct machine *machine, const struct kvm *kvm, const char *kernel_path,
		  const struct mapped_file *image);

void machine_destroy(struct machine *machine);

/* Runs until a time is set, by what the guest does, or, for NULL, until the guest is idle. */
void machine_run(struct machine *machine, const uint64_t *until);

#endif
