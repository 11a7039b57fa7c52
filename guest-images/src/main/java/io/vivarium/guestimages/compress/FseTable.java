// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.compress;

/// A table of finite state entropy codes (RFC 8878 §4.1): which symbol a state stands for, and which state comes next.
final class FseTable {
    private final int accuracyLog;
    private final byte[] symbols;
    private final byte[] bits;
    private final short[] bases;

    private FseTable(int accuracyLog) {
        this.accuracyLog = accuracyLog;
        int size = 1 << accuracyLog;
        this.symbols = new byte[size];
        this.bits = new byte[size];
        this.bases = new short[size];
    }

    /// A table with one symbol, which takes no bits.
    static FseTable ofSymbol(int symbol) {
        FseTable table = new FseTable(0);
        table.symbols[0] = (byte) symbol;
        return table;
    }

    /// @param counts for each symbol its share of the `2^accuracyLog` states; -1 for "less than one"
    /// @param symbolCount how many of them there are
    static FseTable of(int accuracyLog, short[] counts, int symbolCount) {
        FseTable table = new FseTable(accuracyLog);
        int size = 1 << accuracyLog;
        int[] next = new int[symbolCount];
        int high = size;
        for (int symbol = 0; symbol < symbolCount; symbol++) {
            if (counts[symbol] == -1) {
                table.symbols[--high] = (byte) symbol;
                next[symbol] = 1;
            }
        }
        int step = (size >> 1) + (size >> 3) + 3;
        int position = 0;
        for (int symbol = 0; symbol < symbolCount; symbol++) {
            if (counts[symbol] <= 0) {
                continue;
            }
            next[symbol] = counts[symbol];
            for (int i = 0; i < counts[symbol]; i++) {
                table.symbols[position] = (byte) symbol;
                do {
                    position = (position + step) & (size - 1);
                } while (position >= high);
            }
        }
        for (int state = 0; state < size; state++) {
            int value = next[table.symbols[state]]++;
            int count = accuracyLog - (31 - Integer.numberOfLeadingZeros(value));
            table.bits[state] = (byte) count;
            table.bases[state] = (short) ((value << count) - size);
        }
        return table;
    }

    /// A table as it stands in the data, and where it ends.
    ///
    /// @param end index after the last byte that the description may have
    record Described(FseTable table, int end) {}

    /// Reads the description of a table.
    ///
    /// @param bytes at least 4 longer than `limit`
    static Described read(byte[] bytes, int from, int limit, int maxAccuracyLog, int maxSymbol)
            throws CorruptDataException {
        if (from >= limit) {
            throw damaged();
        }
        int accuracyLog = (bytes[from] & 0xF) + 5;
        if (accuracyLog > maxAccuracyLog) {
            throw damaged();
        }
        long bit = from * 8L + 4;
        short[] counts = new short[maxSymbol + 1];
        int symbol = 0;
        int remaining = 1 << accuracyLog;
        while (remaining > 0 && symbol <= maxSymbol) {
            if (bit > limit * 8L) {
                throw damaged();
            }
            int width = 32 - Integer.numberOfLeadingZeros(remaining + 1);
            int value = bits(bytes, bit, width);
            int lowMask = (1 << (width - 1)) - 1;
            int threshold = (1 << width) - 1 - (remaining + 1);
            if ((value & lowMask) < threshold) {
                value &= lowMask;
                bit += width - 1;
            } else {
                bit += width;
                value -= value > lowMask ? threshold : 0;
            }
            int count = value - 1;
            remaining -= Math.abs(count);
            counts[symbol++] = (short) count;
            int repeat = count == 0 ? 3 : 0;
            while (repeat == 3) {
                repeat = bits(bytes, bit, 2);
                bit += 2;
                symbol += repeat;
                if (symbol > maxSymbol + 1 || bit > limit * 8L) {
                    throw damaged();
                }
            }
        }
        int end = (int) ((bit + 7) / 8);
        if (remaining != 0 || end > limit) {
            throw damaged();
        }
        return new Described(of(accuracyLog, counts, symbol), end);
    }

    private static CorruptDataException damaged() {
        return new CorruptDataException("damaged zstd data: a table of codes is wrong");
    }

    /// Up to 16 bits, in forward order.
    private static int bits(byte[] bytes, long position, int count) {
        int at = (int) (position >>> 3);
        int word = Byte.toUnsignedInt(bytes[at])
                | Byte.toUnsignedInt(bytes[at + 1]) << 8
                | Byte.toUnsignedInt(bytes[at + 2]) << 16;
        return word >>> (position & 7) & ((1 << count) - 1);
    }

    int accuracyLog() {
        return accuracyLog;
    }

    int symbol(int state) {
        return Byte.toUnsignedInt(symbols[state]);
    }

    int next(int state, BackwardBits stream) {
        return Short.toUnsignedInt(bases[state]) + stream.read(bits[state]);
    }
}
