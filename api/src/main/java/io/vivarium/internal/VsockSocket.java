// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.VsockConnectException;
import io.vivarium.virtio.VirtioVsock;
import io.vivarium.virtio.VsockConnection;
import io.vivarium.virtio.VsockEnd;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// The host's end of a connection, with operations that wait.
///
/// Who waits names itself first and looks once more then, so that no wake-up is missed.
public final class VsockSocket implements VsockEnd {
    private final VsockHost host;
    private final ReentrantLock reading = new ReentrantLock();
    private final ReentrantLock writing = new ReentrantLock();
    private final VsockConnection connection;
    private volatile @Nullable Thread reader;
    private volatile @Nullable Thread writer;
    private volatile boolean inputShut;
    private volatile boolean outputShut;
    private volatile boolean closed;

    /// The end of a connection that the guest has made.
    VsockSocket(VsockHost host, VsockConnection connection) {
        this.host = host;
        this.connection = connection;
        connection.attach(this);
    }

    private VsockSocket(VsockHost host, VirtioVsock device, int guestPort) throws SocketException {
        this.host = host;
        VsockConnection made = device.connect(guestPort, this);
        if (made == null) {
            throw new SocketException("the sandbox has as many vsock connections as it can have");
        }
        this.connection = made;
    }

    /// Connects, and waits until the guest has answered.
    static VsockSocket connect(VsockHost host, VirtioVsock device, int port, @Nullable Duration limit)
            throws IOException {
        long deadline = limit == null ? 0 : System.nanoTime() + Timers.nanos(limit);
        VsockSocket socket = new VsockSocket(host, device, port);
        socket.writer = Thread.currentThread();
        try {
            while (socket.connection.phase() == VsockConnection.Phase.CONNECTING) {
                if (limit == null) {
                    LockSupport.park(socket);
                } else {
                    long left = deadline - System.nanoTime();
                    if (left <= 0) {
                        socket.close();
                        throw new SocketTimeoutException(
                                "no answer from vsock port %d within %s".formatted(port, limit));
                    }
                    LockSupport.parkNanos(socket, left);
                }
                socket.endIfInterrupted();
            }
        } finally {
            socket.writer = null;
        }
        return switch (socket.connection.phase()) {
            case REFUSED -> throw new VsockConnectException(port);
            case LOST -> throw host.lost();
            default -> socket;
        };
    }

    /// The port of the program's end.
    public int guestPort() {
        return connection.guestPort();
    }

    /// The port of the host's end.
    public int hostPort() {
        return connection.hostPort();
    }

    /// Whether it was not closed.
    public boolean isOpen() {
        return !closed;
    }

    @Override
    public void readable() {
        Thread waiting = reader;
        if (waiting != null) {
            LockSupport.unpark(waiting);
        }
    }

    @Override
    public void writable() {
        Thread waiting = writer;
        if (waiting != null) {
            LockSupport.unpark(waiting);
        }
    }

    /// Reads what there is, waiting until there is something; -1 at the end.
    public int read(ByteBuffer target) throws IOException {
        requireOpen();
        if (!target.hasRemaining()) {
            return 0;
        }
        acquire(reading);
        try {
            int count = connection.read(target);
            while (count == 0 && !inputShut) {
                requireNotClosedMeanwhile();
                reader = Thread.currentThread();
                count = connection.read(target);
                if (count == 0 && !inputShut && !closed) {
                    LockSupport.park(this);
                    endIfInterrupted();
                }
            }
            if (count > 0) {
                return count;
            }
            requireNotClosedMeanwhile();
            return inputShut ? -1 : atEnd();
        } finally {
            reader = null;
            reading.unlock();
        }
    }

    private int atEnd() throws IOException {
        return switch (connection.phase()) {
            case RESET -> throw new SocketException("connection reset by the guest");
            case LOST -> throw host.lost();
            default -> -1;
        };
    }

