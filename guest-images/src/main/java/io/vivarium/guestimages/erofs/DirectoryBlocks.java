// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import io.vivarium.guestimages.FileName;
import io.vivarium.guestimages.InvalidTreeException;
import io.vivarium.guestimages.erofs.Inode.BadInodeException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// The entries of a directory of an image, checked: order, names and bounds.
final class DirectoryBlocks {
    /// `struct erofs_dirent` with its name.
    record Entry(String name, long nid, int fileType) {}

    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ErofsFormat.ORDER);
    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ErofsFormat.ORDER);
    private static final int NAMEOFF = 8;
    private static final int FILE_TYPE = 10;

    private final List<Entry> entries = new ArrayList<>();
    private final long limit;
    private byte[] previous = {};

    private DirectoryBlocks(long limit) {
        this.limit = limit;
    }

    /// @param limit most entries to read
    static List<Entry> read(Inode directory, long limit) throws BadInodeException {
        DirectoryBlocks reader = new DirectoryBlocks(limit);
        MemorySegment blocks = directory.blocks();
        for (long start = 0; start < blocks.byteSize(); start += ErofsFormat.BLOCK_SIZE) {
            reader.readBlock(blocks.asSlice(start, Math.min(ErofsFormat.BLOCK_SIZE, blocks.byteSize() - start)));
        }
        if (directory.tail().byteSize() > 0) {
            reader.readBlock(directory.tail());
        }
        return reader.entries;
    }

    private void readBlock(MemorySegment block) throws BadInodeException {
        int size = (int) block.byteSize();
        // The first name begins where the entries end, which is how their number is known.
        int namesStart = size < ErofsFormat.DIRENT_SIZE ? 0 : Short.toUnsignedInt(block.get(U16, NAMEOFF));
        if (namesStart == 0 || namesStart % ErofsFormat.DIRENT_SIZE != 0 || namesStart >= size) {
            throw new BadInodeException("a directory block's first name is at offset " + namesStart + " of " + size);
        }
        int count = namesStart / ErofsFormat.DIRENT_SIZE;
        if (count > limit - entries.size()) {
            throw new BadInodeException("the directories have more entries than the image can hold");
        }
        for (int i = 0; i < count; i++) {
            int offset = i * ErofsFormat.DIRENT_SIZE;
            int nameStart = Short.toUnsignedInt(block.get(U16, offset + NAMEOFF));
            int nameEnd = i + 1 < count
                    ? Short.toUnsignedInt(block.get(U16, offset + ErofsFormat.DIRENT_SIZE + NAMEOFF))
                    : size;
            if (nameStart < namesStart || nameEnd > size || nameStart >= nameEnd) {
                throw new BadInodeException("entry %d of a directory block has its name at offsets %d … %d of %d"
                        .formatted(i, nameStart, nameEnd, size));
            }
            byte[] name = block.asSlice(nameStart, nameEnd - nameStart).toArray(ValueLayout.JAVA_BYTE);
            entries.add(new Entry(
                    checkedName(i + 1 == count ? untilNul(name) : name),
                    block.get(U64, offset),
                    block.get(ValueLayout.JAVA_BYTE, offset + FILE_TYPE)));
        }
    }

    private static byte[] untilNul(byte[] name) {
        int length = 0;
        while (length < name.length && name[length] != 0) {
            length++;
        }
        return Arrays.copyOf(name, length);
    }

    private String checkedName(byte[] name) throws BadInodeException {
        if (name.length == 0 || name.length > FileName.MAX_NAME_BYTES) {
            throw new BadInodeException("a file name of " + name.length + " bytes");
        }
        String text;
        try {
            text = FileName.decode(name);
        } catch (InvalidTreeException e) {
            throw new BadInodeException(e.path() + ": " + e.reason());
        }
        if (text.indexOf('/') >= 0 || text.indexOf('\0') >= 0) {
            throw new BadInodeException("the file name '" + text.replace("\0", "\\0") + "' has a '/' or a NUL in it");
        }
        if (previous.length > 0 && Arrays.compareUnsigned(previous, name) >= 0) {
            throw new BadInodeException("the file name '" + text + "' is out of order or there twice");
        }
        previous = name;
        return text;
    }
}
