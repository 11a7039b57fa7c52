// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal.strace;

import java.nio.ByteBuffer;

/// Numbers and bytes as strace(1) writes them.
final class Text {
    private Text() {}

    static String hex(long value) {
        return value == 0 ? "0" : "0x" + Long.toHexString(value);
    }

    static String address(long value) {
        return value == 0 ? "NULL" : "0x" + Long.toHexString(value);
    }

    /// A mode in octal digits, three at least.
    static String mode(long value) {
        String octal = Long.toOctalString(value);
        return value == 0 ? "000" : octal.length() < 2 ? "00" + octal : "0" + octal;
    }

    static String quoted(ByteBuffer bytes, boolean cut) {
        StringBuilder out = new StringBuilder("\"");
        for (int i = bytes.position(); i < bytes.limit(); i++) {
            int next = i + 1 < bytes.limit() ? bytes.get(i + 1) : 0;
            escape(out, Byte.toUnsignedInt(bytes.get(i)), next >= '0' && next <= '9');
        }
        return out.append('"').append(cut ? "..." : "").toString();
    }

    private static void escape(StringBuilder out, int letter, boolean beforeDigit) {
        switch (letter) {
            case '"', '\\' -> out.append('\\').append((char) letter);
            case '\n' -> out.append("\\n");
            case '\t' -> out.append("\\t");
            case '\r' -> out.append("\\r");
            case '\f' -> out.append("\\f");
            case 0x0b -> out.append("\\v");
            default -> {
                if (letter >= ' ' && letter < 0x7f) {
                    out.append((char) letter);
                } else {
                    out.append(beforeDigit ? "\\%03o".formatted(letter) : "\\%o".formatted(letter));
                }
            }
        }
    }

    /// Every byte in hexadecimal digits: bytes that are no text.
    static String hexQuoted(ByteBuffer bytes, boolean cut) {
        StringBuilder out = new StringBuilder("\"");
        for (int i = bytes.position(); i < bytes.limit(); i++) {
            out.append("\\x%02x".formatted(Byte.toUnsignedInt(bytes.get(i))));
        }
        return out.append('"').append(cut ? "..." : "").toString();
    }

    /// A string that ends with a NUL or where its field ends.
    static String field(ByteBuffer bytes, int offset, int length) {
        int end = 0;
        while (end < length && bytes.get(offset + end) != 0) {
            end++;
        }
        return quoted(bytes.slice(offset, end), false);
    }

    static String device(long device) {
        long major = (device >>> 8 & 0xfff) | (device >>> 32 & ~0xfffL);
        long minor = (device & 0xff) | (device >>> 12 & ~0xffL & 0xffffffffL);
        return "makedev(0x%x, 0x%x)".formatted(major, minor);
    }
}
