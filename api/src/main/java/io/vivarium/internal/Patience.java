// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// Ends what lasts longer than [#LIMIT_NANOS]: work that nearly always ends by itself before.
///
/// A timer that is set and cancelled for each piece of work would wake its thread each time. As all
/// have the same limit, the oldest is due first: the thread of this class sleeps until then,
/// whatever began or ended meanwhile, and wakes at most once in that time.
final class Patience {
    /// 10 ms: many times what a short program takes, and no time for a person.
    static final long LIMIT_NANOS = 10_000_000;

    private static final ConcurrentLinkedQueue<Patience> OLDEST_FIRST = new ConcurrentLinkedQueue<>();
    private static final Thread WATCH =
            Thread.ofPlatform().daemon().name("vivarium-patience").start(Patience::watch);
    private static volatile boolean asleep;

    private final long deadline = System.nanoTime() + LIMIT_NANOS;
    private volatile @Nullable Runnable end;
    private volatile boolean lost;

    private Patience(Runnable end) {
        this.end = end;
    }

    /// Begins now.
    ///
    /// @param end called once by another thread when the limit is reached before [#over]; now and then also a
    ///     moment after that. Must not block
    static Patience with(Runnable end) {
        Patience patience = new Patience(end);
        OLDEST_FIRST.add(patience);
        if (asleep) {
            LockSupport.unpark(WATCH);
        }
        return patience;
    }

    /// The work has ended.
    void over() {
        end = null;
    }

    /// Whether the limit was reached before the work had ended.
    boolean isLost() {
        return lost;
    }

    private static void watch() {
        while (true) {
            Patience oldest = OLDEST_FIRST.peek();
            if (oldest == null) {
                // Whoever adds one after this look sees it asleep.
                asleep = true;
                if (OLDEST_FIRST.isEmpty()) {
                    LockSupport.park(OLDEST_FIRST);
                }
                asleep = false;
                continue;
            }
            long left = oldest.deadline - System.nanoTime();
            if (left > 0 && oldest.end != null) {
                LockSupport.parkNanos(OLDEST_FIRST, left);
                continue;
            }
            OLDEST_FIRST.poll();
            oldest.runOut();
        }
    }

    private void runOut() {
        Runnable action = end;
        if (action != null) {
            lost = true;
            action.run();
        }
    }
}
