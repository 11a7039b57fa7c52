// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal.strace;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Reads trace records. What it reads comes from a guest: nothing in it is believed before it was looked at.
public final class TraceReader {
    /// The longest record, its length field included.
    public static final int MAX_RECORD = 3584;

    static final int SIGINFO_BYTES = 48;

    private static final int ENTERED = 1;
    private static final int LEFT = 2;
    private static final int SIGNALLED = 3;
    private static final int STOPPED = 4;
    private static final int ENDED = 5;

    private static final int HEADER_BYTES = 12;
    private static final int ARGUMENTS = 6;

    private final InputStream from;

    /// @param from where records come from; not closed
    public TraceReader(InputStream from) {
        this.from = from;
    }

    /// The guest sent something else than a record.
    public static final class MalformedRecordException extends Exception {
        private static final long serialVersionUID = 1L;

        MalformedRecordException(String message) {
            super(message);
        }
    }

    /// The next record; null at the end.
    ///
    /// @throws MalformedRecordException if there is none where one should be, or only a part of one
    /// @throws IOException if the stream cannot be read
    public @Nullable TraceRecord next() throws IOException, MalformedRecordException {
        byte[] prefix = from.readNBytes(4);
        if (prefix.length == 0) {
            return null;
        }
        int length = prefix.length < 4 ? 0 : little(prefix).getInt();
        if (length < HEADER_BYTES || length > MAX_RECORD - 4) {
            throw new MalformedRecordException("a trace record of " + Integer.toUnsignedString(length) + " bytes");
        }
        byte[] bytes = from.readNBytes(length);
        if (bytes.length < length) {
            throw new MalformedRecordException(
                    "a trace record that ends after %d of %d bytes".formatted(bytes.length, length));
        }
        return parse(little(bytes));
    }

    private static ByteBuffer little(byte[] bytes) {
        return ByteBuffer.wrap(bytes).asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
    }

    private static TraceRecord parse(ByteBuffer in) throws MalformedRecordException {
        int kind = in.getInt();
        int process = in.getInt();
        int thread = in.getInt();
        if (process <= 0 || thread <= 0) {
            throw new MalformedRecordException("a trace record of process %d, thread %d".formatted(process, thread));
        }
        return switch (kind) {
            case ENTERED -> entered(process, thread, in);
            case LEFT -> {
                long result = need(in, 8).getLong();
                yield new TraceRecord.Left(process, thread, result, pieces(in));
            }
            case SIGNALLED -> new TraceRecord.Signalled(process, thread, exactly(in, SIGINFO_BYTES));
            case STOPPED ->
                new TraceRecord.Stopped(process, thread, exactly(in, 4).getInt());
            case ENDED -> {
                ByteBuffer rest = exactly(in, 8);
                yield new TraceRecord.Ended(process, thread, rest.getInt(), rest.getInt());
            }
            default -> throw new MalformedRecordException("a trace record of kind " + Integer.toUnsignedString(kind));
        };
    }

    private static TraceRecord entered(int process, int thread, ByteBuffer in) throws MalformedRecordException {
        need(in, 8 + ARGUMENTS * 8 + 1);
        long number = in.getLong();
        List<Long> arguments = new ArrayList<>(ARGUMENTS);
        for (int i = 0; i < ARGUMENTS; i++) {
            arguments.add(in.getLong());
        }
        byte[] name = new byte[Byte.toUnsignedInt(in.get())];
        need(in, name.length).get(name);
        for (byte letter : name) {
            if (!(letter >= 'a' && letter <= 'z') && !(letter >= '0' && letter <= '9') && letter != '_') {
                throw new MalformedRecordException("a trace record with a name that is no system call's");
            }
        }
        return new TraceRecord.Entered(
                process,
                thread,
                number,
                List.copyOf(arguments),
                new String(name, StandardCharsets.US_ASCII),
                pieces(in));
    }

    private static List<TraceRecord.Piece> pieces(ByteBuffer in) throws MalformedRecordException {
        List<TraceRecord.Piece> pieces = new ArrayList<>();
        while (in.hasRemaining()) {
            need(in, 4);
            int argument = Byte.toUnsignedInt(in.get());
            int flags = Byte.toUnsignedInt(in.get());
            int length = Short.toUnsignedInt(in.getShort());
            if (argument >= ARGUMENTS || flags > 3) {
                throw new MalformedRecordException(
                        "a trace record with a piece of argument %d with flags %d".formatted(argument, flags));
            }
            need(in, length);
            ByteBuffer bytes = in.slice(in.position(), length).order(ByteOrder.LITTLE_ENDIAN);
            in.position(in.position() + length);
            pieces.add(new TraceRecord.Piece(argument, (flags & 1) != 0, (flags & 2) != 0, bytes));
        }
        return List.copyOf(pieces);
    }

    private static ByteBuffer need(ByteBuffer in, int bytes) throws MalformedRecordException {
        if (in.remaining() < bytes) {
            throw new MalformedRecordException("a trace record that is too short");
        }
        return in;
    }

    private static ByteBuffer exactly(ByteBuffer in, int bytes) throws MalformedRecordException {
        if (in.remaining() != bytes) {
            throw new MalformedRecordException("a trace record with %d bytes for %d".formatted(in.remaining(), bytes));
        }
        return in.slice().order(ByteOrder.LITTLE_ENDIAN);
    }
}
