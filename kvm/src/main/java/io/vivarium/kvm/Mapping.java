// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;

/// Turns a mapping (mmap(2)) into a segment with bounds, unmapped when its arena closes.
final class Mapping {
    static final long PAGE_SIZE = 4096;

    private Mapping() {}

    /// @param address of the mapping
    static MemorySegment of(Arena arena, long address, long length) {
        try {
            return bounded(arena, address, length);
        } catch (RuntimeException e) {
            Syscalls.munmap(address, length);
            throw e;
        }
    }

    /// Safe because exactly `length` bytes from `address` were just mapped and nobody else knows of them.
    @SuppressWarnings("restricted")
    private static MemorySegment bounded(Arena arena, long address, long length) {
        return MemorySegment.ofAddress(address).reinterpret(length, arena, new Unmap(address, length));
    }

    /// A class rather than a lambda: it runs at every launch, and linking the first lambdas takes a cold JVM
    /// milliseconds.
    private record Unmap(long address, long length) implements Consumer<MemorySegment> {
        @Override
        public void accept(MemorySegment mapped) {
            Syscalls.munmap(address, length);
        }
    }

    static long roundUp(long length, long unit) {
        return Math.addExact(length, unit - 1) & -unit;
    }
}
