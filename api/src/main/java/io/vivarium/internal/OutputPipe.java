// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.snapshot.StateReader;
import io.vivarium.snapshot.StateWriter;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.util.Objects;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A stream of a program as an [InputStream]: a ring that grows up to the window, so that the guest's credit bounds it.
final class OutputPipe implements OutputSink {
    private static final int FIRST_CAPACITY = 4096;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ReceiveWindow window;
    private final CreditLine creditLine;
    private byte[] ring = new byte[0];
    private int first;
    private int count;
    private boolean ended;
    private boolean readerClosed;
    private int granting;
    private @Nullable Supplier<? extends RuntimeException> failure;

    /// @param window bytes that the program may write before somebody reads
    /// @param creditLine called by readers, never by [#received]
    OutputPipe(int window, CreditLine creditLine) {
        this.window = new ReceiveWindow(window);
        this.creditLine = creditLine;
    }

    /// A pipe that goes on where another was.
    ///
    /// @param window what the other had
    OutputPipe(int window, CreditLine creditLine, Saved saved) {
        this.window = ReceiveWindow.goingOn(window, saved.credit, saved.unread.length);
        this.creditLine = creditLine;
        this.ring = saved.unread.clone();
        this.count = ring.length;
    }

    /// What the guest and the host know of a stream.
    static final class Saved {
        private final byte[] unread;
        private final int credit;

        /// @param unread bytes that came and that nobody has read
        /// @param credit what the guest may still send
        Saved(byte[] unread, int credit) {
            this.unread = unread;
            this.credit = credit;
        }

        void write(StateWriter to) {
            to.bytes(unread).u32(credit);
        }

        /// Reads what [#write] has written.
        ///
        /// @throws io.vivarium.snapshot.InvalidSnapshotFileException if it cannot have
        static Saved read(StateReader from) {
            byte[] unread = from.bytes();
            int credit = from.u32();
            if (credit < 0 || unread.length > Execution.WINDOW - credit) {
                throw StateReader.malformed("%d unread bytes and a credit of %d, of %d"
                        .formatted(unread.length, Integer.toUnsignedLong(credit), Execution.WINDOW));
            }
            return new Saved(unread, credit);
        }
    }

    /// What it is at, as the guest, which does not run, knows it too once all frames have been handed to it.
    Saved save() {
        lock.lock();
        try {
            while (granting > 0) {
                changed.awaitUninterruptibly();
            }
            byte[] unread = new byte[count];
            if (count > 0) {
                copyOut(unread, 0, count);
            }
            return new Saved(unread, window.credit());
        } finally {
            lock.unlock();
        }
    }

    @Override
    public int window() {
        return window.size();
    }

    @Override
    public int received(byte[] bytes, int offset, int length) {
        window.received(length);
        lock.lock();
        try {
            if (!readerClosed) {
                append(bytes, offset, length);
                changed.signalAll();
                return 0;
            }
        } finally {
            lock.unlock();
        }
        return window.taken(length);
    }

    private void append(byte[] bytes, int offset, int length) {
        if (length == 0) {
            return;
        }
        if (length > ring.length - count) {
            grow(count + length);
        }
        int at = (first + count) % ring.length;
        int toEnd = Math.min(length, ring.length - at);
        System.arraycopy(bytes, offset, ring, at, toEnd);
        System.arraycopy(bytes, offset + toEnd, ring, 0, length - toEnd);
        count += length;
    }

    private void grow(int needed) {
        int capacity = Math.min(window.size(), Math.max(FIRST_CAPACITY, Integer.highestOneBit(needed - 1) << 1));
        byte[] larger = new byte[Math.max(needed, capacity)];
        copyOut(larger, 0, count);
        ring = larger;
        first = 0;
    }

    private void copyOut(byte[] target, int offset, int length) {
        int toEnd = Math.min(length, ring.length - first);
        System.arraycopy(ring, first, target, offset, toEnd);
        System.arraycopy(ring, 0, target, offset + toEnd, length - toEnd);
    }

    @Override
    public void ended() {
        lock.lock();
        try {
            ended = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void failed(Supplier<? extends RuntimeException> cause) {
        lock.lock();
        try {
            if (!ended && failure == null) {
                failure = cause;
                changed.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    /// @return how many bytes were read, -1 at the end
    private int take(byte[] target, int offset, int length) throws IOException {
        int taken;
        int credit;
        try {
            lock.lockInterruptibly();
        } catch (InterruptedException e) {
            throw interrupted(e);
        }
        try {
            while (count == 0 && !ended && !readerClosed && failure == null) {
                changed.await();
            }
            if (readerClosed) {
                throw new IOException("the stream was closed");
            }
            if (count == 0) {
                if (failure != null) {
                    RuntimeException cause = failure.get();
                    throw new IOException(cause.getMessage(), cause);
                }
                return -1;
            }
            taken = Math.min(length, count);
            copyOut(target, offset, taken);
            first = (first + taken) % ring.length;
            count -= taken;
            credit = taken(taken);
            if (count == 0 && ended) {
                ring = new byte[0];
                first = 0;
            }
        } catch (InterruptedException e) {
            throw interrupted(e);
        } finally {
            lock.unlock();
        }
        give(credit);
        return taken;
    }

    /// The lock is held.
    ///
    /// @return what to [#give] the guest once it is not
    private int taken(int bytes) {
        int credit = window.taken(bytes);
        if (credit > 0) {
            granting++;
        }
        return credit;
    }

    private void give(int credit) {
        if (credit > 0) {
            creditLine.grant(credit);
            lock.lock();
            try {
                granting--;
                changed.signalAll();
            } finally {
                lock.unlock();
            }
        }
    }

    private static InterruptedIOException interrupted(InterruptedException e) {
        Thread.currentThread().interrupt();
        InterruptedIOException exception = new InterruptedIOException("interrupted while reading a program's output");
        exception.initCause(e);
        return exception;
    }

    private int readable() {
        lock.lock();
        try {
            return count;
        } finally {
            lock.unlock();
        }
    }

    /// Drops what is unread and what follows; reads that wait end.
    void closeReader() {
        int credit;
        lock.lock();
        try {
            readerClosed = true;
            credit = taken(count);
            count = 0;
            ring = new byte[0];
            first = 0;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        give(credit);
    }

    /// The reader's end.
    InputStream stream() {
        return new InputStream() {
            @Override
            public int read() throws IOException {
                byte[] one = new byte[1];
                return take(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
            }

            @Override
            public int read(byte[] target, int offset, int length) throws IOException {
                Objects.checkFromIndexSize(offset, length, target.length);
                return length == 0 ? 0 : take(target, offset, length);
            }

            @Override
            public int available() {
                return readable();
            }

            @Override
            public void close() {
                OutputPipe.this.closeReader();
            }
        };
    }
}
