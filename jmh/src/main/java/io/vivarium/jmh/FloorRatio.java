// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.Command;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.boot.Substrate;
import io.vivarium.guestimages.erofs.ErofsWriter;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.NullMarked;

/// What the JVM costs: launches from Java and from C, with the same kernel, image and KVM calls, in turn in one run.
///
/// Needs `/dev/kvm`, a static `/bin/busybox`, gcc and make.
@NullMarked
public final class FloorRatio {
    private static final String KERNEL_RESOURCE = "/io/vivarium/guestimages/substrate.elf";
    private static final String BUSYBOX = "/bin/busybox";
    private static final Command COMMAND = Command.of(BUSYBOX, "echo", "hi");

    /// Until the launch path is compiled.
    private static final int WARM_UP = 200;

    private static final int DEFAULT_ROUNDS = 5;
    private static final int DEFAULT_LAUNCHES = 100;

    private FloorRatio() {}

    /// Prints the table.
    ///
    /// @param arguments the folder of the C program; where to build it; optionally the number of rounds, and of
    ///     launches in each
    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (arguments.length < 2 || arguments.length > 4) {
            System.err.println("usage: FloorRatio <floor's sources> <build folder> [<rounds> [<launches in each>]]");
            System.exit(2);
        }
        int rounds = arguments.length > 2 ? Integer.parseInt(arguments[2]) : DEFAULT_ROUNDS;
        int launches = arguments.length > 3 ? Integer.parseInt(arguments[3]) : DEFAULT_LAUNCHES;
        Path directory = Files.createTempDirectory("vivarium-floor");
        Path kernel = directory.resolve("substrate.elf");
        Path root = directory.resolve("root.erofs");
        try {
            writeKernel(kernel);
            writeRoot(directory, root);
            FloorProgram floor = FloorProgram.build(Path.of(arguments[0]), Path.of(arguments[1]), kernel, root);
            try (VivariumLaunches vivarium = new VivariumLaunches(root, COMMAND)) {
                vivarium.measure(WARM_UP);
                List<Map<Point, Percentiles>> java = new ArrayList<>();
                List<Map<Point, Percentiles>> c = new ArrayList<>();
                for (int round = 0; round < rounds; round++) {
                    java.add(vivarium.measure(launches));
                    c.add(floor.measure(launches));
                }
                print(System.out, java, c);
            }
        } finally {
            Files.deleteIfExists(root);
            Files.deleteIfExists(kernel);
            Files.delete(directory);
        }
    }

    /// The kernel that the launches from Java boot.
    private static void writeKernel(Path file) throws IOException {
        try (InputStream in = Substrate.class.getResourceAsStream(KERNEL_RESOURCE)) {
            if (in == null) {
                throw new IllegalStateException("the guest kernel is missing from this build: " + KERNEL_RESOURCE);
            }
            Files.copy(in, file);
        }
    }

    private static void writeRoot(Path directory, Path file) throws IOException {
        Path tree = directory.resolve("root");
        Path busybox = tree.resolve(BUSYBOX.substring(1));
        try {
            Files.createDirectories(busybox.getParent());
            Files.copy(Path.of(BUSYBOX), busybox, StandardCopyOption.COPY_ATTRIBUTES);
            try (RootFs root = RootFs.fromDirectory(tree)) {
                ErofsWriter.write(root, file);
            }
        } finally {
            Files.deleteIfExists(busybox);
            Files.deleteIfExists(busybox.getParent());
            Files.deleteIfExists(tree);
        }
    }

    private static void print(
            PrintStream out, List<Map<Point, Percentiles>> java, List<Map<Point, Percentiles>> c) {
        out.println("Microseconds; each figure is the median over the rounds. Ratio: Java's median over C's, least"
                + " and most of a round.");
        out.printf(
                "%-18s %9s %9s %9s  %9s %9s %9s  %6s%n",
                "", "Java p50", "p90", "p99", "C p50", "p90", "p99", "ratio");
        for (Point point : Point.values()) {
            Percentiles ours = Percentiles.typical(of(point, java));
            Percentiles floor = Percentiles.typical(of(point, c));
            double[] ratios = ratios(point, java, c);
            out.printf(
                    "%-18s %9.0f %9.0f %9.0f  %9.0f %9.0f %9.0f  %6.2f  (%.2f … %.2f)%n",
                    point.label(),
                    ours.median(),
                    ours.p90(),
                    ours.p99(),
                    floor.median(),
                    floor.p90(),
                    floor.p99(),
                    ratios[(ratios.length - 1) / 2],
                    ratios[0],
                    ratios[ratios.length - 1]);
        }
    }

    private static List<Percentiles> of(Point point, List<Map<Point, Percentiles>> rounds) {
        return rounds.stream().map(round -> figure(point, round)).toList();
    }

    private static Percentiles figure(Point point, Map<Point, Percentiles> round) {
        Percentiles percentiles = round.get(point);
        if (percentiles == null) {
            throw new IllegalStateException("nobody measured " + point);
        }
        return percentiles;
    }

    /// The ratios of the rounds, ascending.
    private static double[] ratios(
            Point point, List<Map<Point, Percentiles>> java, List<Map<Point, Percentiles>> c) {
        double[] ratios = new double[java.size()];
        for (int round = 0; round < ratios.length; round++) {
            ratios[round] = figure(point, java.get(round)).median()
                    / figure(point, c.get(round)).median();
        }
        Arrays.sort(ratios);
        return ratios;
    }
}
