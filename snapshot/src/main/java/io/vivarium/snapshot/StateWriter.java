// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/// Writes state as bytes that a [StateReader] reads: little-endian, lengths before what they are of.
///
/// Not safe for use by several threads at a time.
public final class StateWriter {
    private byte[] bytes = new byte[256];
    private int length;

    /// An empty one.
    public StateWriter() {}

    private int grow(int count) {
        int at = length;
        length = Math.addExact(length, count);
        if (length > bytes.length) {
            bytes = Arrays.copyOf(bytes, Math.max(length, 2 * bytes.length));
        }
        return at;
    }

    private StateWriter put(long value, int size) {
        int at = grow(size);
        for (int i = 0; i < size; i++) {
            bytes[at + i] = (byte) (value >>> (i * Byte.SIZE));
        }
        return this;
    }

    /// A truth value, in a byte.
    public StateWriter flag(boolean value) {
        return put(value ? 1 : 0, 1);
    }

    /// A number of 32 bits.
    public StateWriter u32(int value) {
        return put(value, Integer.BYTES);
    }

    /// A number of 64 bits.
    public StateWriter u64(long value) {
        return put(value, Long.BYTES);
    }

    /// Bytes, and how many there are.
    public StateWriter bytes(byte[] value) {
        u32(value.length);
        return raw(value);
    }

    /// Bytes of which the reader knows how many there are.
    StateWriter raw(byte[] value) {
        int at = grow(value.length);
        System.arraycopy(value, 0, bytes, at, value.length);
        return this;
    }

    /// A text.
    public StateWriter text(String value) {
        return bytes(value.getBytes(StandardCharsets.UTF_8));
    }

    /// Some, and how many there are.
    public <T> StateWriter list(List<T> values, BiConsumer<StateWriter, T> one) {
        u32(values.size());
        values.forEach(value -> one.accept(this, value));
        return this;
    }

    /// A part that has a version of its own.
    public StateWriter section(String name, int version, Consumer<StateWriter> content) {
        StateWriter inner = new StateWriter();
        content.accept(inner);
        return text(name).u32(version).bytes(inner.toBytes());
    }

    /// What was written.
    public byte[] toBytes() {
        return Arrays.copyOf(bytes, length);
    }
}
