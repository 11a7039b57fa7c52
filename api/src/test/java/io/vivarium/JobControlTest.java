// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Processes that stop and go on, timers, queued signals, descriptors of processes, and the clock that is
/// read without the kernel: as on the host.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class JobControlTest {
    @TempDir
    private static Path root;

    private static ComparedPrograms programs;

    @BeforeAll
    static void compile() throws IOException, InterruptedException {
        programs = new ComparedPrograms(
                root, "job_control", "pidfd", "posix_timers", "priorities", "queued_signals", "vdso");
    }

    @AfterAll
    static void close() {
        programs.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"job_control", "pidfd", "posix_timers", "priorities", "queued_signals", "vdso"})
    void sameAsOnHost(String name) throws IOException, InterruptedException {
        programs.assertSame(name, "");
    }
}
