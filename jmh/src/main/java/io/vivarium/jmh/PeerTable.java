// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.NullMarked;

/// What workloads took in each of several places, in rounds. The first place is what the others are compared with.
@NullMarked
final class PeerTable {
    private final List<String> places;
    private final List<Row> rows = new ArrayList<>();

    /// @param rounds for each place, in the order of the places: nanoseconds in each round
    private record Row(String label, List<double[]> rounds) {}

    PeerTable(List<String> places) {
        this.places = List.copyOf(places);
    }

    /// Adds a workload.
    ///
    /// @param rounds for each place as many, and at least one: nanoseconds in each round
    void add(String label, List<double[]> rounds) {
        if (rounds.size() != places.size()) {
            throw new IllegalArgumentException("%d columns for %s".formatted(rounds.size(), places));
        }
        rows.add(new Row(label, List.copyOf(rounds)));
    }

    void print(PrintStream out) {
        out.println(
                "Microseconds, the median over the rounds; in brackets the median of the rounds' ratios to the first"
                        + " column.");
        out.printf("%-22s", "");
        places.forEach(place -> out.printf(" %21s", place));
        out.println();
        for (Row row : rows) {
            out.printf("%-22s", row.label());
            double[] first = row.rounds().getFirst();
            for (double[] place : row.rounds()) {
                double[] ratios = new double[place.length];
                Arrays.setAll(ratios, round -> place[round] / first[round]);
                out.printf(" %12.3f (%6.2f)", median(place) / 1000, median(ratios));
            }
            out.println();
        }
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[(sorted.length - 1) / 2];
    }
}
