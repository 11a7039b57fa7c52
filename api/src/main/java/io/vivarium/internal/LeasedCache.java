// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.RemovalCause;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Values that are made when first needed, and closed once they have left the cache and nobody uses them. Thread-safe.
final class LeasedCache<K, V extends AutoCloseable> {
    private final Cache<K, Counted<V>> cache;

    /// @param most values that it keeps
    LeasedCache(int most) {
        cache = Caffeine.newBuilder()
                .maximumSize(most)
                .executor(Runnable::run)
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
    <T> T with(K key, Supplier<V> make, Function<V, T> use) {
        while (true) {
            Counted<V> counted = cache.get(key, _ -> new Counted<>(make.get()));
            if (counted.retain()) {
                try {
                    return use.apply(counted.value);
                } finally {
                    counted.release();
                }
            }
        }
    }

    /// Forgets all values, which are closed once nobody uses them.
    void clear() {
        cache.invalidateAll();
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
