// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import java.io.IOException;

/// A file that should hold an image, an archive or a kernel does not, or cannot be used as one.
///
/// The message is `<source>: <reason>`, in words that a user of the library can act on. An ordinary failure to
/// read or write a file stays the [IOException] that it is.
public final class ImageException extends IOException {
    private static final long serialVersionUID = 1L;

    private final String source;
    private final String reason;

    /// @param source the file, or the name that the caller gave to the bytes
    /// @param reason what is wrong, in words
    public ImageException(String source, String reason) {
        super(source + ": " + reason);
        this.source = source;
        this.reason = reason;
    }

    /// As [#ImageException(String, String)], keeping what led to it.
    public ImageException(String source, String reason, Throwable cause) {
        super(source + ": " + reason, cause);
        this.source = source;
        this.reason = reason;
    }

    /// The file that was refused, or the name that the caller gave to the bytes.
    public String source() {
        return source;
    }

    /// What is wrong, in words, without the source.
    public String reason() {
        return reason;
    }
}
