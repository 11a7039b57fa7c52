/* SPDX-License-Identifier: Apache-2.0 */
/* Bits: Intel SDM 2A, CPUID; Documentation/virt/kvm/x86/cpuid.rst for leaf 0x40000001. */
#include "cpuid.h"

#include <err.h>
#include <stddef.h>

#define HTT (1U << 28)
#define APIC (1U << 9)
#define X2APIC (1U << 21)
#define TSC_DEADLINE (1U << 24)
#define XSAVE (1U << 26)
#define HYPERVISOR (1U << 31)

#define PARAVIRTUAL_FEATURES 0x40000001
/* ASYNC_PF, PV_EOI, PV_UNHALT, ASYNC_PF_VMEXIT, PV_SEND_IPI, PV_SCHED_YIELD, ASYNC_PF_INT */
#define NEED_LOCAL_APIC (1U << 4 | 1U << 6 | 1U << 7 | 1U << 10 | 1U << 11 | 1U << 13 | 1U << 14)

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];
		if (e->function == function && (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index))
			return e;
	}
	return NULL;
}

static void drop(struct kvm_cpuid2 *cpuid, uint32_t function)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function != function)
			cpuid->entries[kept++] = cpuid->entries[i];
	cpuid->nent = kept;
}

/* One package of one core of one thread, whose APIC id is 0. */
static void set_topology(struct kvm_cpuid2 *cpuid, uint32_t max)
{
	static const struct kvm_cpuid_entry2 levels[] = {
		{ .function = 0xb, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ebx = 1, .ecx = 1 << 8 },
		{ .function = 0xb, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ebx = 1, .ecx = 2 << 8 | 1 },
		{ .function = 0xb, .index = 2, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ecx = 2 },
	};
	const uint32_t level_count = sizeof(levels) / sizeof(levels[0]);

	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];
		switch (e->function) {
		case 1:
			e->ebx = (e->ebx & 0xffff) | 1 << 16;
			e->edx &= ~HTT;
			break;
		case 4:
		case 0x8000001d: /* no cache is shared */
			if (e->eax & 0x1f)
				e->eax &= 0x3fff;
			break;
		case 0x80000008:
			e->ecx = 0;
			break;
		case 0x8000001e:
			e->eax = e->ebx = e->ecx = 0;
			break;
		}
	}
	struct kvm_cpuid_entry2 *most = find(cpuid, 0, 0);
	if (!most || most->eax < 0xb)
		return;
	drop(cpuid, 0xb);
	drop(cpuid, 0x1f);
	if (cpuid->nent + level_count > max)
		errx(1, "KVM supports too many cpuid leaves");
	for (uint32_t i = 0; i < level_count; i++)
		cpuid->entries[cpuid->nent++] = levels[i];
}

void cpuid_prepare(struct kvm_cpuid2 *cpuid, uint32_t max)
{
	set_topology(cpuid, max);
	struct kvm_cpuid_entry2 *features = find(cpuid, 1, 0);
	if (features) {
		features->ecx = (features->ecx & ~(X2APIC | TSC_DEADLINE)) | HYPERVISOR;
		features->edx &= ~APIC;
	}
	struct kvm_cpuid_entry2 *paravirtual = find(cpuid, PARAVIRTUAL_FEATURES, 0);
	if (paravirtual)
		paravirtual->eax &= ~NEED_LOCAL_APIC;
}

uint64_t cpuid_xcr0(struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid_entry2 *e = find(cpuid, 0xd, 0);
	return e ? e->eax | (uint64_t)e->edx << 32 : 0;
}

bool cpuid_has_xsave(struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid_entry2 *e = find(cpuid, 1, 0);
	return e && (e->ecx & XSAVE);
}
