// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.compress;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Decompresses zstd (RFC 8878): any number of frames, skippable ones left out, checksums looked at. Dictionaries are
/// refused by name, and so are windows of more than 128 MiB, the most that `zstd -d` takes without being told to.
///
/// Everything is in arrays, whose bounds the JVM checks: no input reaches memory that is not the decoder's.
public final class ZstdInputStream extends InputStream {
    private static final int MAGIC = 0xFD2FB528;
    private static final int SKIPPABLE_MAGIC = 0x184D2A50;
    private static final int SKIPPABLE_MASK = 0xFFFFFFF0;
    private static final int MAX_WINDOW = 1 << 27;
    private static final int MIN_WINDOW = 1 << 10;

    private static final int BLOCK_RAW = 0;
    private static final int BLOCK_RLE = 1;
    private static final int BLOCK_COMPRESSED = 2;

    private final InputStream in;
    private final byte[] block = new byte[ZstdBlocks.MAX_BLOCK + 2 * BackwardBits.PADDING];
    private @Nullable Frame frame;
    private boolean ended;

    /// @param in buffered, for it is read in small pieces
    public ZstdInputStream(InputStream in) {
        this.in = in;
    }

    /// One frame while it is read.
    private static final class Frame {
        private final ZstdWindow window;
        private final ZstdBlocks blocks;
        private final int maxBlock;
        private final long contentSize;
        private final @Nullable XxHash64 hash;
        private long produced;
        private boolean lastBlock;

        Frame(int windowSize, long contentSize, boolean checksum) {
            this.window = new ZstdWindow(windowSize);
            this.blocks = new ZstdBlocks(window);
            this.maxBlock = Math.min(windowSize, ZstdBlocks.MAX_BLOCK);
            this.contentSize = contentSize;
            this.hash = checksum ? new XxHash64() : null;
        }
    }

    private static CorruptDataException damaged(String what) {
        return new CorruptDataException("damaged zstd data: " + what);
    }

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
        while (!ended) {
            Frame current = frame;
            if (current == null) {
                beginFrame();
            } else if (current.window.available() > 0) {
                return current.window.take(target, offset, length);
            } else if (current.lastBlock) {
                endFrame(current);
                frame = null;
            } else {
                readBlock(current);
            }
        }
        return -1;
    }

    @Override
    public void close() throws IOException {
        in.close();
    }

    private long littleEndian(int count) throws IOException {
        long value = 0;
        for (int i = 0; i < count; i++) {
            int next = in.read();
            if (next < 0) {
                throw new EOFException("the zstd data end too early");
            }
            value |= (long) next << (8 * i);
        }
        return value;
    }

    private void beginFrame() throws IOException {
        int first = in.read();
        if (first < 0) {
            ended = true;
            return;
        }
        int magic = (int) (first | littleEndian(3) << 8);
        if ((magic & SKIPPABLE_MASK) == SKIPPABLE_MAGIC) {
            in.skipNBytes(littleEndian(4));
            return;
        }
        if (magic != MAGIC) {
            throw damaged("a frame begins with 0x%08x".formatted(magic));
        }
        int descriptor = (int) littleEndian(1);
        boolean singleSegment = (descriptor & 0x20) != 0;
        if ((descriptor & 0x08) != 0) {
            throw damaged("a reserved bit is set");
        }
        long windowSize = singleSegment ? 0 : windowSize((int) littleEndian(1));
        int dictionaryBytes = (1 << (descriptor & 3)) >> 1;
        if (littleEndian(dictionaryBytes) != 0) {
            throw new CorruptDataException("zstd data need a dictionary, which is not supported");
        }
        int sizeFlag = descriptor >> 6;
        long contentSize = -1;
        if (sizeFlag > 0 || singleSegment) {
            contentSize = littleEndian(1 << sizeFlag) + (sizeFlag == 1 ? 256 : 0);
        }
        if (singleSegment) {
            windowSize = Math.max(contentSize, 1);
        }
        if (windowSize > MAX_WINDOW || windowSize < 0) {
            throw new CorruptDataException(
                    "zstd data need a window of more than " + (MAX_WINDOW >> 20) + " MiB of memory");
        }
        frame = new Frame((int) Math.max(windowSize, MIN_WINDOW), contentSize, (descriptor & 4) != 0);
    }

    private static long windowSize(int descriptor) {
        long base = 1L << (10 + (descriptor >> 3));
        return base + base / 8 * (descriptor & 7);
    }

    private void readBlock(Frame current) throws IOException {
        int header = (int) littleEndian(3);
        current.lastBlock = (header & 1) != 0;
        int type = header >> 1 & 3;
        int size = header >> 3;
        if (size > current.maxBlock) {
            throw damaged("a block of " + size + " bytes is larger than it may be");
        }
        ZstdWindow window = current.window;
        window.prepare();
        switch (type) {
            case BLOCK_RAW -> {
                readFully(size);
                window.append(block, 0, size);
            }
            case BLOCK_RLE -> window.fill((byte) littleEndian(1), size);
            case BLOCK_COMPRESSED -> {
                readFully(size);
                current.blocks.decode(block, size, current.maxBlock);
            }
            default -> throw damaged("a block is of the reserved type");
        }
        current.produced += window.available();
        if (current.hash != null) {
            window.hash(current.hash);
        }
    }

    private void readFully(int size) throws IOException {
        if (in.readNBytes(block, 0, size) < size) {
            throw new EOFException("the zstd data end too early");
        }
    }

    private void endFrame(Frame current) throws IOException {
        if (current.contentSize >= 0 && current.produced != current.contentSize) {
            throw damaged("a frame has " + current.produced + " bytes instead of " + current.contentSize);
        }
        if (current.hash != null && littleEndian(4) != (current.hash.digest() & 0xFFFF_FFFFL)) {
            throw damaged("the checksum is wrong");
        }
    }
}
