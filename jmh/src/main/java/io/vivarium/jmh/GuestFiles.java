// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.boot.Substrate;
import io.vivarium.guestimages.erofs.ErofsWriter;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.jspecify.annotations.NullMarked;

/// What a guest consists of, as files that last until this is closed.
///
/// @param directory holds the others, and nothing else
/// @param kernel the one that launches from Java boot, an ELF file
/// @param root an EROFS image of [#BUSYBOX] alone
@NullMarked
record GuestFiles(Path directory, Path kernel, Path root) implements AutoCloseable {
    /// The program of the guest, the host's own; static.
    static final String BUSYBOX = "/bin/busybox";

    private static final String KERNEL_RESOURCE = "/io/vivarium/guestimages/substrate.elf";

    static GuestFiles write() throws IOException {
        Path directory = Files.createTempDirectory("vivarium-guest-");
        GuestFiles files =
                new GuestFiles(directory, directory.resolve("substrate.elf"), directory.resolve("root.erofs"));
        try {
            files.writeKernel();
            files.writeRoot();
            return files;
        } catch (IOException | RuntimeException e) {
            files.close();
            throw e;
        }
    }

    private void writeKernel() throws IOException {
        try (InputStream in = Substrate.class.getResourceAsStream(KERNEL_RESOURCE)) {
            if (in == null) {
                throw new IllegalStateException("the guest kernel is missing from this build: " + KERNEL_RESOURCE);
            }
            Files.copy(in, kernel);
        }
    }

    private void writeRoot() throws IOException {
        Path tree = directory.resolve("root");
        Path busybox = tree.resolve(BUSYBOX.substring(1));
        try {
            Files.createDirectories(busybox.getParent());
            Files.copy(Path.of(BUSYBOX), busybox, StandardCopyOption.COPY_ATTRIBUTES);
            try (RootFs content = RootFs.fromDirectory(tree)) {
                ErofsWriter.write(content, root);
            }
        } finally {
            Files.deleteIfExists(busybox);
            Files.deleteIfExists(busybox.getParent());
            Files.deleteIfExists(tree);
        }
    }

    @Override
    public void close() throws IOException {
        Files.deleteIfExists(root);
        Files.deleteIfExists(kernel);
        Files.deleteIfExists(directory);
    }
}
