// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.DateTimeException;
import java.time.Instant;

/// An inode as it is in an image, checked: its data lies inside the image.
///
/// @param nid inode number
/// @param mode `st_mode`
/// @param size length of the data in bytes
/// @param location the first block, or the number of a device
/// @param blocks the data but for what is in `tail`
/// @param tail what lies behind the inode; empty for `FLAT_PLAIN`
record Inode(
        long nid,
        int mode,
        long uid,
        long gid,
        Instant mtime,
        long size,
        int location,
        MemorySegment blocks,
        MemorySegment tail) {
    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ErofsFormat.ORDER);
    private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ErofsFormat.ORDER);
    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ErofsFormat.ORDER);

    /* Offsets that struct erofs_inode_compact and struct erofs_inode_extended share. */
    private static final int I_FORMAT = 0;
    private static final int I_XATTR_ICOUNT = 2;
    private static final int I_MODE = 4;
    private static final int I_SIZE = 8;
    private static final int I_U = 16;
    private static final int I_UID = 24;
    /* struct erofs_inode_compact. */
    private static final int COMPACT_GID = 26;
    /* struct erofs_inode_extended. */
    private static final int EXTENDED_GID = 28;
    private static final int EXTENDED_MTIME = 32;
    private static final int EXTENDED_MTIME_NSEC = 40;

    private static final int XATTR_IBODY_HEADER_SIZE = 12;
    private static final int XATTR_UNIT = 4;
    private static final int NANOS_PER_SECOND = 1_000_000_000;

    /// What is wrong with an inode; whoever knows its path says where.
    static final class BadInodeException extends Exception {
        private static final long serialVersionUID = 1L;

        private final String reason;

        BadInodeException(String reason) {
            super(reason);
            this.reason = reason;
        }

        String reason() {
            return reason;
        }
    }

    /// @param image the whole file system
    static Inode read(MemorySegment image, Superblock superblock, long nid) throws BadInodeException {
        long metadata = superblock.metaBlock() << ErofsFormat.BLOCK_BITS;
        long slots = (image.byteSize() - metadata) >> ErofsFormat.SLOT_BITS;
        if (nid < 0 || nid >= slots) {
            throw new BadInodeException("inode %s lies outside the image".formatted(Long.toUnsignedString(nid)));
        }
        long offset = metadata + (nid << ErofsFormat.SLOT_BITS);
        int format = Short.toUnsignedInt(image.get(U16, offset + I_FORMAT));
        if ((format & ~ErofsFormat.I_FORMAT_ALL) != 0) {
            throw new BadInodeException("inode %d has the unknown format 0x%x".formatted(nid, format));
        }
        boolean extended = (format & ErofsFormat.INODE_LAYOUT_EXTENDED) != 0;
        int inodeSize = extended ? ErofsFormat.INODE_EXTENDED_SIZE : ErofsFormat.INODE_COMPACT_SIZE;
        if (offset + inodeSize > image.byteSize()) {
            throw new BadInodeException("inode %d lies outside the image".formatted(nid));
        }
        MemorySegment raw = image.asSlice(offset, inodeSize);
        int mode = Short.toUnsignedInt(raw.get(U16, I_MODE));
        if (ErofsFormat.fileType(mode) == 0) {
            throw new BadInodeException("inode %d has mode 0%o, which is no kind of file".formatted(nid, mode));
        }
        long size = extended ? raw.get(U64, I_SIZE) : Integer.toUnsignedLong(raw.get(U32, I_SIZE));
        int location = raw.get(U32, I_U);
        int layout = (format >> ErofsFormat.DATALAYOUT_SHIFT) & ErofsFormat.DATALAYOUT_MASK;
        checkLayout(nid, layout);

        MemorySegment blocks = MemorySegment.NULL;
        MemorySegment tail = MemorySegment.NULL;
        if (hasData(mode) && size != 0) {
            long start = Integer.toUnsignedLong(location) << ErofsFormat.BLOCK_BITS;
            if (size < 0) {
                throw outside(nid, size, location);
            }
            long inBlocks = size;
            if (layout == ErofsFormat.INODE_FLAT_INLINE) {
                int tailSize = (int) ((size - 1) % ErofsFormat.BLOCK_SIZE) + 1;
                inBlocks = size - tailSize;
                int xattrUnits = Short.toUnsignedInt(raw.get(U16, I_XATTR_ICOUNT));
                int xattrSize = xattrUnits == 0 ? 0 : XATTR_IBODY_HEADER_SIZE + (xattrUnits - 1) * XATTR_UNIT;
                tail = inlineData(image, nid, offset + inodeSize + xattrSize, tailSize);
            }
            if (inBlocks > 0 && (start > image.byteSize() || inBlocks > image.byteSize() - start)) {
                throw outside(nid, size, location);
            }
            blocks = inBlocks > 0 ? image.asSlice(start, inBlocks) : MemorySegment.NULL;
        }
        return new Inode(
                nid,
                mode,
                extended ? Integer.toUnsignedLong(raw.get(U32, I_UID)) : Short.toUnsignedLong(raw.get(U16, I_UID)),
                extended
                        ? Integer.toUnsignedLong(raw.get(U32, EXTENDED_GID))
                        : Short.toUnsignedLong(raw.get(U16, COMPACT_GID)),
                extended
                        ? time(nid, raw.get(U64, EXTENDED_MTIME), raw.get(U32, EXTENDED_MTIME_NSEC))
                        : time(nid, superblock.buildTimeSeconds(), superblock.buildTimeNanos()),
                size,
                location,
                blocks,
                tail);
    }

    boolean isDirectory() {
        return (mode & ErofsFormat.S_IFMT) == ErofsFormat.S_IFDIR;
    }

    private static BadInodeException outside(long nid, long size, int location) {
        return new BadInodeException("the data of inode %d (%s bytes from block %s on) lies outside the image"
                .formatted(nid, Long.toUnsignedString(size), Integer.toUnsignedString(location)));
    }

    private static boolean hasData(int mode) {
        return switch (mode & ErofsFormat.S_IFMT) {
            case ErofsFormat.S_IFREG, ErofsFormat.S_IFDIR, ErofsFormat.S_IFLNK -> true;
            default -> false;
        };
    }

    private static void checkLayout(long nid, int layout) throws BadInodeException {
        switch (layout) {
            case ErofsFormat.INODE_FLAT_PLAIN, ErofsFormat.INODE_FLAT_INLINE -> {}
            case ErofsFormat.INODE_COMPRESSED_FULL, ErofsFormat.INODE_COMPRESSED_COMPACT ->
                throw new BadInodeException(
                        "is compressed, which guests cannot map; make the image without compression (inode %d)"
                                .formatted(nid));
            case ErofsFormat.INODE_CHUNK_BASED ->
                throw new BadInodeException(
                        "is stored in chunks, which guests cannot map; make the image without chunks (inode %d)"
                                .formatted(nid));
            default -> throw new BadInodeException("inode %d has the unknown data layout %d".formatted(nid, layout));
        }
    }

    private static MemorySegment inlineData(MemorySegment image, long nid, long start, int size)
            throws BadInodeException {
        if (start > image.byteSize() || size > image.byteSize() - start) {
            throw new BadInodeException("the inline data of inode %d lies outside the image".formatted(nid));
        }
        if (start % ErofsFormat.BLOCK_SIZE + size > ErofsFormat.BLOCK_SIZE) {
            throw new BadInodeException("the inline data of inode %d crosses the end of a block".formatted(nid));
        }
        return image.asSlice(start, size);
    }

    private static Instant time(long nid, long seconds, int nanos) throws BadInodeException {
        try {
            if (nanos >= 0 && nanos < NANOS_PER_SECOND) {
                return Instant.ofEpochSecond(seconds, nanos);
            }
        } catch (DateTimeException e) {
            // Seconds beyond what an Instant can hold: the same complaint as for nanoseconds.
        }
        throw new BadInodeException("inode %d has an impossible time: %d s + %s ns"
                .formatted(nid, seconds, Integer.toUnsignedString(nanos)));
    }
}
