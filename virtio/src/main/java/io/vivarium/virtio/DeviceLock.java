// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongConsumer;

/// The one lock of a device: it guards the device, its transport and its queues, for vCPU threads and host
/// threads alike.
///
/// What has to be told to others (the driver's interrupt, the host's listeners) is only noted while the lock
/// is held, and told by the thread that releases it, after it has: so nobody is called who could wait for
/// this lock, and many notifications inside one hold become one.
public final class DeviceLock {
    /// Events that can be noted: `0` to `EVENTS - 1`.
    public static final int EVENTS = Long.SIZE;

    private final ReentrantLock lock = new ReentrantLock();
    private final LongConsumer listener;
    private Runnable interrupt = () -> {};
    private boolean interruptDue;
    private long eventsDue;

    /// @param listener called without the lock, by the thread that released it, with a bit for each event
    ///     noted
    public DeviceLock(LongConsumer listener) {
        this.listener = listener;
    }

    /// What interrupts the driver; nothing until it is given.
    void interruptWith(Runnable newInterrupt) {
        lock.lock();
        try {
            interrupt = newInterrupt;
        } finally {
            lock.unlock();
        }
    }

    /// Takes the lock; the same thread may do so again.
    public void acquire() {
        lock.lock();
    }

    /// Gives it back; when this thread holds it no longer, tells what was noted.
    public void release() {
        if (lock.getHoldCount() > 1) {
            lock.unlock();
            return;
        }
        Runnable toInterrupt = interrupt;
        boolean interruptNow = interruptDue;
        long eventsNow = eventsDue;
        interruptDue = false;
        eventsDue = 0;
        lock.unlock();
        if (interruptNow) {
            toInterrupt.run();
        }
        if (eventsNow != 0) {
            listener.accept(eventsNow);
        }
    }

    /// Notes that the driver is to be interrupted. The lock is held.
    void interrupt() {
        interruptDue = true;
    }

    /// Forgets an interrupt that was noted: the device was reset before it was sent. The lock is held.
    void cancelInterrupt() {
        interruptDue = false;
    }

    /// Notes an event for the listener. The lock is held.
    ///
    /// @param event `0` to `EVENTS - 1`
    public void event(int event) {
        eventsDue |= 1L << event;
    }

    /// Whether this thread holds the lock.
    boolean isHeld() {
        return lock.isHeldByCurrentThread();
    }
}
