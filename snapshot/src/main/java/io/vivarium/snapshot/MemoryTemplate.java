// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.MemoryFile;
import io.vivarium.kvm.RegionSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.Consumer;

/// Memory that many machines start from: written once, then sealed, and mapped copy-on-write by each of them, so that a
/// machine costs only the pages that it writes to.
///
/// It is a memory file (memfd_create(2)), of which only pages with content take memory. Thread-safe.
public final class MemoryTemplate implements AutoCloseable {
    private static final long PAGE_SIZE = 4096;

    private final MemoryFile file;

    private MemoryTemplate(MemoryFile file) {
        this.file = file;
    }

    /// Prepares a template.
    ///
    /// @param name shown in `/proc/self/maps`
    /// @param size bytes; a multiple of 4096
    /// @param writer writes the content into memory that starts at guest-physical 0 and is zero
    /// @throws io.vivarium.kvm.KvmException if the host has no memory for it
    public static MemoryTemplate prepare(String name, long size, Consumer<GuestMemory> writer) {
        MemoryFile file = MemoryFile.create(name, size);
        try {
            try (Arena arena = Arena.ofShared()) {
                GuestMemory content = GuestMemory.map(arena, List.of(RegionSpec.anonymous(0, size)));
                writer.accept(content);
                copyPages(content.slice(0, size), file.map(arena));
            }
            file.seal();
            return new MemoryTemplate(file);
        } catch (RuntimeException | Error e) {
            file.close();
            throw e;
        }
    }

    /// Leaves pages of zeros out: a page that is not written is a hole in the file, and takes no memory.
    private static void copyPages(MemorySegment from, MemorySegment to) {
        MemorySegment zeros = MemorySegment.ofArray(new byte[(int) PAGE_SIZE]);
        for (long page = 0; page < from.byteSize(); page += PAGE_SIZE) {
            MemorySegment content = from.asSlice(page, PAGE_SIZE);
            if (content.mismatch(zeros) >= 0) {
                to.asSlice(page, PAGE_SIZE).copyFrom(content);
            }
        }
    }

    /// Bytes.
    public long size() {
        return file.size();
    }

    /// A region of a machine that starts as this template.
    ///
    /// @param guestPhysicalAddress where it starts; a multiple of 4096
    public RegionSpec at(long guestPhysicalAddress) {
        return RegionSpec.copyOnWrite(guestPhysicalAddress, file.size(), file, 0);
    }

    /// Closes the file: no more machines can start from it, those that have are not affected. Idempotent.
    @Override
    public void close() {
        file.close();
    }
}
