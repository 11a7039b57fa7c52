// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.tar;

import io.vivarium.guestimages.ImageException;

/// What is left of [TarLimits] while one archive, or several that make one tree, are read. Not for use by several
// threads
/// at once.
public final class TarBudget {
    /// Most characters of names and link targets in all: 256 characters for each of a million entries.
    private static final long MAX_TEXT_LENGTH = 256_000_000;

    private final String source;
    private final TarLimits limits;
    private long entries;
    private long bytes;
    private long textLength;

    /// @param source what to call the archive, or all of them, in errors
    public TarBudget(String source, TarLimits limits) {
        this.source = source;
        this.limits = limits;
    }

    TarLimits limits() {
        return limits;
    }

    /// A short archive can name many directories that it has no entries for.
    void chargeEntry(long names) throws ImageException {
        entries++;
        if (Math.max(entries, names) > limits.maxEntries()) {
            throw new ImageException(source, "the archive has more than " + limits.maxEntries() + " entries");
        }
    }

    void charge(long size) throws ImageException {
        if (size > limits.maxBytes() - bytes) {
            throw new ImageException(source, "the archive holds more than " + limits.maxBytes() + " bytes");
        }
        bytes += size;
    }

    /// Names and link targets stay in memory, unlike contents.
    void chargeText(String text) throws ImageException {
        textLength += text.length();
        if (textLength > MAX_TEXT_LENGTH) {
            throw new ImageException(
                    source, "the archive's names and links have more than " + MAX_TEXT_LENGTH + " characters in all");
        }
    }
}
