// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import io.vivarium.snapshot.InvalidSnapshotFileException.Reason;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/// Reads what a [StateWriter] has written. Everything it is asked for is there, or it throws
/// [InvalidSnapshotFileException] with [Reason#MALFORMED].
///
/// Not safe for use by several threads at a time.
public final class StateReader {
    private final ByteBuffer bytes;

    /// @param bytes all of them are to be read
    public StateReader(byte[] bytes) {
        this.bytes = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// What a malformed file is refused with.
    public static InvalidSnapshotFileException malformed(String what) {
        return new InvalidSnapshotFileException(Reason.MALFORMED, "the snapshot says what cannot be: " + what);
    }

    private static InvalidSnapshotFileException malformed(String what, Exception e) {
        return new InvalidSnapshotFileException(Reason.MALFORMED, "the snapshot says what cannot be: " + what, e);
    }

    /// A truth value.
    public boolean flag() {
        try {
            byte value = bytes.get();
            if (value != 0 && value != 1) {
                throw malformed("truth value %d".formatted(value));
            }
            return value == 1;
        } catch (BufferUnderflowException e) {
            throw malformed("it ends too early", e);
        }
    }

    /// A number of 32 bits.
    public int u32() {
        try {
            return bytes.getInt();
        } catch (BufferUnderflowException e) {
            throw malformed("it ends too early", e);
        }
    }

    /// A number of 64 bits.
    public long u64() {
        try {
            return bytes.getLong();
        } catch (BufferUnderflowException e) {
            throw malformed("it ends too early", e);
        }
    }

    /// A number of 64 bits, from zero to a limit.
    public long u64(String what, long limit) {
        long value = u64();
        if (value < 0 || value > limit) {
            throw malformed("%s %d, at most %d".formatted(what, value, limit));
        }
        return value;
    }

    /// Bytes.
    public byte[] bytes() {
        return raw(count(1));
    }

    byte[] raw(int length) {
        if (length > bytes.remaining()) {
            throw malformed("it ends too early");
        }
        byte[] taken = new byte[length];
        bytes.get(taken);
        return taken;
    }

    /// How many there are of something that takes so many bytes each, or more.
    private int count(int size) {
        int count = u32();
        if (count < 0 || count > bytes.remaining() / size) {
            throw malformed(
                    "%d of what %d bytes are left for".formatted(Integer.toUnsignedLong(count), bytes.remaining()));
        }
        return count;
    }

    /// A text.
    public String text() {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes()))
                    .toString();
        } catch (CharacterCodingException e) {
            throw malformed("a text that is not UTF-8", e);
        }
    }

    /// Some, each of at least one byte.
    public <T> List<T> list(Function<StateReader, T> one) {
        int count = count(1);
        List<T> values = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            values.add(one.apply(this));
        }
        return values;
    }

    /// A part that has a version of its own, of which nothing may be left over.
    ///
    /// @param name of the part that must come here
    /// @param version that is understood
    public <T> T section(String name, int version, Function<StateReader, T> content) {
        String found = text();
        if (!found.equals(name)) {
            throw malformed("'%s' where '%s' should be".formatted(found, name));
        }
        int written = u32();
        if (written != version) {
            throw new InvalidSnapshotFileException(
                    Reason.FORMAT_VERSION,
                    "the state of '%s' is written in version %d, not %d"
                            .formatted(name, Integer.toUnsignedLong(written), version));
        }
        StateReader inner = new StateReader(bytes());
        T value;
        try {
            value = content.apply(inner);
        } catch (IllegalArgumentException e) {
            throw malformed("'%s': %s".formatted(name, e.getMessage()), e);
        }
        inner.end();
        return value;
    }

    /// One of an enumeration, by its name.
    public <E extends Enum<E>> E constant(Class<E> type) {
        return Enum.valueOf(type, text());
    }

    /// Checks that all was read.
    public void end() {
        if (bytes.hasRemaining()) {
            throw malformed("%d bytes too many".formatted(bytes.remaining()));
        }
    }
}
