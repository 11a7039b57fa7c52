// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.Image;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The workloads run wherever they are compared.
@NullMarked
@Tag("machine")
@EnabledIfKvm
class PeersTest {
    @TempDir
    private static Path build;

    private static Path program;
    private static ProgramRoot root;
    private static Image image;
    private static Place running;
    private static Place pooled;

    @BeforeAll
    static void make() throws Exception {
        HostCommand.run(List.of("make", "-s", "-C", "workloads", "BUILD=" + build));
        program = build.resolve("workloads");
        root = ProgramRoot.create();
        root.copy(program);
        image = Image.directory(root.directory());
        running = Place.Running.launch("sandbox", image);
        pooled = Place.Pooled.of("pristine sandbox", image);
    }

    @AfterAll
    static void close() throws Exception {
        pooled.close();
        running.close();
        image.close();
        root.close();
        assertThat(root.directory()).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"getpid", "read", "pipe", "fork", "thread", "page", "cpu"})
    void workload(String name) throws Exception {
        Workload workload = new Workload(name, List.of(program.toString(), name, "1000"), Workload.Clock.ITS_OWN);

        assertThat(workload.measure(new Place.OnHost("host", List.of()))).isPositive();
        assertThat(workload.measure(running)).isPositive();
        assertThat(workload.measure(pooled)).isPositive();
    }

    @Test
    void theCallersClock() throws Exception {
        Workload nothing =
                new Workload("nothing", List.of(program.toString(), "nothing", "1"), Workload.Clock.THE_CALLERS);

        assertThat(nothing.measure(running)).isPositive();
    }

    @Test
    void aFailureIsNoMeasurement() {
        Workload unknown =
                new Workload("unknown", List.of(program.toString(), "unknown", "1"), Workload.Clock.THE_CALLERS);

        assertThatThrownBy(() -> unknown.measure(running))
                .hasMessageContaining("failed with 2")
                .hasMessageContaining("no workload unknown");
    }
}
