// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.RemovalCause;
import com.github.benmanes.caffeine.cache.Scheduler;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/// Values that are made when first needed, and closed once they have left the cache and nobody uses them. Thread-safe.
public final class LeasedCache<K, V extends AutoCloseable> implements AutoCloseable {
    private final Cache<K, Counted<V>> cache;
    private volatile boolean closed;

    /// @param most values that it keeps
    LeasedCache(int most) {
        cache = released(Caffeine.newBuilder().maximumSize(most));
    }

    /// @param most bytes of the values that it keeps
    /// @param bytes of a value when it is made
    /// @param unused how long a value is kept that nobody uses
    public LeasedCache(long most, ToLongFunction<V> bytes, Duration unused) {
        cache = released(Caffeine.newBuilder()
                .maximumWeight(most >> 10)
                .weigher((K _, Counted<V> value) ->
                        Math.clamp(bytes.applyAsLong(value.value) >> 10, 1, Integer.MAX_VALUE))
                .expireAfterAccess(unused)
                .scheduler(Scheduler.systemScheduler()));
    }

    private static <K, V extends AutoCloseable> Cache<K, Counted<V>> released(
            Caffeine<? super K, ? super Counted<V>> cache) {
        return cache.executor(Runnable::run)
                .removalListener((@Nullable K _, @Nullable Counted<V> removed, RemovalCause _) -> {
                    if (removed != null) {
                        removed.release();
                    }
                })
                .build();
    }

    /// Uses the value for a key; it stays open meanwhile.
    ///
    /// @param make makes it if there is none; others who want it wait
    /// @throws IllegalStateException if this is closed
    public <T> T with(K key, Supplier<V> make, Function<V, T> use) {
        while (true) {
            requireOpen();
            // Who makes it uses it first, also when the cache, which is full, does not keep it.
            AtomicReference<@Nullable Counted<V>> mine = new AtomicReference<>();
            Counted<V> counted = cache.get(key, _ -> {
                Counted<V> made = new Counted<>(make.get());
                made.retain();
                mine.set(made);
                return made;
            });
            if (closed) {
                clear();
            }
            if (mine.get() != null || counted.retain()) {
                try {
                    return use.apply(counted.value);
                } finally {
                    counted.release();
                }
            }
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("closed");
        }
    }

    /// Shows all values that it has; one may be closed meanwhile.
    public void forEach(BiConsumer<K, V> visitor) {
        cache.asMap().forEach((key, counted) -> visitor.accept(key, counted.value));
    }

    /// Forgets all values, which are closed once nobody uses them.
    void clear() {
        cache.invalidateAll();
    }

    /// As [#clear], for good. Idempotent.
    @Override
    public void close() {
        closed = true;
        clear();
    }

    private static final class Counted<V extends AutoCloseable> {
        private final V value;
        private int users = 1; // the cache

        private Counted(V value) {
            this.value = value;
        }

        private synchronized boolean retain() {
            if (users == 0) {
                return false;
            }
            users++;
            return true;
        }

        private synchronized void release() {
            users--;
            if (users == 0) {
                try {
                    value.close();
                } catch (RuntimeException e) {
                    throw e;
                } catch (Exception e) {
                    throw new IllegalStateException("closing " + value, e);
                }
            }
        }
    }
}
