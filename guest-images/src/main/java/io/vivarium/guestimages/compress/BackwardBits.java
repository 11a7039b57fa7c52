// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.compress;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// A bit stream that is read from its end to its beginning (RFC 8878 §4.1): the highest bit set in the last byte marks
/// where it ends.
final class BackwardBits {
    /// How many bytes of the array must follow the last one of a stream.
    static final int PADDING = 8;

    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final byte[] bytes;
    private final int start;
    private long left;

    /// @param bytes at least [#PADDING] longer than `end`
    BackwardBits(byte[] bytes, int start, int end) throws CorruptDataException {
        if (end <= start || bytes[end - 1] == 0) {
            throw new CorruptDataException("damaged zstd data: a bit stream has no end mark");
        }
        this.bytes = bytes;
        this.start = start;
        int last = Byte.toUnsignedInt(bytes[end - 1]);
        this.left = (end - start - 1L) * Byte.SIZE + (31 - Integer.numberOfLeadingZeros(last));
    }

    /// How many bits have not been read; negative when more were read than there are.
    long left() {
        return left;
    }

    /// The next bits without reading them; past the beginning, zeros.
    ///
    /// @param count 0 … 32
    int peek(int count) {
        if (left >= count) {
            return extract(left - count, count);
        }
        return left <= 0 ? 0 : extract(0, (int) left) << (count - left);
    }

    void skip(int count) {
        left -= count;
    }

    /// The next bits.
    ///
    /// @param count 0 … 32
    int read(int count) {
        int value = peek(count);
        left -= count;
        return value;
    }

    private int extract(long position, int count) {
        long word = (long) LONG.get(bytes, start + (int) (position >>> 3)) >>> (position & 7);
        return (int) (word & ((1L << count) - 1));
    }
}
