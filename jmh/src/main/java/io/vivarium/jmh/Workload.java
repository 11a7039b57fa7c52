// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.NullMarked;

/// Something to run, and how long it takes is told.
///
/// @param label names its row
/// @param argv a program, which has the same path everywhere
/// @param clock who tells how long it took
@NullMarked
record Workload(String label, List<String> argv, Clock clock) {
    enum Clock {
        /// The program prints how many nanoseconds one of what it did took.
        ITS_OWN,
        /// What passes on the host until it has ended and its output is there.
        THE_CALLERS
    }

    /// Runs it once.
    ///
    /// @return nanoseconds
    double measure(Place place) throws IOException, InterruptedException {
        long start = System.nanoTime();
        String output = place.run(argv);
        return switch (clock) {
            case ITS_OWN -> Double.parseDouble(output.strip());
            case THE_CALLERS -> System.nanoTime() - start;
        };
    }
}
