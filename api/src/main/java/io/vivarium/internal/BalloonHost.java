// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.ExecInterruptedException;
import io.vivarium.MemoryUsage;
import io.vivarium.SandboxException;
import io.vivarium.virtio.BalloonListener;
import io.vivarium.virtio.BalloonStatistics;
import io.vivarium.virtio.BalloonStatistics.Tag;
import io.vivarium.virtio.VirtioBalloon;
import java.time.Duration;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The host's side of a guest's memory balloon: asks how much memory the guest uses, and has it give up what it
/// does not use.
///
/// The guest kernel looks at the size that its balloon is to have when it is asked for statistics, and answers when
/// the balloon has that size, or there is no more free memory to put into it. Thread-safe.
public final class BalloonHost {
    /// More than any guest needs whose programs leave its kernel a turn.
    private static final Duration ANSWER_LIMIT = Duration.ofMinutes(1);

    private final VirtioBalloon device = new VirtioBalloon(new Answers(), true);

    /// Held by the one who asks.
    private final ReentrantLock turn = new ReentrantLock();

    /// Pages that went back up to the last [#reclaim]; guarded by the turn.
    private long counted;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();

    // Guarded by the lock.
    private long answers;
    private @Nullable Supplier<? extends SandboxException> ended;

    VirtioBalloon device() {
        return device;
    }

    /// What the guest says of its memory.
    ///
    /// @throws ExecInterruptedException if this thread is interrupted
    /// @throws SandboxException if the guest has ended, or does not answer
    public MemoryUsage usage() {
        return inTurn(() -> {
            BalloonStatistics said = ask();
            return new MemoryUsage(value(said, Tag.MEMTOT), value(said, Tag.AVAIL));
        });
    }

    private static long value(BalloonStatistics said, Tag tag) {
        Long value = said.values().get(tag);
        if (value == null) {
            throw new SandboxException("the guest kernel does not say " + tag + " of its memory");
        }
        return value;
    }

    /// Has the guest give the host all memory that it does not use; the guest can have it back whenever it wants.
    ///
    /// @param most bytes that it has
    /// @return how many bytes went back to the host since the last call, those included that the
    ///     guest reported by itself
    /// @throws ExecInterruptedException if this thread is interrupted
    /// @throws SandboxException if the guest has ended, or does not answer
    public long reclaim(long most) {
        return inTurn(() -> {
            device.setTarget(most / VirtioBalloon.PAGE_SIZE);
            try {
                ask();
            } finally {
                device.setTarget(0);
            }
            ask();
            long before = counted;
            counted = device.releasedPages();
            return (counted - before) * VirtioBalloon.PAGE_SIZE;
        });
    }

    private interface Question<T> {
        T put() throws InterruptedException;
    }

    private <T> T inTurn(Question<T> question) {
        try {
            turn.lockInterruptibly();
            try {
                return question.put();
            } finally {
                turn.unlock();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ExecInterruptedException("interrupted while the guest was asked for memory", e);
        }
    }

    /// Waits for statistics that are newer than this call.
    private BalloonStatistics ask() throws InterruptedException {
        long nanosLeft = ANSWER_LIMIT.toNanos();
        lock.lock();
        try {
            // It may still owe the answer to somebody who has given up.
            long before = answers;
            while (!device.requestStatistics()) {
                nanosLeft = awaitAnswer(before, nanosLeft);
                before = answers;
            }
            awaitAnswer(before, nanosLeft);
        } finally {
            lock.unlock();
        }
        return device.statistics();
    }

    private long awaitAnswer(long before, long nanosLeft) throws InterruptedException {
        long left = nanosLeft;
        while (true) {
            if (ended != null) {
                throw ended.get();
            }
            if (answers != before) {
                return left;
            }
            if (left <= 0) {
                throw new SandboxException("the guest kernel has not told of its memory within " + ANSWER_LIMIT);
            }
            left = changed.awaitNanos(left);
        }
    }

    /// Everybody who asks gets this from now on. Only the first one counts.
    void fail(Supplier<? extends SandboxException> why) {
        lock.lock();
        try {
            if (ended == null) {
                ended = why;
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private final class Answers implements BalloonListener {
        @Override
        public void statisticsChanged() {
            lock.lock();
            try {
                answers++;
                changed.signalAll();
            } finally {
                lock.unlock();
            }
        }
    }
}
