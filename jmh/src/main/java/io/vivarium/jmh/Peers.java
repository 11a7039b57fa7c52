// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.Image;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.NullMarked;

/// What programs take on the host, in other sandboxes, and in Vivarium's, in turn in one run.
///
/// Needs `/dev/kvm`, gcc with make, and Python as Debian installs it. Where bubblewrap (`bwrap`) and
/// gVisor (`runsc`) are installed and work, they are compared with.
@NullMarked
public final class Peers {
    private static final String DEFAULT_ROUNDS = "7";
    private static final String PYTHON = "/usr/bin/python3";

    /// The time of 8 million steps, by its own clock.
    private static final String PYTHON_LOOP = """
            import time
            start = time.perf_counter_ns()
            total = 0
            for number in range(8_000_000):
                total += number * number % 7
            print(time.perf_counter_ns() - start)
            """;

    private Peers() {}

    /// Prints the table.
    ///
    /// @param arguments the folder of the C program; where to build it; the number of rounds, which may be left out
    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (arguments.length < 2 || arguments.length > 3) {
            System.err.println("usage: Peers <program's sources> <build folder> [<rounds>]");
            System.exit(2);
        }
        int rounds = Integer.parseInt(arguments.length > 2 ? arguments[2] : DEFAULT_ROUNDS);
        Path program = Path.of(arguments[1]).toAbsolutePath().normalize().resolve("workloads");
        HostCommand.run(List.of("make", "-s", "-C", arguments[0], "BUILD=" + program.getParent()));
        System.out.printf(
                "%d processors, load average before: %.1f%n",
                Runtime.getRuntime().availableProcessors(),
                ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage());
        try (ProgramRoot root = ProgramRoot.create()) {
            root.copy(program);
            root.copyPython(Path.of(PYTHON));
            try (Image image = Image.directory(root.directory())) {
                compare(image, workloads(program.toString()), rounds);
            }
        }
    }

    private static void compare(Image image, List<Workload> workloads, int rounds)
            throws IOException, InterruptedException {
        List<Place> places = new ArrayList<>();
        try {
            places.add(new Place.OnHost("host", List.of()));
            addIfItWorks(places, new Place.OnHost("bubblewrap", bubblewrap()));
            addIfItWorks(
                    places, new Place.OnHost("gVisor", List.of("runsc", "--network=none", "--ignore-cgroups", "do")));
            places.add(Place.Running.launch("sandbox", image));
            places.add(Place.Pooled.of("pristine sandbox", image));
            PeerTable table = new PeerTable(places.stream().map(Place::label).toList());
            for (Workload workload : workloads) {
                table.add(workload.label(), measure(workload, places, rounds));
            }
            table.print(System.out);
        } finally {
            places.forEach(Place::close);
        }
    }

    /// All that the host has to read, a `/tmp` of its own, and none of the host's namespaces.
    private static List<String> bubblewrap() {
        return List.of(
                "bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run", "--unshare-all");
    }

    private static void addIfItWorks(List<Place> places, Place place) throws InterruptedException {
        try {
            place.run(List.of("/bin/true"));
            places.add(place);
        } catch (IOException | IllegalStateException e) {
            System.out.printf("Without %s: %s%n", place.label(), e.getMessage());
        }
    }

    /// Runs it in each place in turn, so many times, after one round that does not count.
    ///
    /// @return for each place what each round took, in nanoseconds
    private static List<double[]> measure(Workload workload, List<Place> places, int rounds)
            throws IOException, InterruptedException {
        List<double[]> taken = places.stream().map(_ -> new double[rounds]).toList();
        for (int round = -1; round < rounds; round++) {
            for (int place = 0; place < places.size(); place++) {
                double nanoseconds = workload.measure(places.get(place));
                if (round >= 0) {
                    taken.get(place)[round] = nanoseconds;
                }
            }
        }
        return taken;
    }

    private static List<Workload> workloads(String program) {
        return List.of(
                loop(program, "getpid", 100_000),
                loop(program, "read", 30_000),
                loop(program, "pipe", 5_000),
                loop(program, "fork", 100),
                loop(program, "thread", 1_000),
                loop(program, "page", 20_000),
                loop(program, "cpu", 100_000_000),
                new Workload("python loop", List.of(PYTHON, "-c", PYTHON_LOOP), Workload.Clock.ITS_OWN),
                new Workload("program", List.of(program, "nothing", "1"), Workload.Clock.THE_CALLERS),
                new Workload("python print(1)", List.of(PYTHON, "-c", "print(1)"), Workload.Clock.THE_CALLERS));
    }

    private static Workload loop(String program, String name, int times) {
        return new Workload(name, List.of(program, name, Integer.toString(times)), Workload.Clock.ITS_OWN);
    }
}
