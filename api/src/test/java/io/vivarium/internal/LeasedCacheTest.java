// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LeasedCacheTest {
    private final List<String> closed = new ArrayList<>();
    private int made;

    private final class Value implements AutoCloseable {
        private final String name;

        Value(String name) {
            this.name = name;
            made++;
        }

        @Override
        public void close() {
            closed.add(name);
        }
    }

    private final LeasedCache<String, Value> cache = new LeasedCache<>(1);

    private Value get(String key) {
        return cache.with(key, () -> new Value(key), value -> value);
    }

    @Test
    void oneValueForEveryoneWhoWantsIt() {
        assertThat((Object) get("a")).isSameAs(get("a"));
        assertThat(made).isEqualTo(1);
        assertThat(closed).isEmpty();
    }

    @Test
    void whatLeavesTheCacheIsClosed() {
        get("a");
        cache.clear();
        assertThat(closed).containsExactly("a");
        get("a");
        assertThat(made).isEqualTo(2);
    }

    @Test
    void aValueInUseStaysOpenWhenItLeavesTheCache() {
        cache.with("a", () -> new Value("a"), value -> {
            cache.clear();
            assertThat(closed).isEmpty();
            return value;
        });
        assertThat(closed).containsExactly("a");
    }

    @Test
    void moreThanThereIsRoomForAreNotKept() {
        get("a");
        get("b");
        assertThat(closed).hasSize(1);
    }

    @Test
    void whatCannotBeMadeIsTriedAgain() {
        IllegalArgumentException thrown = new IllegalArgumentException("no");
        assertThatThrownBy(() -> cache.with(
                        "a",
                        () -> {
                            throw thrown;
                        },
                        value -> value))
                .isSameAs(thrown);
        get("a");
        assertThat(made).isEqualTo(1);
    }
}
