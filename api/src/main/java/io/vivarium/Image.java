// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.internal.BuiltImage;
import io.vivarium.internal.RootFile;
import java.lang.ref.Cleaner;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

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
    private final ImageConfig config;
    private final Cleaner.Cleanable cleanable;

    @SuppressWarnings("this-escape") // The cleaner only watches for the object to become unreachable.
    private Image(String description, RootFile root, ImageConfig config) {
        this.description = description;
        this.root = root;
        this.config = config;
        this.cleanable = CLEANER.register(this, root::close);
    }

    private Image(String description, RootFile root) {
        this(description, root, ImageConfig.NONE);
    }

    private Image(BuiltImage built) {
        this(built.description(), built.root(), built.config());
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

    /// A container image from a registry, with its [#config]: the image for `linux/amd64`, its layers merged. All of it
    // is
    /// checked against its digests. What was downloaded, and the EROFS file made of it, stay in a cache.
    ///
    /// @param name as for `docker pull`: `[registry/]repository[:tag][@digest]`
    /// @throws InvalidImageException if it cannot be had, is not what its digests say, or holds what an image
    // cannot
    /// @throws IllegalArgumentException if `name` is not such a name
    public static Image oci(String name) {
        return oci(OciPull.of(name));
    }

    /// As [#oci(String)], in another way than the usual one.
    ///
    /// @throws InvalidImageException if it cannot be had, is not what its digests say, or holds what an image
    // cannot
    public static Image oci(OciPull pull) {
        return new Image(BuiltImage.ofRegistry(
                pull.reference(), pull.options(), pull.limits().ofSize()));
    }

    /// The container image in an OCI image layout, a directory as `skopeo` and `umoci` make it, with its [#config].
    ///
    /// @throws InvalidImageException if there is not one such image, or it is not what its digests say, or holds
    // what an
    ///     image cannot
    public static Image ociLayout(Path directory) {
        return new Image(BuiltImage.ofLayout(directory, Optional.empty()));
    }

    /// As [#ociLayout(Path)], for a layout with several images.
    ///
    /// @param name its annotation `org.opencontainers.image.ref.name`
    /// @throws InvalidImageException if there is no such image, or it is not what its digests say, or holds what an
    // image
    ///     cannot
    public static Image ociLayout(Path directory, String name) {
        return new Image(BuiltImage.ofLayout(directory, Optional.of(name)));
    }

    /// A root file system of Debian packages and all that they need, for hosts without a registry. See [DebianPackages]
    // for
    /// where they come from, what is checked, and what is not done.
    ///
    /// @param packages their names
    /// @throws InvalidImageException if a package cannot be had, does not go with the others, or is damaged
    public static Image debian(String... packages) {
        return debian(DebianPackages.of(packages));
    }

    /// As [#debian(String...)], in another way than the usual one.
    ///
    /// @throws InvalidImageException if a package cannot be had, does not go with the others, or is damaged
    public static Image debian(DebianPackages packages) {
        return new Image(BuiltImage.ofPackages(
                packages.names(), packages.options(), packages.limits().ofSize()));
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

    /// How its programs are run; [ImageConfig#NONE] for an image that is only files.
    public ImageConfig config() {
        return config;
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
