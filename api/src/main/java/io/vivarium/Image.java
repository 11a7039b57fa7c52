// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.internal.RootFile;
import java.lang.ref.Cleaner;
import java.nio.file.Files;
import java.nio.file.Path;

/// A root file system, read-only; any number of sandboxes share one image, each with its own changes above it.
///
/// An image is read when it is made: later changes of the directory or the archive do not show. What is not an EROFS
/// file becomes one, in `java.io.tmpdir`, as large as the content, and without a name, so that nothing is left of it
/// however the JVM ends. It is gone when the image is [closed][#close], or when nothing refers to the image any more;
/// sandboxes that run keep what they need.
///
/// Thread-safe. Two images are equal if they are the same object.
public final class Image implements AutoCloseable {
    private static final Cleaner CLEANER = Cleaner.create();

    private final String description;
    private final RootFile root;
    private final Cleaner.Cleanable cleanable;

    @SuppressWarnings("this-escape") // The cleaner only watches for the object to become unreachable.
    private Image(String description, RootFile root) {
        this.description = description;
        this.root = root;
        this.cleanable = CLEANER.register(this, root::close);
    }

    /// The content of a directory. Owners, modes and times are the host's; links are not followed.
    ///
    /// @throws InvalidImageException if it cannot be read, or holds what an image cannot
    public static Image directory(Path directory) {
        return new Image("directory " + directory, RootFile.ofDirectory(directory));
    }

    /// The content of a tar archive (ustar, pax or GNU; plain or gzip).
    ///
    /// @throws InvalidImageException if it cannot be read, or holds what an image cannot
    public static Image tar(Path archive) {
        return new Image("tar " + archive, RootFile.ofTar(archive));
    }

    /// An EROFS file (uncompressed, blocks of 4 KiB), mapped as it is. It must not be changed while it is in use. All
    /// of its structure is checked.
    ///
    /// @throws InvalidImageException if it is not such a file
    public static Image erofs(Path file) {
        return new Image("EROFS " + file, RootFile.ofErofs(file));
    }

    /// What is at a path: a directory, an EROFS file, or else a tar archive.
    ///
    /// @throws InvalidImageException if it is none of these
    public static Image of(Path path) {
        if (Files.isDirectory(path)) {
            return directory(path);
        }
        return RootFile.isErofs(path) ? erofs(path) : tar(path);
    }

    RootFile root() {
        return root;
    }

    /// Size of the EROFS file.
    public Memory size() {
        return new Memory(root.size());
    }

    /// Lets go of the file: no more sandboxes can be launched from it, those that run go on. Idempotent.
    @Override
    public void close() {
        cleanable.clean();
    }

    @Override
    public String toString() {
        return description;
    }
}
