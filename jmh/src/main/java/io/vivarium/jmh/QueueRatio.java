// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;
import java.lang.management.ThreadMXBean;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.NullMarked;

/// What a queue round trip costs above a bare exit: exits from C, and exits and requests from Java, in turn in one run.
///
/// Needs `/dev/kvm`, gcc and make.
@NullMarked
public final class QueueRatio {
    private static final String DEFAULT_ROUNDS = "10";
    private static final String DEFAULT_TIMES = "20000";
    private static final int WARM_UP = 50_000;

    private final Map<String, List<double[]>> measured = new LinkedHashMap<>();

    private QueueRatio() {}

    /// Prints the table.
    ///
    /// @param arguments the folder of the C program; where to build it; the number of rounds; that of exits and
    ///     requests in each; the last two may be left out
    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (arguments.length < 2 || arguments.length > 4) {
            System.err.println("usage: QueueRatio <C sources> <build folder> [<rounds> [<requests in each>]]");
            System.exit(2);
        }
        int rounds = Integer.parseInt(arguments.length > 2 ? arguments[2] : DEFAULT_ROUNDS);
        int times = Integer.parseInt(arguments.length > 3 ? arguments[3] : DEFAULT_TIMES);
        Path build = Path.of(arguments[1]);
        HostCommand.run(List.of("make", "-s", "-C", arguments[0], "BUILD=" + build.toAbsolutePath()));
        OperatingSystemMXBean host = ManagementFactory.getOperatingSystemMXBean();
        System.out.printf(
                "%d processors, load average before: %.1f%n",
                host.getAvailableProcessors(), host.getSystemLoadAverage());
        QueueRatio ratio = new QueueRatio();
        Map<QueueBenchmark.Way, QueueGuest> guests = new EnumMap<>(QueueBenchmark.Way.class);
        for (QueueBenchmark.Way way : QueueBenchmark.Way.values()) {
            QueueGuest guest = new QueueGuest();
            if (way == QueueBenchmark.Way.IOEVENTFD) {
                guest.useDoorbell();
            }
            guest.load(QueueBenchmark.loopOf(way));
            guest.run(Math.min(WARM_UP, times));
            guests.put(way, guest);
        }
        for (int round = 0; round < rounds; round++) {
            ratio.addFloor(build.resolve("exits"), times);
            guests.forEach((way, guest) -> ratio.add("Java " + way, measure(guest, times)));
        }
        ratio.print();
        for (QueueGuest guest : guests.values()) {
            guest.close();
        }
    }

    private void addFloor(Path program, int times) throws IOException, InterruptedException {
        for (String line : HostCommand.run(List.of(program.toString(), Integer.toString(times)))) {
            String[] fields = line.split(" ", -1);
            add("C " + fields[0], new double[] {Double.parseDouble(fields[1]), Double.parseDouble(fields[2])});
        }
    }

    /// Nanoseconds for each: what passed, and what the vCPU's thread was on a processor for.
    private static double[] measure(QueueGuest guest, int times) {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        long start = System.nanoTime();
        long startCpu = threads.getCurrentThreadCpuTime();
        guest.run(times);
        long cpu = threads.getCurrentThreadCpuTime() - startCpu;
        long elapsed = System.nanoTime() - start;
        return new double[] {(double) elapsed / times, (double) cpu / times};
    }

    private void add(String name, double[] times) {
        measured.computeIfAbsent(name, _ -> new ArrayList<>()).add(times);
    }

    private void print() {
        System.out.println(
                "Nanoseconds, the median over the rounds; ratio: of the processor time to that of C port, the median"
                        + " over the rounds (its least … most).");
        System.out.printf("%-16s %9s %9s  %s%n", "", "passed", "processor", "ratio");
        List<double[]> floor = measured.getOrDefault("C port", List.of());
        measured.forEach((name, rounds) -> {
            double[] ratios = new double[rounds.size()];
            for (int i = 0; i < ratios.length; i++) {
                ratios[i] = rounds.get(i)[1] / floor.get(i)[1];
            }
            Arrays.sort(ratios);
            System.out.printf(
                    "%-16s %9.0f %9.0f  %.2f (%.2f … %.2f)%n",
                    name,
                    median(rounds, 0),
                    median(rounds, 1),
                    ratios[ratios.length / 2],
                    ratios[0],
                    ratios[ratios.length - 1]);
        });
    }

    private static double median(List<double[]> rounds, int column) {
        double[] values =
                rounds.stream().mapToDouble(each -> each[column]).sorted().toArray();
        return values[values.length / 2];
    }
}
