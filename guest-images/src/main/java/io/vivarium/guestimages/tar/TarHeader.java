// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.tar;

import java.util.Arrays;

/// A header block of a tar archive: the `ustar` format of POSIX.1-1988 and what GNU tar and old tars make of
/// it.
///
/// @param block 512 bytes
record TarHeader(Block block) {
    static final int BLOCK_SIZE = 512;

    /* Offsets and lengths of the fields of the ustar header, POSIX.1 pax(1), "ustar Interchange Format". */
    private static final Field NAME = new Field(0, 100);
    private static final Field MODE = new Field(100, 8);
    private static final Field UID = new Field(108, 8);
    private static final Field GID = new Field(116, 8);
    private static final Field SIZE = new Field(124, 12);
    private static final Field MTIME = new Field(136, 12);
    private static final Field CHECKSUM = new Field(148, 8);
    private static final int TYPEFLAG = 156;
    private static final Field LINKNAME = new Field(157, 100);
    private static final Field MAGIC = new Field(257, 6);
    private static final Field DEVMAJOR = new Field(329, 8);
    private static final Field DEVMINOR = new Field(337, 8);
    private static final Field PREFIX = new Field(345, 155);

    private record Field(int offset, int length) {}

    /// A block's bytes, which nobody else changes.
    static final class Block {
        private final byte[] bytes;

        Block(byte[] bytes) {
            this.bytes = bytes;
        }
    }

    /// A header field that cannot be read.
    static final class BadHeaderException extends Exception {
        private static final long serialVersionUID = 1L;

        private final String reason;

        BadHeaderException(String reason) {
            super(reason);
            this.reason = reason;
        }

        String reason() {
            return reason;
        }
    }

    /// @throws BadHeaderException the checksum is wrong: this is no tar archive, or a damaged one
    static TarHeader of(byte[] bytes) throws BadHeaderException {
        TarHeader header = new TarHeader(new Block(bytes));
        long stored = header.number(CHECKSUM, "checksum");
        int unsigned = 0;
        int signed = 0;
        for (int i = 0; i < BLOCK_SIZE; i++) {
            boolean inChecksum = i >= CHECKSUM.offset && i < CHECKSUM.offset + CHECKSUM.length;
            byte value = inChecksum ? (byte) ' ' : bytes[i];
            unsigned += Byte.toUnsignedInt(value);
            signed += value;
        }
        // Some old tars added signed characters.
        if (stored != unsigned && stored != signed) {
            throw new BadHeaderException("a header's checksum is wrong");
        }
        return header;
    }

    static boolean isEndMarker(byte[] bytes) {
        for (byte value : bytes) {
            if (value != 0) {
                return false;
            }
        }
        return true;
    }

    char type() {
        return (char) Byte.toUnsignedInt(block.bytes[TYPEFLAG]);
    }

    /// The name's bytes, with the ustar prefix; GNU tar has other things where ustar has the prefix.
    byte[] name() {
        byte[] name = text(NAME);
        byte[] prefix = isUstar() ? text(PREFIX) : new byte[0];
        if (prefix.length == 0) {
            return name;
        }
        byte[] joined = Arrays.copyOf(prefix, prefix.length + 1 + name.length);
        joined[prefix.length] = '/';
        System.arraycopy(name, 0, joined, prefix.length + 1, name.length);
        return joined;
    }

    byte[] linkName() {
        return text(LINKNAME);
    }

    int permissions() throws BadHeaderException {
        return (int) (number(MODE, "mode") & 07777);
    }

    long uid() throws BadHeaderException {
        return number(UID, "uid");
    }

    long gid() throws BadHeaderException {
        return number(GID, "gid");
    }

    long size() throws BadHeaderException {
        return number(SIZE, "size");
    }

    long mtime() throws BadHeaderException {
        return number(MTIME, "mtime");
    }

    long deviceMajor() throws BadHeaderException {
        return number(DEVMAJOR, "devmajor");
    }

    long deviceMinor() throws BadHeaderException {
        return number(DEVMINOR, "devminor");
    }

    /// "ustar" and a NUL; GNU tar's own format has a space there.
    private boolean isUstar() {
        byte[] expected = {'u', 's', 't', 'a', 'r', 0};
        return Arrays.equals(expected, 0, 6, block.bytes, MAGIC.offset, MAGIC.offset + MAGIC.length);
    }

    private byte[] text(Field field) {
        int end = field.offset;
        while (end < field.offset + field.length && block.bytes[end] != 0) {
            end++;
        }
        return Arrays.copyOfRange(block.bytes, field.offset, end);
    }

    /// Octal digits, between spaces, up to a NUL; or, when the first bit is set, GNU's big-endian two's
    /// complement.
    private long number(Field field, String what) throws BadHeaderException {
        byte first = block.bytes[field.offset];
        if ((first & 0x80) != 0) {
            return base256(field, what);
        }
        long value = 0;
        boolean ended = false;
        boolean begun = false;
        for (int i = field.offset; i < field.offset + field.length; i++) {
            byte digit = block.bytes[i];
            if (digit >= '0' && digit <= '7' && !ended) {
                value = value << 3 | (digit - '0');
                begun = true;
            } else if (digit == 0) {
                break;
            } else if (digit == ' ') {
                ended = begun;
            } else {
                throw new BadHeaderException("the " + what + " in a header is not a number");
            }
        }
        return value;
    }

    private long base256(Field field, String what) throws BadHeaderException {
        // Bit 7 of the first byte is the mark, bit 6 the sign.
        byte first = block.bytes[field.offset];
        long value = (first & 0x40) != 0 ? first : first & 0x3F;
        for (int i = field.offset + 1; i < field.offset + field.length; i++) {
            if (value != (value << 8) >> 8) {
                throw new BadHeaderException("the " + what + " in a header is too large");
            }
            value = value << 8 | Byte.toUnsignedInt(block.bytes[i]);
        }
        return value;
    }
}
