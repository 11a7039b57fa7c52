// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import java.nio.ByteOrder;

/// Numbers of the EROFS on-disk format, named as in Linux `fs/erofs/erofs_fs.h`; everything on disk is
/// little-endian.
final class ErofsFormat {
    static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

    static final int SUPER_MAGIC_V1 = 0xE0F5E1E2;
    static final int SUPER_OFFSET = 1024;
    static final int SUPER_SIZE = 128;

    static final int FEATURE_COMPAT_SB_CHKSUM = 0x1;
    static final int FEATURE_COMPAT_MTIME = 0x2;

    /// Only says how compressed data is padded; images without compressed files may have it set.
    static final int FEATURE_INCOMPAT_ZERO_PADDING = 0x1;

    static final int BLOCK_BITS = 12;
    static final int BLOCK_SIZE = 1 << BLOCK_BITS;

    /// Inodes are numbered by 32-byte slots from `meta_blkaddr` on.
    static final int SLOT_BITS = 5;

    static final int SLOT_SIZE = 1 << SLOT_BITS;

    static final int INODE_COMPACT_SIZE = 32;
    static final int INODE_EXTENDED_SIZE = 64;

    /* i_format: bit 0 is the inode version, bits 1…3 the data layout. */
    static final int INODE_LAYOUT_EXTENDED = 1;
    static final int DATALAYOUT_SHIFT = 1;
    static final int DATALAYOUT_MASK = 0x7;
    static final int I_FORMAT_ALL = 0xF;

    static final int INODE_FLAT_PLAIN = 0;
    static final int INODE_COMPRESSED_FULL = 1;
    static final int INODE_FLAT_INLINE = 2;
    static final int INODE_COMPRESSED_COMPACT = 3;
    static final int INODE_CHUNK_BASED = 4;

    static final int DIRENT_SIZE = 12;

    /* The file type bits of st_mode, inode(7). */
    static final int S_IFMT = 0170000;
    static final int S_IFSOCK = 0140000;
    static final int S_IFLNK = 0120000;
    static final int S_IFREG = 0100000;
    static final int S_IFBLK = 0060000;
    static final int S_IFDIR = 0040000;
    static final int S_IFCHR = 0020000;
    static final int S_IFIFO = 0010000;

    /* Directory entry types, linux/fs_types.h. */
    static final int FT_REG_FILE = 1;
    static final int FT_DIR = 2;
    static final int FT_CHRDEV = 3;
    static final int FT_BLKDEV = 4;
    static final int FT_FIFO = 5;
    static final int FT_SOCK = 6;
    static final int FT_SYMLINK = 7;

    private ErofsFormat() {}

    static long roundUpToBlock(long bytes) {
        return (bytes + BLOCK_SIZE - 1) & -BLOCK_SIZE;
    }

    /// The directory entry type that belongs to a mode, or 0 when the mode has no known type.
    static int fileType(int mode) {
        return switch (mode & S_IFMT) {
            case S_IFREG -> FT_REG_FILE;
            case S_IFDIR -> FT_DIR;
            case S_IFCHR -> FT_CHRDEV;
            case S_IFBLK -> FT_BLKDEV;
            case S_IFIFO -> FT_FIFO;
            case S_IFSOCK -> FT_SOCK;
            case S_IFLNK -> FT_SYMLINK;
            default -> 0;
        };
    }
}
