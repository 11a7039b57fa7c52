// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.RootFs;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/// An EROFS image of the kind that guests can map: uncompressed, one device, blocks of 4,096 bytes. It may come
/// from [ErofsWriter] or from `mkfs.erofs`.
///
/// Opening checks the superblock, the length and the root inode, in microseconds. [#verify()] and [#tree()]
/// check everything that a guest may look at: that every inode, name and extent lies inside the image, that
/// directories are sorted and form a tree, and that no file is stored in a way that cannot be mapped. What they
/// accept, a guest kernel can read without running out of bounds or in circles. An image is hostile input;
/// checking takes time and memory in proportion to its metadata.
///
/// Instances can be used by several threads, but not closed while in use. A file must not be made shorter while
/// it is open.
public final class ErofsImage implements AutoCloseable {
    private final MemorySegment image;
    private final String source;
    private final @Nullable Arena arena;
    private final Superblock superblock;

    private ErofsImage(MemorySegment file, String source, @Nullable Arena arena) throws ImageException {
        this.source = source;
        this.arena = arena;
        this.superblock = Superblock.read(file, source);
        // The file may have more than the file system: nothing in the image can refer to it.
        this.image = file.asSlice(0, superblock.size());
        try {
            if (!Inode.read(image, superblock, superblock.rootNid()).isDirectory()) {
                throw new ImageException(source, "bad EROFS image: the root inode is not a directory");
            }
        } catch (Inode.BadInodeException e) {
            throw new ImageException(source, "bad EROFS image: /: " + e.reason(), e);
        }
    }

    /// Opens an image file.
    ///
    /// @throws ImageException not EROFS, damaged, truncated, or with features that guests cannot map, which are
    ///     named
    /// @throws IOException the file cannot be read
    @SuppressWarnings("MustBeClosedChecker") // the arena belongs to the image, which closes it
    public static ErofsImage open(Path file) throws IOException {
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            return new ErofsImage(mapped, file.toString(), arena);
        } catch (IOException | RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /// An image in memory, for example one that is mapped already.
    ///
    /// @param image the image; must stay alive as long as this object and what comes from it
    /// @param source what to call the image in errors
    /// @throws ImageException as [#open] says
    public static ErofsImage of(MemorySegment image, String source) throws ImageException {
        return new ErofsImage(image.asReadOnly(), source, null);
    }

    /// The superblock.
    public Superblock superblock() {
        return superblock;
    }

    /// Checks the whole structure; file contents are not read.
    ///
    /// @throws ImageException the image is damaged, or holds what guests cannot map; the message names the path
    public void verify() throws ImageException {
        new TreeReader(image, superblock, source).read();
    }

    /// Checks the whole structure and gives it as a tree. Its contents are those of the image, which must stay
    /// open as long.
    ///
    /// @throws ImageException as [#verify()] says
    public RootFs tree() throws ImageException {
        return new RootFs(new TreeReader(image, superblock, source).read());
    }

    /// Unmaps an image that was opened from a file. Idempotent.
    @Override
    public void close() {
        if (arena != null && arena.scope().isAlive()) {
            arena.close();
        }
    }
}
