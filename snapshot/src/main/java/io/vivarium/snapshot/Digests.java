// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/// Bytes of snapshot files: read, written and digested as a whole.
final class Digests {
    /// Bytes of a digest.
    static final int LENGTH = 32;

    private Digests() {}

    /// SHA-256 of the parts, one after the other.
    static byte[] sha256(byte[]... parts) {
        MessageDigest digest = newSha256();
        for (byte[] part : parts) {
            digest.update(part);
        }
        return digest.digest();
    }

    static MessageDigest newSha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    /// Reads until the buffer is full, or the file ends.
    ///
    /// @return how many bytes were read
    static int readFully(FileChannel channel, ByteBuffer to, long position) throws IOException {
        int done = 0;
        while (to.hasRemaining()) {
            int read = channel.read(to, position + done);
            if (read < 0) {
                break;
            }
            done += read;
        }
        return done;
    }

    /// Writes all of the buffer.
    static void writeFully(FileChannel channel, ByteBuffer from, long position) throws IOException {
        long at = position;
        while (from.hasRemaining()) {
            at += channel.write(from, at);
        }
    }
}
