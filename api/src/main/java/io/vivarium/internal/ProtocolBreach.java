// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

/// The guest sent what the agent protocol does not allow there. It ends the sandbox.
final class ProtocolBreach extends RuntimeException {
    private static final long serialVersionUID = 1L;

    ProtocolBreach(String message) {
        super(message);
    }
}
