// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.util.function.IntUnaryOperator;

/// Reads of 1, 2, 4 or 8 bytes from a device's configuration space, whose fields are little-endian
/// (virtio 1.2 §2.5.2).
final class ConfigSpace {
    private ConfigSpace() {}

    /// From a space that fits 64 bits.
    ///
    /// @param fields the first in the lowest bits
    static long read(long fields, int offset, int size) {
        long mask = size == Long.BYTES ? -1 : (1L << (Byte.SIZE * size)) - 1;
        return (fields >>> (Byte.SIZE * offset)) & mask;
    }

    /// From a space of any size.
    ///
    /// @param octetAt the byte at an offset, 0 to 255
    static long read(IntUnaryOperator octetAt, int offset, int size) {
        long value = 0;
        for (int at = offset + size - 1; at >= offset; at--) {
            value = (value << Byte.SIZE) | octetAt.applyAsInt(at);
        }
        return value;
    }
}
