// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import io.vivarium.guestimages.FileName;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.TreeNode;
import io.vivarium.guestimages.TreeNode.Directory;
import io.vivarium.guestimages.TreeNode.RegularFile;
import io.vivarium.guestimages.TreeNode.SymbolicLink;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/// Writes a [RootFs] as an EROFS image that guests map and read in place.
///
/// The format is the uncompressed core of EROFS (Linux `fs/erofs/erofs_fs.h`,
/// `Documentation/filesystems/erofs.rst`):
///
/// - blocks of 4,096 bytes; extended (64-byte) inodes; times to the nanosecond; a superblock with checksum;
/// - the data of every regular file begins at a block and is contiguous (`FLAT_PLAIN`), so that a page of the
///   file is a page of the image;
/// - short symbolic links and the last, partial blocks of directories lie behind their inode (`FLAT_INLINE`);
///   an inode with what lies behind it never crosses the end of a block;
/// - no compression, no chunks, no extended attributes, no second device.
///
/// The bytes depend on the tree alone: two trees that are equal give two images that are equal, whatever order
/// a host enumerates its directories in. The UUID is made from the content (RFC 9562 version 8). Memory use
/// grows with the number of files, not with their size.
///
/// ```text
/// block 0        1 KiB free, superblock
/// block 1 …      inodes, the root's first, parents before children, each with its inline data
/// then           full blocks of directories and of long links
/// then           file contents, each from a block boundary
/// ```
public final class ErofsWriter {
    private static final int COPY_BUFFER_BYTES = 1 << 20;

    private ErofsWriter() {}

    /// Writes an image file. The file appears under its name when it is complete, replacing what was there; if
    /// writing fails, nothing is left behind.
    ///
    /// @return the superblock of the image written
    /// @throws ImageException a file of the tree changed its size while it was read
    /// @throws IOException a file of the tree cannot be read, or the image cannot be written
    public static Superblock write(RootFs tree, Path image) throws IOException {
        Path directory = image.toAbsolutePath().getParent();
        if (directory == null) {
            throw new ImageException(image.toString(), "not the name of a file");
        }
        Path unfinished = Files.createTempFile(directory, ".vivarium-", ".erofs");
        try {
            Superblock superblock;
            try (FileChannel channel = FileChannel.open(unfinished, StandardOpenOption.WRITE)) {
                superblock = write(tree, channel);
            }
            Files.move(unfinished, image, StandardCopyOption.ATOMIC_MOVE);
            return superblock;
        } finally {
            Files.deleteIfExists(unfinished);
        }
    }

    /// Writes an image to an empty channel, from position 0 on. If this fails, what was written is not an
    /// image: the superblock is written last.
    ///
    /// @return the superblock of the image written
    /// @throws ImageException a file of the tree changed its size while it was read
    /// @throws IOException a file of the tree cannot be read, or the image cannot be written
    public static Superblock write(RootFs tree, SeekableByteChannel channel) throws IOException {
        ImageLayout layout = ImageLayout.of(tree);
        ImageOutput output = new ImageOutput(channel, ErofsFormat.BLOCK_SIZE);
        for (InodePlan inode : layout.inodes()) {
            output.padTo(inode.offset());
            output.write(inode.encode());
            output.write(inlineData(inode));
        }
        for (InodePlan inode : layout.inodes()) {
            if (inode.node() instanceof RegularFile || inode.fullBlockBytes() == 0) {
                continue;
            }
            output.padTo(inode.dataOffset());
            output.write(metadataBytes(inode).slice(0, (int) inode.fullBlockBytes()));
        }
        byte[] buffer = new byte[COPY_BUFFER_BYTES];
        for (InodePlan inode : layout.inodes()) {
            if (inode.node() instanceof RegularFile file && inode.size() > 0) {
                output.padTo(inode.dataOffset());
                copy(inode, file, output, buffer);
            }
        }
        output.padTo(layout.size());
        output.flush();

        Superblock unnamed = layout.superblock(new UUID(0, 0));
        UUID uuid = contentUuid(output.digest(unnamed.toFirstBlock()));
        Superblock superblock = layout.superblock(uuid);
        channel.position(0);
        ByteBuffer firstBlock = superblock.toFirstBlock();
        while (firstBlock.hasRemaining()) {
            channel.write(firstBlock);
        }
        return superblock;
    }

    private static ByteBuffer inlineData(InodePlan inode) {
        if (inode.inlineBytes() == 0) {
            return ByteBuffer.allocate(0);
        }
        return metadataBytes(inode).slice((int) inode.fullBlockBytes(), inode.inlineBytes());
    }

    /// The content of a directory or a symbolic link.
    private static ByteBuffer metadataBytes(InodePlan inode) {
        return switch (inode.node()) {
            case Directory _ -> inode.encodeDirectory();
            case SymbolicLink link -> ByteBuffer.wrap(FileName.encode(link.target()));
            case RegularFile _, TreeNode.Device _, TreeNode.Fifo _, TreeNode.Socket _ -> ByteBuffer.allocate(0);
        };
    }

    private static void copy(InodePlan inode, RegularFile file, ImageOutput output, byte[] buffer) throws IOException {
        long remaining = inode.size();
        try (InputStream content = file.content().open()) {
            while (remaining > 0) {
                int count = content.readNBytes(buffer, 0, (int) Math.min(buffer.length, remaining));
                if (count == 0) {
                    throw changed(inode, "only " + (inode.size() - remaining));
                }
                output.write(ByteBuffer.wrap(buffer, 0, count));
                remaining -= count;
            }
            if (content.read() >= 0) {
                throw changed(inode, "more");
            }
        }
    }

    private static ImageException changed(InodePlan inode, String found) {
        return new ImageException(
                inode.path(), "changed while the image was written: it had " + inode.size() + " bytes, then " + found);
    }

    /// A version 8 UUID (RFC 9562 §5.8) of the first bits of a digest.
    private static UUID contentUuid(byte[] digest) {
        ByteBuffer bytes = ByteBuffer.wrap(digest);
        long high = (bytes.getLong() & ~0xF000L) | 0x8000L;
        long low = (bytes.getLong() & ~(0xC0L << 56)) | (0x80L << 56);
        return new UUID(high, low);
    }
}
