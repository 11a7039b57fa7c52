// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.boot;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;

/// `struct boot_params`, the "zero page" through which a boot loader talks to a kernel that is entered at its
/// 64-bit entry point (Linux, Documentation/arch/x86/boot.rst and zero-page.rst;
/// arch/x86/include/uapi/asm/bootparam.h).
///
/// It occupies the page at [#ADDRESS], the command line the page at [#COMMAND_LINE_ADDRESS], and the seed of
/// the guest's random generator [#SETUP_DATA_ADDRESS]. Segment descriptors and page tables lie elsewhere below
/// 64 KiB.
///
/// @param commandLine what the kernel is told in words
/// @param memoryMap the e820 table: at most 128 entries
public record BootParams(CommandLine commandLine, List<MemoryRange> memoryMap) {
    /// Guest-physical address of the structure.
    public static final long ADDRESS = 0x7000;
    /// Guest-physical address of the command line.
    public static final long COMMAND_LINE_ADDRESS = 0x20000;
    /// Guest-physical address of the `setup_data` node that holds the seed.
    public static final long SETUP_DATA_ADDRESS = 0x21000;
    /// Bytes of a seed.
    public static final int SEED_BYTES = 32;

    private static final int SIZE = 4096;
    private static final int MAX_RANGES = 128; // E820_MAX_ENTRIES_ZEROPAGE

    private static final int E820_ENTRIES = 0x1e8;
    private static final int BOOT_FLAG = 0x1fe;
    private static final int HEADER = 0x202;
    private static final int VERSION = 0x206;
    private static final int TYPE_OF_LOADER = 0x210;
    private static final int LOADFLAGS = 0x211;
    private static final int COMMAND_LINE_POINTER = 0x228;
    private static final int COMMAND_LINE_SIZE = 0x238;
    private static final int SETUP_DATA = 0x250;
    private static final int E820_TABLE = 0x2d0;
    private static final int E820_ENTRY_SIZE = 20;

    private static final short BOOT_FLAG_MAGIC = (short) 0xaa55;
    private static final int HEADER_MAGIC = 0x53726448; // "HdrS"
    private static final short PROTOCOL_VERSION = 0x20f;
    private static final byte LOADER_UNDEFINED = (byte) 0xff;
    private static final byte LOADED_HIGH = 1;
    private static final int SETUP_RNG_SEED = 9;

    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    public BootParams {
        memoryMap = List.copyOf(memoryMap);
        if (memoryMap.size() > MAX_RANGES) {
            throw new IllegalArgumentException(memoryMap.size() + " ranges of memory, more than " + MAX_RANGES);
        }
    }

    /// What a range of guest-physical addresses is.
    public enum Type {
        /// RAM.
        RAM(1),
        /// Not to be touched.
        RESERVED(2),
        /// Persistent memory (ACPI 6.0, 15: `AddressRangePersistentMemory`): holds the root image.
        PERSISTENT(7);

        private final int number;

        Type(int number) {
            this.number = number;
        }
    }

    /// One entry of the e820 table.
    ///
    /// @param address guest-physical
    /// @param length bytes, more than 0
    /// @param type what is there
    public record MemoryRange(long address, long length, Type type) {
        public MemoryRange {
            if (address < 0 || length <= 0 || address > Long.MAX_VALUE - length) {
                throw new IllegalArgumentException("no range of memory: " + length + " bytes at " + address);
            }
        }
    }

    /// Writes the structure and the command line.
    ///
    /// @param memory guest-physical memory from address 0, zero in the pages written to
    public void write(MemorySegment memory) {
        byte[] line = commandLine.bytes();
        MemorySegment.copy(line, 0, memory, ValueLayout.JAVA_BYTE, COMMAND_LINE_ADDRESS, line.length);
        MemorySegment page = memory.asSlice(ADDRESS, SIZE);
        page.set(U16, BOOT_FLAG, BOOT_FLAG_MAGIC);
        page.set(U32, HEADER, HEADER_MAGIC);
        page.set(U16, VERSION, PROTOCOL_VERSION);
        page.set(ValueLayout.JAVA_BYTE, TYPE_OF_LOADER, LOADER_UNDEFINED);
        page.set(ValueLayout.JAVA_BYTE, LOADFLAGS, LOADED_HIGH);
        page.set(U32, COMMAND_LINE_POINTER, (int) COMMAND_LINE_ADDRESS);
        page.set(U32, COMMAND_LINE_SIZE, line.length - 1);
        page.set(U64, SETUP_DATA, SETUP_DATA_ADDRESS);
        page.set(ValueLayout.JAVA_BYTE, E820_ENTRIES, (byte) memoryMap.size());
        for (int i = 0; i < memoryMap.size(); i++) {
            MemoryRange range = memoryMap.get(i);
            MemorySegment entry = page.asSlice(E820_TABLE + (long) i * E820_ENTRY_SIZE, E820_ENTRY_SIZE);
            entry.set(U64, 0, range.address());
            entry.set(U64, 8, range.length());
            entry.set(U32, 16, range.type().number);
        }
        MemorySegment setupData = memory.asSlice(SETUP_DATA_ADDRESS, 16 + SEED_BYTES);
        setupData.set(U32, 8, SETUP_RNG_SEED);
        setupData.set(U32, 12, SEED_BYTES);
    }

    /// Writes the seed of one guest, which must be secret and never used twice.
    ///
    /// @param memory guest-physical memory from address 0, to which [#write(MemorySegment)] has written
    /// @param seed [#SEED_BYTES] random bytes
    public static void writeSeed(MemorySegment memory, byte[] seed) {
        if (seed.length != SEED_BYTES) {
            throw new IllegalArgumentException("a seed has " + SEED_BYTES + " bytes, not " + seed.length);
        }
        MemorySegment.copy(seed, 0, memory, ValueLayout.JAVA_BYTE, SETUP_DATA_ADDRESS + 16, SEED_BYTES);
    }
}
