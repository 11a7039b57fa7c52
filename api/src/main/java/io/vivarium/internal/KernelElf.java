// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.kvm.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// A guest kernel as an ELF64 file (System V ABI, chapter 5; `linux/elf.h`), with what is to be loaded where.
///
/// @param file the whole file
/// @param entry guest-physical address of the entry point of the 64-bit boot protocol
/// @param segments what is to be loaded
record KernelElf(byte[] file, long entry, List<Segment> segments) {
    private static final int EHDR_SIZE = 64;
    private static final int PHDR_SIZE = 56;
    private static final int MAGIC = 0x464c457f; // "\x7fELF", little-endian
    private static final int CLASS_64_LITTLE = 0x0102; // ELFCLASS64, ELFDATA2LSB
    private static final short EM_X86_64 = 62;
    private static final int PT_LOAD = 1;

    /// Kernels lie below 1 GiB: no sound one is that large.
    private static final long HIGHEST = 1L << 30;

    /// A part of the file to be loaded.
    ///
    /// @param offset in the file
    /// @param fileSize bytes from the file
    /// @param address guest-physical
    /// @param memorySize bytes in memory; those after `fileSize` are zero
    record Segment(long offset, long fileSize, long address, long memorySize) {}

    /// Reads the headers.
    ///
    /// @throws IllegalArgumentException if it is no such file
    static KernelElf parse(byte[] file) {
        ByteBuffer elf = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        check(file.length >= EHDR_SIZE && elf.getInt(0) == MAGIC, "it is no ELF file");
        check(elf.getShort(4) == CLASS_64_LITTLE && elf.getShort(18) == EM_X86_64, "it is not for x86-64");
        long table = elf.getLong(32);
        int count = Short.toUnsignedInt(elf.getShort(56));
        check(
                elf.getShort(54) == PHDR_SIZE && table >= 0 && table <= file.length - (long) count * PHDR_SIZE,
                "its program headers lie outside the file");
        List<Segment> segments = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int at = (int) table + i * PHDR_SIZE;
            if (elf.getInt(at) == PT_LOAD) {
                Segment segment = new Segment(
                        elf.getLong(at + 8), elf.getLong(at + 32), elf.getLong(at + 24), elf.getLong(at + 40));
                check(
                        segment.offset >= 0
                                && segment.fileSize >= 0
                                && segment.offset <= file.length - segment.fileSize,
                        "a segment lies outside the file");
                check(
                        segment.memorySize >= segment.fileSize
                                && segment.address >= 0
                                && segment.memorySize <= HIGHEST
                                && segment.address <= HIGHEST - segment.memorySize,
                        "a segment lies outside the first GiB of memory");
                segments.add(segment);
            }
        }
        check(!segments.isEmpty(), "it has nothing to load");
        return new KernelElf(file, elf.getLong(24), List.copyOf(segments));
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalArgumentException("a guest kernel that cannot be loaded: " + otherwise);
        }
    }

    /// First guest-physical address after all of it.
    long end() {
        return segments.stream().mapToLong(s -> s.address + s.memorySize).max().orElse(0);
    }

    /// Loads it into memory that is zero.
    void load(GuestMemory memory) {
        MemorySegment content = MemorySegment.ofArray(file);
        for (Segment segment : segments) {
            if (segment.fileSize > 0) {
                memory.writableSlice(segment.address, segment.fileSize)
                        .copyFrom(content.asSlice(segment.offset, segment.fileSize));
            }
        }
    }
}
