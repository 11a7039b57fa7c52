// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;

/// A file that appears under its name only when all of it is on stable storage, and takes the place of the one that was
/// there at once.
final class AtomicFile implements AutoCloseable {
    private final Path target;
    private final Path draft;
    private final FileChannel channel;

    private AtomicFile(Path target, Path draft, FileChannel channel) {
        this.target = target;
        this.draft = draft;
        this.channel = channel;
    }

    /// Begins one; its owner alone may read it.
    static AtomicFile create(Path target) throws IOException {
        Path absolute = target.toAbsolutePath();
        Path draft = Files.createTempFile(
                directory(absolute),
                "." + absolute.getFileName() + ".",
                ".draft",
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        try {
            return new AtomicFile(absolute, draft, FileChannel.open(draft, StandardOpenOption.WRITE));
        } catch (IOException | RuntimeException e) {
            Files.deleteIfExists(draft);
            throw e;
        }
    }

    private static Path directory(Path file) throws IOException {
        Path parent = file.getParent();
        if (parent == null) {
            throw new IOException(file + " is in no directory");
        }
        return parent;
    }

    FileChannel channel() {
        return channel;
    }

    /// Has it appear.
    void commit() throws IOException {
        channel.force(true);
        Files.move(draft, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        // The name is on stable storage when the directory is (fsync(2)).
        try (FileChannel directory = FileChannel.open(directory(target), StandardOpenOption.READ)) {
            directory.force(true);
        }
    }

    /// Takes what is not committed away.
    @Override
    public void close() throws IOException {
        channel.close();
        Files.deleteIfExists(draft);
    }
}
