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

/// Programs that wait for several things at once: epoll(7), eventfd(2), timerfd_create(2), signalfd(2),
/// poll(2) and select(2) answer as the host's do.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class WaitingTest {
    @TempDir
    private static Path root;

    private static ComparedPrograms programs;

    @BeforeAll
    static void compile() throws IOException, InterruptedException {
        programs = new ComparedPrograms(root, "epoll", "eventfd", "timerfd", "signalfd", "poll");
    }

    @AfterAll
    static void close() {
        programs.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"epoll", "eventfd", "timerfd", "signalfd", "poll"})
    void sameAsOnHost(String name) throws IOException, InterruptedException {
        programs.assertSame(name, "line\n");
    }
}
