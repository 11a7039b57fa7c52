// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.testing.Effort;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class SandboxPoolTest {
    private static final SandboxSpec SPEC = SandboxSpec.of(RealPrograms.IMAGE).withMemory(Memory.mebibytes(64));
    private static final String SPEND = "test ! -e /used && echo pristine; echo x > /used";

    private static String sh(Sandbox sandbox, String script) {
        return sandbox.exec("/bin/busybox", "sh", "-c", script).stdout().text();
    }

    /// Waits until a pool is as it is going to be; the test's limit ends a wait in vain.
    private static void await(SandboxPool pool, Predicate<SandboxPool.Statistics> state) {
        while (!state.test(pool.statistics())) {
            Thread.onSpinWait();
        }
    }

    @Test
    void everySandboxIsPristine() {
        try (SandboxPool pool = SandboxPool.builder(SPEC).most(1).ready(1).build()) {
            for (int i = 0; i < Effort.times(30); i++) {
                assertThat(pool.<String>call(sandbox -> sh(sandbox, SPEND))).isEqualTo("pristine\n");
            }
            await(pool, statistics -> statistics.idle() == 1);
            SandboxPool.Statistics statistics = pool.statistics();
            assertThat(statistics.takes()).isEqualTo(Effort.times(30));
            assertThat(statistics.resets()).isEqualTo(Effort.times(30));
            assertThat(statistics.launches()).isEqualTo(1);
            assertThat(statistics.failures()).isZero();
            assertThat(statistics.taken()).isZero();
        }
    }

    /// Those that are taken count: no machine is made only to be closed again.
    @Test
    void asManyAsAreKeptAreEnoughForCallersOneAfterTheOther() {
        try (SandboxPool pool =
                SandboxPool.builder(SPEC).most(8).ready(2).idle(2).build()) {
            await(pool, statistics -> statistics.idle() == 2);
            for (int i = 0; i < 10; i++) {
                assertThat(pool.<String>call(sandbox -> sh(sandbox, SPEND))).isEqualTo("pristine\n");
                await(pool, statistics -> statistics.idle() == 2);
            }
            assertThat(pool.statistics().launches()).isEqualTo(2);
            assertThat(pool.statistics().resets()).isEqualTo(10);
        }
    }

    @Test
    void eachHasItsOwnRandomnessAndTheRightTime() {
        Set<String> seen = new HashSet<>();
        int times = Effort.times(8);
        try (Template template =
                        Template.of(SPEC).warmUp(sandbox -> sh(sandbox, "cat /proc/sys/kernel/random/boot_id"));
                SandboxPool pool = SandboxPool.builder(template).most(1).build()) {
            for (int i = 0; i < times; i++) {
                try (Sandbox sandbox = pool.take()) {
                    seen.add(sh(sandbox, "busybox od -A n -t x1 -N 16 /dev/urandom"));
                    seen.add(sh(sandbox, "busybox cat /proc/sys/kernel/random/boot_id"));
                    Instant before = Instant.now();
                    long seconds =
                            Long.parseLong(sh(sandbox, "busybox date +%s").strip());
                    assertThat(Instant.ofEpochSecond(seconds))
                            .isBetween(before.minus(Duration.ofSeconds(1)), Instant.now());
                }
            }
        }
        assertThat(seen).hasSize(2 * times);
    }

    @Test
    void whoKeepsASandboxHasNoneAnyMore() {
        try (SandboxPool pool = SandboxPool.builder(SPEC).most(1).ready(1).build()) {
            Sandbox first = pool.take();
            GuestProcess process = first.start("/bin/busybox", "sleep", "1000");
            first.close();
            try (Sandbox second = pool.take()) {
                assertThat(first.isAlive()).isFalse();
                assertThatThrownBy(() -> first.exec("/bin/busybox", "true")).isInstanceOf(SandboxClosedException.class);
                assertThatThrownBy(process::waitFor).isInstanceOf(SandboxClosedException.class);
                process.kill();
                first.close();
                assertThat(sh(second, "echo mine")).isEqualTo("mine\n");
                assertThat(pool.statistics().taken()).isEqualTo(1);
            }
        }
    }

    @Test
    void aSandboxThatDiedIsReplaced() {
        try (SandboxPool pool = SandboxPool.builder(SPEC).most(1).ready(1).build()) {
            for (int i = 0; i < 3; i++) {
                try (Sandbox sandbox = pool.take()) {
                    assertThat(sh(sandbox, SPEND)).isEqualTo("pristine\n");
                    try (GuestProcess busy = sandbox.start("/bin/busybox", "sh", "-c", "while :; do :; done")) {
                        assertThat(busy.isAlive()).isTrue();
                    }
                }
            }
            assertThat(pool.<String>call(sandbox -> sh(sandbox, SPEND))).isEqualTo("pristine\n");
        }
    }

    @Test
    void callersWaitInTheirTurnAndNotForEver() throws Exception {
        try (SandboxPool pool = SandboxPool.builder(SPEC).most(1).build()) {
            List<Integer> order = new ArrayList<>();
            List<Future<?>> done = new ArrayList<>();
            try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
                Sandbox held = pool.take();
                assertThatThrownBy(() -> pool.take(Duration.ofMillis(1)))
                        .isInstanceOf(PoolExhaustedException.class)
                        .hasMessageContaining("1 are taken")
                        .hasMessageContaining("may have 1");
                for (int i = 0; i < 4; i++) {
                    int caller = i;
                    done.add(threads.submit(() -> {
                        try (Sandbox sandbox = pool.take(Duration.ofMinutes(4))) {
                            order.add(caller);
                            sh(sandbox, "echo");
                        }
                    }));
                    await(pool, statistics -> statistics.waiting() == caller + 1);
                }
                held.close();
                for (Future<?> future : done) {
                    future.get();
                }
            }
            assertThat(order).containsExactly(0, 1, 2, 3);
        }
    }

    @Test
    void manyThreadsShareFewMachines() throws Exception {
        int calls = Effort.times(60);
        AtomicInteger pristine = new AtomicInteger();
        try (SandboxPool pool = SandboxPool.builder(SPEC)
                .most(3)
                .ready(2)
                .wait(Duration.ofMinutes(4))
                .build()) {
            List<Future<?>> done = new ArrayList<>();
            try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
                for (int i = 0; i < calls; i++) {
                    done.add(threads.submit(() -> {
                        if (pool.<String>call(sandbox -> sh(sandbox, SPEND)).equals("pristine\n")) {
                            pristine.incrementAndGet();
                        }
                    }));
                }
                for (Future<?> future : done) {
                    future.get();
                }
            }
            SandboxPool.Statistics statistics = pool.statistics();
            assertThat(statistics.idle() + statistics.coming()).isLessThanOrEqualTo(3);
            assertThat(statistics.takes()).isEqualTo(calls);
            assertThat(statistics.failures()).isZero();
        }
        assertThat(pristine).hasValue(calls);
    }

    @Test
    void aClosedPoolGivesNothingAndWhatWasTakenGoesOn() throws Exception {
        SandboxPool pool = SandboxPool.builder(SPEC).most(1).build();
        CountDownLatch failed = new CountDownLatch(1);
        try (Sandbox sandbox = pool.take()) {
            Thread waiting = Thread.ofVirtual().start(() -> {
                assertThatThrownBy(() -> pool.take(Duration.ofMinutes(4))).isInstanceOf(IllegalStateException.class);
                failed.countDown();
            });
            await(pool, statistics -> statistics.waiting() == 1);
            pool.close();
            failed.await();
            waiting.join();
            assertThatThrownBy(pool::take).isInstanceOf(IllegalStateException.class);
            assertThat(sh(sandbox, "echo on")).isEqualTo("on\n");
        }
        await(pool, statistics -> statistics.coming() == 0);
        assertThat(pool.statistics().idle()).isZero();
        pool.close();
    }

    /// With `-Dvivarium.test.effort=50000`, a hundred thousand times.
    @Test
    void theHostKeepsNothingOfWhatWasPutBackOrClosed() throws IOException {
        try (Template template = Template.of(SPEC).warmUp(sandbox -> sh(sandbox, "echo"))) {
            try (SandboxPool pool = SandboxPool.builder(template).most(1).build()) {
                pool.<String>call(sandbox -> sh(sandbox, SPEND));
                await(pool, statistics -> statistics.idle() == 1);
                Holdings before = Holdings.now();
                for (int i = 0; i < Effort.times(200); i++) {
                    pool.<String>call(sandbox -> sh(sandbox, SPEND));
                }
                await(pool, statistics -> statistics.idle() == 1);
                assertThat(pool.statistics().launches()).isEqualTo(1);
                assertThat(Holdings.now()).isEqualTo(before);
            }
            Holdings before = Holdings.now();
            for (int i = 0; i < Effort.times(40); i++) {
                template.launch().close();
            }
            assertThat(Holdings.now()).isEqualTo(before);
        }
    }

    /// What machines of this process hold of the host.
    ///
    /// @param files open ones that are KVM's
    /// @param mappings of guest memory and vCPUs
    private record Holdings(long files, long mappings) {
        static Holdings now() throws IOException {
            long files = 0;
            try (DirectoryStream<Path> open = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
                for (Path each : open) {
                    if (Files.isSymbolicLink(each) && isKvm(each)) {
                        files++;
                    }
                }
            }
            try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
                return new Holdings(files, lines.filter(Holdings::isMachine).count());
            }
        }

        private static boolean isKvm(Path link) throws IOException {
            try {
                return Files.readSymbolicLink(link).toString().contains("kvm");
            } catch (NoSuchFileException e) {
                return false; // The directory's own, closed by now.
            }
        }

        private static boolean isMachine(String mapping) {
            return mapping.contains("kvm-vcpu") || mapping.contains("memfd:vivarium-guest");
        }
    }

    @Test
    void itHasAsManyAsItsLimitsSay() {
        try (SandboxPool pool = SandboxPool.builder(SPEC)
                .most(10)
                .ready(10)
                .memory(Memory.mebibytes(150))
                .build()) {
            await(pool, statistics -> statistics.idle() == 2);
            assertThat(pool.statistics().most()).isEqualTo(2);
            pool.shrink(1);
            assertThat(pool.statistics().idle()).isEqualTo(1);
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SandboxPool.builder(SPEC).memory(Memory.mebibytes(63)));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SandboxPool.builder(SPEC).most(0));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SandboxPool.builder(SPEC).ready(-1));
    }

    @Test
    void whatCannotBeMadeIsToldToWhoWaits() {
        Image closed = Image.directory(RealPrograms.ROOT);
        closed.close();
        try (SandboxPool pool = SandboxPool.of(SandboxSpec.of(closed))) {
            assertThatThrownBy(pool::take)
                    .isInstanceOf(LaunchFailedException.class)
                    .hasMessageContaining("closed");
        }
    }
}
