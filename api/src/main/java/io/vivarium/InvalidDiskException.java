// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// A file cannot be the disk that a [SandboxSpec] asks for: it is not there, is not to be opened
/// so, is no regular file of whole sectors, or is another sandbox's at this moment. The message
/// says which.
public final class InvalidDiskException extends SandboxException {
    private static final long serialVersionUID = 1L;

    /// @param message which disk, which file, and why
    public InvalidDiskException(String message) {
        super(message);
    }

    /// @param message which disk, which file, and why
    /// @param cause what the host said
    public InvalidDiskException(String message, Throwable cause) {
        super(message, cause);
    }
}
