// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import org.jspecify.annotations.Nullable;

/// How much a device may do in a time: bytes, requests, both or neither limited. What a [RateLimiter] holds a
/// device to.
///
/// @param bytes null without a limit on bytes
/// @param operations null without a limit on requests
public record RateLimit(@Nullable Bucket bytes, @Nullable Bucket operations) {
    private static final RateLimit NONE = new RateLimit(null, null);

    /// The most tokens a second, and the most in a bucket: what nanoseconds can be reckoned with in 64 bits.
    public static final long MAX_TOKENS = 1L << 32;

    /// A token bucket: full at first, and filled up steadily.
    ///
    /// @param burst how many tokens it holds: what may be used at one go after a pause; 1 to [#MAX_TOKENS]
    /// @param perSecond how many tokens come in a second; 1 to [#MAX_TOKENS]
    public record Bucket(long burst, long perSecond) {
        /// Checks the ranges.
        public Bucket {
            if (burst < 1 || burst > MAX_TOKENS || perSecond < 1 || perSecond > MAX_TOKENS) {
                throw new IllegalArgumentException("a bucket of %d tokens, filled with %d a second: 1 to %d each"
                        .formatted(burst, perSecond, MAX_TOKENS));
            }
        }
    }

    /// No limit.
    public static RateLimit none() {
        return NONE;
    }

    /// With a limit on bytes.
    ///
    /// @param burst bytes; 1 to [#MAX_TOKENS]
    /// @param perSecond bytes; 1 to [#MAX_TOKENS]
    public RateLimit withBytes(long burst, long perSecond) {
        return new RateLimit(new Bucket(burst, perSecond), operations);
    }

    /// With a limit on requests.
    ///
    /// @param burst requests; 1 to [#MAX_TOKENS]
    /// @param perSecond requests; 1 to [#MAX_TOKENS]
    public RateLimit withOperations(long burst, long perSecond) {
        return new RateLimit(bytes, new Bucket(burst, perSecond));
    }
}
