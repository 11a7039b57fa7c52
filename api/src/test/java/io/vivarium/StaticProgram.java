// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// Compiles small C programs, to be run in a guest that has no libraries.
final class StaticProgram {
    private StaticProgram() {}

    /// @param source C
    /// @param program where the program goes
    static void compile(String source, Path program) throws IOException, InterruptedException {
        Path file = Files.writeString(Files.createTempFile("vivarium-test-", ".c"), source);
        try {
            Process gcc = new ProcessBuilder(
                            "gcc", "-O1", "-Wall", "-static", "-o", program.toString(), file.toString())
                    .redirectErrorStream(true)
                    .start();
            String messages = new String(gcc.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(gcc.waitFor()).as(messages).isZero();
        } finally {
            Files.delete(file);
        }
    }
}
