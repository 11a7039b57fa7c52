// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;

/// The rules of names and link targets: UTF-8, as Linux limits them.
public final class FileName {
    /// Longest name of a directory entry in bytes (`NAME_MAX` of `linux/limits.h`, `EROFS_NAME_LEN` of
    /// `erofs_fs.h`).
    public static final int MAX_NAME_BYTES = 255;

    /// Longest path or link target in bytes (`PATH_MAX` of `linux/limits.h`, without its NUL).
    public static final int MAX_PATH_BYTES = 4095;

    /// The order of names by their UTF-8 bytes, unsigned: the order of EROFS directories. It differs from the
    /// order of [String] for characters beyond U+FFFF.
    public static final Comparator<String> BYTE_ORDER =
            (String left, String right) -> Arrays.compareUnsigned(encode(left), encode(right));

    private FileName() {}

    /// `text` as UTF-8.
    ///
    /// @throws InvalidTreeException `text` has a lone surrogate
    public static byte[] encode(String text) {
        try {
            ByteBuffer bytes = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
            byte[] array = new byte[bytes.remaining()];
            bytes.get(array);
            return array;
        } catch (CharacterCodingException e) {
            throw new InvalidTreeException(text, "the name cannot be written as UTF-8: it has a lone surrogate");
        }
    }

    /// The text that `bytes` encode.
    ///
    /// @throws InvalidTreeException `bytes` are not UTF-8
    public static String decode(byte[] bytes) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new InvalidTreeException(
                    new String(bytes, StandardCharsets.ISO_8859_1),
                    "the name is not UTF-8; only UTF-8 names are supported");
        }
    }

    /// Refuses what cannot be the name of a directory entry.
    ///
    /// @throws InvalidTreeException the name is empty, `.` or `..`, too long, or has a `/` or a NUL
    static void check(String name) {
        if (name.isEmpty()) {
            throw new InvalidTreeException(name, "a file name is empty");
        }
        if (name.equals(".") || name.equals("..")) {
            throw new InvalidTreeException(name, "not the name of a file");
        }
        if (name.indexOf('/') >= 0 || name.indexOf('\0') >= 0) {
            throw new InvalidTreeException(name.replace("\0", "\\0"), "a file name has a '/' or a NUL in it");
        }
        int length = encode(name).length;
        if (length > MAX_NAME_BYTES) {
            throw new InvalidTreeException(name, "the file name has " + length + " bytes, more than " + MAX_NAME_BYTES);
        }
    }
}
