// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.compress;

import java.util.Arrays;

/// The last output of a zstd frame, from which later output is copied, and which the reader takes its bytes from.
final class ZstdWindow {
    private static final int FIRST_BYTES = 1 << 18;

    private final int size;
    private byte[] bytes;
    private int taken;
    private int end;

    /// @param size how far back copies may reach
    ZstdWindow(int size) {
        this.size = size;
        this.bytes = new byte[FIRST_BYTES];
    }

    /// Makes room for a block of up to [ZstdBlocks#MAX_BLOCK] bytes. What was written before must have been taken.
    void prepare() {
        int wanted = Math.min(size, end) + ZstdBlocks.MAX_BLOCK;
        if (end + ZstdBlocks.MAX_BLOCK <= bytes.length) {
            return;
        }
        int kept = Math.min(size, end);
        // Moves are as long as the window and happen once a window, so that each byte is moved about once.
        long capacity = Math.min(Math.max(wanted, 2L * bytes.length), 2L * size + 2L * ZstdBlocks.MAX_BLOCK);
        byte[] target = capacity > bytes.length ? new byte[(int) capacity] : bytes;
        System.arraycopy(bytes, end - kept, target, 0, kept);
        bytes = target;
        end = kept;
        taken = kept;
    }

    void append(byte[] source, int from, int length) {
        System.arraycopy(source, from, bytes, end, length);
        end += length;
    }

    void fill(byte value, int length) {
        Arrays.fill(bytes, end, end + length, value);
        end += length;
    }

    /// Copies from `offset` bytes back; the copy may overlap what it copies.
    void repeat(int offset, int length) throws CorruptDataException {
        if (offset <= 0 || offset > end || offset > size) {
            throw new CorruptDataException("damaged zstd data: a copy begins before the window");
        }
        int from = end - offset;
        if (offset >= length) {
            System.arraycopy(bytes, from, bytes, end, length);
        } else {
            for (int i = 0; i < length; i++) {
                bytes[end + i] = bytes[from + i];
            }
        }
        end += length;
    }

    int available() {
        return end - taken;
    }

    void hash(XxHash64 hash) {
        hash.update(bytes, taken, end - taken);
    }

    int take(byte[] target, int offset, int length) {
        int count = Math.min(length, end - taken);
        System.arraycopy(bytes, taken, target, offset, count);
        taken += count;
        return count;
    }
}
