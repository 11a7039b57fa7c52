// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// Small C programs, to be run in a guest that has no libraries.
final class StaticProgram {
    private StaticProgram() {}

    /// @param source C
    /// @param program where the program goes
    static void compile(String source, Path program) throws IOException, InterruptedException {
        List<String> command = List.of("gcc", "-O1", "-Wall", "-static", "-o", "PROGRAM", "SOURCE");
        new CompiledProgram(command, "program.c", source).make(program);
    }
}
