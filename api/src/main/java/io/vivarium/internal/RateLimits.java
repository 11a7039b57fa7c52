// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.virtio.RateLimit;
import java.util.OptionalLong;

/// Limits as applications give them: by the second. A pause saves up what comes in a second.
final class RateLimits {
    private RateLimits() {}

    /// @param operationsPerSecond requests, or packets
    static RateLimit of(OptionalLong bytesPerSecond, OptionalLong operationsPerSecond) {
        RateLimit limit = RateLimit.none();
        if (bytesPerSecond.isPresent()) {
            long rate = bytesPerSecond.getAsLong();
            limit = limit.withBytes(rate, rate);
        }
        if (operationsPerSecond.isPresent()) {
            long rate = operationsPerSecond.getAsLong();
            limit = limit.withOperations(rate, rate);
        }
        return limit;
    }
}
