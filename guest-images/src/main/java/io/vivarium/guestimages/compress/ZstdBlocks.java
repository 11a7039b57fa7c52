// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.compress;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Decodes the compressed blocks of one zstd frame (RFC 8878 §3.1.1.3): literals, and sequences of
/// copies.
final class ZstdBlocks {
    /// `Block_Maximum_Size`, 128 KiB.
    static final int MAX_BLOCK = 1 << 17;

    private static final int MODE_PREDEFINED = 0;
    private static final int MODE_RLE = 1;
    private static final int MODE_FSE = 2;

    private static final short[] LITERAL_LENGTH_COUNTS = {
        4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1
    };
    private static final short[] MATCH_LENGTH_COUNTS = {
        1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1
    };
    private static final short[] OFFSET_COUNTS = {
        1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1
    };

    /// A kind of code (RFC 8878 §3.1.1.3.2.2).
    ///
    /// @param slot where its table is kept; the kinds' tables come in this order
    /// @param maxAccuracyLog of its tables
    /// @param maxSymbol of its tables
    /// @param predefined the table that needs no description
    private record Code(int slot, int maxAccuracyLog, int maxSymbol, FseTable predefined) {
        private static final Code LITERAL_LENGTH = of(0, 9, 35, 6, LITERAL_LENGTH_COUNTS);
        private static final Code OFFSET = of(1, 8, 31, 5, OFFSET_COUNTS);
        private static final Code MATCH_LENGTH = of(2, 9, 52, 6, MATCH_LENGTH_COUNTS);
        private static final List<Code> ALL = List.of(LITERAL_LENGTH, OFFSET, MATCH_LENGTH);

        private static Code of(int slot, int maxAccuracyLog, int maxSymbol, int accuracyLog, short[] counts) {
            return new Code(slot, maxAccuracyLog, maxSymbol, FseTable.of(accuracyLog, counts, counts.length));
        }
    }

