// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.util.HexFormat;

/// An Ethernet address.
///
/// @param bits its 48 bits; the first byte on the wire is the highest
public record MacAddress(long bits) {
    private static final int BYTES = 6;

    /// Checks that there are no more than 48 bits, and that it is the address of one station: not of a group, and
    /// not zero.
    public MacAddress {
        if (bits <= 0 || bits >>> 48 != 0 || ((bits >>> 40) & 1) != 0) {
            throw new IllegalArgumentException("not the Ethernet address of a station: 0x%x".formatted(bits));
        }
    }

    /// Reads an address such as `52:54:00:12:34:56`.
    ///
    /// @throws IllegalArgumentException if it is none
    public static MacAddress parse(String text) {
        byte[] bytes = HexFormat.ofDelimiter(":").parseHex(text);
        if (bytes.length != BYTES) {
            throw new IllegalArgumentException("not an Ethernet address: " + text);
        }
        long bits = 0;
        for (byte next : bytes) {
            bits = (bits << Byte.SIZE) | Byte.toUnsignedLong(next);
        }
        return new MacAddress(bits);
    }

    /// A byte of it, as they come on the wire.
    ///
    /// @param index 0 to 5
    int octet(int index) {
        return (int) (bits >>> (Byte.SIZE * (BYTES - 1 - index))) & 0xff;
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < BYTES; i++) {
            text.append(i == 0 ? "" : ":").append(HexFormat.of().toHexDigits((byte) octet(i)));
        }
        return text.toString();
    }
}
