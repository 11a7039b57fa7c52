// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.NullMarked;

/// Rounds of measurements in Java and in C, each pair taken one right after the other, so that what else the host does
/// weighs on both.
@NullMarked
final class Comparison {
    private final List<Map<Point, Percentiles>> java = new ArrayList<>();
    private final List<Map<Point, Percentiles>> floor = new ArrayList<>();

    /// Adds a round.
    void add(Map<Point, Percentiles> javaRound, Map<Point, Percentiles> floorRound) {
        java.add(javaRound);
        floor.add(floorRound);
    }

    /// Prints a table of at least one round.
    void print(PrintStream out) {
        out.println("Microseconds; of each figure the median over the rounds. Ratio: Java's median over C's (its least"
                + " … most in a round).");
        out.printf(
                "%-18s %8s %8s %8s  %8s %8s %8s  %s%n", "", "Java p50", "p90", "p99", "C p50", "p90", "p99", "ratio");
        for (Point point : Point.values()) {
            Percentiles ours = Percentiles.typical(rounds(point, java));
            Percentiles theirs = Percentiles.typical(rounds(point, floor));
            double[] ratios = ratios(point);
            out.printf(
                    "%-18s %8.0f %8.0f %8.0f  %8.0f %8.0f %8.0f  %.2f (%.2f … %.2f)%n",
                    point.label(),
                    ours.median(),
                    ours.p90(),
                    ours.p99(),
                    theirs.median(),
                    theirs.p90(),
                    theirs.p99(),
                    ratios[(ratios.length - 1) / 2],
                    ratios[0],
                    ratios[ratios.length - 1]);
        }
    }

    /// The ratios of the rounds, ascending.
    private double[] ratios(Point point) {
        List<Percentiles> ours = rounds(point, java);
        List<Percentiles> theirs = rounds(point, floor);
        double[] ratios = new double[ours.size()];
        Arrays.setAll(
                ratios, round -> ours.get(round).median() / theirs.get(round).median());
        Arrays.sort(ratios);
        return ratios;
    }

    private static List<Percentiles> rounds(Point point, List<Map<Point, Percentiles>> rounds) {
        return rounds.stream().map(round -> measured(point, round)).toList();
    }

    private static Percentiles measured(Point point, Map<Point, Percentiles> round) {
        Percentiles percentiles = round.get(point);
        if (percentiles == null) {
            throw new IllegalStateException("nobody measured " + point.label());
        }
        return percentiles;
    }
}
