// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.VcpuStop;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class VcpuRunnerTest {
    private static final VcpuStop HALTED = new VcpuStop.Halted(true);

    /// Runs tasks when it is told to.
    private static final class Later {
        private final Queue<Runnable> tasks = new ArrayDeque<>();

        void runAll() {
            for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
                task.run();
            }
        }
    }

    private static final class Ends implements VcpuRunner.End {
        private final CompletableFuture<Object> last = new CompletableFuture<>();

        @Override
        public void stopped(VcpuStop stop) {
            last.complete(stop);
        }

        @Override
        public void threw(Throwable thrown) {
            last.complete(thrown);
        }
    }

    @Test
    void anIdleMachineHasNoThread() {
        Later later = new Later();
        AtomicInteger runs = new AtomicInteger();
        VcpuRunner runner = new VcpuRunner(
                () -> {
                    runs.incrementAndGet();
                    return HALTED;
                },
                later.tasks::add,
                new Ends());
        assertThat(runner.isIdle()).isTrue();
        runner.wake();
        runner.wake();
        assertThat(later.tasks).hasSize(1);
        assertThat(runner.isIdle()).isFalse();
        later.runAll();
        assertThat(runs).hasValue(1);
        assertThat(runner.isIdle()).isTrue();
    }

    @Test
    void aWakeWhileItRunsMakesItRunOnceMore() {
        Later later = new Later();
        List<VcpuRunner> self = new ArrayList<>();
        AtomicInteger runs = new AtomicInteger();
        self.add(new VcpuRunner(
                () -> {
                    if (runs.incrementAndGet() == 1) {
                        self.getFirst().wake();
                        self.getFirst().wake();
                    }
                    return HALTED;
                },
                later.tasks::add,
                new Ends()));
        self.getFirst().wake();
        later.runAll();
        assertThat(runs).hasValue(2);
        assertThat(later.tasks).isEmpty();
    }

    @Test
    void aKickMakesItRunOn() {
        Later later = new Later();
        AtomicInteger runs = new AtomicInteger();
        VcpuRunner runner = new VcpuRunner(
                () -> runs.incrementAndGet() < 5 ? new VcpuStop.Kicked() : HALTED, later.tasks::add, new Ends());
        runner.wake();
        later.runAll();
        assertThat(runs).hasValue(5);
    }

    @Test
    void theEndIsToldOnceAndNothingRunsAfterIt() {
        for (VcpuStop last : List.of(
                new VcpuStop.Stopped(),
                new VcpuStop.Shutdown(VcpuStop.Shutdown.Cause.TRIPLE_FAULT),
                new VcpuStop.Halted(false))) {
            Later later = new Later();
            Ends ends = new Ends();
            VcpuRunner runner = new VcpuRunner(() -> last, later.tasks::add, ends);
            runner.wake();
            later.runAll();
            assertThat(ends.last).isCompletedWithValue(last);
            runner.wake();
            assertThat(later.tasks).isEmpty();
        }
    }

    @Test
    void whatTheMachineThrowsIsItsEnd() {
        Later later = new Later();
        Ends ends = new Ends();
        IllegalStateException thrown = new IllegalStateException("boom");
        VcpuRunner runner = new VcpuRunner(
                () -> {
                    throw thrown;
                },
                later.tasks::add,
                ends);
        runner.wake();
        later.runAll();
        assertThat(ends.last).isCompletedWithValue(thrown);
    }

    /// Work is left and the runner woken, by several threads; a guest that takes the work when it runs must find all of
    /// it.
    @Test
    void noWakeIsLost() throws Exception {
        AtomicLong work = new AtomicLong();
        AtomicLong done = new AtomicLong();
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        try (ExecutorService carriers = Executors.newCachedThreadPool()) {
            VcpuRunner runner = new VcpuRunner(
                    () -> {
                        most.accumulateAndGet(inside.incrementAndGet(), Math::max);
                        done.addAndGet(work.getAndSet(0));
                        inside.decrementAndGet();
                        return HALTED;
                    },
                    carriers,
                    new Ends());
            try (ExecutorService wakers = Executors.newFixedThreadPool(4)) {
                for (int i = 0; i < 4; i++) {
                    wakers.execute(() -> {
                        for (int n = 0; n < 50_000; n++) {
                            work.incrementAndGet();
                            runner.wake();
                        }
                    });
                }
            }
            while (!runner.isIdle()) {
                Thread.onSpinWait();
            }
        }
        assertThat(done).hasValue(200_000);
        assertThat(most).hasValue(1);
    }
}
