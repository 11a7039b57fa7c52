// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.tar;

/// How much an archive, or all the layers of an image together, may hold, so that a small (compressed) archive cannot
// fill
/// the host.
///
/// @param maxEntries most entries, `1` or more
/// @param maxBytes most bytes of file contents, long names and padding in all, `0` or more
/// @param maxRatio most bytes that may come out of each compressed byte, once more than 64 MiB came out; `1` or more
public record TarLimits(long maxEntries, long maxBytes, int maxRatio) {
    /// A million entries, 16 GiB, 1:250: several times what large container images hold.
    public static final TarLimits DEFAULT = new TarLimits(1_000_000, 16L << 30, 250);

    /// @throws IllegalArgumentException a number is out of its range
    public TarLimits {
        if (maxEntries < 1 || maxBytes < 0 || maxRatio < 1) {
            throw new IllegalArgumentException(
                    "limits of %d entries, %d bytes, and a ratio of 1:%d".formatted(maxEntries, maxBytes, maxRatio));
        }
    }

    /// The default ratio.
    public TarLimits(long maxEntries, long maxBytes) {
        this(maxEntries, maxBytes, 250);
    }
}
