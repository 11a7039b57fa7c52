// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/// What a program did on the host, for comparison.
///
/// @param exitCode as a shell tells it: 128 + n after signal n
record OnHost(String stdout, String stderr, int exitCode) {
    /// Runs a program with the environment that it has in a guest.
    ///
    /// @param argv the program's path on the host first
    /// @param directory where it starts
    /// @param more of the environment
    /// @param input all of its standard input
    /// @param scratch an empty directory for what goes in and comes out
    static OnHost run(List<String> argv, Path directory, Map<String, String> more, String input, Path scratch)
            throws IOException, InterruptedException {
        Path output = scratch.resolve("stdout");
        Path errors = scratch.resolve("stderr");
        ProcessBuilder builder = new ProcessBuilder(HostSignals.byDefault(argv))
                .directory(directory.toFile())
                .redirectInput(
                        Files.writeString(scratch.resolve("stdin"), input).toFile())
                .redirectOutput(output.toFile())
                .redirectError(errors.toFile());
        builder.environment().clear();
        builder.environment().putAll(SandboxSpec.DEFAULT_ENV);
        builder.environment().putAll(more);
        int exitCode = builder.start().waitFor();
        return new OnHost(Files.readString(output), Files.readString(errors), exitCode);
    }
}
