// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.virtio.VirtioVsock;
import io.vivarium.virtio.VsockAcceptor;
import io.vivarium.virtio.VsockConnection;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// A port of the host, and the connections that wait there to be accepted.
public final class VsockServer implements VsockAcceptor {
    private static final int BACKLOG = 128;

    private final VsockHost host;
    private final VirtioVsock device;
    private final int port;

    // Taken by the device while it holds its own: nothing is asked of the device with this one held.
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ArrayDeque<VsockConnection> waiting = new ArrayDeque<>();
    private boolean closed;
    private boolean ended;

    VsockServer(VsockHost host, VirtioVsock device, int port) {
        this.host = host;
        this.device = device;
        this.port = port;
    }

    /// Its number.
    public int port() {
        return port;
    }

    /// Whether it was not closed.
    public boolean isOpen() {
        lock.lock();
        try {
            return !closed;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public boolean offer(VsockConnection connection) {
        lock.lock();
        try {
            if (closed || ended || waiting.size() == BACKLOG) {
                return false;
            }
            waiting.add(connection);
            changed.signal();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /// Waits for the next connection.
    public VsockSocket accept() throws IOException {
        return accept(Long.MAX_VALUE, "");
    }

    /// Waits for the next connection, for some time.
    public VsockSocket accept(Duration limit) throws IOException {
        return accept(Timers.nanos(limit), "no connection to vsock port %d within %s".formatted(port, limit));
    }

    private VsockSocket accept(long nanos, String late) throws IOException {
        @Nullable VsockConnection next;
        boolean interrupted = false;
        lock.lock();
        try {
            if (closed) {
                throw new ClosedChannelException();
            }
            next = await(nanos, late);
        } catch (InterruptedException e) {
            interrupted = true;
            next = null;
        } finally {
            lock.unlock();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
            close();
            throw new ClosedByInterruptException();
        }
        if (next == null) {
            throw host.lost();
        }
        return new VsockSocket(host, next);
    }

    /// With the lock held.
    ///
    /// @return null when the sandbox has ended
    private @Nullable VsockConnection await(long nanos, String late) throws IOException, InterruptedException {
        long left = nanos;
        while (waiting.isEmpty() && !closed && !ended) {
            if (left <= 0) {
                throw new SocketTimeoutException(late);
            }
            if (left == Long.MAX_VALUE) {
                changed.await();
            } else {
                left = changed.awaitNanos(left);
            }
        }
        if (closed) {
            throw new AsynchronousCloseException();
        }
        return ended ? null : waiting.remove();
    }

    /// Frees the port.
    public void close() {
        List<VsockConnection> unaccepted;
        lock.lock();
        try {
            closed = true;
            unaccepted = new ArrayList<>(waiting);
            waiting.clear();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        device.unlisten(port, this);
        unaccepted.forEach(VsockConnection::close);
        host.closed(this);
    }

    /// The sandbox has ended.
    void end() {
        lock.lock();
        try {
            ended = true;
            waiting.clear();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public String toString() {
        return "vsock port " + port + " of the host";
    }
}
