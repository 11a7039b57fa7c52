// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import io.vivarium.kvm.KvmException;
import io.vivarium.kvm.Tap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Connects a network device to a network interface of the host. The owner runs it ([#run]) on a platform thread,
/// which carries the frames from the host; those of the guest are sent by the guest's own thread.
///
/// Frames from the host wait in the interface's queue while the guest has no buffers for them. Thread-safe.
public final class TapBackend implements NetBackend, Runnable, AutoCloseable {
    private final Tap tap;
    private final VirtioNet net;
    private final MemorySegment outgoing = Arena.ofAuto().allocate(VirtioNet.MAX_FRAME);
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private boolean room;
    private boolean closed;
    private final AtomicLong lost = new AtomicLong();
    private volatile @Nullable RuntimeException failure;

    /// Connects the two.
    ///
    /// @param tap closed with this
    /// @throws IllegalStateException if the device is connected
    public TapBackend(Tap tap, VirtioNet net) {
        this.tap = tap;
        this.net = net;
        net.connect(this);
    }

    /// How many of the guest's frames the host did not take: while its interface was not up, or is gone.
    public long lost() {
        return lost.get();
    }

    /// Why the host takes none of the guest's frames any more; null while it does.
    public @Nullable RuntimeException failure() {
        return failure;
    }

    @Override
    public void transmit(GuestBytes frame) {
        long length = frame.read(outgoing, 0, outgoing.byteSize());
        boolean taken = false;
        try {
            taken = tap.write(outgoing.asSlice(0, length));
        } catch (KvmException | IllegalStateException e) {
            failure = e;
        }
        if (!taken) {
            lost.incrementAndGet();
        }
    }

    @Override
    public void receivable() {
        lock.lock();
        try {
            room = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /// Carries frames from the host to the guest until this is closed.
    ///
    /// @throws KvmException if the host's interface fails
    @Override
    public void run() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment frame = arena.allocate(VirtioNet.MAX_FRAME);
            for (long length = tap.read(frame); length >= 0; length = tap.read(frame)) {
                deliver(frame, length);
            }
        }
    }

    private void deliver(MemorySegment frame, long length) {
        boolean going = true;
        while (going) {
            expectRoom();
            going = !net.receive(frame, 0, length) && awaitRoom();
        }
    }

    private void expectRoom() {
        lock.lock();
        try {
            room = false;
        } finally {
            lock.unlock();
        }
    }

    /// @return false if this was closed
    private boolean awaitRoom() {
        lock.lock();
        try {
            while (!room && !closed) {
                changed.awaitUninterruptibly();
            }
            return !closed;
        } finally {
            lock.unlock();
        }
    }

    /// Ends [#run], and closes the interface. Idempotent.
    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        tap.close();
    }
}
