// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.tar;

/// How much an archive may hold, so that a small (compressed) archive cannot fill the host.
///
/// @param maxEntries most entries, `1` or more
/// @param maxBytes most bytes of file contents, long names and padding in all, `0` or more
public record TarLimits(long maxEntries, long maxBytes) {
    /// A million entries, 16 GiB: several times what large container images hold.
    public static final TarLimits DEFAULT = new TarLimits(1_000_000, 16L << 30);

    /// @throws IllegalArgumentException a number is out of its range
    public TarLimits {
        if (maxEntries < 1 || maxBytes < 0) {
            throw new IllegalArgumentException("limits of " + maxEntries + " entries and " + maxBytes + " bytes");
        }
    }
}
