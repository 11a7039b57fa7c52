// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmKind;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.Vcpu;
import io.vivarium.kvm.VcpuStop;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/// What a host knows of a guest's page tables, forgotten after the host itself has changed the memory they lie in.
///
/// Where the processor walks the guest's tables (EPT, NPT) it is enough that the vCPU's translations are flushed.
///
/// A KVM that de-privileges its guests keeps *shadows* of their tables. It hears of what the guest writes to a table
/// that it has a shadow of, but not of what the host writes, and nothing that the host can ask for makes it drop one
/// shadow: it would go on to translate by tables that are no more. But when its emulator writes to a table on the
/// guest's behalf, and the write is no whole entry, KVM drops that table's shadow (`kvm_mmu_track_write` and
/// `detect_write_misaligned`, arch/x86/kvm/mmu/mmu.c). So it is given a guest to emulate: at CPL 0, on page tables and
/// code of the host's, which adds nothing to two bytes of each page that was changed.
public final class Translations {
    /// Conventional memory that every machine has, in which the guest that is emulated lies: PML4, PDPT, two page
    /// directories, code.
    public static final long SCRATCH = 0x22000;

    private static final long PML4 = SCRATCH;
    private static final long PDPT = SCRATCH + 0x1000;
    private static final long LOW_DIRECTORY = SCRATCH + 0x2000;
    private static final long DIRECTORY = SCRATCH + 0x3000;
    private static final long CODE = SCRATCH + 0x4000;

    /// First byte after it.
    public static final long SCRATCH_END = CODE + 0x4000;

    private static final long GIBIBYTE = 1 << 30;
    private static final long ENTRIES = 512;

    /// `orw $0, disp32(%rbx)`: 66 83 /1 ib
    private static final int OR_SIZE = 8;

    private static final int OR_NOTHING = 0x8b_8366;

    /// `hlt`
    private static final byte HLT = (byte) 0xf4;

    private static final long MOST_PAGES = (SCRATCH_END - CODE - 1) / OR_SIZE;

    /// Present, writable, user, accessed, dirty (Intel SDM 3A, 4.5.4).
    private static final long OPEN = 0b110_0111;

    private static final long HUGE = 1 << 7;

    // Intel SDM 3A, 2.5; 4, table 2-2
    private static final long CR0_PE = 1;
    private static final long CR0_ET = 1 << 4;
    private static final long CR0_PG = 1L << 31;
    private static final long CR4_PAE = 1 << 5;
    private static final long CR4_PGE = 1 << 7;
    private static final long EFER_LME = 1 << 8;
    private static final long EFER_LMA = 1 << 10;
    private static final long RFLAGS_RESERVED = 2;
    private static final int CODE_SEGMENT = 11;
    private static final int DATA_SEGMENT = 3;

    private Translations() {}

    /// How a host is made to forget.
    public enum Way {
        /// The processor walks the guest's tables: a flush does it.
        FLUSH,
        /// KVM shadows them: its emulator has to write to each.
        EMULATED_WRITES,
        /// KVM shadows them on its own processor's virtualization, for which no way is known.
        NONE
    }

    /// The way on this host.
    public static Way way(Kvm kvm) {
        if (kvm.kind() == KvmKind.DEPRIVILEGING) {
            return Way.EMULATED_WRITES;
        }
        boolean walked = isOn("/sys/module/kvm_amd/parameters/npt") || isOn("/sys/module/kvm_intel/parameters/ept");
        return walked ? Way.FLUSH : Way.NONE;
    }

    private static boolean isOn(String parameter) {
        try {
            String value = Files.readString(Path.of(parameter)).strip();
            return value.equals("Y") || value.equals("1");
        } catch (IOException e) {
            return false;
        }
    }

    /// Has the host forget. After that the vCPU's registers, segments and events are to be written, and the memory from
    /// [#SCRATCH] to [#SCRATCH_END] too, where the way is [Way#EMULATED_WRITES].
    ///
    /// @param machine not ended, whose vCPUs have nothing pending; the calling thread is a platform thread
    /// @param changed the pages that the host has changed since the guest last ran, ascending: their addresses
    /// @throws IllegalStateException if it did not work: the machine is of no use any more
    public static void forget(Way way, Machine machine, long... changed) {
        switch (way) {
            case FLUSH -> flush(machine);
            case EMULATED_WRITES -> write(machine, changed);
            case NONE -> throw new IllegalStateException("this KVM cannot be made to forget a guest's page tables");
        }
    }