    /// Writes all of a buffer, waiting until there is room.
    public int write(ByteBuffer source) throws IOException {
        requireOpen();
        acquire(writing);
        try {
            int length = source.remaining();
            int first = source.position();
            MemorySegment bytes = MemorySegment.ofBuffer(source);
            int done = 0;
            while (done < length) {
                done += write(bytes, done, length);
                source.position(first + done);
            }
            return length;
        } finally {
            writer = null;
            writing.unlock();
        }
    }

    /// Writes at least a byte.
    private int write(MemorySegment bytes, int done, int length) throws IOException {
        long count = connection.write(bytes, done, length - done);
        while (count == 0) {
            requireNotClosedMeanwhile();
            writer = Thread.currentThread();
            count = connection.write(bytes, done, length - done);
            if (count == 0 && !closed) {
                LockSupport.park(this);
                endIfInterrupted();
            }
        }
        if (count > 0) {
            return (int) count;
        }
        requireNotClosedMeanwhile();
        if (outputShut) {
            throw new ClosedChannelException();
        }
        throw connection.phase() == VsockConnection.Phase.LOST
                ? host.lost()
                : new SocketException("the guest reads no more: broken pipe");
    }

    /// Writes no more.
    public void shutdownOutput() throws ClosedChannelException {
        requireOpen();
        outputShut = true;
        connection.shutdownOutput();
    }

    /// Reads no more.
    public void shutdownInput() throws ClosedChannelException {
        requireOpen();
        inputShut = true;
        connection.shutdownInput();
        readable();
    }

    /// Closes it; whoever waits in it ends.
    public void close() {
        closed = true;
        connection.close();
        readable();
        writable();
    }

    private void requireOpen() throws ClosedChannelException {
        if (closed) {
            throw new ClosedChannelException();
        }
    }

    private void requireNotClosedMeanwhile() throws ClosedChannelException {
        if (closed) {
            throw Thread.currentThread().isInterrupted()
                    ? new ClosedByInterruptException()
                    : new AsynchronousCloseException();
        }
    }

    private void acquire(ReentrantLock turn) throws IOException {
        try {
            turn.lockInterruptibly();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            close();
            ClosedByInterruptException closedByInterrupt = new ClosedByInterruptException();
            closedByInterrupt.initCause(e);
            throw closedByInterrupt;
        }
    }

    /// As every interruptible channel does (java.nio.channels.InterruptibleChannel).
    private void endIfInterrupted() throws ClosedByInterruptException {
        if (Thread.currentThread().isInterrupted()) {
            close();
            throw new ClosedByInterruptException();
        }
    }

    /// Reading, as a stream.
    public InputStream inputStream() {
        return new InputStream() {
            @Override
            public int read() throws IOException {
                byte[] one = new byte[1];
                return VsockSocket.this.read(ByteBuffer.wrap(one)) < 0 ? -1 : one[0] & 0xff;
            }

            @Override
            public int read(byte[] target, int offset, int length) throws IOException {
                Objects.checkFromIndexSize(offset, length, target.length);
                return VsockSocket.this.read(ByteBuffer.wrap(target, offset, length));
            }

            @Override
            public int available() {
                return connection.available();
            }

            @Override
            public void close() {
                VsockSocket.this.close();
            }
        };
    }

    /// Writing, as a stream.
    public OutputStream outputStream() {
        return new OutputStream() {
            @Override
            public void write(int one) throws IOException {
                VsockSocket.this.write(ByteBuffer.wrap(new byte[] {(byte) one}));
            }

            @Override
            public void write(byte[] source, int offset, int length) throws IOException {
                Objects.checkFromIndexSize(offset, length, source.length);
                VsockSocket.this.write(ByteBuffer.wrap(source, offset, length));
            }

            @Override
            public void close() {
                VsockSocket.this.close();
            }
        };
    }

    @Override
    public String toString() {
        return connection.toString();
    }
}
