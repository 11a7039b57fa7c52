// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.internal.LeasedCache;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/// Pools of sandboxes of many kinds, each made when the first sandbox of its kind is taken, and
/// closed when none has been taken for a while, or when the templates of all hold too much memory.
///
/// ```java
/// try (SandboxPools<SandboxSpec> pools = SandboxPools.ofSpecs()) {
///     String answer = pools.call(spec, sandbox -> sandbox.exec("date").stdout().text());
/// }
/// ```
///
/// A pool that is closed under a sandbox which is in use lets it go on; it is destroyed when it is closed.
/// Thread-safe.
///
/// @param <K> what the kinds are told apart by: equal keys, equal sandboxes
public final class SandboxPools<K> implements AutoCloseable {
    /// 4 GiB.
    public static final Memory DEFAULT_TEMPLATES = Memory.gibibytes(4);

    /// 10 minutes.
    public static final Duration DEFAULT_UNUSED = Duration.ofMinutes(10);

    private final Function<? super K, Template> templates;
    private final UnaryOperator<SandboxPool.Builder> pool;
    private final LeasedCache<K, SandboxPool> open;

    private SandboxPools(Builder<K> builder) {
        this.templates = builder.templates;
        this.pool = builder.pool;
        this.open = new LeasedCache<>(
                builder.memory.bytes(), each -> each.template().size().bytes(), builder.unused);
    }

    /// Pools of sandboxes in which no program has run, one for each spec, with the defaults of [#builder].
    public static SandboxPools<SandboxSpec> ofSpecs() {
        return builder((SandboxSpec spec) -> Template.of(spec)).build();
    }

    /// Pools of sandboxes of other templates.
    ///
    /// @param templates makes one for a key, for these pools alone: they close it. Called by the
    ///     thread that is the first to take a sandbox of that kind; others that want one wait, and
    ///     what it throws they are told too
    public static <K> Builder<K> builder(Function<? super K, Template> templates) {
        return new Builder<>(templates);
    }

    /// What the pools are to be. Not safe for use by several threads at a time.
    ///
    /// @param <K> as for the pools
    public static final class Builder<K> {
        private final Function<? super K, Template> templates;
        private UnaryOperator<SandboxPool.Builder> pool = UnaryOperator.identity();
        private Memory memory = DEFAULT_TEMPLATES;
        private Duration unused = DEFAULT_UNUSED;

        private Builder(Function<? super K, Template> templates) {
            this.templates = templates;
        }

        /// How much memory the templates of all pools reach over at most ([Template#size]); otherwise
        /// [#DEFAULT_TEMPLATES]. Beyond that, pools are closed that are used least.
        public Builder<K> templates(Memory limit) {
            memory = limit;
            return this;
        }

        /// How long a pool stays of which no sandbox is taken; otherwise [#DEFAULT_UNUSED].
        ///
        /// @param limit more than zero
        public Builder<K> unused(Duration limit) {
            if (limit.isNegative() || limit.isZero()) {
                throw new IllegalArgumentException("pools unused for " + limit);
            }
            unused = limit;
            return this;
        }

        /// What each pool is to be.
        ///
        /// @param settings applied to the builder of each
        public Builder<K> pool(UnaryOperator<SandboxPool.Builder> settings) {
            pool = settings;
            return this;
        }

        /// The pools; none is open yet.
        public SandboxPools<K> build() {
            return new SandboxPools<>(this);
        }
    }

    private SandboxPool make(K key) {
        Template template = templates.apply(key);
        try {
            // Saved now, if it was not: before, nobody knows how large it is.
            template.checkpoint();
            return pool.apply(SandboxPool.owning(template)).build();
        } catch (RuntimeException | Error e) {
            template.close();
            throw e;
        }
    }

    /// Takes a sandbox of a kind, as [SandboxPool#take()] does.
    ///
    /// @throws IllegalStateException if these are closed
    public Sandbox take(K key) {
        return open.with(key, () -> make(key), SandboxPool::take);
    }

    /// Does something with a sandbox that is taken for it and given back after it.
    ///
    /// @param work whose result, or exception, is this method's
    public <T> T call(K key, Function<? super Sandbox, ? extends T> work) {
        try (Sandbox sandbox = take(key)) {
            return work.apply(sandbox);
        }
    }

    /// How the pools that are open are doing.
    public Map<K, SandboxPool.Statistics> statistics() {
        Map<K, SandboxPool.Statistics> statistics = new HashMap<>();
        open.forEach((key, each) -> statistics.put(key, each.statistics()));
        return Map.copyOf(statistics);
    }

    /// Closes idle sandboxes of each pool until so many are left in it.
    ///
    /// @param left 0 or more
    public void shrink(int left) {
        open.forEach((_, each) -> each.shrink(left));
    }

    /// Closes all pools and their templates, as [SandboxPool#close] does. Idempotent.
    @Override
    public void close() {
        open.close();
    }
}
