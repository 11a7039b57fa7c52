// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.tar;

import io.vivarium.guestimages.Content;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;

/// File contents of an archive that is read once, kept in a temporary file. The file has no name while it is in
/// use, so that it is gone with the process, however that ends.
public final class Spool implements Closeable {
    private static final int BUFFER_BYTES = 1 << 16;

    private final FileChannel channel;
    private final byte[] buffer = new byte[BUFFER_BYTES];
    private long end;

    /// An empty one, in `java.io.tmpdir`.
    ///
    /// @throws IOException it cannot be made there
    public Spool() throws IOException {
        Path file = Files.createTempFile("vivarium-", ".spool");
        try {
            channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        } finally {
            Files.delete(file);
        }
    }

    /// Takes the next `size` bytes of a stream.
    ///
    /// @throws EOFException the stream ends before
    public Content keep(InputStream in, long size) throws IOException {
        long start = end;
        long remaining = size;
        while (remaining > 0) {
            int count = in.readNBytes(buffer, 0, (int) Math.min(buffer.length, remaining));
            if (count == 0) {
                throw new EOFException();
            }
            ByteBuffer bytes = ByteBuffer.wrap(buffer, 0, count);
            while (bytes.hasRemaining()) {
                end += channel.write(bytes, end);
            }
            remaining -= count;
        }
        return new Extent(channel, start, size);
    }

    /// Lets go of the contents.
    @Override
    public void close() throws IOException {
        channel.close();
    }

    private record Extent(FileChannel channel, long start, long size) implements Content {
        @Override
        public InputStream open() {
            return new InputStream() {
                private long position;

                @Override
                public int read() throws IOException {
                    byte[] single = new byte[1];
                    return read(single, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(single[0]);
                }

                @Override
                public int read(byte[] target, int offset, int length) throws IOException {
                    Objects.checkFromIndexSize(offset, length, target.length);
                    if (length == 0) {
                        return 0;
                    }
                    int wanted = (int) Math.min(length, size - position);
                    if (wanted <= 0) {
                        return -1;
                    }
                    int count = channel.read(ByteBuffer.wrap(target, offset, wanted), start + position);
                    if (count > 0) {
                        position += count;
                    }
                    return count;
                }
            };
        }
    }
}
