// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.fetch;

import java.time.Duration;

/// When something must be over.
///
/// @param nanos in terms of [System#nanoTime]
record Deadline(long nanos) {
    static Deadline in(Duration duration) {
        return new Deadline(System.nanoTime() + duration.toNanos());
    }

    /// What is left; never negative.
    Duration left() {
        return Duration.ofNanos(Math.max(nanos - System.nanoTime(), 0));
    }

    /// The shorter of `limit` and what is left.
    Duration atMost(Duration limit) {
        Duration left = left();
        return left.compareTo(limit) < 0 ? left : limit;
    }
}
