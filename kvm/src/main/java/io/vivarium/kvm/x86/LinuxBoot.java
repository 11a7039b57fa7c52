// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.Vcpu;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// How a kernel is entered by the 64-bit Linux boot protocol (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"):
/// CPL 0, long mode, interrupts off, flat segments (CS 0x10, the others 0x18), `rsi` at `boot_params`, the first 4 GiB
/// mapped onto themselves in pages of 2 MiB.
///
/// The tables live in low memory; the kernel may reuse it once it has its own:
///
/// | Address | Content |
/// |---|---|
/// | 0x500 | GDT, 4 entries |
/// | below 0x9000 | the stack that the kernel is entered with |
/// | 0x9000 | PML4 |
/// | 0xA000 | PDPT |
/// | 0xB000 – 0xEFFF | page directories of the first 4 GiB |
///
/// Every page is open to CPL 3 too: a KVM that de-privileges its guests runs the kernel there.
///
/// @param entry guest-physical address of the kernel's 64-bit entry point
/// @param bootParams guest-physical address of `struct boot_params`, outside the tables above
public record LinuxBoot(long entry, long bootParams) {
    /// Selector of the code segment (`__BOOT_CS`).
    public static final int BOOT_CS = 0x10;

    /// Selector of the data segments (`__BOOT_DS`).
    public static final int BOOT_DS = 0x18;

    /// First byte that the tables take.
    public static final long TABLES_START = 0x500;

    /// First byte after them.
    public static final long TABLES_END = 0xF000;

    private static final long BOOT_PARAMS_SIZE = 4096;
    private static final long STACK = 0x9000;
    private static final long STACK_SIZE = 0x1000;

    private static final long GDT = 0x500;

    /// Null, unused, 64-bit code, data: base 0, limit 4 GiB - 1 (Intel SDM 3A, 3.4.5).
    private static final long[] GDT_ENTRIES = {0, 0, 0x00af_9b00_0000_ffffL, 0x00cf_9300_0000_ffffL};

    private static final long PML4 = 0x9000;
    private static final long PDPT = 0xA000;
    private static final long PAGE_DIRECTORY = 0xB000;
    private static final int DIRECTORIES = 4;
    private static final int ENTRIES = 512;

    /// Present, writable, user (Intel SDM 3A, 4.5.4).
    private static final long OPEN = 0b111;

    private static final long HUGE = 1 << 7;

    // Intel SDM 3A, 2.5
    private static final long CR0_PE = 1;
    private static final long CR0_MP = 1 << 1;
    private static final long CR0_ET = 1 << 4;
    private static final long CR0_NE = 1 << 5;
    private static final long CR0_WP = 1 << 16;
    private static final long CR0_AM = 1 << 18;
    private static final long CR0_PG = 1L << 31;
    private static final long CR4_PAE = 1 << 5;
    private static final long CR4_OSFXSR = 1 << 9;
    private static final long CR4_OSXMMEXCPT = 1 << 10;
    private static final long CR4_OSXSAVE = 1 << 18;

    // Intel SDM 4, table 2-2, IA32_EFER
    private static final long EFER_LME = 1 << 8;
    private static final long EFER_LMA = 1 << 10;
    private static final long EFER_NXE = 1 << 11;

    /// Bit 1 of `rflags` is always set.
    private static final long RFLAGS_RESERVED = 2;

    private static final int CODE = 11;
    private static final int DATA = 3;

    /// Checks that `boot_params` does not lie in the tables.
    public LinuxBoot {
        boolean before = bootParams >= 0 && bootParams + BOOT_PARAMS_SIZE <= STACK - STACK_SIZE && bootParams >= 0x1000;
        boolean after = bootParams >= TABLES_END;
        if (!before && !after) {
            throw new IllegalArgumentException(
                    "boot_params at 0x%x: overlaps the boot tables below 0x%x".formatted(bootParams, TABLES_END));
        }
    }

    /// Writes descriptor and page tables.
    ///
    /// @throws io.vivarium.kvm.GuestAddressException if there is no memory for them
    public void writeTables(GuestMemory memory) {
        MemorySegment gdt = memory.writableSlice(GDT, GDT_ENTRIES.length * 8L);
        for (int i = 0; i < GDT_ENTRIES.length; i++) {
            gdt.setAtIndex(ValueLayout.JAVA_LONG_UNALIGNED, i, GDT_ENTRIES[i]);
        }
        MemorySegment tables = memory.writableSlice(PML4, TABLES_END - PML4);
        tables.fill((byte) 0);
        tables.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, PDPT | OPEN);
        for (int i = 0; i < DIRECTORIES; i++) {
            tables.set(ValueLayout.JAVA_LONG_UNALIGNED, PDPT - PML4 + i * 8L, PAGE_DIRECTORY + i * 0x1000L | OPEN);
        }
        for (int i = 0; i < DIRECTORIES * ENTRIES; i++) {
            tables.set(ValueLayout.JAVA_LONG_UNALIGNED, PAGE_DIRECTORY - PML4 + i * 8L, (long) i << 21 | OPEN | HUGE);
        }
    }

    /// Puts a vCPU at the entry point.
    public void enter(Vcpu vcpu) {
        try (Arena scratch = Arena.ofConfined()) {
            KvmSregs sregs = new KvmSregs(scratch);
            vcpu.read(sregs);
            sregs.cs().flat(BOOT_CS, CODE, true, 0);
            for (KvmSegment data : new KvmSegment[] {sregs.ds(), sregs.es(), sregs.fs(), sregs.gs(), sregs.ss()}) {
                data.flat(BOOT_DS, DATA, false, 0);
            }
            sregs.gdt().base(GDT);
            sregs.gdt().limit(GDT_ENTRIES.length * 8 - 1);
            sregs.idt().base(0);
            sregs.idt().limit(0);
            sregs.cr0(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG);
            sregs.cr3(PML4);
            boolean xsave = PowerOn.hasXsave(vcpu.supportedCpuid());
            sregs.cr4(CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | (xsave ? CR4_OSXSAVE : 0));
            sregs.efer(EFER_LME | EFER_LMA | EFER_NXE);
            vcpu.write(sregs);

            KvmRegs regs = new KvmRegs(scratch);
            regs.rip(entry);
            regs.rsi(bootParams);
            regs.rsp(STACK);
            regs.rflags(RFLAGS_RESERVED);
            vcpu.write(regs);
        }
    }
}
