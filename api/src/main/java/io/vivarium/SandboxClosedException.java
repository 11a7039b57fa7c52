// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// The sandbox was closed: before the call, or while it waited.
public final class SandboxClosedException extends SandboxException {
    private static final long serialVersionUID = 1L;

    /// @param message what was closed
    public SandboxClosedException(String message) {
        super(message);
    }
}
