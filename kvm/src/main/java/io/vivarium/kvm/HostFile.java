// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/// A file of the host that is read and written at positions, straight from and into native memory.
///
/// It is never mapped: a file that somebody shortens meanwhile gives short reads, and no `SIGBUS`. Other than with a
/// `FileChannel`, an interrupt of the thread does not close it, nothing is copied on the way, and errors keep their
/// number. Reading and writing make no objects.
///
/// Thread-safe: one call at a time, the others wait. The memory that a call is given must stay mapped until it returns.
public final class HostFile implements AutoCloseable {
    private final FileDescriptor fd;
    private final String name;
    private final MemorySegment capture = Syscalls.newCapture(Arena.ofAuto());
    private boolean closed;

    private HostFile(FileDescriptor fd, String name) {
        this.fd = fd;
        this.name = name;
    }

    /// Opens a file that is there.
    ///
    /// @throws KvmException if it cannot be opened so
    public static HostFile open(Path path, boolean writable) {
        int result = Syscalls.open(path.toString(), writable ? Syscalls.O_RDWR : Syscalls.O_RDONLY);
        return new HostFile(new FileDescriptor("open", path, result), path.toString());
    }

    /// Creates a file of zeros that lives in memory, and takes memory for what is written to it only
    /// (memfd_create(2)).
    ///
    /// @param name at most 249 bytes
    /// @param size bytes, more than zero
    public static HostFile inMemory(String name, long size) {
        if (size <= 0) {
            throw new IllegalArgumentException("size of a file in memory: " + size);
        }
        return new HostFile(FileDescriptor.inMemory(name, size), name);
    }

    private int number() {
        if (closed) {
            throw new IllegalStateException("closed: " + name);
        }
        return fd.raw();
    }

    /// Bytes in the file now.
    ///
    /// @throws KvmException if it cannot be found out
    public synchronized long size() {
        return KvmException.check("lseek", name, Syscalls.lseek(number(), 0, Syscalls.SEEK_END));
    }

    /// Locks the file against others that lock it, in this process and in others, until it is closed (flock(2)).
    ///
    /// @param exclusive against all others, and not only against those that lock it so
    /// @return whether nobody else stood in the way
    /// @throws KvmException if the file cannot be locked
    public synchronized boolean tryLock(boolean exclusive) {
        int result = Syscalls.flock(number(), (exclusive ? Syscalls.LOCK_EX : Syscalls.LOCK_SH) | Syscalls.LOCK_NB);
        if (result == -Errno.EAGAIN.value()) {
            return false;
        }
        KvmException.check("flock", name, result);
        return true;
    }

    /// Reads (pread(2)).
    ///
    /// @param position in the file, not negative
    /// @param target where to
    /// @param offset first byte of it
    /// @param length at most so many
    /// @return how many bytes were read, zero at the end of the file
    /// @throws KvmException if it cannot be read
    public synchronized long read(long position, MemorySegment target, long offset, long length) {
        if (target.isReadOnly()) {
            throw new IllegalArgumentException("memory that cannot be written");
        }
        while (true) {
            long result = Syscalls.pread(capture, number(), target, offset, length, position);
            if (result != -Errno.EINTR.value()) {
                return KvmException.check("pread", name, result);
            }
        }
    }

    /// Writes (pwrite(2)); a file that ends before is made longer.
    ///
    /// @param position in the file, not negative
    /// @param source where from
    /// @param offset first byte of it
    /// @param length at most so many
    /// @return how many bytes were written
    /// @throws KvmException if it cannot be written
    public synchronized long write(long position, MemorySegment source, long offset, long length) {
        while (true) {
            long result = Syscalls.pwrite(capture, number(), source, offset, length, position);
            if (result != -Errno.EINTR.value()) {
                return KvmException.check("pwrite", name, result);
            }
        }
    }

    /// Gives the storage of a range back; it reads as zeros then (`FALLOC_FL_PUNCH_HOLE`).
    ///
    /// @return whether the file can do that
    /// @throws KvmException if that failed
    public boolean punchHole(long position, long length) {
        return allocate(Syscalls.FALLOC_FL_PUNCH_HOLE | Syscalls.FALLOC_FL_KEEP_SIZE, position, length);
    }

    /// Has a range read as zeros, and keeps storage for it (`FALLOC_FL_ZERO_RANGE`).
    ///
    /// @return whether the file can do that
    /// @throws KvmException if that failed
    public boolean zeroRange(long position, long length) {
        return allocate(Syscalls.FALLOC_FL_ZERO_RANGE | Syscalls.FALLOC_FL_KEEP_SIZE, position, length);
    }

    private synchronized boolean allocate(int mode, long position, long length) {
        while (true) {
            int result = Syscalls.fallocate(number(), mode, position, length);
            if (result == -Errno.EOPNOTSUPP.value()) {
                return false;
            }
            if (result != -Errno.EINTR.value()) {
                KvmException.check("fallocate", name, result);
                return true;
            }
        }
    }

    /// Waits until what was written is on stable storage (fdatasync(2)).
    ///
    /// @throws KvmException if that failed: what was written since the last time may be lost
    public synchronized void sync() {
        KvmException.check("fdatasync", name, Syscalls.fdatasync(number()));
    }

    /// Closes it once no call is on it; idempotent.
    @Override
    public synchronized void close() {
        closed = true;
        fd.close();
    }

    @Override
    public String toString() {
        return name;
    }
}
