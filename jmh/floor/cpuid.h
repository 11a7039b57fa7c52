/* SPDX-License-Identifier: Apache-2.0 */
/* What `cpuid` answers a machine's only vCPU; the same as in the Java VMM (CpuTopology, PowerOn). */
#ifndef CPUID_H
#define CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

/* Makes what KVM supports into what a machine of one vCPU has; there is room for `max` entries. */
void cpuid_prepare(struct kvm_cpuid2 *cpuid, uint32_t max);

uint64_t cpuid_xcr0(struct kvm_cpuid2 *cpuid);
bool cpuid_has_xsave(struct kvm_cpuid2 *cpuid);

#endif
