// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.MemoryFile;
import io.vivarium.kvm.RegionSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// The memory of a guest that a test plays: RAM from 0, a copy-on-write region, and a read-only one; as a
/// real machine has them, without one.
final class GuestRam implements AutoCloseable {
    static final long RAM_SIZE = 16 << 20;
    static final long ROM = 0x1000_0000L;
    static final long ROM_SIZE = 4096;
    static final long COPY = 0x2000_0000L;
    static final long COPY_SIZE = 1 << 20;

    /// Memory of another region, right below [#COPY].
    static final long BEFORE_COPY = 1 << 20;

    /// What the copy-on-write region is filled with.
    static final byte COPIED = 7;

    /// One for all tests, as one template is for many machines; never closed.
    private static final MemoryFile TEMPLATE = template();

    private final Arena arena = Arena.ofShared();
    private final GuestMemory memory;
    private long nextFree = 0x1_0000;

    private static MemoryFile template() {
        MemoryFile file = MemoryFile.create("template", COPY_SIZE);
        try (Arena filling = Arena.ofConfined()) {
            file.map(filling).fill(COPIED);
        }
        file.seal();
        return file;
    }

    GuestRam() {
        try (MemoryFile rom = MemoryFile.create("rom", ROM_SIZE)) {
            memory = GuestMemory.map(
                    arena,
                    List.of(
                            RegionSpec.anonymous(0, RAM_SIZE),
                            RegionSpec.anonymous(COPY - BEFORE_COPY, BEFORE_COPY),
                            RegionSpec.copyOnWrite(COPY, COPY_SIZE, TEMPLATE, 0),
                            RegionSpec.readOnlyFile(ROM, rom)));
        }
    }

    GuestMemory memory() {
        return memory;
    }

    /// All RAM, as the guest sees it.
    MemorySegment ram() {
        return memory.slice(0, RAM_SIZE);
    }

    /// Guest-physical address of fresh bytes, aligned to 16.
    long allocate(long length) {
        long address = nextFree;
        nextFree = (address + length + 15) & ~15L;
        if (nextFree > RAM_SIZE) {
            throw new IllegalStateException("the test has used up its guest memory");
        }
        return address;
    }

    @Override
    public void close() {
        arena.close();
    }
}
