// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.util.Locale;

/// An amount of memory.
///
/// @param bytes more than zero
public record Memory(long bytes) implements Comparable<Memory> {
    private static final long KIBIBYTE = 1L << 10;
    private static final long MEBIBYTE = 1L << 20;
    private static final long GIBIBYTE = 1L << 30;

    /// @throws IllegalArgumentException if it is not more than zero
    public Memory {
        if (bytes <= 0) {
            throw new IllegalArgumentException("an amount of memory must be more than zero: " + bytes + " bytes");
        }
    }

    /// So many MiB.
    ///
    /// @param count in units of 2²⁰ bytes
    public static Memory mebibytes(long count) {
        return new Memory(Math.multiplyExact(count, MEBIBYTE));
    }

    /// So many GiB.
    ///
    /// @param count in units of 2³⁰ bytes
    public static Memory gibibytes(long count) {
        return new Memory(Math.multiplyExact(count, GIBIBYTE));
    }

    /// Reads `64m`, `1g`, `512k` or a plain number of bytes: powers of 1024, in either case.
    ///
    /// @throws IllegalArgumentException if it is none of these
    public static Memory parse(String text) {
        String lower = text.strip().toLowerCase(Locale.ROOT);
        long unit = 1;
        String digits = lower;
        if (!lower.isEmpty()) {
            unit = switch (lower.charAt(lower.length() - 1)) {
                case 'k' -> KIBIBYTE;
                case 'm' -> MEBIBYTE;
                case 'g' -> GIBIBYTE;
                default -> 1;
            };
            digits = unit == 1 ? lower : lower.substring(0, lower.length() - 1);
        }
        try {
            return new Memory(Math.multiplyExact(Long.parseLong(digits), unit));
        } catch (NumberFormatException | ArithmeticException e) {
            throw new IllegalArgumentException(
                    "'" + text + "' is not an amount of memory: write 64m, 1g, 512k or a number of bytes", e);
        }
    }

    @Override
    public int compareTo(Memory other) {
        return Long.compare(bytes, other.bytes);
    }

    /// Such as `256 MiB`.
    @Override
    public String toString() {
        if (bytes % GIBIBYTE == 0) {
            return bytes / GIBIBYTE + " GiB";
        }
        if (bytes % MEBIBYTE == 0) {
            return bytes / MEBIBYTE + " MiB";
        }
        if (bytes % KIBIBYTE == 0) {
            return bytes / KIBIBYTE + " KiB";
        }
        return bytes + " bytes";
    }
}
