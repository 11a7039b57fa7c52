// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// A block device's storage failed. The guest sees an I/O error of that request, and the device goes on.
public final class BlockException extends Exception {
    private static final long serialVersionUID = 1L;

    /// What went wrong.
    public enum Kind {
        /// The file is shorter than it was when the device was made.
        TRUNCATED,
        /// The file system, the quota, or the limit of a file's size leaves no room for what is written.
        NO_SPACE,
        /// An overlay would take more memory than it may.
        MEMORY_LIMIT,
        /// The host could not read or write, for any other reason.
        IO,
        /// The device was stopped before the request was done.
        STOPPED
    }

    private final Kind kind;
    private final String detail;

    /// @param kind what went wrong
    /// @param detail where, and with which values
    public BlockException(Kind kind, String detail) {
        super(kind + ": " + detail);
        this.kind = kind;
        this.detail = detail;
    }

    /// @param kind what went wrong
    /// @param detail where, and with which values
    /// @param cause what the host said
    public BlockException(Kind kind, String detail, Throwable cause) {
        super(kind + ": " + detail, cause);
        this.kind = kind;
        this.detail = detail;
    }

    /// What went wrong.
    public Kind kind() {
        return kind;
    }

    /// Where, and with which values.
    public String detail() {
        return detail;
    }
}
