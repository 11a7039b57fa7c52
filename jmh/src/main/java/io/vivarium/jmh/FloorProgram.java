// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.NullMarked;

/// The program in C that launches machines with the same KVM calls and the same guest.
@NullMarked
final class FloorProgram {
    private final Path program;
    private final GuestFiles guest;

    private FloorProgram(Path program, GuestFiles guest) {
        this.program = program;
        this.guest = guest;
    }

    /// Builds what is older than its sources.
    ///
    /// @param sources its folder, with a makefile
    /// @param build where the program comes to lie
    /// @param guest what it launches
    static FloorProgram build(Path sources, Path build, GuestFiles guest) throws IOException, InterruptedException {
        HostCommand.run(List.of("make", "-s", "-C", sources.toString(), "BUILD=" + build.toAbsolutePath()));
        return new FloorProgram(build.resolve("floor"), guest);
    }

    /// Measures every point so many times, in turn, after a warm-up of its own.
    Map<Point, Percentiles> measure(int times) throws IOException, InterruptedException {
        List<String> lines = HostCommand.run(List.of(
                program.toString(), guest.kernel().toString(), guest.root().toString(), Integer.toString(times)));
        Map<Point, Percentiles> result = new EnumMap<>(Point.class);
        for (String line : lines) {
            String[] fields = line.split(" ", -1);
            Point point = Arrays.stream(Point.values())
                    .filter(candidate -> candidate.label().equals(fields[0]))
                    .findFirst()
                    .orElseThrow(() -> new IllegalStateException("the floor measured something else: " + line));
            result.put(
                    point,
                    new Percentiles(
                            Double.parseDouble(fields[1]),
                            Double.parseDouble(fields[2]),
                            Double.parseDouble(fields[3])));
        }
        return result;
    }
}
