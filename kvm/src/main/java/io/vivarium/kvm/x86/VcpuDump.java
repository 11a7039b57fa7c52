// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.MemoryRegion;
import io.vivarium.kvm.Vcpu;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;
import java.util.OptionalLong;

/// A vCPU's state in words, for reports.
public final class VcpuDump {
    /// The longest an instruction can be (Intel SDM 2A, 2.3.11).
    private static final int LONGEST_INSTRUCTION = 15;

    private VcpuDump() {}

    /// General, segment and control registers, several to a line.
    ///
    /// @throws io.vivarium.kvm.KvmException if KVM does not give them
    public static String registers(Vcpu vcpu) {
        try (Arena scratch = Arena.ofConfined()) {
            KvmRegs r = new KvmRegs(scratch);
            vcpu.read(r);
            KvmSregs s = new KvmSregs(scratch);
            vcpu.read(s);
            return """
                    rip %016x rflags %08x cs %04x ss %04x (CPL %d)
                    rax %016x rbx %016x rcx %016x rdx %016x
                    rsi %016x rdi %016x rbp %016x rsp %016x
                    r8  %016x r9  %016x r10 %016x r11 %016x
                    r12 %016x r13 %016x r14 %016x r15 %016x
                    cr0 %08x cr2 %016x cr3 %016x cr4 %08x efer %04x
                    fs  %016x gs  %016x gdt %016x+%04x idt %016x+%04x""".formatted(
                            r.rip(),
                            r.rflags(),
                            s.cs().selector(),
                            s.ss().selector(),
                            s.ss().dpl(),
                            r.rax(),
                            r.rbx(),
                            r.rcx(),
                            r.rdx(),
                            r.rsi(),
                            r.rdi(),
                            r.rbp(),
                            r.rsp(),
                            r.r8(),
                            r.r9(),
                            r.r10(),
                            r.r11(),
                            r.r12(),
                            r.r13(),
                            r.r14(),
                            r.r15(),
                            s.cr0(),
                            s.cr2(),
                            s.cr3(),
                            s.cr4(),
                            s.efer(),
                            s.fs().base(),
                            s.gs().base(),
                            s.gdt().base(),
                            s.gdt().limit(),
                            s.idt().base(),
                            s.idt().limit());
        }
    }

    /// The bytes at the instruction pointer, in hexadecimal, or why there are none.
    ///
    /// @throws io.vivarium.kvm.KvmException if KVM does not give the registers
    public static String instruction(Vcpu vcpu, GuestMemory memory) {
        try (Arena scratch = Arena.ofConfined()) {
            KvmRegs regs = new KvmRegs(scratch);
            vcpu.read(regs);
            KvmSregs sregs = new KvmSregs(scratch);
            vcpu.read(sregs);
            long linear = sregs.cs().base() + regs.rip();
            OptionalLong physical = vcpu.translate(linear);
            if (physical.isEmpty()) {
                return "0x%x is not mapped".formatted(linear);
            }
            return bytes(memory, physical.getAsLong());
        }
    }

    private static String bytes(GuestMemory memory, long address) {
        for (MemoryRegion region : memory.regions()) {
            if (address >= region.guestPhysicalAddress() && address < region.end()) {
                long length = Math.min(LONGEST_INSTRUCTION, region.end() - address);
                return HexFormat.ofDelimiter(" ")
                        .formatHex(memory.slice(address, length).toArray(ValueLayout.JAVA_BYTE));
            }
        }
        return "0x%x is not memory".formatted(address);
    }
}
