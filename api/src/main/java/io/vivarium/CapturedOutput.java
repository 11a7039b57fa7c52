// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// What a program wrote to a stream, as far as the limit let it be kept.
public final class CapturedOutput {
    /// Nothing.
    public static final CapturedOutput EMPTY = new CapturedOutput(new byte[0], 0);

    private final byte[] kept;
    private final long written;

    /// @param kept the first bytes that the program wrote; not copied
    /// @param written how many it wrote in all
    public CapturedOutput(byte[] kept, long written) {
        this.kept = kept;
        this.written = written;
    }

    /// The bytes that were kept: the first that the program wrote. A copy.
    public byte[] bytes() {
        return kept.clone();
    }

    /// The bytes as UTF-8; what is not UTF-8 becomes U+FFFD.
    public String text() {
        return new String(kept, StandardCharsets.UTF_8);
    }

    /// How many bytes the program wrote, kept or not.
    public long written() {
        return written;
    }

    /// Whether the program wrote more than was kept.
    public boolean truncated() {
        return written > kept.length;
    }

    /// The same bytes kept of the same number written.
    @Override
    public boolean equals(Object other) {
        return other instanceof CapturedOutput that && written == that.written && Arrays.equals(kept, that.kept);
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(kept) + Long.hashCode(written);
    }

    /// The same as [#text].
    @Override
    public String toString() {
        return text();
    }
}
