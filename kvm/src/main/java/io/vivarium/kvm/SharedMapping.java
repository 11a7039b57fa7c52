// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;

/// A file that is mapped for reading once for all machines of this process that have it: the page
/// tables of the host are then filled once, and a mapping less for each machine is one less to be
/// walked over whenever KVM makes the next.
///
/// Thread-safe.
final class SharedMapping {
    private final FileDescriptor fd;
    private final String name;
    private final long length;

    // Guarded by this object.
    private long address;
    private int users;

    /// @param fd of the file
    /// @param name of it, for errors
    /// @param length bytes, whole pages
    SharedMapping(FileDescriptor fd, String name, long length) {
        this.fd = fd;
        this.name = name;
        this.length = length;
    }

    /// Maps it for one more, who has it until his arena closes.
    ///
    /// @throws IllegalStateException if the file is closed, mapped or not
    MemorySegment map(Arena arena) {
        retain();
        try {
            return bounded(arena);
        } catch (RuntimeException e) {
            release();
            throw e;
        }
    }

    /// Safe because `length` bytes from `address` stay mapped until this user's [Release], and nobody writes to them.
    @SuppressWarnings("restricted")
    private MemorySegment bounded(Arena arena) {
        return MemorySegment.ofAddress(address)
                .reinterpret(length, arena, new Release(this))
                .asReadOnly();
    }

    private record Release(SharedMapping mapping) implements Consumer<MemorySegment> {
        @Override
        public void accept(MemorySegment mapped) {
            mapping.release();
        }
    }

    private synchronized void retain() {
        fd.hold();
        try {
            if (users == 0) {
                address = KvmException.check("mmap", name, fd.mmap(length, Syscalls.PROT_READ, Syscalls.MAP_SHARED, 0));
                Syscalls.madvise(address, length, Syscalls.MADV_DONTFORK);
            }
            users++;
        } finally {
            fd.letGo();
        }
    }

    private synchronized void release() {
        users--;
        if (users == 0) {
            Syscalls.munmap(address, length);
        }
    }
}
