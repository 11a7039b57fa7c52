// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import java.util.List;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.NullMarked;

/// How long something took, in microseconds.
///
/// @param median what half of the samples do not exceed
/// @param p90 what nine tenths of them do not exceed
/// @param p99 what 99 of a hundred do not exceed
@NullMarked
record Percentiles(double median, double p90, double p99) {
    /// Of samples in nanoseconds, at least one, by nearest rank.
    static Percentiles ofNanos(List<Long> samples) {
        List<Long> sorted = samples.stream().sorted().toList();
        return new Percentiles(rank(sorted, 50), rank(sorted, 90), rank(sorted, 99));
    }

    private static double rank(List<Long> sorted, int percent) {
        return sorted.get(Math.ceilDiv(sorted.size() * percent, 100) - 1) / 1000.0;
    }

    /// The typical round: of each figure the median over the rounds, which are at least one.
    static Percentiles typical(List<Percentiles> rounds) {
        return new Percentiles(
                median(rounds, Percentiles::median),
                median(rounds, Percentiles::p90),
                median(rounds, Percentiles::p99));
    }

    private static double median(List<Percentiles> rounds, ToDoubleFunction<Percentiles> figure) {
        double[] sorted = rounds.stream().mapToDouble(figure).sorted().toArray();
        return sorted[(sorted.length - 1) / 2];
    }
}
