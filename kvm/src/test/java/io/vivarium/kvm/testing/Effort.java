// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.testing;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;

/// How often tests repeat what is a matter of luck. On an emulated processor, where an exit of the
/// guest takes a hundred times as long, `-Dvivarium.test.effort=<percent>` has them try less.
public final class Effort {
    /// In percent of what a test asks for.
    public static final String PROPERTY = "vivarium.test.effort";

    private Effort() {}

    /// How often to try.
    ///
    /// @param full how often on a real processor, from 1
    /// @return how often here, from 1
    public static int times(int full) {
        return Math.max(1, (int) ((long) full * Integer.getInteger(PROPERTY, 100) / 100));
    }

    /// Tries to be counted by any thread until there were enough, or, where the host is busy with
    /// other things, until they have taken [#MOST].
    public static final class Tries {
        /// What a test may take of a suite's time for luck.
        public static final Duration MOST = Duration.ofSeconds(10);

        private final int enough;
        private final long start = System.nanoTime();
        private final AtomicInteger done = new AtomicInteger();

        /// @param full how many are enough on a real processor, from 1
        public Tries(int full) {
            this.enough = times(full);
        }

        /// Whether to go on.
        public boolean more() {
            return done.get() < enough && System.nanoTime() - start < MOST.toNanos();
        }

        /// Counts one.
        public void count() {
            done.incrementAndGet();
        }

        /// How many there were.
        public int done() {
            return done.get();
        }
    }
}
