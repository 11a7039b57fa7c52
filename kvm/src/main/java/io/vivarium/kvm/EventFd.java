// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// A counter that threads and the kernel signal and wait for (eventfd(2)). May be used from any thread; waiting blocks
/// a platform thread.
public final class EventFd implements AutoCloseable {
    private final FileDescriptor fd;
    private volatile boolean closing;

    /// Creates one whose counter is zero.
    public EventFd() {
        fd = new FileDescriptor("eventfd2", Syscalls.eventfd());
    }

    /// Adds one to the counter and wakes a waiting thread.
    ///
    /// @throws IllegalStateException if it is closed
    public void signal() {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment one = scratch.allocateFrom(ValueLayout.JAVA_LONG, 1);
            KvmException.check("write eventfd", fd.write(one));
        }
    }

    /// Waits until the counter is above zero, and puts it back to zero.
    ///
    /// @return what it was
    /// @throws IllegalStateException if it is closed, or is closed meanwhile
    public long await() {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment counter = scratch.allocate(ValueLayout.JAVA_LONG);
            long result;
            do {
                result = readAndPassOn(counter);
            } while (result == -Errno.EINTR.value());
            KvmException.check("read eventfd", result);
            if (closing) {
                throw new IllegalStateException("closed: eventfd2");
            }
            return counter.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    /// A thread that is woken by the closing wakes the next one, before it lets go of the file that they all hold.
    private long readAndPassOn(MemorySegment counter) {
        int held = fd.hold();
        try {
            if (closing) {
                return 0;
            }
            long result = Syscalls.read(held, counter);
            if (closing) {
                counter.set(ValueLayout.JAVA_LONG, 0, 1);
                KvmException.check("write eventfd", Syscalls.write(held, counter));
            }
            return result;
        } finally {
            fd.letGo();
        }
    }

    FileDescriptor fd() {
        return fd;
    }

    /// Wakes those who wait, then closes; idempotent.
    @Override
    public void close() {
        if (!closing) {
            closing = true;
            signal();
        }
        fd.close();
    }
}
