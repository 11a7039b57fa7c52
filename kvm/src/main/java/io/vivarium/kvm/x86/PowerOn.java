// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.Vcpu;
import io.vivarium.kvm.x86.CpuidEntries.Register;
import java.lang.foreign.Arena;

/// What firmware does for a vCPU before any kernel runs: its `cpuid`, XCR0, and the memory type of RAM.
public final class PowerOn {
    private static final int XSAVE_FEATURE = 1 << 26;

    private static final int MSR_IA32_MISC_ENABLE = 0x1a0;
    private static final long MISC_ENABLE_FAST_STRING = 1;
    private static final int MSR_MTRR_DEF_TYPE = 0x2ff;
    private static final long MTRR_ENABLE_WRITE_BACK = 1 << 11 | 6;

    private PowerOn() {}

    /// Gives a fresh vCPU everything that KVM supports.
    ///
    /// @param vcpus number of vCPUs of its machine
    public static void apply(Vcpu vcpu, int vcpus) {
        try (Arena scratch = Arena.ofConfined()) {
            CpuidEntries cpuid = new CpuidEntries(scratch, vcpu.supportedCpuid());
            new CpuTopology(vcpu.index(), vcpus).applyTo(cpuid);
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

    /// The state components that XCR0 may switch on (leaf 0xd, subleaf 0: EDX:EAX); 0 without `xsave`.
    static long xcr0(CpuidEntries cpuid) {
        if ((cpuid.answer(1, 0, Register.ECX) & XSAVE_FEATURE) == 0) {
            return 0;
        }
        return Integer.toUnsignedLong(cpuid.answer(0xd, 0, Register.EAX))
                | Integer.toUnsignedLong(cpuid.answer(0xd, 0, Register.EDX)) << 32;
    }
}
