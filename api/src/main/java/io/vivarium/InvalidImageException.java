// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// Something cannot be used as an image, or could not be read or fetched.
public final class InvalidImageException extends SandboxException {
    private static final long serialVersionUID = 1L;

    /// @param message the file or name, and what is wrong with it
    public InvalidImageException(String message) {
        super(message);
    }

    /// @param message the file or name, and what is wrong with it
    /// @param cause what led to it
    public InvalidImageException(String message, Throwable cause) {
        super(message, cause);
    }
}
