package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Turns the result of mmap(2) into a segment with bounds, unmapped when its arena closes.
final class Mapping {
    static final long PAGE_SIZE = 4096;

    private Mapping() {}

    /// @param result the address, or `-errno`
    static MemorySegment of(Arena arena, String call, long length, long result) {
        long address = KvmException.check(call, result);
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
        return MemorySegment.ofAddress(address).reinterpret(length, arena, mapped -> Syscalls.munmap(address, length));
    }

    static long roundUp(long length, long unit) {
        return Math.addExact(length, unit - 1) & -unit;
    }
}
