// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import io.vivarium.guestimages.Content;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/// The content of a file of an image: what is in its blocks, then what lies behind its inode.
record MappedContent(MemorySegment blocks, MemorySegment tail) implements Content {
    @Override
    public long size() {
        return blocks.byteSize() + tail.byteSize();
    }

    @Override
    public InputStream open() throws IOException {
        if (!blocks.scope().isAlive()) {
            throw new IOException("the image has been closed");
        }
        return new InputStream() {
            private long position;

            @Override
            public int read() {
                byte[] single = new byte[1];
                return read(single, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(single[0]);
            }

            @Override
            public int read(byte[] target, int offset, int length) {
                Objects.checkFromIndexSize(offset, length, target.length);
                if (length == 0) {
                    return 0;
                }
                boolean inBlocks = position < blocks.byteSize();
                MemorySegment part = inBlocks ? blocks : tail;
                long from = inBlocks ? position : position - blocks.byteSize();
                int count = (int) Math.min(length, part.byteSize() - from);
                if (count <= 0) {
                    return -1;
                }
                MemorySegment.copy(part, ValueLayout.JAVA_BYTE, from, target, offset, count);
                position += count;
                return count;
            }
        };
    }

    /// All of it at once, for content known to be small.
    byte[] toArray() {
        byte[] bytes = new byte[Math.toIntExact(size())];
        MemorySegment.copy(blocks, 0, MemorySegment.ofArray(bytes), 0, blocks.byteSize());
        MemorySegment.copy(tail, 0, MemorySegment.ofArray(bytes), blocks.byteSize(), tail.byteSize());
        return bytes;
    }
}
