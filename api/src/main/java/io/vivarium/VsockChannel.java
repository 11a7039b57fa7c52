// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.internal.VsockSocket;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.InterruptibleChannel;

/// A stream connection to a program in a sandbox, which has a socket of the family `AF_VSOCK` at its end
/// (vsock(7)). From [Sandbox#connect] or [VsockListener#accept].
///
/// Reading and writing wait, and are at home on virtual threads; at most one thread reads and one writes at a
/// time, others wait for their turn. A channel is closed by [#close] from any thread, which ends what waits in
/// it with [java.nio.channels.AsynchronousCloseException], and by an interrupt of a thread that waits in it,
/// which gets [java.nio.channels.ClosedByInterruptException].
///
/// Nothing is lost on the way, and neither side can flood the other: what the program sends and nobody reads
/// fills a buffer of at most 256 KiB on the host, and then the program waits; what is written here and the
/// program does not read fills the socket's buffer in the sandbox (`SO_VM_SOCKETS_BUFFER_SIZE`), and then the
/// writer waits.
///
/// When the program breaks the connection off, reading fails with a [java.net.SocketException]; when it closes
/// its socket in the usual way, reading returns -1 and writing fails with one. When the sandbox ends, both fail
/// with an [IOException] whose cause is the [SandboxException] that says why.
public final class VsockChannel implements ByteChannel, InterruptibleChannel {
    private final VsockSocket socket;

    VsockChannel(VsockSocket socket) {
        this.socket = socket;
    }

    /// The port of the program's end.
    public int guestPort() {
        return socket.guestPort();
    }

    /// The port of this end.
    public int hostPort() {
        return socket.hostPort();
    }

    /// Reads what there is, waiting until there is something.
    ///
    /// @return how many bytes were read, at least one if there is room; -1 at the end of the stream
    /// @throws java.nio.channels.ClosedChannelException if the channel is closed, before or meanwhile
    /// @throws java.net.SocketException if the program broke the connection off
    /// @throws IOException if the sandbox has ended; its cause says why
    @Override
    public int read(ByteBuffer target) throws IOException {
        return socket.read(target);
    }

    /// Writes all of a buffer, waiting until the sandbox has room for it.
    ///
    /// @return how many bytes that were
    /// @throws java.nio.channels.ClosedChannelException if the channel is closed, before or meanwhile, or
    ///     [#shutdownOutput] was called
    /// @throws java.net.SocketException if the program takes no more
    /// @throws IOException if the sandbox has ended; its cause says why
    @Override
    public int write(ByteBuffer source) throws IOException {
        return socket.write(source);
    }

    /// Writes no more: the program reads the end of the stream. Idempotent.
    ///
    /// @throws java.nio.channels.ClosedChannelException if the channel is closed
    public VsockChannel shutdownOutput() throws IOException {
        socket.shutdownOutput();
        return this;
    }

    /// Reads no more: what is unread is dropped, and the program cannot send any more. Idempotent.
    ///
    /// @throws java.nio.channels.ClosedChannelException if the channel is closed
    public VsockChannel shutdownInput() throws IOException {
        socket.shutdownInput();
        return this;
    }

    /// Reading, as a stream. Closing it closes the channel.
    public InputStream inputStream() {
        return socket.inputStream();
    }

    /// Writing, as a stream: nothing is held back, [OutputStream#flush] does nothing. Closing it closes the
    /// channel.
    public OutputStream outputStream() {
        return socket.outputStream();
    }

    @Override
    public boolean isOpen() {
        return socket.isOpen();
    }

    /// Closes both directions; what was written before arrives. Does not wait. Idempotent; any thread.
    @Override
    public void close() {
        socket.close();
    }

    @Override
    public String toString() {
        return socket.toString();
    }
}
