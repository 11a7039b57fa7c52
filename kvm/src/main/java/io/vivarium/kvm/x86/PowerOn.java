// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.Vcpu;
import io.vivarium.kvm.x86.CpuidEntries.Register;
import java.lang.foreign.Arena;

/// What firmware does for a vCPU before any kernel runs: its `cpuid`, XCR0, and the memory type of RAM.
public final class PowerOn {
    // Leaf 1 (Intel SDM 2A, CPUID)
    private static final int EDX_APIC = 1 << 9;
    private static final int ECX_X2APIC = 1 << 21;
    private static final int ECX_TSC_DEADLINE = 1 << 24;
    private static final int ECX_XSAVE = 1 << 26;
    private static final int ECX_HYPERVISOR = 1 << 31;

    /// `KVM_CPUID_FEATURES` (Documentation/virt/kvm/x86/cpuid.rst).
    private static final int PARAVIRTUAL_FEATURES = 0x4000_0001;

    /// ASYNC_PF, PV_EOI, PV_UNHALT, ASYNC_PF_VMEXIT, PV_SEND_IPI, PV_SCHED_YIELD and ASYNC_PF_INT, by bit number.
    private static final int NEED_LOCAL_APIC = 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 11 | 1 << 13 | 1 << 14;

    private static final int MSR_IA32_MISC_ENABLE = 0x1a0;
    private static final long MISC_ENABLE_FAST_STRING = 1;
    private static final int MSR_MTRR_DEF_TYPE = 0x2ff;
    private static final long MTRR_ENABLE_WRITE_BACK = 1 << 11 | 6;

    private PowerOn() {}

    /// Gives a fresh vCPU everything that KVM supports.
    ///
    /// @param vcpus number of vCPUs of its machine
    /// @param interruptController whether the kernel has its local interrupt controller
    public static void apply(Vcpu vcpu, int vcpus, boolean interruptController) {
        try (Arena scratch = Arena.ofConfined()) {
            CpuidEntries cpuid = new CpuidEntries(scratch, vcpu.supportedCpuid());
            new CpuTopology(vcpu.index(), vcpus).applyTo(cpuid);
            if (!interruptController) {
                takeLocalApicAway(cpuid);
            }
            vcpu.setCpuid(cpuid);

            long xcr0 = xcr0(cpuid);
            if (xcr0 != 0) {
                KvmXcrs xcrs = new KvmXcrs(scratch);
                xcrs.xcr0(xcr0);
                vcpu.write(xcrs);
            }

            // Intel SDM 4, table 2-2: without the first, string instructions are slow; without the second, a kernel
            // finds all memory uncached.
            KvmMsrs msrs = new KvmMsrs(scratch, MSR_IA32_MISC_ENABLE, MSR_MTRR_DEF_TYPE);
            vcpu.read(msrs);
            msrs.data(0, msrs.data(0) | MISC_ENABLE_FAST_STRING);
            msrs.data(1, MTRR_ENABLE_WRITE_BACK);
            vcpu.write(msrs);
        }
    }

    /// Without an interrupt controller in the kernel there is no local one either, nor what builds on it.
    private static void takeLocalApicAway(CpuidEntries cpuid) {
        int features = cpuid.find(1, 0);
        if (features >= 0) {
            int ecx = cpuid.get(features, Register.ECX);
            cpuid.set(features, Register.ECX, (ecx & ~(ECX_X2APIC | ECX_TSC_DEADLINE)) | ECX_HYPERVISOR);
            cpuid.set(features, Register.EDX, cpuid.get(features, Register.EDX) & ~EDX_APIC);
        }
        int paravirtual = cpuid.find(PARAVIRTUAL_FEATURES, 0);
        if (paravirtual >= 0) {
            cpuid.set(paravirtual, Register.EAX, cpuid.get(paravirtual, Register.EAX) & ~NEED_LOCAL_APIC);
        }
    }

    /// Whether the guest may set CR4.OSXSAVE.
    static boolean hasXsave(CpuidEntries cpuid) {
        return (cpuid.answer(1, 0, Register.ECX) & ECX_XSAVE) != 0;
    }

    /// The state components that XCR0 may switch on (leaf 0xd, subleaf 0: EDX:EAX). A KVM that de-privileges its guests
    /// may report them without the feature bit of `xsave`: CPL 3 has it all the same.
    private static long xcr0(CpuidEntries cpuid) {
        return Integer.toUnsignedLong(cpuid.answer(0xd, 0, Register.EAX))
                | Integer.toUnsignedLong(cpuid.answer(0xd, 0, Register.EDX)) << 32;
    }
}
