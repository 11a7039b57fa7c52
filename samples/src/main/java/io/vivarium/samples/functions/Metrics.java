// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples.functions;

import io.vivarium.SandboxPool;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.ToLongFunction;

/// What the server has done, in the text format of Prometheus (exposition format 0.0.4). Thread-safe.
final class Metrics {
    /// Upper bounds in seconds.
    private static final double[] BUCKETS = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

    private final Map<String, LongAdder> calls = new ConcurrentSkipListMap<>();
    private final Map<String, Histogram> seconds = new ConcurrentSkipListMap<>();

    private static final class Histogram {
        private final LongAdder[] counts = new LongAdder[BUCKETS.length + 1];
        private final LongAdder nanos = new LongAdder();

        private Histogram() {
            Arrays.setAll(counts, _ -> new LongAdder());
        }

        private void add(long value) {
            int bucket = 0;
            while (bucket < BUCKETS.length && value > BUCKETS[bucket] * 1e9) {
                bucket++;
            }
            counts[bucket].increment();
            nanos.add(value);
        }
    }

    /// Counts a call.
    ///
    /// @param nanos from the request to the answer
    void called(Language language, Outcome outcome, long nanos) {
        String labels = "language=\"%s\",outcome=\"%s\"".formatted(language.label(), outcome.label());
        calls.computeIfAbsent(labels, _ -> new LongAdder()).increment();
        seconds.computeIfAbsent("language=\"%s\"".formatted(language.label()), _ -> new Histogram())
                .add(nanos);
    }

    /// All of it, and how the pools are doing.
    String text(Map<Function.Kind, SandboxPool.Statistics> pools) {
        StringBuilder text = new StringBuilder();
        head(text, "vivarium_calls_total", "counter", "Calls of functions, by how they ended.");
        calls.forEach((labels, count) -> line(text, "vivarium_calls_total", labels, count.sum()));
        head(text, "vivarium_call_seconds", "histogram", "Time from a request to its answer.");
        seconds.forEach((labels, histogram) -> add(text, labels, histogram));
        gauge(text, pools, "idle", "Sandboxes that are ready.", SandboxPool.Statistics::idle);
        gauge(text, pools, "taken", "Sandboxes that are in use.", SandboxPool.Statistics::taken);
        gauge(text, pools, "coming", "Sandboxes that are being made or put back.", SandboxPool.Statistics::coming);
        gauge(text, pools, "waiting", "Calls that wait for a sandbox.", SandboxPool.Statistics::waiting);
        counter(text, pools, "launches", "Machines that were made.", SandboxPool.Statistics::launches);
        counter(text, pools, "resets", "How often a machine was put back.", SandboxPool.Statistics::resets);
        counter(text, pools, "failures", "How often that failed.", SandboxPool.Statistics::failures);
        return text.toString();
    }

    private static void add(StringBuilder text, String labels, Histogram histogram) {
        long sum = 0;
        for (int i = 0; i <= BUCKETS.length; i++) {
            sum += histogram.counts[i].sum();
            String bound = i < BUCKETS.length ? Double.toString(BUCKETS[i]) : "+Inf";
            line(text, "vivarium_call_seconds_bucket", labels + ",le=\"" + bound + "\"", sum);
        }
        text.append("vivarium_call_seconds_sum{%s} %s\n".formatted(labels, histogram.nanos.sum() / 1e9));
        line(text, "vivarium_call_seconds_count", labels, sum);
    }

    private static void gauge(
            StringBuilder text,
            Map<Function.Kind, SandboxPool.Statistics> pools,
            String what,
            String help,
            ToLongFunction<SandboxPool.Statistics> value) {
        ofPools(text, pools, "vivarium_pool_" + what, "gauge", help, value);
    }

    private static void counter(
            StringBuilder text,
            Map<Function.Kind, SandboxPool.Statistics> pools,
            String what,
            String help,
            ToLongFunction<SandboxPool.Statistics> value) {
        ofPools(text, pools, "vivarium_pool_" + what + "_total", "counter", help, value);
    }

    private static void ofPools(
            StringBuilder text,
            Map<Function.Kind, SandboxPool.Statistics> pools,
            String name,
            String type,
            String help,
            ToLongFunction<SandboxPool.Statistics> value) {
        head(text, name, type, help);
        pools.forEach((kind, statistics) -> line(
                text,
                name,
                "language=\"%s\",memory=\"%d\""
                        .formatted(kind.language().label(), kind.memory().bytes()),
                value.applyAsLong(statistics)));
    }

    private static void head(StringBuilder text, String name, String type, String help) {
        text.append("# HELP %s %s\n# TYPE %s %s\n".formatted(name, help, name, type));
    }

    private static void line(StringBuilder text, String name, String labels, long value) {
        text.append("%s{%s} %d\n".formatted(name, labels, value));
    }
}
