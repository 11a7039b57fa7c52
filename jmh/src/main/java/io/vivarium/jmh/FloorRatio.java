// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.Command;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;
import java.nio.file.Path;
import org.jspecify.annotations.NullMarked;

/// What the JVM costs: launches from Java and from C, with the same kernel, image and KVM calls, in turn in one run.
///
/// Needs `/dev/kvm`, a static `/bin/busybox`, gcc and make.
@NullMarked
public final class FloorRatio {
    /// Until the launch path is compiled.
    private static final int WARM_UP = 200;

    private static final String DEFAULT_ROUNDS = "10";
    private static final String DEFAULT_LAUNCHES = "50";

    private FloorRatio() {}

    /// Prints the table.
    ///
    /// @param arguments the folder of the C program; where to build it; the number of rounds; that of launches in
    /// each; the last two may be left out
    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (arguments.length < 2 || arguments.length > 4) {
            System.err.println("usage: FloorRatio <floor's sources> <build folder> [<rounds> [<launches in each>]]");
            System.exit(2);
        }
        int rounds = count("rounds", arguments.length > 2 ? arguments[2] : DEFAULT_ROUNDS);
        int launches = count("launches", arguments.length > 3 ? arguments[3] : DEFAULT_LAUNCHES);
        OperatingSystemMXBean host = ManagementFactory.getOperatingSystemMXBean();
        System.out.printf(
                "%d processors, load average before: %.1f%n",
                host.getAvailableProcessors(), host.getSystemLoadAverage());
        try (GuestFiles guest = GuestFiles.write()) {
            FloorProgram floor = FloorProgram.build(Path.of(arguments[0]), Path.of(arguments[1]), guest);
            Command command = Command.of(GuestFiles.BUSYBOX, "echo", "hi");
            try (VivariumLaunches vivarium = new VivariumLaunches(guest.root(), command)) {
                vivarium.measure(WARM_UP);
                Comparison comparison = new Comparison();
                for (int round = 0; round < rounds; round++) {
                    comparison.add(vivarium.measure(launches), floor.measure(launches));
                }
                comparison.print(System.out);
            }
        }
    }

    private static int count(String what, String argument) {
        int count = Integer.parseInt(argument);
        if (count < 1) {
            throw new IllegalArgumentException(argument + " " + what);
        }
        return count;
    }
}
