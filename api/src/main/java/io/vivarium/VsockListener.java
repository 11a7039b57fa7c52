// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.internal.VsockServer;
import java.io.IOException;
import java.nio.channels.InterruptibleChannel;
import java.time.Duration;

/// A port of the host to which programs in one sandbox connect, with sockets of the family `AF_VSOCK` and the
/// address `VMADDR_CID_HOST`. From [Sandbox#listen]; no other sandbox sees it.
///
/// At most 128 connections wait to be accepted; more are refused, as are those to a port where nobody listens:
/// the program gets `ECONNRESET`, as on Linux.
///
/// Thread-safe. Closed by [#close] from any thread, which ends what waits in it with
/// [java.nio.channels.AsynchronousCloseException], and by an interrupt of a thread that waits in it, which gets
/// [java.nio.channels.ClosedByInterruptException].
public final class VsockListener implements InterruptibleChannel {
    private final VsockServer server;

    VsockListener(VsockServer server) {
        this.server = server;
    }

    /// The port that programs connect to.
    public int port() {
        return server.port();
    }

    /// Waits for the next connection.
    ///
    /// @throws java.nio.channels.ClosedChannelException if the listener is closed, before or meanwhile
    /// @throws IOException if the sandbox has ended; its cause says why
    public VsockChannel accept() throws IOException {
        return new VsockChannel(server.accept());
    }

    /// Waits for the next connection, for some time.
    ///
    /// @throws java.net.SocketTimeoutException if there was none in that time
    /// @throws java.nio.channels.ClosedChannelException if the listener is closed, before or meanwhile
    /// @throws IOException if the sandbox has ended; its cause says why
    public VsockChannel accept(Duration limit) throws IOException {
        return new VsockChannel(server.accept(limit));
    }

    @Override
    public boolean isOpen() {
        return server.isOpen();
    }

    /// Frees the port and closes the connections that nobody has accepted; those that were accepted go on.
    /// Idempotent; any thread.
    @Override
    public void close() {
        server.close();
    }

    @Override
    public String toString() {
        return server.toString();
    }
}
