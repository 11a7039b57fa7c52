// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/// Reads an ar archive member by member (ar(5), the common format; deb(5) has no long names).
final class ArReader {
    private static final byte[] MAGIC = "!<arch>\n".getBytes(StandardCharsets.US_ASCII);
    private static final int HEADER_BYTES = 60;
    private static final int NAME_BYTES = 16;
    private static final int SIZE_AT = 48;
    private static final int SIZE_BYTES = 10;
    private static final int END_AT = 58;

    private final InputStream in;
    private long left;
    private boolean padded;

    ArReader(InputStream in) throws IOException {
        this.in = in;
        if (!Arrays.equals(in.readNBytes(MAGIC.length), MAGIC)) {
            throw new DebianFormatException("not a package: it is no ar archive");
        }
    }

    /// A file of the archive.
    ///
    /// @param content valid until the next member is asked for
    record Member(String name, long size, InputStream content) {}

    /// The next member; empty at the end.
    Optional<Member> next() throws IOException {
        in.skipNBytes(left + (padded ? 1 : 0));
        byte[] header = in.readNBytes(HEADER_BYTES);
        if (header.length == 0) {
            return Optional.empty();
        }
        if (header.length < HEADER_BYTES) {
            throw new EOFException();
        }
        String size = field(header, SIZE_AT, SIZE_BYTES);
        if (header[END_AT] != '`' || header[END_AT + 1] != '\n' || !size.matches("[0-9]{1,10}")) {
            throw new DebianFormatException("damaged package: a header of the ar archive is wrong");
        }
        left = Long.parseLong(size);
        padded = left % 2 != 0;
        // GNU's ar ends names with a '/'.
        return Optional.of(new Member(field(header, 0, NAME_BYTES).replaceFirst("/$", ""), left, new Content()));
    }

    private static String field(byte[] header, int from, int length) {
        return new String(header, from, length, StandardCharsets.ISO_8859_1).stripTrailing();
    }

    /// What is left of the current member.
    private final class Content extends InputStream {
        @Override
        public int read() throws IOException {
            byte[] single = new byte[1];
            return read(single, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(single[0]);
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            if (length == 0) {
                return 0;
            }
            if (left == 0) {
                return -1;
            }
            int count = in.read(target, offset, (int) Math.min(length, left));
            if (count < 0) {
                throw new EOFException();
            }
            left -= count;
            return count;
        }
    }
}
