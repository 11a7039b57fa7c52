// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// The thread that waited for a program or a launch was interrupted; the program was killed, the launch undone. The
/// thread's interrupt status is set again.
public final class ExecInterruptedException extends SandboxException {
    private static final long serialVersionUID = 1L;

    /// @param message what was interrupted
    /// @param cause the interruption
    public ExecInterruptedException(String message, InterruptedException cause) {
        super(message, cause);
    }
}
