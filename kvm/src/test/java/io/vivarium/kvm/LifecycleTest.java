// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.testing.Effort;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("machine")
@EnabledIfKvm
class LifecycleTest {
    private static final int CYCLES = Effort.times(1000);

    private static long entries(String folder) {
        String[] names = new File(folder).list();
        return names == null ? 0 : names.length;
    }

    /// Mappings that a machine makes; the JVM's own come and go.
    private static long mappings() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.contains("kvm-vcpu") || line.contains("lifecycle"))
                    .count();
        }
    }

    private static long allMappings() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.count();
        }
    }

    private static void cycle(Kvm kvm) {
        try (MemoryFile file = MemoryFile.create("lifecycle", 1 << 20);
                Machine machine = Machine.builder(kvm)
                        .region(RegionSpec.anonymous(0, Guest.MEMORY))
                        .region(RegionSpec.copyOnWrite(Guest.MEMORY, 1 << 20, file, 0))
                        .region(RegionSpec.anonymousHuge(1L << 32, 4 << 20))
                        .region(RegionSpec.readOnlyFile(0x10_0000_0000L, file))
                        .vcpus(2)
                        .build()) {
            // hlt
            Guest.code(machine, "f4");
            Guest.atCpl0(machine, 0);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
        }
    }

    @Test
    void nothingIsLeftBehind() throws Exception {
        try (Kvm kvm = Kvm.open()) {
            for (int i = 0; i < Effort.times(50); i++) {
                cycle(kvm);
            }
            long fds = entries("/proc/self/fd");
            long threads = entries("/proc/self/task");
            long maps = allMappings();
            for (int i = 0; i < CYCLES; i++) {
                cycle(kvm);
            }
            assertThat(entries("/proc/self/fd")).isEqualTo(fds);
            assertThat(mappings()).isZero();
            // The JVM starts compiler threads and maps memory when it likes; a leak would be one for each cycle.
            assertThat(entries("/proc/self/task")).isLessThan(threads + CYCLES / 20 + 4);
            assertThat(allMappings()).isLessThan(maps + CYCLES / 10 + 20);
        }
    }

    @Test
    void aMachineThatCannotBeBuiltLeavesNothing() {
        try (Kvm kvm = Kvm.open();
                MemoryFile file = MemoryFile.create("lifecycle", 1 << 20)) {
            long fds = entries("/proc/self/fd");
            for (int i = 0; i < 20; i++) {
                try {
                    Machine.builder(kvm)
                            .region(RegionSpec.copyOnWrite(0, 1 << 20, file, 0))
                            .mmio(0x1000, 4, new RecordingDevice())
                            .build();
                } catch (IllegalArgumentException e) {
                    assertThat(e).hasMessageContaining("lies in memory");
                    continue;
                }
                throw new AssertionError("built");
            }
            assertThat(entries("/proc/self/fd")).isEqualTo(fds);
            assertThat(mappings()).isZero();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
