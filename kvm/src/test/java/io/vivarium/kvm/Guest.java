// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.x86.KvmRegs;
import io.vivarium.kvm.x86.KvmSegment;
import io.vivarium.kvm.x86.KvmSregs;
import io.vivarium.kvm.x86.LinuxBoot;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;

/// Puts machine code into a machine and a vCPU in front of it.
final class Guest {
    static final long MEMORY = 4 << 20;
    static final long CODE = 0x100000;
    static final long STACK = 0x180000;

    private static final long GDT = 0x20000;
    private static final long IDT = 0x21000;
    private static final long TSS = 0x30000;
    private static final long KERNEL_STACK = 0x40000;
    private static final long HANDLERS = 0x50000;
    private static final int HANDLER_SIZE = 32;
    private static final long DESCENT = 0x54000;

    /// `andb $0xfd, 0x20045`: the TSS is not busy; `mov $0x40, %ax; ltr %ax; xor %eax, %eax; iretq`. A kernel loads its task
    /// register itself; QEMU 10 refuses ports at CPL 3 by the I/O bitmap of a task register that was loaded from outside.
    private static final String DESCENT_CODE = "80242545000200fd 66b84000 0f00d8 31c0 48cf";

    private static final int IO_BITMAP = 0x68;
    private static final int IO_BITMAP_SIZE = 0x2001;
    private static final int VECTORS = 256;

    private static final int KERNEL_CS = 0x10;
    private static final int USER_CS = 0x33;
    private static final int USER_DS = 0x2b;
    private static final int TR = 0x40;

    private Guest() {}

    /// Writes code, given in hexadecimal, where [#atCpl0] and [#atCpl3] start it.
    static void code(Machine machine, String hex) {
        code(machine, CODE, hex);
    }

    static void code(Machine machine, long address, String hex) {
        byte[] bytes = HexFormat.of().parseHex(hex.replace(" ", ""));
        MemorySegment.copy(
                bytes,
                0,
                machine.memory().writableSlice(address, bytes.length),
                ValueLayout.JAVA_BYTE,
                0,
                bytes.length);
    }

    /// What the guest does on an interrupt or exception, at CPL 0.
    static void handler(Machine machine, int vector, String hex) {
        code(machine, HANDLERS + (long) vector * HANDLER_SIZE, hex);
    }

    /// As a kernel is entered, with descriptor tables that lead to the handlers.
    static void atCpl0(Machine machine, int index) {
        tables(machine);
        LinuxBoot boot = new LinuxBoot(CODE, LinuxBoot.TABLES_END);
        boot.writeTables(machine.memory());
        boot.enter(machine.vcpu(index));
        try (Arena scratch = Arena.ofConfined()) {
            KvmSregs sregs = new KvmSregs(scratch);
            machine.vcpu(index).read(sregs);
            tables(sregs);
            machine.vcpu(index).write(sregs);
        }
    }

    /// As a program runs: CPL 3, interrupts on, every port open.
    static void atCpl3(Machine machine, int index) {
        atCpl0(machine, index);
        Vcpu vcpu = machine.vcpu(index);
        try (Arena scratch = Arena.ofConfined()) {
            KvmSregs sregs = new KvmSregs(scratch);
            vcpu.read(sregs);
            user(sregs.ds(), USER_DS, 3, false);
            user(sregs.es(), USER_DS, 3, false);
            user(sregs.fs(), USER_DS, 3, false);
            user(sregs.gs(), USER_DS, 3, false);
            vcpu.write(sregs);
            KvmRegs regs = new KvmRegs(scratch);
            regs.rip(DESCENT);
            regs.rsp(descentFrame(machine, index));
            regs.rflags(2);
            vcpu.write(regs);
        }
    }

    /// What `iretq` takes from the stack on the way down: rip, cs, rflags, rsp, ss.
    private static long descentFrame(Machine machine, int index) {
        code(machine, DESCENT, DESCENT_CODE);
        long at = DESCENT + 0x800 + index * 0x100L;
        long[] frame = {CODE, USER_CS, 0x202, STACK + index * 0x1000L, USER_DS};
        MemorySegment.copy(
                frame, 0, machine.memory().writableSlice(at, frame.length * 8L), ValueLayout.JAVA_LONG_UNALIGNED, 0, 5);
        return at;
    }

    static long rip(Machine machine) {
        try (Arena scratch = Arena.ofConfined()) {
            KvmRegs regs = new KvmRegs(scratch);
            machine.vcpu(0).read(regs);
            return regs.rip();
        }
    }

    private static void user(KvmSegment segment, int selector, int type, boolean code) {
        segment.selector(selector);
        segment.type(type);
        segment.dpl(3);
        segment.l(code ? 1 : 0);
        segment.db(code ? 0 : 1);
    }

    private static void tables(KvmSregs sregs) {
        sregs.gdt().base(GDT);
        sregs.gdt().limit(0x4f);
        sregs.idt().base(IDT);
        sregs.idt().limit(VECTORS * 16 - 1);
        sregs.tr().base(TSS);
        sregs.tr().limit(IO_BITMAP + IO_BITMAP_SIZE - 1);
        sregs.tr().selector(TR);
        sregs.tr().type(11);
        sregs.tr().present(1);
        sregs.tr().s(0);
        sregs.tr().unusable(0);
    }

    private static void tables(Machine machine) {
        MemorySegment gdt = machine.memory().writableSlice(GDT, 0x50);
        long[] entries = {
            0,
            0,
            0x00af_9b00_0000_ffffL,
            0x00cf_9300_0000_ffffL,
            0,
            0x00cf_f300_0000_ffffL,
            0x00af_fb00_0000_ffffL,
            0,
            // limit, base and type of the TSS
            (long) (IO_BITMAP + IO_BITMAP_SIZE - 1) | (TSS & 0xff_ffff) << 16 | 0x8b00L << 32,
            0
        };
        MemorySegment.copy(entries, 0, gdt, ValueLayout.JAVA_LONG_UNALIGNED, 0, entries.length);
        MemorySegment tss = machine.memory().writableSlice(TSS, IO_BITMAP + IO_BITMAP_SIZE);
        tss.set(ValueLayout.JAVA_LONG_UNALIGNED, 4, KERNEL_STACK);
        tss.set(ValueLayout.JAVA_SHORT_UNALIGNED, 0x66, (short) IO_BITMAP);
        tss.set(ValueLayout.JAVA_BYTE, IO_BITMAP + IO_BITMAP_SIZE - 1, (byte) 0xff);
        MemorySegment idt = machine.memory().writableSlice(IDT, VECTORS * 16);
        for (int vector = 0; vector < VECTORS; vector++) {
            long handler = HANDLERS + (long) vector * HANDLER_SIZE;
            long low = (handler & 0xffff) | (long) KERNEL_CS << 16 | 0x8e00L << 32 | (handler >> 16) << 48;
            idt.set(ValueLayout.JAVA_LONG_UNALIGNED, vector * 16L, low);
        }
    }
}
