// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import io.vivarium.guestimages.ImageException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.zip.CRC32C;

/// The superblock of an EROFS image: `struct erofs_super_block` of Linux `fs/erofs/erofs_fs.h`, the fields that
/// an image without compression and extra devices uses.
///
/// @param featureCompat features that a reader may ignore
/// @param featureIncompat features that a reader must know
/// @param rootNid inode number of `/`, `0` … `65535`
/// @param inodes number of inodes
/// @param buildTimeSeconds time of last modification of compact inodes, in seconds since the epoch
/// @param buildTimeNanos the same, the rest in nanoseconds
/// @param blocks length of the file system in blocks of 4,096 bytes
/// @param metaBlock block that inode numbers count from
/// @param uuid identity of the file system
public record Superblock(
        int featureCompat,
        int featureIncompat,
        int rootNid,
        long inodes,
        long buildTimeSeconds,
        int buildTimeNanos,
        long blocks,
        long metaBlock,
        UUID uuid) {
    /* Offsets in struct erofs_super_block. */
    private static final int MAGIC = 0;
    private static final int CHECKSUM = 4;
    private static final int FEATURE_COMPAT = 8;
    private static final int BLKSZBITS = 12;
    private static final int EXTSLOTS = 13;
    private static final int ROOT_NID = 14;
    private static final int INOS = 16;
    private static final int BUILD_TIME = 24;
    private static final int BUILD_TIME_NSEC = 32;
    private static final int BLOCKS = 36;
    private static final int META_BLKADDR = 40;
    private static final int UUID_BYTES = 48;
    private static final int FEATURE_INCOMPAT = 80;
    private static final int DIRBLKBITS = 90;

    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ErofsFormat.ORDER);
    private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ErofsFormat.ORDER);
    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ErofsFormat.ORDER);
    private static final ValueLayout.OfLong BIG_ENDIAN_U64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    /// Length of the file system in bytes.
    public long size() {
        return blocks << ErofsFormat.BLOCK_BITS;
    }

    /// The first block of the image: 1,024 bytes left free for boot loaders, the superblock, and zeros, with
    /// the checksum that Linux checks (CRC-32C over the block from the superblock on).
    ByteBuffer toFirstBlock() {
        ByteBuffer block = ByteBuffer.allocate(ErofsFormat.BLOCK_SIZE);
        MemorySegment superblock =
                MemorySegment.ofBuffer(block).asSlice(ErofsFormat.SUPER_OFFSET, ErofsFormat.SUPER_SIZE);
        superblock.set(U32, MAGIC, ErofsFormat.SUPER_MAGIC_V1);
        superblock.set(U32, FEATURE_COMPAT, featureCompat);
        superblock.set(ValueLayout.JAVA_BYTE, BLKSZBITS, (byte) ErofsFormat.BLOCK_BITS);
        superblock.set(U16, ROOT_NID, (short) rootNid);
        superblock.set(U64, INOS, inodes);
        superblock.set(U64, BUILD_TIME, buildTimeSeconds);
        superblock.set(U32, BUILD_TIME_NSEC, buildTimeNanos);
        superblock.set(U32, BLOCKS, (int) blocks);
        superblock.set(U32, META_BLKADDR, (int) metaBlock);
        superblock.set(BIG_ENDIAN_U64, UUID_BYTES, uuid.getMostSignificantBits());
        superblock.set(BIG_ENDIAN_U64, UUID_BYTES + 8, uuid.getLeastSignificantBits());
        superblock.set(U32, FEATURE_INCOMPAT, featureIncompat);
        if ((featureCompat & ErofsFormat.FEATURE_COMPAT_SB_CHKSUM) != 0) {
            superblock.set(U32, CHECKSUM, checksum(block));
        }
        return block;
    }

    /// Reads and checks the superblock of an image.
    ///
    /// @param image the whole image
    /// @param source what to call the image in errors
    /// @throws ImageException not EROFS, damaged, shorter than it says, or made in a way that guests cannot map
    static Superblock read(MemorySegment image, String source) throws ImageException {
        if (image.byteSize() < ErofsFormat.SUPER_OFFSET + ErofsFormat.SUPER_SIZE) {
            throw new ImageException(
                    source, "not an EROFS image: " + image.byteSize() + " bytes are too few to hold a superblock");
        }
        MemorySegment raw = image.asSlice(ErofsFormat.SUPER_OFFSET, ErofsFormat.SUPER_SIZE);
        int magic = raw.get(U32, MAGIC);
        if (magic != ErofsFormat.SUPER_MAGIC_V1) {
            throw new ImageException(
                    source, "not an EROFS image: magic number 0x%08X where 0xE0F5E1E2 should be".formatted(magic));
        }
        int blockBits = Byte.toUnsignedInt(raw.get(ValueLayout.JAVA_BYTE, BLKSZBITS));
        if (blockBits != ErofsFormat.BLOCK_BITS) {
            throw new ImageException(
                    source,
                    "EROFS blocks of 2^%d bytes are not supported, only of 4096 (mkfs.erofs -b 4096)"
                            .formatted(blockBits));
        }
        Superblock superblock = new Superblock(
                raw.get(U32, FEATURE_COMPAT),
                raw.get(U32, FEATURE_INCOMPAT),
                Short.toUnsignedInt(raw.get(U16, ROOT_NID)),
                raw.get(U64, INOS),
                raw.get(U64, BUILD_TIME),
                raw.get(U32, BUILD_TIME_NSEC),
                Integer.toUnsignedLong(raw.get(U32, BLOCKS)),
                Integer.toUnsignedLong(raw.get(U32, META_BLKADDR)),
                new UUID(raw.get(BIG_ENDIAN_U64, UUID_BYTES), raw.get(BIG_ENDIAN_U64, UUID_BYTES + 8)));
        superblock.checkFeatures(source);
        if (raw.get(ValueLayout.JAVA_BYTE, EXTSLOTS) != 0) {
            throw new ImageException(source, "EROFS superblock extensions are not supported");
        }
        if (raw.get(ValueLayout.JAVA_BYTE, DIRBLKBITS) != 0) {
            throw new ImageException(source, "EROFS directory blocks of another size than 4096 are not supported");
        }
        superblock.checkLength(image.byteSize(), source);
        if ((superblock.featureCompat & ErofsFormat.FEATURE_COMPAT_SB_CHKSUM) != 0) {
            ByteBuffer block = ByteBuffer.allocate(ErofsFormat.BLOCK_SIZE);
            MemorySegment.ofBuffer(block).copyFrom(image.asSlice(0, ErofsFormat.BLOCK_SIZE));
            block.order(ErofsFormat.ORDER).putInt(ErofsFormat.SUPER_OFFSET + CHECKSUM, 0);
            int expected = raw.get(U32, CHECKSUM);
            int actual = checksum(block);
            if (expected != actual) {
                throw new ImageException(
                        source,
                        "damaged EROFS image: the superblock's checksum is 0x%08x, it should be 0x%08x"
                                .formatted(expected, actual));
            }
        }
        return superblock;
    }

    private void checkFeatures(String source) throws ImageException {
        int unsupported = featureIncompat & ~ErofsFormat.FEATURE_INCOMPAT_ZERO_PADDING;
        if (unsupported != 0) {
            throw new ImageException(
                    source,
                    "uses EROFS features that guests cannot map: " + featureNames(unsupported)
                            + "; make the image without compression, chunks and extra devices");
        }
    }

    private void checkLength(long length, String source) throws ImageException {
        if (length % ErofsFormat.BLOCK_SIZE != 0) {
            throw new ImageException(
                    source, "truncated EROFS image: " + length + " bytes are not a multiple of the block size 4096");
        }
        if (size() > length) {
            throw new ImageException(
                    source, "truncated EROFS image: " + length + " bytes, but the superblock says " + size());
        }
        if (blocks == 0) {
            throw new ImageException(source, "damaged EROFS image: the superblock says it has no blocks");
        }
    }

    private static String featureNames(int features) {
        List<String> names = new ArrayList<>();
        for (int bit = 0; bit < Integer.SIZE; bit++) {
            if ((features & (1 << bit)) != 0) {
                // Some bits have two names in erofs_fs.h: what they mean depends on the kind of data they are
                // used with.
                names.add(
                        switch (bit) {
                            case 1 -> "COMPR_CFGS";
                            case 2 -> "CHUNKED_FILE";
                            case 3 -> "DEVICE_TABLE";
                            case 4 -> "ZTAILPACKING";
                            case 5 -> "FRAGMENTS";
                            case 6 -> "XATTR_PREFIXES";
                            case 7 -> "48BIT";
                            case 8 -> "METABOX";
                            default -> "unknown bit 0x%x".formatted(1 << bit);
                        });
            }
        }
        return String.join(", ", names);
    }

    /// CRC-32C from the superblock to the end of the block, as Linux's `crc32c(~0, …)` gives it: without the
    /// final inversion that [CRC32C] makes. The checksum field must be zero.
    private static int checksum(ByteBuffer block) {
        CRC32C crc = new CRC32C();
        crc.update(block.slice(ErofsFormat.SUPER_OFFSET, ErofsFormat.BLOCK_SIZE - ErofsFormat.SUPER_OFFSET));
        return ~(int) crc.getValue();
    }
}
