// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import java.util.Arrays;
import java.util.BitSet;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/// What other threads and devices want of one vCPU, until the thread that runs it attends to it.
final class Mailbox {
    private static final int VECTORS = 256;
    private static final int WORDS = VECTORS / Long.SIZE;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition arrived = lock.newCondition();
    private final long[] vectors = new long[WORDS];

    // Written under the lock; read without it on every entry.
    private volatile boolean interrupts;
    private volatile boolean kicked;
    private volatile boolean haltWanted;
    private volatile boolean ended;

    /// The guest has halted with interrupts switched off: none will wake it.
    private volatile boolean deaf;

    /// @param vector 0 to 255; one that is pending already stays pending once
    void interrupt(int vector) {
        lock.lock();
        try {
            vectors[vector / Long.SIZE] |= 1L << vector % Long.SIZE;
            interrupts = true;
            arrived.signalAll();
        } finally {
            lock.unlock();
        }
    }

    void kick() {
        lock.lock();
        try {
            kicked = true;
            arrived.signalAll();
        } finally {
            lock.unlock();
        }
    }

    void halt() {
        haltWanted = true;
    }

    /// The machine has ended.
    void end() {
        lock.lock();
        try {
            ended = true;
            arrived.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /// Forgets everything: what is to come is for a guest that knows nothing of what was before.
    void clear() {
        lock.lock();
        try {
            Arrays.fill(vectors, 0);
            interrupts = false;
            kicked = false;
            haltWanted = false;
            ended = false;
            deaf = false;
        } finally {
            lock.unlock();
        }
    }

    /// The interrupts that are pending, by ascending vector.
    int[] pendingInterrupts() {
        lock.lock();
        try {
            return BitSet.valueOf(vectors).stream().toArray();
        } finally {
            lock.unlock();
        }
    }

    /// Forgets the pending interrupts, which have done what they were for when they have woken a halted vCPU.
    ///
    /// @return whether there were any
    boolean dropInterrupts() {
        if (!interrupts) {
            return false;
        }
        lock.lock();
        try {
            Arrays.fill(vectors, 0);
            interrupts = false;
            return true;
        } finally {
            lock.unlock();
        }
    }

    boolean hasInterrupt() {
        return interrupts;
    }

    /// Whether a vCPU that halts has a reason to go on.
    ///
    /// @param ifFlag whether the guest has interrupts switched on
    boolean wakes(boolean ifFlag) {
        deaf = !ifFlag;
        return ended || kicked || (interrupts && ifFlag);
    }

    /// Takes the pending interrupt of highest priority, which is the one with the highest number (Intel SDM 3A,
    /// 11.8.3).
    int takeInterrupt() {
        lock.lock();
        try {
            int vector = -1;
            boolean more = false;
            for (int word = WORDS - 1; word >= 0; word--) {
                if (vector < 0 && vectors[word] != 0) {
                    int bit = Long.SIZE - 1 - Long.numberOfLeadingZeros(vectors[word]);
                    vectors[word] &= ~(1L << bit);
                    vector = word * Long.SIZE + bit;
                }
                more |= vectors[word] != 0;
            }
            interrupts = more;
            return vector;
        } finally {
            lock.unlock();
        }
    }

    boolean takeKick() {
        if (!kicked) {
            return false;
        }
        kicked = false;
        return true;
    }

    /// Whether a device wants the vCPU halted and nothing keeps it awake. The wish is spent either way.
    boolean takeHalt() {
        if (!haltWanted) {
            return false;
        }
        haltWanted = false;
        return !interrupts;
    }

    /// The vCPU runs: it is not halted.
    void running() {
        deaf = false;
    }

    /// Waits until there is a reason to run the vCPU.
    ///
    /// @return false if there was none in that time
    boolean await(long nanos) throws InterruptedException {
        long deadline = nanos;
        lock.lockInterruptibly();
        try {
            while (!(ended || kicked || (interrupts && !deaf))) {
                if (deadline <= 0) {
                    return false;
                }
                deadline = arrived.awaitNanos(deadline);
            }
            return true;
        } finally {
            lock.unlock();
        }
    }
}
