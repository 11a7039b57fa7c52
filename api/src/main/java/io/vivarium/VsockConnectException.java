// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.net.ConnectException;

/// No program in the sandbox listens on the port ([Sandbox#connect]), or as many connections wait there as it
/// wants to have waiting.
public final class VsockConnectException extends ConnectException {
    private static final long serialVersionUID = 1L;

    private final int port;

    /// @param port to which a connection was asked for
    public VsockConnectException(int port) {
        super("no program in the sandbox accepts connections to its vsock port " + port);
        this.port = port;
    }

    /// The port to which a connection was asked for.
    public int port() {
        return port;
    }
}
