// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import org.jspecify.annotations.Nullable;

/// Holds one direction of a device to a [RateLimit], by token buckets.
///
/// A device asks [#admits] before it takes a request from its queue, and [charges][#charge] the request once it
/// knows its size. A request is admitted while no bucket is empty, whatever its size, and may overdraw the
/// bucket of bytes; the next one then waits until the debt is paid. So a request larger than the burst passes,
/// none has to be put back, and over time the rate is kept to the byte.
///
/// A device that is not admitted leaves the queue as it is: the timer has it look again. A guest gains nothing
/// by a reset, which fills no bucket; a restored device begins with full ones, the time it was saved for being
/// unknown.
///
/// Not thread-safe: the device's lock guards it. Makes no objects.
public final class RateLimiter {
    private static final long SECOND = 1_000_000_000;
    private static final long MAX_CHARGE = 1L << 32;

    /// For devices without limits.
    static final Timer NEVER_ASKED = new Timer() {
        @Override
        public long nanoTime() {
            return 0;
        }

        @Override
        public void after(long nanos, Runnable task) {
            throw new AssertionError("without a limit nothing waits");
        }
    };

    private final Timer timer;
    private final Runnable resume;
    private final @Nullable Level bytes;
    private final @Nullable Level operations;
    private boolean resumeDue;

    /// Begins with full buckets.
    ///
    /// @param limit what to keep
    /// @param timer by whose time
    /// @param resume has the device look at its queue again; the timer calls it, without the device's lock, after
    ///     a request was not admitted: it takes the lock, calls [#resumed], and works on the queue
    public RateLimiter(RateLimit limit, Timer timer, Runnable resume) {
        this.timer = timer;
        this.resume = resume;
        long now = timer.nanoTime();
        bytes = limit.bytes() == null ? null : new Level(limit.bytes(), now);
        operations = limit.operations() == null ? null : new Level(limit.operations(), now);
    }

    /// One that admits everything.
    static RateLimiter unlimited() {
        return new RateLimiter(RateLimit.none(), NEVER_ASKED, () -> {});
    }

    /// Whether a request may be taken now. If not, `resume` is called when it may; once, however often this is
    /// asked until then.
    public boolean admits() {
        long nanos = nanosUntilAdmitted();
        if (nanos == 0) {
            return true;
        }
        if (!resumeDue) {
            resumeDue = true;
            timer.after(nanos, resume);
        }
        return false;
    }

    /// How long until a request may be taken: nanoseconds; zero if it may now.
    public long nanosUntilAdmitted() {
        if (bytes == null && operations == null) {
            return 0;
        }
        long now = timer.nanoTime();
        return Math.max(
                bytes == null ? 0 : bytes.nanosUntilAToken(now),
                operations == null ? 0 : operations.nanosUntilAToken(now));
    }

    /// Takes tokens for a request that was admitted.
    ///
    /// @param requestBytes 0 to 2^32, the most that a request has
    /// @throws IllegalStateException if it was not admitted
    public void charge(long requestBytes) {
        if (requestBytes < 0 || requestBytes > MAX_CHARGE) {
            throw new IllegalArgumentException("a request of " + requestBytes + " bytes");
        }
        if (bytes != null) {
            bytes.take(requestBytes);
        }
        if (operations != null) {
            operations.take(1);
        }
    }

    /// The timer has called `resume`: it is to be called again if a request is not admitted.
    public void resumed() {
        resumeDue = false;
    }

    /// How full a bucket is.
    private static final class Level {
        private final long burst;
        private final long perSecond;
        /// Below zero: a debt.
        private long tokens;
        /// Of the next token, what has come already, in parts of 10^-9.
        private long fraction;

        private long filledAt;

        Level(RateLimit.Bucket bucket, long now) {
            burst = bucket.burst();
            perSecond = bucket.perSecond();
            tokens = burst;
            filledAt = now;
        }

        void take(long count) {
            if (tokens <= 0) {
                throw new IllegalStateException("a request that was not admitted");
            }
            tokens -= count;
        }

        long nanosUntilAToken(long now) {
            fill(now);
            if (tokens > 0) {
                return 0;
            }
            // A debt is less than 2^32, and 2^32 * 10^9 fits in 63 bits.
            long missing = (1 - tokens) * SECOND - fraction;
            return Math.ceilDiv(missing, perSecond);
        }

        private void fill(long now) {
            long elapsed = now - filledAt;
            filledAt = now;
            // Whole seconds apart, so that the product below fits: 2^32 * 10^9.
            long seconds = elapsed / SECOND;
            long missing = burst - tokens;
            if (seconds > missing / perSecond) {
                tokens = burst;
                fraction = 0;
                return;
            }
            long parts = elapsed % SECOND * perSecond + fraction;
            tokens += seconds * perSecond + parts / SECOND;
            fraction = parts % SECOND;
            if (tokens >= burst) {
                tokens = burst;
                fraction = 0;
            }
        }
    }
}
