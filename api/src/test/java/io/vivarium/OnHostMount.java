// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Mounts on the host, which only root may make.
final class OnHostMount {
    private OnHostMount() {}

    /// Mounts an empty file system in memory; skips the test where that is not possible.
    static void tmpfs(Path directory, String options) throws IOException, InterruptedException {
        assumeTrue(Files.getOwner(Path.of("/proc/self")).getName().equals("root"), "mount(8) is root's");
        assumeTrue(run(List.of("mount", "-t", "tmpfs", "-o", options, "tmpfs", directory.toString())) == 0, "mount(8)");
    }

    /// Takes it away.
    static void unmount(Path directory) throws IOException, InterruptedException {
        assertThat(run(List.of("umount", "-l", directory.toString())))
                .as("umount(8)")
                .isZero();
    }

    private static int run(List<String> argv) throws IOException, InterruptedException {
        return new ProcessBuilder(argv).inheritIO().start().waitFor();
    }
}
