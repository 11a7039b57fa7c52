// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// The host failed at something that a guest asked of a disk. The guest's program saw `EIO`; the sandbox goes on.
///
/// @param disk as the guest names it, such as `vda`
/// @param reason what went wrong
/// @param detail where, and with which values
public record DiskError(String disk, Reason reason, String detail) {
    /// What went wrong.
    public enum Reason {
        /// The file is shorter than it was when the sandbox was launched.
        TRUNCATED,
        /// The file system, the quota, or the limit of a file's size leaves no room for what is written.
        NO_SPACE,
        /// An overlay would take more memory than it may.
        MEMORY_LIMIT,
        /// The host could not read or write, for any other reason.
        IO,
        /// The sandbox ended before it was done.
        STOPPED
    }

    @Override
    public String toString() {
        return "%s: %s: %s".formatted(disk, reason, detail);
    }
}
