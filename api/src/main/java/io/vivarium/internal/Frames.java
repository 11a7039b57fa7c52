// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.TerminalSize;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/// The frames of the agent protocol, version 1: what the host sends, and the fields of what the guest sends.
final class Frames {
    static final int VERSION = 1;

    // Host to guest.
    static final int HELLO = 0x0001;
    static final int SPAWN = 0x0010;
    static final int STDIN = 0x0011;
    static final int STDIN_EOF = 0x0012;
    static final int WINDOW = 0x0013;
    static final int SIGNAL = 0x0014;
    static final int RESIZE = 0x0015;

    // Guest to host.
    static final int GUEST_HELLO = 0x8001;
    static final int REFUSED = 0x8002;
    static final int SPAWNED = 0x8010;
    static final int SPAWN_FAILED = 0x8011;
    static final int STDOUT = 0x8012;
    static final int STDERR = 0x8013;
    static final int STDIN_WINDOW = 0x8014;
    static final int UNSUPPORTED = 0x8015;
    static final int EXITED = 0x8016;
    static final int KILLED = 0x8017;
    static final int TRACE = 0x8020;
    static final int TRACE_LOST = 0x8021;

    /// What the agent's random generator is seeded with.
    static final int SEED_BYTES = 32;

    private static final int FLAG_STDIN = 1;
    private static final int FLAG_MERGE_STDERR = 2;
    private static final int FLAG_TRACE = 4;
    private static final int FLAG_TERMINAL = 8;

    private Frames() {}

    /// @param seed of [#SEED_BYTES]
    static ByteBuffer hello(long realtimeNanos, byte[] seed) {
        return frame(HELLO, 0, 12 + SEED_BYTES)
                .putInt(VERSION)
                .putLong(realtimeNanos)
                .put(seed)
                .flip();
    }

    static ByteBuffer spawn(int process, SpawnRequest request, int stdoutWindow, int stderrWindow) {
        boolean traced = request.traceWindow() > 0;
        int flags = (request.stdin() ? FLAG_STDIN : 0)
                | (request.mergeStderr() ? FLAG_MERGE_STDERR : 0)
                | (traced ? FLAG_TRACE : 0)
                | (request.terminal().isPresent() ? FLAG_TERMINAL : 0);
        byte[] directory = CommandLimits.utf8(request.workingDirectory());
        int length = 5 * 4
                + bytes(directory)
                + 4
                + bytes(request.argv())
                + bytes(request.env())
                + (traced ? 4 : 0)
                + (request.terminal().isPresent() ? 8 : 0);
        ByteBuffer frame = frame(SPAWN, process, length)
                .putInt(flags)
                .putInt((int) request.user().uid())
                .putInt((int) request.user().gid())
                .putInt(stdoutWindow)
                .putInt(stderrWindow);
        put(frame, directory);
        put(frame, new byte[0]);
        put(frame, request.argv());
        put(frame, request.env());
        if (traced) {
            frame.putInt(request.traceWindow());
        }
        request.terminal().ifPresent(size -> frame.putInt(size.rows()).putInt(size.columns()));
        return frame.flip();
    }

    private static int bytes(byte[] string) {
        return 4 + string.length;
    }

    private static int bytes(List<byte[]> strings) {
        return 4 + strings.stream().mapToInt(Frames::bytes).sum();
    }

    private static void put(ByteBuffer frame, byte[] string) {
        frame.putInt(string.length).put(string);
    }

    private static void put(ByteBuffer frame, List<byte[]> strings) {
        frame.putInt(strings.size());
        strings.forEach(string -> put(frame, string));
    }

    static ByteBuffer stdin(int process, byte[] source, int offset, int length) {
        return frame(STDIN, process, length).put(source, offset, length).flip();
    }

    static ByteBuffer stdinEof(int process) {
        return frame(STDIN_EOF, process, 0).flip();
    }

    static ByteBuffer window(int process, int stream, int bytes) {
        return frame(WINDOW, process, 8).putInt(stream).putInt(bytes).flip();
    }

    static ByteBuffer signal(int process, int signal) {
        return frame(SIGNAL, process, 4).putInt(signal).flip();
    }

    static ByteBuffer resize(int process, TerminalSize size) {
        return frame(RESIZE, process, 8)
                .putInt(size.rows())
                .putInt(size.columns())
                .flip();
    }

    private static ByteBuffer frame(int type, int process, int length) {
        if (length > FrameReader.MAX_PAYLOAD) {
            throw new IllegalArgumentException("a frame of %d bytes is larger than the guest takes (%d)"
                    .formatted(length, FrameReader.MAX_PAYLOAD));
        }
        return ByteBuffer.allocate(FrameReader.HEADER_BYTES + length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(length)
                .putShort((short) type)
                .putShort((short) 0)
                .putInt(process);
    }

    /// Reads the fields of a guest's frame, in order.
    static final class Fields {
        private final String name;
        private final ByteBuffer payload;

        Fields(String name, ByteBuffer payload) {
            this.name = name;
            this.payload = payload;
        }

        int u31() {
            long value = u32();
            if (value > Integer.MAX_VALUE) {
                throw new ProtocolBreach(name + " with a number out of range: " + value);
            }
            return (int) value;
        }

        long u32() {
            try {
                return Integer.toUnsignedLong(payload.getInt());
            } catch (BufferUnderflowException e) {
                throw tooShort();
            }
        }

        long u64() {
            try {
                return payload.getLong();
            } catch (BufferUnderflowException e) {
                throw tooShort();
            }
        }

        String string() {
            int length = u31();
            if (length > payload.remaining()) {
                throw tooShort();
            }
            byte[] bytes = new byte[length];
            payload.get(bytes);
            return new String(bytes, StandardCharsets.UTF_8);
        }

        int remaining() {
            return payload.remaining();
        }

        void end() {
            if (payload.hasRemaining()) {
                throw new ProtocolBreach(name + " with " + payload.remaining() + " bytes too many");
            }
        }

        private ProtocolBreach tooShort() {
            return new ProtocolBreach(name + " is too short");
        }
    }
}
