// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// Cuts the guest's stream of bytes into frames of the agent protocol, however the bytes come in pieces.
///
/// For one thread at a time.
final class FrameReader {
    static final int HEADER_BYTES = 12;

    /// The longest payload: 256 KiB.
    static final int MAX_PAYLOAD = 256 << 10;

    private static final int FIRST_CAPACITY = 4096;

    /// Takes whole frames.
    interface Handler {
        /// Takes one.
        ///
        /// @param payload valid during the call; little-endian, backed by an array
        /// @throws ProtocolBreach if the guest must not send it
        void frame(int type, int process, ByteBuffer payload);
    }

    /// Where bytes come from.
    @FunctionalInterface
    interface Source {
        /// Reads what there is, as far as it fits.
        ///
        /// @return how many bytes were read; 0 when there are no more for now
        int read(byte[] target, int offset, int length);
    }

    private final Handler handler;
    private final byte[] header = new byte[HEADER_BYTES];
    private final ByteBuffer fields = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
    private byte[] payload = new byte[FIRST_CAPACITY];
    private int headerRead;
    private int payloadRead;
    private int payloadLength;

    FrameReader(Handler handler) {
        this.handler = handler;
    }

    /// Whether no part of a frame was read.
    boolean isBetweenFrames() {
        return headerRead == 0;
    }

    /// Reads until the source has no more.
    ///
    /// @throws ProtocolBreach if what it reads are no frames, or the handler refuses one
    void readFrom(Source source) {
        while (true) {
            while (headerRead < HEADER_BYTES) {
                int read = source.read(header, headerRead, HEADER_BYTES - headerRead);
                if (read <= 0) {
                    return;
                }
                headerRead += read;
                if (headerRead == HEADER_BYTES) {
                    begin();
                }
            }
            while (payloadRead < payloadLength) {
                int read = source.read(payload, payloadRead, payloadLength - payloadRead);
                if (read <= 0) {
                    return;
                }
                payloadRead += read;
            }
            headerRead = 0;
            handler.frame(
                    Short.toUnsignedInt(fields.getShort(4)),
                    fields.getInt(8),
                    ByteBuffer.wrap(payload, 0, payloadLength).order(ByteOrder.LITTLE_ENDIAN));
        }
    }

    private void begin() {
        int length = fields.getInt(0);
        int type = Short.toUnsignedInt(fields.getShort(4));
        int reserved = Short.toUnsignedInt(fields.getShort(6));
        if (length < 0 || length > MAX_PAYLOAD) {
            throw new ProtocolBreach("a frame of type 0x%04x with %s bytes of payload, more than %d"
                    .formatted(type, Integer.toUnsignedString(length), MAX_PAYLOAD));
        }
        if (reserved != 0) {
            throw new ProtocolBreach("a frame of type 0x%04x whose reserved field is 0x%04x".formatted(type, reserved));
        }
        payloadRead = 0;
        payloadLength = length;
        if (length > payload.length) {
            payload = new byte[Math.min(MAX_PAYLOAD, Integer.highestOneBit(length - 1) << 1)];
        }
    }
}
