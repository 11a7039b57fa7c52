// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What a process may have: resource limits and groups, compared with the host.
@Tag("machine")
@EnabledIfKvm
@Timeout(120)
class LimitsTest {
    @TempDir
    private static Path root;

    private static ComparedPrograms programs;

    @BeforeAll
    static void compile() throws IOException, InterruptedException {
        programs = new ComparedPrograms(root, "resource_limits", "groups");
    }

    @AfterAll
    static void close() {
        programs.close();
    }

    @Test
    void resourceLimits() throws IOException, InterruptedException {
        programs.assertSame("resource_limits", "");
    }

    @Test
    void supplementaryGroups() throws IOException, InterruptedException {
        assumeTrue(Files.getOwner(Path.of("/proc/self")).getName().equals("root"), "setgroups(2) is root's");
        programs.assertSame("groups", "");
    }
}
