// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.internal.Guest;
import io.vivarium.internal.Stock;
import io.vivarium.internal.TakeEvent;
import java.time.Duration;
import java.util.function.Function;

/// Sandboxes that are ready before they are needed. Each that is taken is pristine: it is as its [Template] was, and
/// nobody has used it.
///
/// ```java
/// try (SandboxPool pool = SandboxPool.of(SandboxSpec.of(image))) {
///     try (Sandbox sandbox = pool.take()) {
///         sandbox.exec("sort", "/data");
///     }
///     String answer = pool.call(sandbox -> sandbox.exec("date").stdout().text());
/// }
/// ```
///
/// A sandbox that is closed gives its machine back. The machine is put back to the template, memory, registers, devices
/// and all, before it has another guest; where that cannot be done, or the guest has crashed it, it is destroyed and
/// another is made. Both happen in the background. A closed [Sandbox] stays closed: who keeps one has no access to who
/// comes next.
///
/// Callers that have to wait get their sandboxes in the order in which they came. An idle sandbox has no thread.
/// Thread-safe; any thread may close a sandbox that another has taken.
public final class SandboxPool implements AutoCloseable {
    /// 64 sandboxes.
    public static final int DEFAULT_MOST = 64;

    /// 30 seconds.
    public static final Duration DEFAULT_WAIT = Duration.ofSeconds(30);

    private final Template template;
    private final boolean ownsTemplate;
    private final Duration wait;
    private final Stock stock;

    private SandboxPool(Builder builder) {
        this.template = builder.template;
        this.ownsTemplate = builder.ownsTemplate;
        int most = builder.most();
        this.wait = builder.wait;
        int ready = Math.min(builder.ready, most);
        int idle = Math.clamp(builder.idle, ready, most);
        this.stock = new Stock(template.spec(), template::checkpoint, new Stock.Limits(most, ready, idle));
        stock.fill();
    }

    /// A pool with the defaults of [#builder(SandboxSpec)].
    public static SandboxPool of(SandboxSpec spec) {
        return builder(spec).build();
    }

    /// A pool of sandboxes in which no program has run.
    public static Builder builder(SandboxSpec spec) {
        return new Builder(Template.of(spec), true);
    }

    /// A pool of sandboxes that start from a template, which has to stay open as long as the pool.
    public static Builder builder(Template template) {
        return new Builder(template, false);
    }

    /// As [#builder(Template)], of a template that the pool closes when it is closed.
    static Builder owning(Template template) {
        return new Builder(template, true);
    }

    /// What a pool is to be. Not safe for use by several threads at a time.
    public static final class Builder {
        private final Template template;
        private final boolean ownsTemplate;
        private int machines = DEFAULT_MOST;
        private int ready = 1;
        private int idle = Runtime.getRuntime().availableProcessors() * 2;
        private Memory memory = new Memory(Long.MAX_VALUE);
        private Duration wait = DEFAULT_WAIT;

        private Builder(Template template, boolean ownsTemplate) {
            this.template = template;
            this.ownsTemplate = ownsTemplate;
        }

        /// The most sandboxes at a time, in use or not; otherwise [#DEFAULT_MOST].
        ///
        /// @param count 1 or more
        public Builder most(int count) {
            machines = atLeast(1, "sandboxes at most", count);
            return this;
        }

        /// How many are made before anybody asks for them; otherwise 1.
        ///
        /// @param count 0 or more; what is more than the pool may have is ignored
        public Builder ready(int count) {
            ready = atLeast(0, "sandboxes ready", count);
            return this;
        }

        /// How many are kept when they are given back; beyond that, sandboxes are made when somebody
        /// waits for one, and closed afterwards. Otherwise two for each processor.
        ///
        /// @param count 0 or more
        public Builder idle(int count) {
            idle = atLeast(0, "idle sandboxes", count);
            return this;
        }

        /// How much memory all guests together may have; no limit otherwise. It bounds the number of sandboxes: each
        /// counts with all of its memory, touched or not.
        ///
        /// @param limit at least that of one
        public Builder memory(Memory limit) {
            if (limit.compareTo(template.spec().memory()) < 0) {
                throw new IllegalArgumentException(
                        "guests of %s within %s".formatted(template.spec().memory(), limit));
            }
            memory = limit;
            return this;
        }

        /// How long [#take()] waits; otherwise [#DEFAULT_WAIT].
        ///
        /// @param limit not negative
        public Builder wait(Duration limit) {
            wait = limit;
            return this;
        }

        private static int atLeast(int least, String what, int count) {
            if (count < least) {
                throw new IllegalArgumentException("%s: %d, at least %d".formatted(what, count, least));
            }
            return count;
        }

        private int most() {
            long fit = memory.bytes() / template.spec().memory().bytes();
            return (int) Math.min(machines, fit);
        }

        /// The pool, which begins to make sandboxes.
        public SandboxPool build() {
            return new SandboxPool(this);
        }
    }

    /// Takes a sandbox; waits for one as long as the pool says.
    ///
    /// @throws PoolExhaustedException if there was none in that time
    /// @throws HostUnavailableException if this host runs no sandboxes
    /// @throws LaunchFailedException if a sandbox that was to be this caller's does not come up
    /// @throws ExecInterruptedException if this thread is interrupted
    /// @throws IllegalStateException if the pool is closed
    public Sandbox take() {
        return take(wait);
    }

    /// As [#take()], and waits as long as is said here.
    public Sandbox take(Duration limit) {
        TakeEvent event = new TakeEvent();
        event.begin();
        Guest guest = null;
        try {
            guest = stock.take(limit);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ExecInterruptedException("interrupted while waiting for a sandbox of a pool", e);
        } finally {
            event.report(guest != null);
        }
        if (guest == null) {
            throw new PoolExhaustedException(limit, statistics());
        }
        template.spec().maxLifetime().ifPresent(guest::limitLifetime);
        return new Sandbox(template.spec(), guest);
    }

    /// Does something with a sandbox that is taken for it and given back after it.
    ///
    /// @param work whose result, or exception, is this method's
    public <T> T call(Function<? super Sandbox, ? extends T> work) {
        try (Sandbox sandbox = take()) {
            return work.apply(sandbox);
        }
    }

    /// What its sandboxes start from.
    public Template template() {
        return template;
    }

    /// How a pool is doing.
    ///
    /// @param most sandboxes that it may have
    /// @param idle that are ready
    /// @param coming that are being made or put back
    /// @param taken that are in use
    /// @param waiting callers that wait for one
    /// @param takes sandboxes that were given so far
    /// @param waits how many of them had to be waited for
    /// @param launches machines that were made
    /// @param resets how often a machine was put back
    /// @param failures how often one of both failed, or an idle sandbox ended
    public record Statistics(
            int most,
            int idle,
            int coming,
            int taken,
            int waiting,
            long takes,
            long waits,
            long launches,
            long resets,
            long failures) {}

    /// How it is doing at this moment.
    public Statistics statistics() {
        return stock.statistics();
    }

    /// Closes idle sandboxes until so many are left, for instance when the host runs short of memory. Later takes make
    /// new ones.
    ///
    /// @param left 0 or more
    public void shrink(int left) {
        stock.shrink(Builder.atLeast(0, "idle sandboxes", left));
    }

    /// Gives no more sandboxes and closes those that are idle; those in use go on, and are destroyed when they are
    /// closed. Callers that wait get an [IllegalStateException]. Idempotent.
    @Override
    public void close() {
        stock.close();
        if (ownsTemplate) {
            template.close();
        }
    }

    @Override
    public String toString() {
        return "pool of " + template.spec();
    }
}
