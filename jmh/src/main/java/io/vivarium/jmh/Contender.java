// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;

/// A way to have a program's output, and what it took each time. Used by one thread.
@NullMarked
final class Contender {
    /// USER_HZ is 100 on x86.
    private static final long NANOS_PER_TICK = 10_000_000;

    private final String name;
    private final String expected;
    private final int calls;
    private final Callable<String> call;
    private final List<Long> nanos = new ArrayList<>();
    private long cpuNanos;

    /// @param expected the output
    /// @param calls in a round
    Contender(String name, String expected, int calls, Callable<String> call) {
        this.name = name;
        this.expected = expected;
        this.calls = calls;
        this.call = call;
    }

    /// Forgets the rounds until now.
    void forget() {
        nanos.clear();
        cpuNanos = 0;
    }

    /// A round.
    void run() throws Exception {
        long cpuStart = cpuNanosNow();
        for (int i = 0; i < calls; i++) {
            long start = System.nanoTime();
            String output = call.call();
            nanos.add(System.nanoTime() - start);
            if (!output.equals(expected)) {
                throw new IllegalStateException(name + ": unexpected output: " + output);
            }
        }
        cpuNanos += cpuNanosNow() - cpuStart;
    }

    /// Of this process, and of its children that have ended and been waited for (proc_pid_stat(5), fields 14 … 17).
    private static long cpuNanosNow() throws IOException {
        String stat = Files.readString(Path.of("/proc/self/stat"));
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        return Stream.of(fields[11], fields[12], fields[13], fields[14])
                        .mapToLong(Long::parseLong)
                        .sum()
                * NANOS_PER_TICK;
    }

    static String header() {
        return "%-28s %8s %12s %12s %12s %12s"
                .formatted("one after the other", "calls", "p50 us", "p90 us", "p99 us", "CPU us");
    }

    /// The row of the rounds until now, at least one.
    String row() {
        Percentiles taken = Percentiles.ofNanos(nanos);
        return "%-28s %8d %12.0f %12.0f %12.0f %12.0f"
                .formatted(name, nanos.size(), taken.median(), taken.p90(), taken.p99(), cpuNanos / 1e3 / nanos.size());
    }
}
