// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.compress;

import java.io.IOException;

/// Compressed data are damaged, need more than they may, or use what is not supported. The message says which format.
public final class CorruptDataException extends IOException {
    private static final long serialVersionUID = 1L;

    /// @param message what is wrong, in words
    public CorruptDataException(String message) {
        super(message);
    }

    /// @param message what is wrong, in words
    /// @param cause what led to it
    public CorruptDataException(String message, Throwable cause) {
        super(message, cause);
    }
}
