// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/// A directory that goes away with all that is in it.
public record TemporaryDirectory(Path path) implements AutoCloseable {
    /// A new one in `java.io.tmpdir`.
    public static TemporaryDirectory create() throws IOException {
        Path created = Files.createTempDirectory("vivarium-root-");
        // It becomes the guest's /, which is for all its users.
        Files.setPosixFilePermissions(created, PosixFilePermissions.fromString("rwxr-xr-x"));
        return new TemporaryDirectory(created);
    }

    @Override
    public void close() {
        try {
            List<Path> all;
            try (Stream<Path> walk = Files.walk(path)) {
                all = walk.sorted(Comparator.reverseOrder()).toList();
            }
            for (Path each : all) {
                Files.delete(each);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
