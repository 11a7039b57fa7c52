// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.fetch;

import java.time.Duration;

/// How long fetching may take, and how often it is tried again.
///
/// @param connect until a connection stands
/// @param silence without a byte from the other side
/// @param total for everything that one image needs
/// @param attempts how often in a row a request may fail, without a new byte between, before it is given up; `1` or
///     more. Refusals (401, 404 …) are not tried again.
/// @param longestWait how long a server may make one wait (`Retry-After`) before the next attempt
public record FetchLimits(Duration connect, Duration silence, Duration total, int attempts, Duration longestWait) {
    /// 10 seconds to connect, 30 of silence, an hour in all, 4 attempts, a minute between them.
    public static final FetchLimits DEFAULT = new FetchLimits(
            Duration.ofSeconds(10), Duration.ofSeconds(30), Duration.ofHours(1), 4, Duration.ofMinutes(1));

    /// @throws IllegalArgumentException a limit is zero or less
    public FetchLimits {
        for (Duration limit : new Duration[] {connect, silence, total}) {
            if (!limit.isPositive()) {
                throw new IllegalArgumentException("a limit must be more than zero: " + limit);
            }
        }
        if (attempts < 1 || longestWait.isNegative()) {
            throw new IllegalArgumentException(attempts + " attempts, waiting " + longestWait);
        }
    }
}
