// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Pseudo-terminals and the job control behind them: as on the host.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class TerminalsTest {
    @TempDir
    private static Path root;

    private static ComparedPrograms programs;

    @BeforeAll
    static void compile() throws IOException, InterruptedException {
        Path bin = Files.createDirectories(root.resolve("bin"));
        Files.copy(Path.of("/bin/bash-static"), bin.resolve("bash-static"), StandardCopyOption.COPY_ATTRIBUTES);
        programs = new ComparedPrograms(root, "shell_in_terminal", "terminals");
    }

    @AfterAll
    static void close() {
        programs.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"shell_in_terminal", "terminals"})
    void sameAsOnHost(String name) throws IOException, InterruptedException {
        programs.assertSame(name, "");
    }
}
