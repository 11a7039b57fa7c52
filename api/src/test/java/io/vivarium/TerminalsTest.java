// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

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
        programs = new ComparedPrograms(root, "terminals");
    }

    @AfterAll
    static void close() {
        programs.close();
    }

    @Test
    void sameAsOnHost() throws IOException, InterruptedException {
        programs.assertSame("terminals", "");
    }
}
