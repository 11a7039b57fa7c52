// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/// A file whose pages back guest memory: an anonymous one that lives in memory (memfd_create(2)), or one on disk.
///
/// Regions that are mapped from it keep the pages; the file itself may be closed as soon as they are. May be used from
/// any thread.
public final class MemoryFile implements AutoCloseable {
    private final FileDescriptor fd;
    private final String name;
    private final long size;
    private final SharedMapping shared;

    private MemoryFile(FileDescriptor fd, String name, long size) {
        this.fd = fd;
        this.name = name;
        this.size = size;
        this.shared = new SharedMapping(fd, name, Mapping.roundUp(size, Mapping.PAGE_SIZE));
    }

    /// Creates a memory file of zeros.
    ///
    /// @param name shown in `/proc/self/maps`; at most 249 bytes
    /// @param size bytes, more than zero
    public static MemoryFile create(String name, long size) {
        if (size <= 0) {
            throw new IllegalArgumentException("size of a memory file: " + size);
        }
        return new MemoryFile(FileDescriptor.inMemory(name, size), name, size);
    }

    /// Opens a file on disk for reading.
    ///
    /// Nobody may shorten it while it is mapped: the guest that touches a page beyond its end ends with
    /// `VcpuStop.Failed`, and Java code that does so gets an [InternalError].
    ///
    /// @throws KvmException if the file cannot be opened
    /// @throws IllegalArgumentException if the file is empty
    public static MemoryFile open(Path path) {
        FileDescriptor fd = new FileDescriptor("open", path, Syscalls.open(path.toString(), Syscalls.O_RDONLY));
        try {
            long size = KvmException.check("lseek", path, fd.size());
            if (size == 0) {
                throw new IllegalArgumentException(path + " is empty: there is nothing to map");
            }
            return new MemoryFile(fd, path.toString(), size);
        } catch (KvmException | IllegalArgumentException e) {
            fd.close();
            throw e;
        }
    }

    /// Bytes in the file when it was opened.
    public long size() {
        return size;
    }

    /// Maps the whole file so that writes go to it; for files from [#create] that are not sealed.
    ///
    /// @param arena unmaps it when it closes
    public MemorySegment map(Arena arena) {
        int protection = Syscalls.PROT_READ | Syscalls.PROT_WRITE;
        long address = fd.mmap(size, protection, Syscalls.MAP_SHARED, 0);
        return Mapping.of(arena, KvmException.check("mmap", name, address), size);
    }

    /// Maps the whole file for reading.
    ///
    /// @param arena unmaps it when it closes
    public MemorySegment mapReadOnly(Arena arena) {
        long address = fd.mmap(size, Syscalls.PROT_READ, Syscalls.MAP_SHARED, 0);
        return Mapping.of(arena, KvmException.check("mmap", name, address), size)
                .asReadOnly();
    }

    /// Maps the whole file for reading, in whole pages, at one place for all who do so.
    MemorySegment mapShared(Arena arena) {
        return shared.map(arena);
    }

    /// Visits the parts of the file that take memory, in ascending order; what is between them is zeros, and reading it
    /// through a mapping would make it take memory too.
    public void forEachData(PageMap.Visitor visitor) {
        long offset = 0;
        while (offset < size) {
            long data = fd.seek(offset, Syscalls.SEEK_DATA);
            if (data == -Errno.ENXIO.value()) {
                return;
            }
            long hole = KvmException.check(
                    "lseek", name, fd.seek(KvmException.check("lseek", name, data), Syscalls.SEEK_HOLE));
            visitor.pages(data, hole - data);
            offset = hole;
        }
    }

    /// Forbids every further change of size and content, for ever (fcntl(2), file sealing); for files from [#create].
    ///
    /// @throws KvmException with `EBUSY` while a [mapping][#map] is there
    public void seal() {
        int seals = Syscalls.F_SEAL_SEAL | Syscalls.F_SEAL_SHRINK | Syscalls.F_SEAL_GROW | Syscalls.F_SEAL_WRITE;
        KvmException.check("F_ADD_SEALS", name, fd.addSeals(seals));
    }

    FileDescriptor fd() {
        return fd;
    }

    /// Closes the file; what is mapped from it stays.
    @Override
    public void close() {
        fd.close();
    }

    @Override
    public String toString() {
        return name;
    }
}
