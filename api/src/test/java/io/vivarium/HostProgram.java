// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Programs of the host, with the libraries that they load, in the root of a guest.
final class HostProgram {
    private static final Pattern LIBRARY = Pattern.compile("(/\\S+) \\(0x");

    private HostProgram() {}

    /// @param program its path, in the guest too
    static void copy(Path program, Path root) throws IOException, InterruptedException {
        copyFile(program, root);
        Process ldd = new ProcessBuilder("ldd", program.toString())
                .redirectErrorStream(true)
                .start();
        String libraries = new String(ldd.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(ldd.waitFor()).as(libraries).isZero();
        for (Matcher library = LIBRARY.matcher(libraries); library.find(); ) {
            copyFile(Path.of(library.group(1)), root);
        }
    }

    /// Copies one file to the same place in the root, if it is not there.
    static void copyFile(Path file, Path root) throws IOException {
        Path copy = root.resolve(Path.of("/").relativize(file));
        if (!Files.exists(copy)) {
            Files.createDirectories(copy.getParent());
            Files.copy(file.toRealPath(), copy);
        }
    }
}
