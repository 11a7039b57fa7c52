// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.OptionalLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// How much a program's standard input may still be sent: the guest's credit.
final class StdinWindow {
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private long credit;
    private long unsent;
    private boolean closed;
    private @Nullable Supplier<String> closedBecause;

    /// The guest allows more.
    ///
    /// @param bytes an unsigned 32-bit number
    /// @throws ProtocolBreach if it is more than a 64-bit sum can hold
    void granted(long bytes) {
        lock.lock();
        try {
            if (credit > Long.MAX_VALUE - bytes) {
                throw new ProtocolBreach("credit for standard input beyond 2^63");
            }
            credit += bytes;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /// Bytes that credit was taken for are on their way, or never will be.
    void used(int bytes) {
        lock.lock();
        try {
            unsent -= bytes;
        } finally {
            lock.unlock();
        }
    }

    /// The credit that is left, as the guest knows it too.
    ///
    /// @return empty while somebody is about to send what he has taken credit for
    OptionalLong settled() {
        lock.lock();
        try {
            return unsent == 0 ? OptionalLong.of(credit) : OptionalLong.empty();
        } finally {
            lock.unlock();
        }
    }

    /// Takes credit without waiting; [#used] is to follow.
    ///
    /// @return 0 … `most`
    int tryTake(int most) {
        lock.lock();
        try {
            int taken = closed ? 0 : (int) Math.min(most, credit);
            credit -= taken;
            unsent += taken;
            return taken;
        } finally {
            lock.unlock();
        }
    }

    /// Takes credit, waiting until there is some; [#used] is to follow.
    ///
    /// @param most more than zero
    /// @return 1 … `most`
    /// @throws IOException if the program or the sandbox has ended, or this thread is interrupted
    int take(int most) throws IOException {
        try {
            lock.lockInterruptibly();
        } catch (InterruptedException e) {
            throw interrupted(e);
        }
        try {
            while (credit == 0 && !closed) {
                changed.await();
            }
            if (closed) {
                throw new IOException(closedBecause == null ? "standard input is closed" : closedBecause.get());
            }
            int taken = (int) Math.min(most, credit);
            credit -= taken;
            unsent += taken;
            return taken;
        } catch (InterruptedException e) {
            throw interrupted(e);
        } finally {
            lock.unlock();
        }
    }

    static InterruptedIOException interrupted(InterruptedException e) {
        Thread.currentThread().interrupt();
        InterruptedIOException exception =
                new InterruptedIOException("interrupted while writing a program's standard input");
        exception.initCause(e);
        return exception;
    }

    /// Ends all waiting; the first reason stays.
    void close(Supplier<String> because) {
        lock.lock();
        try {
            if (!closed) {
                closed = true;
                closedBecause = because;
                changed.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }
}
