// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.nio.ByteBuffer;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/// Frames on their way to the guest, in order, whoever sends them.
///
/// One thread at a time hands frames to the channel, and nobody waits for it: a thread that finds another at work
/// leaves its frame and goes. That is needed: the thread that runs the guest sends frames while it holds the device's
/// lock, which the other may be waiting for.
final class FrameQueue {
    /// When more than this waits for the guest, writers of standard input wait too: 1 MiB.
    static final long HIGH_WATER = 1 << 20;

    private final AgentChannel channel;
    private final Queue<ByteBuffer> frames = new ConcurrentLinkedQueue<>();
    private final AtomicInteger claims = new AtomicInteger();
    private final AtomicLong waiting = new AtomicLong();
    private final ReentrantLock roomLock = new ReentrantLock();
    private final Condition room = roomLock.newCondition();
    private volatile boolean closed;

    FrameQueue(AgentChannel channel) {
        this.channel = channel;
    }

    /// Sends a frame now, or when the guest has room. Does not wait.
    void send(ByteBuffer frame) {
        if (!closed) {
            waiting.addAndGet(frame.remaining());
            frames.add(frame);
            drain();
        }
    }

    /// Waits until the guest has taken most of what was sent.
    void awaitRoom() throws InterruptedException {
        if (waiting.get() < HIGH_WATER || closed) {
            return;
        }
        roomLock.lockInterruptibly();
        try {
            while (waiting.get() >= HIGH_WATER && !closed) {
                room.await();
            }
        } finally {
            roomLock.unlock();
        }
    }

    /// Whether the guest has taken all that was sent.
    boolean isEmpty() {
        return waiting.get() == 0;
    }

    /// The channel has room again.
    void writable() {
        drain();
    }

    /// Drops what waits, and what is still sent.
    void close() {
        closed = true;
        drain();
        signalRoom();
    }

    /// Has frames wait until [#release], even if the guest has room; returns once none is on its way there.
    void hold() {
        while (!claims.compareAndSet(0, 1)) {
            Thread.onSpinWait();
        }
    }

    /// Frames may go on after a [#hold].
    void release() {
        leave();
    }

    private void drain() {
        if (claims.incrementAndGet() == 1) {
            drainOnce();
            leave();
        }
    }

    /// Gives the channel up, and sends before that what others have left meanwhile.
    private void leave() {
        for (int left = claims.addAndGet(-1); left != 0; left = claims.addAndGet(-left)) {
            drainOnce();
        }
    }

    private void drainOnce() {
        boolean wasFull = waiting.get() >= HIGH_WATER;
        for (ByteBuffer head = frames.peek(); head != null; head = frames.peek()) {
            int before = head.remaining();
            if (closed) {
                head.position(head.limit());
            } else {
                channel.write(head);
            }
            waiting.addAndGet(head.remaining() - before);
            if (head.hasRemaining()) {
                break;
            }
            frames.poll();
        }
        if (wasFull && waiting.get() < HIGH_WATER) {
            signalRoom();
        }
    }

    private void signalRoom() {
        roomLock.lock();
        try {
            room.signalAll();
        } finally {
            roomLock.unlock();
        }
    }
}
