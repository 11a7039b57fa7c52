// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.SandboxException;
import io.vivarium.virtio.VirtioVsock;
import java.io.IOException;
import java.net.BindException;
import java.time.Duration;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The host's side of a guest's sockets: makes connections, and takes them, until the guest ends.
///
/// Thread-safe.
public final class VsockHost {
    private static final int FIRST_FREE_PORT = 0x1_0000;

    private final VirtioVsock device;
    private final Set<VsockServer> servers = ConcurrentHashMap.newKeySet();
    private volatile @Nullable Supplier<? extends SandboxException> ended;

    VsockHost(VirtioVsock device) {
        this.device = device;
    }

    /// Holds each direction to a rate.
    ///
    /// @param bytesPerSecond empty for any
    /// @param packetsPerSecond empty for any
    public void limit(OptionalLong bytesPerSecond, OptionalLong packetsPerSecond) {
        if (bytesPerSecond.isPresent() || packetsPerSecond.isPresent()) {
            device.limit(RateLimits.of(bytesPerSecond, packetsPerSecond));
        }
    }

    /// Connects to a program in the guest; waits until it has answered.
    ///
    /// @param limit how long at most; null without a limit
    public VsockSocket connect(int port, @Nullable Duration limit) throws IOException {
        requirePort(port);
        requireAlive();
        return VsockSocket.connect(this, device, port, limit);
    }

    /// Takes the connections that programs make to a port.
    ///
    /// @param port 0 for any that is free
    public VsockServer listen(int port) throws IOException {
        requirePort(port);
        requireAlive();
        VsockServer server = port == 0 ? listenAnywhere() : new VsockServer(this, device, port);
        if (port != 0 && !device.listen(port, server)) {
            throw new BindException("there is a listener on vsock port " + port + " of this sandbox already");
        }
        servers.add(server);
        if (ended != null) {
            server.end();
        }
        return server;
    }

    private VsockServer listenAnywhere() {
        for (int port = FIRST_FREE_PORT; ; port++) {
            VsockServer server = new VsockServer(this, device, port);
            if (device.listen(port, server)) {
                return server;
            }
        }
    }

    void closed(VsockServer server) {
        servers.remove(server);
    }

    private static void requirePort(int port) {
        if (port < 0) {
            throw new IllegalArgumentException("vsock port " + port + " is not in 0 … " + Integer.MAX_VALUE);
        }
    }

    private void requireAlive() {
        Supplier<? extends SandboxException> why = ended;
        if (why != null) {
            throw why.get();
        }
    }

    /// Everything ends, with this for a reason. Only the first one counts.
    void fail(Supplier<? extends SandboxException> why) {
        if (ended == null) {
            ended = why;
        }
        device.close();
        servers.forEach(VsockServer::end);
    }

    /// Why a connection is lost.
    IOException lost() {
        Supplier<? extends SandboxException> why = ended;
        if (why == null) {
            return new IOException("the guest has reset its socket device: its connections are gone");
        }
        SandboxException cause = why.get();
        return new IOException(cause.getMessage(), cause);
    }
}
