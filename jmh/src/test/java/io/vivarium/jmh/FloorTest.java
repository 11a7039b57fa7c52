// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.vivarium.Command;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Java and C launch the same guest.
@NullMarked
@Tag("machine")
@EnabledIfKvm
class FloorTest {
    private static final Path SOURCES = Path.of("floor");

    @TempDir
    private Path build;

    @BeforeEach
    void needsBusybox() {
        assumeTrue(Files.isExecutable(Path.of(GuestFiles.BUSYBOX)), "no " + GuestFiles.BUSYBOX);
    }

    @Test
    void theFloorMeasuresEveryPoint() throws Exception {
        try (GuestFiles guest = GuestFiles.write()) {
            Map<Point, Percentiles> measured =
                    FloorProgram.build(SOURCES, build, guest).measure(2);

            assertThat(measured).containsOnlyKeys(Point.values());
            assertThat(measured.values()).allSatisfy(each -> {
                assertThat(each.median()).isPositive();
                assertThat(each.p99()).isGreaterThanOrEqualTo(each.median());
            });
        }
    }

    @Test
    void javaMeasuresEveryPoint() throws Exception {
        try (GuestFiles guest = GuestFiles.write();
                VivariumLaunches vivarium =
                        new VivariumLaunches(guest.root(), Command.of(GuestFiles.BUSYBOX, "echo", "hi"))) {
            assertThat(vivarium.measure(2)).containsOnlyKeys(Point.values());
        }
    }

    @Test
    void aGuestThatDoesNotComeUpIsAnError() throws Exception {
        try (GuestFiles guest = GuestFiles.write()) {
            FloorProgram floor = FloorProgram.build(SOURCES, build, guest);
            Files.write(guest.root(), new byte[4096]);

            assertThatThrownBy(() -> floor.measure(1))
                    .hasMessageContaining("failed with 1")
                    .hasMessageContaining("root image is not an EROFS file system");
        }
    }

    @Test
    void theFilesAreGoneAfterwards() throws Exception {
        GuestFiles guest = GuestFiles.write();
        assertThat(guest.directory()).isDirectory();

        guest.close();

        assertThat(guest.directory()).doesNotExist();
    }
}
