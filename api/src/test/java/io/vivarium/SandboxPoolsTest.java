// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class SandboxPoolsTest {
    private static final SandboxSpec SPEC = SandboxSpec.of(RealPrograms.IMAGE).withMemory(Memory.mebibytes(64));

    private final List<Template> made = new CopyOnWriteArrayList<>();

    private static String sh(Sandbox sandbox, String script) {
        return sandbox.exec("/bin/busybox", "sh", "-c", script).stdout().text();
    }

    private Template named(String name) {
        Template template = Template.of(SPEC).warmUp(sandbox -> sh(sandbox, "echo " + name + " > /name"));
        made.add(template);
        return template;
    }

    private static String name(Sandbox sandbox) {
        return sh(sandbox, "read n < /name; echo $n; echo used >> /name").strip();
    }

    private static boolean isClosed(Template template) {
        try {
            template.launch().close();
            return false;
        } catch (IllegalStateException e) {
            return true;
        }
    }

    @Test
    void eachKindHasAPoolThatIsMadeOnce() throws Exception {
        try (SandboxPools<String> pools = SandboxPools.builder(this::named).build()) {
            List<FutureTask<String>> calls = Stream.of("a", "b", "a", "a", "b")
                    .map(kind -> new FutureTask<>(() -> pools.call(kind, SandboxPoolsTest::name)))
                    .toList();
            calls.forEach(Thread::startVirtualThread);
            assertThat(calls.get(0).get()).isEqualTo("a");
            assertThat(calls.get(1).get()).isEqualTo("b");
            assertThat(calls.get(2).get()).isEqualTo("a");
            assertThat(calls.get(3).get()).isEqualTo("a");
            assertThat(calls.get(4).get()).isEqualTo("b");
            assertThat(made).hasSize(2);
            Map<String, SandboxPool.Statistics> statistics = pools.statistics();
            assertThat(statisticsOf(statistics, "a").takes()).isEqualTo(3);
            assertThat(statisticsOf(statistics, "b").takes()).isEqualTo(2);
            pools.shrink(0);
        }
        assertThat(made).allMatch(SandboxPoolsTest::isClosed);
    }

    @Test
    void templatesThatHoldTooMuchMemoryMakeRoom() {
        long one;
        try (Template template = named("probe")) {
            one = template.size().bytes();
        }
        made.clear();
        try (SandboxPools<String> pools = SandboxPools.builder(this::named)
                .templates(new Memory(one + one / 2))
                .build()) {
            try (Sandbox kept = pools.take("a")) {
                assertThat(pools.<String>call("b", SandboxPoolsTest::name)).isEqualTo("b");
                assertThat(made).hasSize(2);
                assertThat(made.stream().filter(SandboxPoolsTest::isClosed)).hasSize(1);
                // It goes on, whatever became of its pool.
                assertThat(name(kept)).isEqualTo("a");
            }
            assertThat(pools.<String>call("a", SandboxPoolsTest::name)).isEqualTo("a");
        }
        assertThat(made).allMatch(SandboxPoolsTest::isClosed);
    }

    @Test
    void poolsThatNobodyUsesAreClosed() {
        try (SandboxPools<String> pools =
                SandboxPools.builder(this::named).unused(Duration.ofMillis(1)).build()) {
            assertThat(pools.<String>call("a", SandboxPoolsTest::name)).isEqualTo("a");
            while (!isClosed(made.getFirst())) {
                Thread.onSpinWait();
            }
            assertThat(pools.<String>call("a", SandboxPoolsTest::name)).isEqualTo("a");
            assertThat(made.size()).isGreaterThan(1);
        }
    }

    @Test
    void whatCannotBeMadeIsThrownAndTriedAgain() {
        boolean[] works = {false};
        try (SandboxPools<String> pools = SandboxPools.builder((String name) -> {
                    if (!works[0]) {
                        throw new IllegalArgumentException("not yet: " + name);
                    }
                    return named(name);
                })
                .pool(pool -> pool.most(1))
                .build()) {
            assertThatThrownBy(() -> pools.take("a")).hasMessage("not yet: a");
            works[0] = true;
            assertThat(pools.<String>call("a", SandboxPoolsTest::name)).isEqualTo("a");
            assertThat(statisticsOf(pools.statistics(), "a").most()).isEqualTo(1);
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SandboxPools.builder(this::named).unused(Duration.ZERO));
    }

    @Test
    void closedPoolsGiveNothing() {
        SandboxPools<SandboxSpec> pools = SandboxPools.ofSpecs();
        assertThat(pools.<String>call(SPEC, sandbox -> sh(sandbox, "echo hi"))).isEqualTo("hi\n");
        pools.close();
        pools.close();
        assertThatThrownBy(() -> pools.take(SPEC)).isInstanceOf(IllegalStateException.class);
    }

    private static SandboxPool.Statistics statisticsOf(Map<String, SandboxPool.Statistics> statistics, String key) {
        return Objects.requireNonNull(statistics.get(key), key);
    }
}
