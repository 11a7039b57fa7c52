// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.guestimages.fetch.FetchLimits;
import io.vivarium.guestimages.tar.TarLimits;
import java.time.Duration;

/// What making an image from a download may take. Immutable; each `with…` gives a changed copy.
///
/// @param connect time until a connection stands
/// @param silence time without a byte from the server
/// @param total time for all downloads of one image
/// @param maxEntries files and directories of the image
/// @param maxBytes of the image, unpacked
/// @param maxRatio unpacked bytes for each packed one, once there are more than 64 MiB
public record PullLimits(
        Duration connect, Duration silence, Duration total, long maxEntries, long maxBytes, int maxRatio) {
    /// 10 seconds to connect, 30 of silence, an hour in all; a million entries, 16 GiB, 1:250.
    public static final PullLimits DEFAULT = new PullLimits(
            FetchLimits.DEFAULT.connect(),
            FetchLimits.DEFAULT.silence(),
            FetchLimits.DEFAULT.total(),
            TarLimits.DEFAULT.maxEntries(),
            TarLimits.DEFAULT.maxBytes(),
            TarLimits.DEFAULT.maxRatio());

    /// @throws IllegalArgumentException if a limit is zero or less
    public PullLimits {
        if (!connect.isPositive() || !silence.isPositive() || !total.isPositive()) {
            throw new IllegalArgumentException(
                    "times must be more than zero: %s, %s, %s".formatted(connect, silence, total));
        }
        if (maxEntries < 1 || maxBytes < 1 || maxRatio < 1) {
            throw new IllegalArgumentException(
                    "limits must be more than zero: %d, %d, %d".formatted(maxEntries, maxBytes, maxRatio));
        }
    }

    /// Other times.
    public PullLimits withTimes(Duration toConnect, Duration ofSilence, Duration inAll) {
        return new PullLimits(toConnect, ofSilence, inAll, maxEntries, maxBytes, maxRatio);
    }

    /// Another size of the unpacked image.
    public PullLimits withSize(long entries, long bytes) {
        return new PullLimits(connect, silence, total, entries, bytes, maxRatio);
    }

    /// Another ratio of unpacked to packed bytes.
    public PullLimits withRatio(int ratio) {
        return new PullLimits(connect, silence, total, maxEntries, maxBytes, ratio);
    }

    FetchLimits ofTime() {
        return new FetchLimits(
                connect, silence, total, FetchLimits.DEFAULT.attempts(), FetchLimits.DEFAULT.longestWait());
    }

    TarLimits ofSize() {
        return new TarLimits(maxEntries, maxBytes, maxRatio);
    }
}
