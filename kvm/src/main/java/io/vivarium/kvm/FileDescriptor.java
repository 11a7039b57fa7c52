package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.IntToLongFunction;

/// An open file that cannot be used after it is closed: a closed number may already be somebody else's file.
final class FileDescriptor implements AutoCloseable {
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final String name;
    private final int fd;
    private boolean closed;

    /// @param call what made it
    /// @param result the descriptor, or `-errno`
    FileDescriptor(String call, int result) {
        this.name = call;
        this.fd = (int) KvmException.check(call, result);
    }

    /// Runs a system call on the descriptor, which stays open meanwhile.
    ///
    /// @throws IllegalStateException if it is closed
    long use(IntToLongFunction call) {
        lock.readLock().lock();
        try {
            if (closed) {
                throw new IllegalStateException("closed: " + name);
            }
            return call.applyAsLong(fd);
        } finally {
            lock.readLock().unlock();
        }
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
