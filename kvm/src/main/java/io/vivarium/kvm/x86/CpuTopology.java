// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.x86.CpuidEntries.Register;

/// The place of a vCPU among those of its machine, as `cpuid` tells the guest: one package, one core per vCPU, one
/// thread per core.
///
/// KVM passes on the host's own answers, which name the host's CPU that happened to be asked.
///
/// @param vcpu index of the vCPU, which is its APIC id
/// @param vcpus number of vCPUs of the machine
public record CpuTopology(int vcpu, int vcpus) {
    private static final int HTT = 1 << 28;
    private static final int EXTENDED_TOPOLOGY = 0xb;
    private static final int EXTENDED_TOPOLOGY_V2 = 0x1f;

    /// Types of level of leaf 0xb, ECX bits 15 to 8 (Intel SDM 2A, CPUID).
    private static final int LEVEL_SMT = 1 << 8;

    private static final int LEVEL_CORE = 2 << 8;

    /// Checks the index.
    public CpuTopology {
        if (vcpu < 0 || vcpu >= vcpus) {
            throw new IllegalArgumentException("vCPU " + vcpu + " of " + vcpus);
        }
    }

    /// Rewrites the entries that speak of places.
    public void applyTo(CpuidEntries cpuid) {
        int width = Integer.SIZE - Integer.numberOfLeadingZeros(vcpus - 1);
        for (int i = 0; i < cpuid.count(); i++) {
            switch (cpuid.function(i)) {
                case 1 -> features(cpuid, i);
                case 4 -> caches(cpuid, i, true);
                case 0x8000_0008 -> cpuid.set(i, Register.ECX, width << 12 | vcpus - 1);
                case 0x8000_001d -> caches(cpuid, i, false);
                case 0x8000_001e -> {
                    cpuid.set(i, Register.EAX, vcpu);
                    cpuid.set(i, Register.EBX, vcpu);
                    cpuid.set(i, Register.ECX, 0);
                }
                default -> {}
            }
        }
        levels(cpuid, width);
    }

    /// Leaf 1: EBX has the APIC id in bits 31 to 24 and the number of ids of the package in bits 23 to 16.
    private void features(CpuidEntries cpuid, int i) {
        int ebx = cpuid.get(i, Register.EBX) & 0xffff;
        cpuid.set(i, Register.EBX, ebx | (vcpus & 0xff) << 16 | vcpu << 24);
        int edx = cpuid.get(i, Register.EDX) & ~HTT;
        cpuid.set(i, Register.EDX, vcpus > 1 ? edx | HTT : edx);
    }

    /// Leaf 4 (Intel) and 0x8000001d (AMD): EAX bits 25 to 14 count the threads that share a cache, less one; Intel's
    /// bits 31 to 26 count the cores of the package, less one. Level 3 (bits 7 to 5) is shared by all, the others
    /// by none.
    private void caches(CpuidEntries cpuid, int i, boolean intel) {
        int eax = cpuid.get(i, Register.EAX) & 0x3fff;
        if ((eax & 0x1f) == 0) {
            return;
        }
        int sharers = (eax >> 5 & 7) >= 3 ? vcpus - 1 : 0;
        int cores = intel ? Math.min(vcpus - 1, 0x3f) : 0;
        cpuid.set(i, Register.EAX, eax | (sharers & 0xfff) << 14 | cores << 26);
    }

    /// Leaf 0xb: EAX has the width of the ids below the next level, EBX the threads of this one, EDX the id. KVM leaves
    /// it empty; without leaf 0x1f, which adds levels that are not here, the guest looks at 0xb.
    private void levels(CpuidEntries cpuid, int width) {
        if (cpuid.answer(0, 0, Register.EAX) < EXTENDED_TOPOLOGY) {
            return;
        }
        cpuid.remove(EXTENDED_TOPOLOGY);
        cpuid.remove(EXTENDED_TOPOLOGY_V2);
        cpuid.addSubleaf(EXTENDED_TOPOLOGY, 0, 0, 1, LEVEL_SMT, vcpu);
        cpuid.addSubleaf(EXTENDED_TOPOLOGY, 1, width, vcpus, LEVEL_CORE | 1, vcpu);
        cpuid.addSubleaf(EXTENDED_TOPOLOGY, 2, 0, 0, 2, vcpu);
    }
}
