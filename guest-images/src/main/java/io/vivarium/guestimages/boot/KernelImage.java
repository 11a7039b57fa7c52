// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.boot;

import io.vivarium.guestimages.ImageException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// A guest kernel in ELF64 form: what lies where in guest-physical memory, and where it is entered in long
/// mode.
///
/// The file is checked completely before anything is loaded: a kernel that would overlap itself or what the
/// boot protocol puts below it is refused. Format: System V ABI, chapters 4 and 5.
///
/// @param entry guest-physical address of the 64-bit entry point
/// @param segments what is loaded, by ascending address, not overlapping
public record KernelImage(long entry, List<Segment> segments) {

    /// Kernels lie at or above this guest-physical address (1 MiB): below are boot parameters and tables.
    public static final long LOWEST_ADDRESS = 1L << 20;

    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int ELF_MAGIC = 0x464c457f;
    private static final int HEADER_SIZE = 64;
    private static final int PROGRAM_HEADER_SIZE = 56;
    private static final int MAX_PROGRAM_HEADERS = 128;
    private static final int CLASS64_LITTLE_ENDIAN = 0x0102;
    private static final int MACHINE_X86_64 = 62;
    private static final int TYPE_EXECUTABLE = 2;
    private static final int PT_LOAD = 1;

    public KernelImage {
        segments = List.copyOf(segments);
    }

    /// A part of the kernel in memory.
    ///
    /// @param address guest-physical, in bytes
    /// @param bytes the part that the file holds; read-only
    /// @param memorySize bytes that it takes in memory, at least those of the file; the rest is zero
    public record Segment(long address, MemorySegment bytes, long memorySize) {
        /// The first address behind it.
        public long end() {
            return address + memorySize;
        }
    }

    /// The first guest-physical address behind the kernel.
    public long end() {
        return segments.getLast().end();
    }

    /// Parses and checks a kernel.
    ///
    /// @param file the whole file; it is referred to, not copied
    /// @throws ImageException if it is not an x86-64 ELF executable, is truncated, or its segments overlap
    public static KernelImage parse(MemorySegment file) throws ImageException {
        MemorySegment elf = file.asReadOnly();
        if (elf.byteSize() < HEADER_SIZE || elf.get(U32, 0) != ELF_MAGIC) {
            throw new ImageException("kernel", "not an ELF file");
        }
        if (elf.get(U16, 4) != CLASS64_LITTLE_ENDIAN || elf.get(U16, 18) != MACHINE_X86_64) {
            throw new ImageException("kernel", "not for x86-64 (machine " + (elf.get(U16, 18) & 0xffff) + ")");
        }
        if (elf.get(U16, 16) != TYPE_EXECUTABLE) {
            throw new ImageException("kernel", "not an ELF executable (type " + (elf.get(U16, 16) & 0xffff) + ")");
        }
        List<Segment> segments = segments(elf);
        long entry = elf.get(U64, 24);
        if (segments.stream().noneMatch(s -> entry >= s.address() && entry < s.end())) {
            throw new ImageException("kernel", "the entry point 0x" + Long.toHexString(entry) + " is in no segment");
        }
        return new KernelImage(entry, segments);
    }

    private static List<Segment> segments(MemorySegment elf) throws ImageException {
        long table = elf.get(U64, 32);
        int size = elf.get(U16, 54) & 0xffff;
        int count = elf.get(U16, 56) & 0xffff;
        if (size != PROGRAM_HEADER_SIZE || count == 0 || count > MAX_PROGRAM_HEADERS) {
            throw new ImageException("kernel", count + " program headers of " + size + " bytes");
        }
        if (table < 0 || table > elf.byteSize() - (long) count * PROGRAM_HEADER_SIZE) {
            throw new ImageException("kernel", "truncated before its program headers");
        }
        List<Segment> segments = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            MemorySegment header = elf.asSlice(table + (long) i * PROGRAM_HEADER_SIZE, PROGRAM_HEADER_SIZE);
            if (header.get(U32, 0) == PT_LOAD && header.get(U64, 40) != 0) {
                segments.add(segment(elf, header));
            }
        }
        if (segments.isEmpty()) {
            throw new ImageException("kernel", "no loadable segment");
        }
        segments.sort((a, b) -> Long.compare(a.address(), b.address()));
        for (int i = 1; i < segments.size(); i++) {
            if (segments.get(i - 1).end() > segments.get(i).address()) {
                throw new ImageException(
                        "kernel",
                        "segments overlap at 0x"
                                + Long.toHexString(segments.get(i).address()));
            }
        }
        return segments;
    }

    private static Segment segment(MemorySegment elf, MemorySegment header) throws ImageException {
        long offset = header.get(U64, 8);
        long address = header.get(U64, 24);
        long fileSize = header.get(U64, 32);
        long memorySize = header.get(U64, 40);
        if (offset < 0 || fileSize < 0 || fileSize > elf.byteSize() || offset > elf.byteSize() - fileSize) {
            throw new ImageException("kernel", "truncated in the segment at 0x" + Long.toHexString(address));
        }
        if (memorySize < fileSize || address < LOWEST_ADDRESS || address > Long.MAX_VALUE - memorySize) {
            throw new ImageException(
                    "kernel",
                    "a segment of " + Long.toUnsignedString(memorySize) + " bytes at 0x" + Long.toHexString(address)
                            + " does not fit");
        }
        return new Segment(address, elf.asSlice(offset, fileSize), memorySize);
    }

    /// Copies the kernel to where it belongs.
    ///
    /// @param memory guest-physical memory from address 0, zero where the kernel comes to lie
    /// @throws ImageException if the memory is too small
    public void load(MemorySegment memory) throws ImageException {
        if (end() > memory.byteSize()) {
            throw new ImageException("kernel", "needs " + end() + " bytes of memory, there are " + memory.byteSize());
        }
        for (Segment segment : segments) {
            MemorySegment.copy(
                    segment.bytes(),
                    0,
                    memory,
                    segment.address(),
                    segment.bytes().byteSize());
        }
    }
}
