// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.NullMarked;

/// Programs of the host that a benchmark needs.
@NullMarked
final class HostCommand {
    private HostCommand() {}

    /// Runs one to its end.
    ///
    /// @return the lines that it printed
    /// @throws IllegalStateException if it failed; with what it printed, also on its error stream
    static List<String> run(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int code = process.waitFor();
        if (code != 0) {
            throw new IllegalStateException(String.join(" ", command) + " failed with " + code + ":\n" + output);
        }
        return output.lines().toList();
    }
}
