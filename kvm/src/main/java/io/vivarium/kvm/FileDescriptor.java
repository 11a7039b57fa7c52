// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/// An open file that cannot be used after it is closed: a closed number may already be somebody else's file.
///
/// The calls return what the kernel did, `-errno` or a value of zero or more, and throw [IllegalStateException] when
/// the file is closed. It stays open while one is under way.
final class FileDescriptor implements AutoCloseable {
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final String call;
    private final int fd;
    private boolean closed;

    /// @param call what made it
    /// @param result the descriptor, or `-errno`
    FileDescriptor(String call, long result) {
        this.call = call;
        this.fd = (int) KvmException.check(call, result);
    }

    /// @param call what made it
    /// @param subject what tells the call apart from others
    /// @param result the descriptor, or `-errno`
    FileDescriptor(String call, Object subject, long result) {
        this.call = call;
        this.fd = (int) KvmException.check(call, subject, result);
    }

    /// A new memory file of zeros (memfd_create(2)).
    ///
    /// @param name shown in `/proc/self/maps`; at most 249 bytes
    /// @param size bytes
    static FileDescriptor inMemory(String name, long size) {
        FileDescriptor fd = new FileDescriptor("memfd_create", Syscalls.memfdCreate(name));
        try {
            KvmException.check("ftruncate", name, fd.truncate(size));
            return fd;
        } catch (KvmException e) {
            fd.close();
            throw e;
        }
    }

    /// Keeps the file open until [#letGo].
    ///
    /// @return the number
    int hold() {
        lock.readLock().lock();
        if (closed) {
            lock.readLock().unlock();
            throw new IllegalStateException("closed: " + call);
        }
        return fd;
    }

    void letGo() {
        lock.readLock().unlock();
    }

    int ioctl(long request, long argument) {
        int held = hold();
        try {
            return Syscalls.ioctl(held, request, argument);
        } finally {
            letGo();
        }
    }

    int ioctl(long request, MemorySegment argument) {
        int held = hold();
        try {
            return Syscalls.ioctl(held, request, argument);
        } finally {
            letGo();
        }
    }

    /// A request whose argument names another file.
    ///
    /// @param fdOffset where in the argument the number of `other` goes
    int ioctl(long request, MemorySegment argument, long fdOffset, FileDescriptor other) {
        int held = other.hold();
        try {
            argument.set(ValueLayout.JAVA_INT, fdOffset, held);
            return ioctl(request, argument);
        } finally {
            other.letGo();
        }
    }

    long mmap(long length, int protection, int flags, long offset) {
        int held = hold();
        try {
            return Syscalls.mmap(0, length, protection, flags, held, offset);
        } finally {
            letGo();
        }
    }

    long write(MemorySegment buffer) {
        int held = hold();
        try {
            return Syscalls.write(held, buffer);
        } finally {
            letGo();
        }
    }

    long truncate(long size) {
        int held = hold();
        try {
            return Syscalls.ftruncate(held, size);
        } finally {
            letGo();
        }
    }

    /// Bytes in the file.
    long size() {
        int held = hold();
        try {
            return Syscalls.lseek(held, 0, Syscalls.SEEK_END);
        } finally {
            letGo();
        }
    }

    /// Finds the next byte from an offset on that is data (`SEEK_DATA`), or is none (`SEEK_HOLE`).
    long seek(long offset, int whence) {
        int held = hold();
        try {
            return Syscalls.lseek(held, offset, whence);
        } finally {
            letGo();
        }
    }

    long addSeals(int seals) {
        int held = hold();
        try {
            return Syscalls.fcntl(held, Syscalls.F_ADD_SEALS, seals);
        } finally {
            letGo();
        }
    }

    /// The number itself, for a caller that keeps the file from being closed by other means.
    int raw() {
        return fd;
    }

    /// Closes it once no call is on it; idempotent.
    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                Syscalls.close(fd);
            }
        } finally {
            lock.writeLock().unlock();
        }
    }
}
