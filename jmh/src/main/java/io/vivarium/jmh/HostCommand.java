// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.NullMarked;

/// Programs of the host that a benchmark needs, or compares with.
@NullMarked
final class HostCommand {
    private HostCommand() {}

    /// Runs one to its end.
    ///
    /// @return the lines that it printed
    /// @throws IllegalStateException if it failed; with what it printed, also on its error stream
    static List<String> run(List<String> command) throws IOException, InterruptedException {
        return toItsEnd(new ProcessBuilder(command).redirectErrorStream(true), "")
                .lines()
                .toList();
    }

    /// Runs one to its end; what it says on its error stream is said on this process's.
    ///
    /// @param stdin what it can read
    /// @return what it printed
    /// @throws IllegalStateException if it failed
    static String output(List<String> command, String stdin) throws IOException, InterruptedException {
        return toItsEnd(new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT), stdin);
    }

    private static String toItsEnd(ProcessBuilder builder, String stdin) throws IOException, InterruptedException {
        Process process = builder.start();
        try (OutputStream input = process.getOutputStream()) {
            input.write(stdin.getBytes(StandardCharsets.UTF_8));
        }
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int code = process.waitFor();
        if (code != 0) {
            throw new IllegalStateException(
                    "%s failed with %d:%n%s".formatted(String.join(" ", builder.command()), code, output));
        }
        return output;
    }
}
