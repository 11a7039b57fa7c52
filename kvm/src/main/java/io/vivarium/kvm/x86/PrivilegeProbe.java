// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmKind;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.MmioDevice;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.Vcpu;
import io.vivarium.kvm.VcpuStop;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/// Finds out how a KVM runs guest kernels: a guest at CPL 3 executes `syscall`, and where it arrives tells.
/// `/proc/cpuinfo` does not.
public final class PrivilegeProbe {
    private static final long MEMORY = 0x10000;
    private static final long USER_CODE = 0x1000;
    private static final long KERNEL_CODE = 0x2000;
    private static final long DOORBELL = 0xd000_0000L;
    private static final int USER_CS = 0x33;
    private static final int USER_DS = 0x2b;

    /// `syscall`
    private static final byte[] SYSCALL = {0x0f, 0x05};

    /// `mov $0xd0000000, %edi; mov %eax, (%rdi); 1: jmp 1b`
    private static final byte[] RING = {(byte) 0xbf, 0, 0, 0, (byte) 0xd0, (byte) 0x89, 0x07, (byte) 0xeb, (byte) 0xfe};

    // Intel SDM 4, table 2-2
    private static final int MSR_STAR = 0xc000_0081;
    private static final int MSR_LSTAR = 0xc000_0082;
    private static final int MSR_SYSCALL_MASK = 0xc000_0084;
    private static final long EFER_SCE = 1;
    private static final long INTERRUPT_FLAG = 0x200;
    private static final long RFLAGS_RESERVED = 2;

    /// CS and SS of a `syscall` at bits 47 to 32, of a `sysret` (which adds 16 and 8) at bits 63 to 48.
    private static final long STAR = 0x23L << 48 | 0x10L << 32;

    private PrivilegeProbe() {}

    /// Runs the guest, in a machine of its own.
    ///
    /// @throws IllegalStateException if it did something else than arrive
    public static KvmKind kind(Kvm kvm) {
        Doorbell doorbell = new Doorbell();
        try (Machine machine = Machine.builder(kvm)
                        .region(RegionSpec.anonymous(0, MEMORY))
                        .mmio(DOORBELL, 0x1000, doorbell)
                        .build();
                Arena scratch = Arena.ofConfined()) {
            Vcpu vcpu = machine.vcpu(0);
            prepare(machine.memory(), vcpu, scratch);
            doorbell.machine = machine;
            VcpuStop stop = machine.run(0);
            if (!(stop instanceof VcpuStop.Kicked)) {
                throw new IllegalStateException("a guest of three instructions ended with " + stop);
            }
            KvmSregs sregs = new KvmSregs(scratch);
            vcpu.read(sregs);
            return (sregs.cs().selector() & 3) == 0 ? KvmKind.NATIVE : KvmKind.DEPRIVILEGING;
        }
    }

    private static void prepare(GuestMemory memory, Vcpu vcpu, Arena scratch) {
        MemorySegment.copy(
                SYSCALL, 0, memory.writableSlice(USER_CODE, SYSCALL.length), ValueLayout.JAVA_BYTE, 0, SYSCALL.length);
        MemorySegment.copy(
                RING, 0, memory.writableSlice(KERNEL_CODE, RING.length), ValueLayout.JAVA_BYTE, 0, RING.length);
        LinuxBoot boot = new LinuxBoot(USER_CODE, LinuxBoot.TABLES_END);
        boot.writeTables(memory);
        boot.enter(vcpu);

        KvmSregs sregs = new KvmSregs(scratch);
        vcpu.read(sregs);
        sregs.cs().flat(USER_CS, 11, true, 3);
        for (KvmSegment data : new KvmSegment[] {sregs.ds(), sregs.es(), sregs.fs(), sregs.gs(), sregs.ss()}) {
            data.flat(USER_DS, 3, false, 3);
        }
        sregs.efer(sregs.efer() | EFER_SCE);
        vcpu.write(sregs);
        KvmMsrs msrs = new KvmMsrs(scratch, MSR_STAR, MSR_LSTAR, MSR_SYSCALL_MASK);
        msrs.data(0, STAR);
        msrs.data(1, KERNEL_CODE);
        msrs.data(2, INTERRUPT_FLAG);
        vcpu.write(msrs);
        KvmRegs regs = new KvmRegs(scratch);
        vcpu.read(regs);
        regs.rflags(RFLAGS_RESERVED | INTERRUPT_FLAG);
        vcpu.write(regs);
    }

    /// Rung by the guest on its arrival.
    private static final class Doorbell implements MmioDevice {
        private @Nullable Machine machine;

        @Override
        public long read(long offset, int size) {
            return 0;
        }

        @Override
        public void write(long offset, int size, long value) {
            Machine rung = machine;
            if (rung != null) {
                rung.kick(0);
            }
        }
    }
}
