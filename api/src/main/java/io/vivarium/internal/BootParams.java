// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/// `struct boot_params` of the Linux boot protocol (Documentation/arch/x86/zero-page.rst and boot.rst).
final class BootParams {
    /// Its size: a page, "the zero page".
    static final long SIZE = 4096;

    // asm/bootparam.h: offsets in struct boot_params.
    private static final long E820_ENTRIES = 0x1e8;
    private static final long BOOT_FLAG = 0x1fe;
    private static final long HEADER = 0x202;
    private static final long VERSION = 0x206;
    private static final long TYPE_OF_LOADER = 0x210;
    private static final long LOADFLAGS = 0x211;
    private static final long CMD_LINE_PTR = 0x228;
    private static final long CMDLINE_SIZE = 0x238;
    private static final long SETUP_DATA = 0x250;
    private static final long E820_TABLE = 0x2d0;
    private static final long E820_ENTRY_SIZE = 20;

    private static final short BOOT_FLAG_VALUE = (short) 0xaa55;
    private static final int HEADER_VALUE = 0x53726448; // "HdrS"
    private static final short PROTOCOL_VERSION = 0x020f;
    private static final byte LOADER_UNREGISTERED = (byte) 0xff;
    private static final byte LOADED_HIGH = 1;

    /// `SETUP_RNG_SEED` (asm/setup_data.h).
    private static final int SETUP_RNG_SEED = 9;

    private static final long SETUP_DATA_HEADER = 16;

    private BootParams() {}

    /// A range of the memory map.
    ///
    /// @param type [#RAM] or [#PERSISTENT_MEMORY]
    record E820(long address, long size, int type) {
        /// Usable memory.
        static final int RAM = 1;

        /// Persistent memory (`E820_TYPE_PMEM`): here, the root image.
        static final int PERSISTENT_MEMORY = 7;
    }

    /// Writes it into a page of zeros.
    ///
    /// @param commandLine guest-physical address of the command line
    /// @param commandLineSize most bytes of it
    /// @param setupData guest-physical address of the first `struct setup_data`
    static void write(
            MemorySegment page, long commandLine, int commandLineSize, long setupData, List<E820> memoryMap) {
        page.set(ValueLayout.JAVA_SHORT_UNALIGNED, BOOT_FLAG, BOOT_FLAG_VALUE);
        page.set(ValueLayout.JAVA_INT_UNALIGNED, HEADER, HEADER_VALUE);
        page.set(ValueLayout.JAVA_SHORT_UNALIGNED, VERSION, PROTOCOL_VERSION);
        page.set(ValueLayout.JAVA_BYTE, TYPE_OF_LOADER, LOADER_UNREGISTERED);
        page.set(ValueLayout.JAVA_BYTE, LOADFLAGS, LOADED_HIGH);
        page.set(ValueLayout.JAVA_INT_UNALIGNED, CMD_LINE_PTR, (int) commandLine);
        page.set(ValueLayout.JAVA_INT_UNALIGNED, CMDLINE_SIZE, commandLineSize);
        page.set(ValueLayout.JAVA_LONG_UNALIGNED, SETUP_DATA, setupData);
        page.set(ValueLayout.JAVA_BYTE, E820_ENTRIES, (byte) memoryMap.size());
        long at = E820_TABLE;
        for (E820 range : memoryMap) {
            page.set(ValueLayout.JAVA_LONG_UNALIGNED, at, range.address());
            page.set(ValueLayout.JAVA_LONG_UNALIGNED, at + 8, range.size());
            page.set(ValueLayout.JAVA_INT_UNALIGNED, at + 16, range.type());
            at += E820_ENTRY_SIZE;
        }
    }

    /// Writes a `struct setup_data` with a seed for the guest's random numbers; the last of its list.
    static void writeSeed(MemorySegment target, byte[] seed) {
        target.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, 0);
        target.set(ValueLayout.JAVA_INT_UNALIGNED, 8, SETUP_RNG_SEED);
        target.set(ValueLayout.JAVA_INT_UNALIGNED, 12, seed.length);
        target.asSlice(SETUP_DATA_HEADER, seed.length).copyFrom(MemorySegment.ofArray(seed));
    }
}
