// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.virtio.ConsolePort;
import io.vivarium.virtio.GuestBytes;
import io.vivarium.virtio.PortListener;
import java.nio.ByteBuffer;
import java.util.function.BooleanSupplier;

/// The agent's channel over a port of the virtio console.
final class AgentPort implements AgentChannel {
    private final ConsolePort port;
    private final BooleanSupplier closing;

    /// @param closing whether the machine is being closed
    AgentPort(ConsolePort port, BooleanSupplier closing) {
        this.port = port;
        this.closing = closing;
    }

    void connect(AgentSession session) {
        port.connect(new PortListener() {
            @Override
            public void received(GuestBytes bytes) {
                session.received(bytes::read);
                // Whatever the session no longer wants to see.
                bytes.skip(bytes.remaining());
            }

            @Override
            public void writable() {
                session.writable();
            }
        });
    }

    @Override
    public void write(ByteBuffer bytes) {
        try {
            port.write(bytes);
        } catch (IllegalStateException e) {
            // The guest's memory went away under a write that was on its way.
            if (!closing.getAsBoolean()) {
                throw e;
            }
            bytes.position(bytes.limit());
        }
    }
}
