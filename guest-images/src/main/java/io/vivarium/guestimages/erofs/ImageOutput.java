// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/// Writes an image front to back and digests it on the way.
final class ImageOutput {
    private static final int BUFFER_BYTES = 1 << 18;
    private static final byte[] ZEROS = new byte[ErofsFormat.BLOCK_SIZE];

    private final SeekableByteChannel channel;
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
    private final MessageDigest digest;
    private long position;

    /// @param start first byte to be written
    ImageOutput(SeekableByteChannel channel, long start) throws IOException {
        this.channel = channel;
        this.position = start;
        channel.position(start);
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    void write(ByteBuffer bytes) throws IOException {
        digest.update(bytes.duplicate());
        position += bytes.remaining();
        while (bytes.hasRemaining()) {
            if (!buffer.hasRemaining()) {
                flush();
            }
            int count = Math.min(bytes.remaining(), buffer.remaining());
            buffer.put(bytes.slice(bytes.position(), count));
            bytes.position(bytes.position() + count);
        }
    }

    /// Writes zeros up to an offset.
    void padTo(long offset) throws IOException {
        if (offset < position) {
            throw new IllegalStateException("the image's layout overlaps at " + position + ", before " + offset);
        }
        while (position < offset) {
            write(ByteBuffer.wrap(ZEROS, 0, (int) Math.min(ZEROS.length, offset - position)));
        }
    }

    void flush() throws IOException {
        buffer.flip();
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
        buffer.clear();
    }

    /// SHA-256 of all that was written, and then `last`.
    byte[] digest(ByteBuffer last) {
        digest.update(last);
        return digest.digest();
    }
}
