// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.compress;

/// The prefix codes of a block's literals (RFC 8878 §4.2).
final class HuffmanTable {
    private static final int MAX_BITS = 11;
    private static final int MAX_SYMBOLS = 256;
    private static final int MAX_WEIGHT_ACCURACY = 6;
    private static final int DIRECT_WEIGHTS = 128;

    private final int maxBits;
    private final byte[] symbols;
    private final byte[] bits;

    private HuffmanTable(int maxBits) {
        this.maxBits = maxBits;
        this.symbols = new byte[1 << maxBits];
        this.bits = new byte[1 << maxBits];
    }

    /// A table as it stands in the data, and where it ends.
    record Described(HuffmanTable table, int end) {}

    /// Reads the description of a table.
    ///
    /// @param bytes at least [BackwardBits#PADDING] longer than `limit`
    static Described read(byte[] bytes, int from, int limit) throws CorruptDataException {
        if (from >= limit) {
            throw damaged();
        }
        int header = Byte.toUnsignedInt(bytes[from]);
        byte[] weights = new byte[MAX_SYMBOLS];
        int at = from + 1;
        if (header < DIRECT_WEIGHTS) {
            int end = at + header;
            if (end > limit) {
                throw damaged();
            }
            return new Described(of(weights, readCompressed(bytes, at, end, weights)), end);
        }
        int count = header - DIRECT_WEIGHTS + 1;
        int end = at + (count + 1) / 2;
        if (end > limit) {
            throw damaged();
        }
        for (int i = 0; i < count; i++) {
            int pair = Byte.toUnsignedInt(bytes[at + i / 2]);
            weights[i] = (byte) (i % 2 == 0 ? pair >> 4 : pair & 0xF);
        }
        return new Described(of(weights, count), end);
    }

    /// The weights come from two states that take turns.
    private static int readCompressed(byte[] bytes, int from, int end, byte[] weights) throws CorruptDataException {
        FseTable.Described described = FseTable.read(bytes, from, end, MAX_WEIGHT_ACCURACY, MAX_SYMBOLS - 1);
        FseTable table = described.table();
        BackwardBits stream = new BackwardBits(bytes, described.end(), end);
        int[] states = {stream.read(table.accuracyLog()), stream.read(table.accuracyLog())};
        if (stream.left() < 0) {
            throw damaged();
        }
        int count = 0;
        int turn = 0;
        while (true) {
            // One more weight and the deduced last one must fit.
            if (count > MAX_SYMBOLS - 3) {
                throw damaged();
            }
            weights[count++] = (byte) table.symbol(states[turn]);
            states[turn] = table.next(states[turn], stream);
            turn ^= 1;
            if (stream.left() < 0) {
                weights[count++] = (byte) table.symbol(states[turn]);
                return count;
            }
        }
    }

    /// @param count how many weights there are without the last, which follows from the others
    private static HuffmanTable of(byte[] weights, int count) throws CorruptDataException {
        int sum = 0;
        for (int i = 0; i < count; i++) {
            if (weights[i] > MAX_BITS) {
                throw damaged();
            }
            sum += weights[i] == 0 ? 0 : 1 << (weights[i] - 1);
        }
        int maxBits = 32 - Integer.numberOfLeadingZeros(sum);
        int rest = (1 << maxBits) - sum;
        if (sum == 0 || maxBits > MAX_BITS || Integer.bitCount(rest) != 1) {
            throw damaged();
        }
        weights[count] = (byte) (32 - Integer.numberOfLeadingZeros(rest));
        HuffmanTable table = new HuffmanTable(maxBits);
        int position = 0;
        for (int weight = 1; weight <= maxBits; weight++) {
            int span = 1 << (weight - 1);
            for (int symbol = 0; symbol <= count; symbol++) {
                if (weights[symbol] != weight) {
                    continue;
                }
                for (int i = 0; i < span; i++, position++) {
                    table.symbols[position] = (byte) symbol;
                    table.bits[position] = (byte) (maxBits + 1 - weight);
                }
            }
        }
        return table;
    }

    private static CorruptDataException damaged() {
        return new CorruptDataException("damaged zstd data: a table of literal codes is wrong");
    }

    /// Decodes one stream of literals, which must end where its bits do.
    void decode(BackwardBits stream, byte[] target, int from, int to) throws CorruptDataException {
        for (int i = from; i < to; i++) {
            int code = stream.peek(maxBits);
            target[i] = symbols[code];
            stream.skip(bits[code]);
        }
        if (stream.left() != 0) {
            throw new CorruptDataException("damaged zstd data: a stream of literals has another length than its bits");
        }
    }
}
