// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.math.BigInteger;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class RateLimiterTest {
    private static final long SECOND = 1_000_000_000;
    private static final long MILLI = 1_000_000;

    private final ManualTimer timer = new ManualTimer();
    private int resumed;

    private RateLimiter limiter(RateLimit limit) {
        return new RateLimiter(limit, timer, () -> resumed++);
    }

    private static boolean take(RateLimiter limiter, long bytes) {
        boolean admitted = limiter.admits();
        if (admitted) {
            limiter.charge(bytes);
        }
        return admitted;
    }

    @Test
    void withoutALimitEverythingIsAdmitted() {
        RateLimiter limiter = limiter(RateLimit.none());
        for (int i = 0; i < 100; i++) {
            assertThat(take(limiter, 1L << 32)).isTrue();
        }
        assertThat(timer.pending()).isZero();
    }

    @Test
    void burstAndThenTheRate() {
        RateLimiter limiter = limiter(RateLimit.none().withOperations(3, 1000));
        assertThat(take(limiter, 0)).isTrue();
        assertThat(take(limiter, 0)).isTrue();
        assertThat(take(limiter, 0)).isTrue();
        assertThat(limiter.nanosUntilAdmitted()).isEqualTo(MILLI);
        assertThat(take(limiter, 0)).isFalse();
        timer.advance(MILLI - 1);
        assertThat(limiter.nanosUntilAdmitted()).isEqualTo(1);
        timer.advance(1);
        assertThat(take(limiter, 0)).isTrue();
        assertThat(take(limiter, 0)).isFalse();
    }

    @Test
    void aPauseFillsTheBucketAndNoMore() {
        RateLimiter limiter = limiter(RateLimit.none().withOperations(2, 1000));
        timer.advance(3600 * SECOND);
        assertThat(take(limiter, 0)).isTrue();
        assertThat(take(limiter, 0)).isTrue();
        assertThat(take(limiter, 0)).isFalse();
    }

    @Test
    void aRequestBeyondTheBurstPassesAndIsPaidForAfterwards() {
        RateLimiter limiter = limiter(RateLimit.none().withBytes(100, 1000));
        assertThat(take(limiter, 1100)).isTrue();
        // 1000 bytes of debt, and one token.
        assertThat(limiter.nanosUntilAdmitted()).isEqualTo(1001 * MILLI);
        timer.advance(1001 * MILLI);
        assertThat(take(limiter, 1)).isTrue();
    }

    @Test
    void bothBucketsMustHaveATokenAndTheLongerWaitCounts() {
        RateLimiter limiter = limiter(RateLimit.none().withBytes(10, 10).withOperations(1, 2));
        assertThat(take(limiter, 1)).isTrue();
        assertThat(limiter.nanosUntilAdmitted()).isEqualTo(SECOND / 2);
        timer.advance(SECOND / 2);
        assertThat(take(limiter, 29)).isTrue();
        assertThat(limiter.nanosUntilAdmitted()).isEqualTo(2 * SECOND);
    }

    @Test
    void resumeIsAskedForOnceUntilItWasCalled() {
        RateLimiter limiter = limiter(RateLimit.none().withOperations(1, 1));
        assertThat(take(limiter, 0)).isTrue();
        assertThat(limiter.admits()).isFalse();
        assertThat(limiter.admits()).isFalse();
        assertThat(timer.pending()).isEqualTo(1);
        timer.advance(SECOND);
        assertThat(resumed).isEqualTo(1);
        limiter.resumed();
        assertThat(take(limiter, 0)).isTrue();
        assertThat(limiter.admits()).isFalse();
        assertThat(timer.pending()).isEqualTo(1);
    }

    @Test
    void aTimerThatIsEarlyIsAskedAgain() {
        RateLimiter limiter = limiter(RateLimit.none().withOperations(1, 1));
        take(limiter, 0);
        assertThat(limiter.admits()).isFalse();
        limiter.resumed();
        assertThat(limiter.admits()).isFalse();
        assertThat(timer.pending()).isEqualTo(2);
    }

    @Test
    void aSlowRateLosesNothingToManyQuestions() {
        RateLimiter limiter = limiter(RateLimit.none().withOperations(1, 3));
        take(limiter, 0);
        long nanos = 0;
        for (; limiter.nanosUntilAdmitted() > 0; nanos++) {
            timer.advance(7);
        }
        assertThat(7 * nanos).isBetween(SECOND / 3, SECOND / 3 + 7);
    }

    @ParameterizedTest
    @ValueSource(longs = {Long.MAX_VALUE - 5, -3, Long.MIN_VALUE})
    void timeMayWrap(long start) {
        ManualTimer wrapping = new ManualTimer(start);
        RateLimiter limiter = new RateLimiter(RateLimit.none().withOperations(1, 1000), wrapping, () -> {});
        take(limiter, 0);
        wrapping.advance(MILLI);
        assertThat(take(limiter, 0)).isTrue();
        assertThat(limiter.nanosUntilAdmitted()).isEqualTo(MILLI);
    }

    @Test
    void theLargestNumbersDoNotOverflow() {
        long max = RateLimit.MAX_TOKENS;
        RateLimiter fast = limiter(RateLimit.none().withBytes(max, max));
        take(fast, 1L << 32);
        timer.advance(SECOND - 1);
        assertThat(take(fast, 1L << 32)).isTrue();
        RateLimiter slow = limiter(RateLimit.none().withBytes(1, 1));
        take(slow, 1L << 32);
        assertThat(slow.nanosUntilAdmitted()).isEqualTo(max * SECOND);
        timer.advance(Long.MAX_VALUE);
        assertThat(slow.nanosUntilAdmitted()).isZero();
    }

    @ParameterizedTest
    @CsvSource({"0,1", "1,0", "-1,1", "1,-1", "4294967297,1", "1,4294967297"})
    void badBucketsAreRefused(long burst, long perSecond) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new RateLimit.Bucket(burst, perSecond))
                .withMessageContaining("a bucket of " + burst);
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, (1L << 32) + 1})
    void badChargesAreRefused(long bytes) {
        RateLimiter limiter = limiter(RateLimit.none());
        assertThatIllegalArgumentException().isThrownBy(() -> limiter.charge(bytes));
    }

    @Test
    void whatWasNotAdmittedCannotBeCharged() {
        RateLimiter limiter = limiter(RateLimit.none().withBytes(1, 1));
        limiter.charge(5);
        assertThatIllegalStateException().isThrownBy(() -> limiter.charge(5));
    }

    /// What was admitted in all never exceeds burst, rate times time, and one request; and a device that is
    /// always told when to try again reaches that.
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void theRateIsKeptToTheByte(long seed) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        long burst = 1 + random.nextLong(1 << 20);
        long perSecond = 1 + random.nextLong(1 << 20);
        RateLimiter limiter = limiter(RateLimit.none().withBytes(burst, perSecond));
        BigInteger taken = BigInteger.ZERO;
        for (int i = 0; i < 10_000; i++) {
            long wait = limiter.nanosUntilAdmitted();
            timer.advance(wait);
            assertThat(limiter.admits()).isTrue();
            BigInteger allowed = BigInteger.valueOf(timer.nanoTime())
                    .multiply(BigInteger.valueOf(perSecond))
                    .divide(BigInteger.valueOf(SECOND))
                    .add(BigInteger.valueOf(burst));
            assertThat(taken).isLessThan(allowed);
            if (wait > 0) {
                // Not a nanosecond later than needed: the token has only just come.
                assertThat(allowed.subtract(taken)).isEqualTo(BigInteger.ONE);
            }
            long bytes = random.nextLong(1 << 18);
            limiter.charge(bytes);
            taken = taken.add(BigInteger.valueOf(bytes));
        }
    }
}
