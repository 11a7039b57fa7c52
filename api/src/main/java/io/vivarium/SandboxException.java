// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// What can go wrong with a sandbox. The message says what to do, where something can be done.
public class SandboxException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /// @param message what happened, and the remedy
    public SandboxException(String message) {
        super(message);
    }

    /// @param message what happened, and the remedy
    /// @param cause what led to it
    public SandboxException(String message, Throwable cause) {
        super(message, cause);
    }
}