    private static final int[] LITERAL_LENGTH_BITS = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        16
    };
    private static final int[] MATCH_LENGTH_BITS = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2,
        2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
    };
    private static final int[] LITERAL_LENGTH_BASES = bases(0, LITERAL_LENGTH_BITS, 16);
    private static final int[] MATCH_LENGTH_BASES = bases(3, MATCH_LENGTH_BITS, 43);

    private final ZstdWindow window;
    private final byte[] literals = new byte[MAX_BLOCK];
    private final @Nullable FseTable[] tables = new @Nullable FseTable[Code.ALL.size()];
    private final int[] recent = {1, 4, 8};
    private @Nullable HuffmanTable huffman;
    private int literalCount;

    ZstdBlocks(ZstdWindow window) {
        this.window = window;
    }

    /// Each code's values begin where those of the one before end, but the last ones begin at
    /// powers of two.
    private static int[] bases(int first, int[] bits, int powersFrom) {
        int[] bases = new int[bits.length];
        int base = first;
        for (int i = 0; i < bits.length; i++) {
            bases[i] = base;
            base += 1 << bits[i];
        }
        if (bases[powersFrom] != (first == 0 ? 16 : 131)) {
            throw new AssertionError(Arrays.toString(bases));
        }
        return bases;
    }

    private static CorruptDataException damaged(String what) {
        return new CorruptDataException("damaged zstd data: " + what);
    }

    /// Decodes a block into the window.
    ///
    /// @param bytes the block, from 0 to `length`, with room behind it
    /// @param maxSize how much the block may hold
    void decode(byte[] bytes, int length, int maxSize) throws CorruptDataException {
        Arrays.fill(bytes, length, length + BackwardBits.PADDING, (byte) 0);
        int at = readLiterals(bytes, length, maxSize);
        readSequences(bytes, at, length, maxSize);
    }

    private static int byteAt(byte[] bytes, int at, int length) throws CorruptDataException {
        if (at >= length) {
            throw damaged("a block is too short");
        }
        return Byte.toUnsignedInt(bytes[at]);
    }

    private static long littleEndian(byte[] bytes, int at, int count, int length) throws CorruptDataException {
        long value = 0;
        for (int i = count - 1; i >= 0; i--) {
            value = value << 8 | byteAt(bytes, at + i, length);
        }
        return value;
    }

    private int readLiterals(byte[] bytes, int length, int maxSize) throws CorruptDataException {
        int first = byteAt(bytes, 0, length);
        int type = first & 3;
        int format = first >> 2 & 3;
        if (type >= 2) {
            return readCompressedLiterals(bytes, length, maxSize, type == 3, format);
        }
        int headerBytes =
                switch (format) {
                    case 1 -> 2;
                    case 3 -> 3;
                    default -> 1;
                };
        literalCount = (int) (littleEndian(bytes, 0, headerBytes, length) >> (headerBytes == 1 ? 3 : 4));
        checkLiteralCount(maxSize);
        if (type == 1) {
            Arrays.fill(literals, 0, literalCount, (byte) byteAt(bytes, headerBytes, length));
            return headerBytes + 1;
        }
        if (literalCount > length - headerBytes) {
            throw damaged("a block is too short for its literals");
        }
        System.arraycopy(bytes, headerBytes, literals, 0, literalCount);
        return headerBytes + literalCount;
    }

    private void checkLiteralCount(int maxSize) throws CorruptDataException {
        if (literalCount > maxSize) {
            throw damaged("a block has more literals than it may hold");
        }
    }

    private int readCompressedLiterals(byte[] bytes, int length, int maxSize, boolean treeless, int format)
            throws CorruptDataException {
        int headerBytes = format < 2 ? 3 : format + 2;
        int width = format < 2 ? 10 : format == 2 ? 14 : 18;
        long header = littleEndian(bytes, 0, headerBytes, length) >> 4;
        literalCount = (int) (header & ((1 << width) - 1));
        int compressed = (int) (header >> width);
        checkLiteralCount(maxSize);
        int end = headerBytes + compressed;
        if (end > length) {
            throw damaged("a block is too short for its literals");
        }
        int at = headerBytes;
        if (!treeless) {
            HuffmanTable.Described described = HuffmanTable.read(bytes, at, end);
            huffman = described.table();
            at = described.end();
        }
        HuffmanTable table = huffman;
        if (table == null) {
            throw damaged("a block repeats a table of literal codes, and there is none before");
        }
        if (format == 0) {
            table.decode(new BackwardBits(bytes, at, end), literals, 0, literalCount);
            return end;
        }
        int[] ends = new int[4];
        int stream = at + 6;
        for (int i = 0; i < 3; i++) {
            stream += (int) littleEndian(bytes, at + 2 * i, 2, end);
            ends[i] = stream;
        }
        ends[3] = end;
        int part = (literalCount + 3) / 4;
        int from = at + 6;
        for (int i = 0; i < 4; i++) {
            int target = i * part;
            int targetEnd = i < 3 ? target + part : literalCount;
            if (ends[i] > end || targetEnd < target) {
                throw damaged("a block's streams of literals do not fit into it");
            }
            table.decode(new BackwardBits(bytes, from, ends[i]), literals, target, targetEnd);
            from = ends[i];
        }
        return end;
    }

    private void readSequences(byte[] bytes, int from, int length, int maxSize) throws CorruptDataException {
        int at = from;
        int count = byteAt(bytes, at++, length);
        if (count == 255) {
            count = (int) littleEndian(bytes, at, 2, length) + 0x7F00;
            at += 2;
        } else if (count >= 128) {
            count = ((count - 128) << 8) + byteAt(bytes, at++, length);
        }
        if (count == 0) {
            if (at != length) {
                throw damaged("a block is longer than its content");
            }
            window.append(literals, 0, literalCount);
            return;
        }
        int modes = byteAt(bytes, at++, length);
        if ((modes & 3) != 0) {
            throw damaged("a reserved bit is set");
        }
        for (Code code : Code.ALL) {
            at = readTable(code, modes >> (6 - 2 * code.slot) & 3, bytes, at, length);
        }
        copySequences(new BackwardBits(bytes, at, length), count, maxSize);
    }

    private int readTable(Code code, int mode, byte[] bytes, int at, int length) throws CorruptDataException {
        switch (mode) {
            case MODE_PREDEFINED -> tables[code.slot] = code.predefined;
            case MODE_RLE -> {
                int symbol = byteAt(bytes, at, length);
                if (symbol > code.maxSymbol) {
                    throw damaged("a code is out of range");
                }
                tables[code.slot] = FseTable.ofSymbol(symbol);
                return at + 1;
            }
            case MODE_FSE -> {
                FseTable.Described described = FseTable.read(bytes, at, length, code.maxAccuracyLog, code.maxSymbol);
                tables[code.slot] = described.table();
                return described.end();
            }
            default -> {} // the table of the block before
        }
        return at;
    }

    private FseTable table(Code code) throws CorruptDataException {
        FseTable table = tables[code.slot];
        if (table == null) {
            throw damaged("a block repeats a table of codes, and there is none before");
        }
        return table;
    }

    private void copySequences(BackwardBits stream, int count, int maxSize) throws CorruptDataException {
        FseTable literalLengths = table(Code.LITERAL_LENGTH);
        FseTable offsets = table(Code.OFFSET);
        FseTable matchLengths = table(Code.MATCH_LENGTH);
        int literalState = stream.read(literalLengths.accuracyLog());
        int offsetState = stream.read(offsets.accuracyLog());
        int matchState = stream.read(matchLengths.accuracyLog());
        int literal = 0;
        int size = 0;
        for (int i = 0; i < count; i++) {
            int offsetCode = offsets.symbol(offsetState);
            int matchCode = matchLengths.symbol(matchState);
            int literalCode = literalLengths.symbol(literalState);
            long offsetValue = (1L << offsetCode) + Integer.toUnsignedLong(stream.read(offsetCode));
            int matchLength = MATCH_LENGTH_BASES[matchCode] + stream.read(MATCH_LENGTH_BITS[matchCode]);
            int literalLength = LITERAL_LENGTH_BASES[literalCode] + stream.read(LITERAL_LENGTH_BITS[literalCode]);
            if (i < count - 1) {
                literalState = literalLengths.next(literalState, stream);
                matchState = matchLengths.next(matchState, stream);
                offsetState = offsets.next(offsetState, stream);
            }
            size += literalLength + matchLength;
            if (stream.left() < 0 || literalLength > literalCount - literal || size > maxSize) {
                throw damaged("a block's sequences do not fit into it");
            }
            window.append(literals, literal, literalLength);
            literal += literalLength;
            window.repeat(offset(offsetValue, literalLength), matchLength);
        }
        if (stream.left() != 0 || size + literalCount - literal > maxSize) {
            throw damaged("a block's sequences have another length than its bits");
        }
        window.append(literals, literal, literalCount - literal);
    }

    /// RFC 8878 §3.1.1.5: the first three values stand for offsets used before.
    private int offset(long value, int literalLength) throws CorruptDataException {
        if (value > 3) {
            if (value - 3 > Integer.MAX_VALUE) {
                throw damaged("an offset is out of range");
            }
            return remember((int) (value - 3), 2);
        }
        int index = (int) value - 1 + (literalLength == 0 ? 1 : 0);
        return index == 3 ? remember(recent[0] - 1, 2) : remember(recent[index], index);
    }

    private int remember(int offset, int replaced) {
        System.arraycopy(recent, 0, recent, 1, replaced);
        recent[0] = offset;
        return offset;
    }
}
