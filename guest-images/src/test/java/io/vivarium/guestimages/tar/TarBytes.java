// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.tar;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Makes archives that no `tar` command would make.
public final class TarBytes {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    /// An empty archive.
    public TarBytes() {}

    public TarBytes entry(char type, String name, String link, byte[] content) {
        byte[] header = header(type, name.getBytes(StandardCharsets.UTF_8), link, content.length);
        return raw(header).raw(Arrays.copyOf(content, (content.length + 511) / 512 * 512));
    }

    public TarBytes entry(char type, String name, String link) {
        return entry(type, name, link, new byte[0]);
    }

    public TarBytes file(String name, String content) {
        return entry('0', name, "", content.getBytes(StandardCharsets.UTF_8));
    }

    TarBytes pax(String... records) {
        StringBuilder content = new StringBuilder();
        for (String record : records) {
            int bytes = record.getBytes(StandardCharsets.UTF_8).length;
            int length = bytes + 3;
            while (Integer.toString(length).length() + bytes + 2 != length) {
                length++;
            }
            content.append(length).append(' ').append(record).append('\n');
        }
        return entry('x', "pax", "", content.toString().getBytes(StandardCharsets.UTF_8));
    }

    TarBytes raw(byte[] block) {
        bytes.writeBytes(block);
        return this;
    }

    public byte[] end() {
        return raw(new byte[1024]).bytes.toByteArray();
    }

    byte[] unfinished() {
        return bytes.toByteArray();
    }

    static byte[] header(char type, byte[] name, String link, long size) {
        byte[] header = new byte[512];
        System.arraycopy(name, 0, header, 0, name.length);
        put(header, 100, "0000644\0");
        put(header, 108, "0000000\0");
        put(header, 116, "0000000\0");
        put(header, 124, "%011o\0".formatted(size));
        put(header, 136, "00000000000\0");
        header[156] = (byte) type;
        put(header, 157, link);
        put(header, 257, "ustar\00000");
        put(header, 329, "0000000\0");
        put(header, 337, "0000000\0");
        return sealed(header);
    }

    /// With the checksum put right.
    static byte[] sealed(byte[] header) {
        put(header, 148, "        ");
        int sum = 0;
        for (byte value : header) {
            sum += Byte.toUnsignedInt(value);
        }
        put(header, 148, "%06o\0 ".formatted(sum));
        return header;
    }

    static void put(byte[] header, int offset, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        System.arraycopy(bytes, 0, header, offset, bytes.length);
    }
}
