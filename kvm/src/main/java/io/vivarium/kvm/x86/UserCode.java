// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.MmioDevice;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.Vcpu;
import io.vivarium.kvm.VcpuStop;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/// A machine whose guest executes some instructions at CPL 3, as a program would, up to a `syscall`.
final class UserCode implements AutoCloseable {
    /// Where the instructions have memory of their own, with `rdi` pointing at it: [#DATA_SIZE] bytes, zeros at first.
    static final long DATA = 0x3000;

    static final long DATA_SIZE = 0x2000;

    private static final long MEMORY = 0x10000;
    private static final long USER_CODE = 0x1000;
    private static final long KERNEL_CODE = 0x2000;
    private static final long DOORBELL = 0xd000_0000L;
    private static final int USER_CS = 0x33;
    private static final int USER_DS = 0x2b;

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

    private final Machine machine;

    /// @param instructions at most a page of them; the last is a `syscall`
    UserCode(Kvm kvm, byte... instructions) {
        Doorbell doorbell = new Doorbell();
        machine = Machine.builder(kvm)
                .region(RegionSpec.anonymous(0, MEMORY))
                .mmio(DOORBELL, 0x1000, doorbell)
                .build();
        try {
            prepare(instructions);
        } catch (RuntimeException | Error e) {
            machine.close();
            throw e;
        }
        doorbell.machine = machine;
    }

    private void prepare(byte... instructions) {
        GuestMemory memory = machine.memory();
        Vcpu vcpu = machine.vcpu(0);
        put(memory, USER_CODE, instructions);
        put(memory, KERNEL_CODE, RING);
        LinuxBoot boot = new LinuxBoot(USER_CODE, LinuxBoot.TABLES_END);
        boot.writeTables(memory);
        boot.enter(vcpu);
        try (Arena scratch = Arena.ofConfined()) {
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
            regs.rdi(DATA);
            vcpu.write(regs);
        }
    }

    private static void put(GuestMemory memory, long address, byte... code) {
        MemorySegment.copy(code, 0, memory.writableSlice(address, code.length), ValueLayout.JAVA_BYTE, 0, code.length);
    }

    /// The memory at [#DATA].
    MemorySegment data() {
        return machine.memory().writableSlice(DATA, DATA_SIZE);
    }

    /// Executes the instructions.
    ///
    /// @return the vCPU, where `syscall` has brought it
    /// @throws IllegalStateException if they did not get there
    Vcpu run() {
        VcpuStop stop = machine.run(0);
        if (!(stop instanceof VcpuStop.Kicked)) {
            throw new IllegalStateException("a guest of a few instructions ended with " + stop);
        }
        return machine.vcpu(0);
    }

    @Override
    public void close() {
        machine.close();
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
