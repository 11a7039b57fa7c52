// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.testing.Effort;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Machines that come and go leave nothing behind in this process:
/// `-Dvivarium.test.cycles=10000` has as many of them.
@Tag("machine")
@EnabledIfKvm
@Timeout(3600)
class CloneCyclesTest {
    private static final int CYCLES = Integer.getInteger("vivarium.test.cycles", Effort.times(200));

    /// Mappings and threads that the JVM may make for itself meanwhile, for compiled code and its heap.
    private static final long JVM_MAY = 64;

    /// Memory that the JVM may take for itself meanwhile: no more than one page left behind in each
    /// of 10,000 cycles.
    private static final long JVM_MAY_KIB = 40_000;

    private record Held(long files, long threads, long mappings, long residentKib) {
        static Held now() throws IOException {
            System.gc();
            long resident = 0;
            long threads = 0;
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                String[] words = line.split("\\s+", -1);
                if (words[0].equals("RssAnon:") || words[0].equals("RssShmem:")) {
                    resident += Long.parseLong(words[1]);
                } else if (words[0].equals("Threads:")) {
                    threads = Long.parseLong(words[1]);
                }
            }
            return new Held(
                    count(Path.of("/proc/self/fd")),
                    threads,
                    Files.readAllLines(Path.of("/proc/self/maps")).size(),
                    resident);
        }

        private static long count(Path directory) throws IOException {
            try (Stream<Path> entries = Files.list(directory)) {
                return entries.count();
            }
        }
    }

    @Test
    void nothingIsLeftOfSandboxesThatWereClosed() throws IOException {
        SandboxSpec spec = SandboxSpec.of(RealPrograms.IMAGE).withMemory(Memory.mebibytes(32));
        try (Template template = Template.of(spec).warmUp(CloneCyclesTest::use)) {
            // What the JVM compiles and keeps it has by then.
            cycle(template, Math.max(50, CYCLES / 10));
            Held before = Held.now();
            cycle(template, CYCLES);
            Held after = Held.now();
            assertThat(after.files).as("files of %s, then %s", before, after).isLessThanOrEqualTo(before.files);
            assertThat(after.threads - before.threads)
                    .as("threads of %s, then %s", before, after)
                    .isLessThan(JVM_MAY);
            assertThat(after.mappings - before.mappings)
                    .as("mappings of %s, then %s", before, after)
                    .isLessThan(JVM_MAY);
            assertThat(after.residentKib - before.residentKib)
                    .as("memory of %s, then %s", before, after)
                    .isLessThan(JVM_MAY_KIB);
        }
    }

    private static void cycle(Template template, int times) {
        for (int i = 0; i < times; i++) {
            try (Sandbox sandbox = template.launch()) {
                use(sandbox);
                if (i % 10 == 0) {
                    sandbox.branch().close();
                }
            }
        }
    }

    private static void use(Sandbox sandbox) {
        assertThat(sandbox.exec("/bin/busybox", "echo", "hi").stdout().text()).isEqualTo("hi\n");
    }
}