    /// A change of CR4.PGE flushes all translations (Intel SDM 3A, 4.10.4.1), and KVM does so when the host makes it.
    private static void flush(Machine machine) {
        try (Arena scratch = Arena.ofConfined()) {
            for (int index = 0; index < machine.vcpus(); index++) {
                KvmSregs sregs = new KvmSregs(scratch);
                machine.vcpu(index).read(sregs);
                sregs.cr4(sregs.cr4() ^ CR4_PGE);
                machine.vcpu(index).write(sregs);
            }
        }
    }

    private static void write(Machine machine, long... changed) {
        int from = 0;
        while (from < changed.length) {
            long base = changed[from] & -GIBIBYTE;
            int to = from;
            while (to < changed.length && to - from < MOST_PAGES && changed[to] < base + GIBIBYTE) {
                to++;
            }
            run(machine, base, Arrays.copyOfRange(changed, from, to));
            from = to;
        }
    }

    private static void run(Machine machine, long base, long... pages) {
        writeTables(machine.memory(), base);
        long end = writeCode(machine.memory(), base, pages);
        Vcpu vcpu = machine.vcpu(0);
        try (Arena scratch = Arena.ofConfined()) {
            enter(vcpu, base, scratch);
            VcpuStop stop = machine.run(0);
            KvmRegs regs = new KvmRegs(scratch);
            vcpu.read(regs);
            if (!(stop instanceof VcpuStop.Halted) || regs.rip() != end) {
                throw new IllegalStateException(
                        "the guest that makes KVM forget page tables stopped at 0x%x: %s".formatted(regs.rip(), stop));
            }
        }
    }

    private static void writeTables(GuestMemory memory, long base) {
        MemorySegment tables = memory.writableSlice(SCRATCH, CODE - SCRATCH).fill((byte) 0);
        tables.set(ValueLayout.JAVA_LONG, PML4 - SCRATCH, PDPT | OPEN);
        map(tables, 0, LOW_DIRECTORY);
        if (base > 0) {
            map(tables, base, DIRECTORY);
        }
    }

    /// Maps a GiB onto itself.
    private static void map(MemorySegment tables, long base, long directory) {
        tables.set(ValueLayout.JAVA_LONG, PDPT - SCRATCH + base / GIBIBYTE * Long.BYTES, directory | OPEN);
        for (long i = 0; i < ENTRIES; i++) {
            tables.set(ValueLayout.JAVA_LONG, directory - SCRATCH + i * Long.BYTES, base + (i << 21) | OPEN | HUGE);
        }
    }

    /// @return where it halts
    private static long writeCode(GuestMemory memory, long base, long... pages) {
        long length = pages.length * (long) OR_SIZE + 1;
        MemorySegment code = memory.writableSlice(CODE, length);
        for (int i = 0; i < pages.length; i++) {
            long displacement = pages[i] - base;
            code.set(ValueLayout.JAVA_LONG_UNALIGNED, i * (long) OR_SIZE, displacement << 24 | OR_NOTHING);
        }
        code.set(ValueLayout.JAVA_BYTE, length - 1, HLT);
        return CODE + length;
    }

    private static void enter(Vcpu vcpu, long base, Arena scratch) {
        KvmSregs sregs = new KvmSregs(scratch);
        vcpu.read(sregs);
        sregs.cs().flat(LinuxBoot.BOOT_CS, CODE_SEGMENT, true, 0);
        for (KvmSegment data : new KvmSegment[] {sregs.ds(), sregs.es(), sregs.fs(), sregs.gs(), sregs.ss()}) {
            data.flat(LinuxBoot.BOOT_DS, DATA_SEGMENT, false, 0);
        }
        sregs.cr0(CR0_PE | CR0_ET | CR0_PG);
        sregs.cr3(PML4);
        sregs.cr4(CR4_PAE);
        sregs.efer(EFER_LME | EFER_LMA);
        vcpu.write(sregs);
        // An interrupt that is on its way to the guest is not for this one, which has no handlers.
        vcpu.write(new KvmVcpuEvents(scratch));
        KvmRegs regs = new KvmRegs(scratch);
        regs.rip(CODE);
        regs.rbx(base);
        regs.rflags(RFLAGS_RESERVED);
        vcpu.write(regs);
    }
}
