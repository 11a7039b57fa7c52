// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// A sandbox did not come up: its specification cannot be met, the guest kernel ended before it was ready, or it was
/// not ready in [SandboxSpec#withLaunchTimeout].
public final class LaunchFailedException extends SandboxException {
    private static final long serialVersionUID = 1L;

    /// @param message what happened, with the last console lines where there are some
    public LaunchFailedException(String message) {
        super(message);
    }

    /// @param message what happened, with the last console lines where there are some
    /// @param cause what led to it
    public LaunchFailedException(String message, Throwable cause) {
        super(message, cause);
    }
}
