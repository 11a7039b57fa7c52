// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.compress;

import java.io.BufferedInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Optional;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import org.tukaani.xz.MemoryLimitException;
import org.tukaani.xz.XZIOException;
import org.tukaani.xz.XZInputStream;

/// The compressed formats that are read.
public enum Compression {
    /// Not compressed.
    NONE("uncompressed"),
    /// RFC 1952.
    GZIP("gzip", 0x1F, 0x8B),
    /// The .xz file format 1.2.
    XZ("xz", 0xFD, '7', 'z', 'X', 'Z', 0),
    /// RFC 8878.
    ZSTD("zstd", 0x28, 0xB5, 0x2F, 0xFD);

    /// Below this much output no ratio is looked at: 64 MiB do no harm, however few bytes they come from.
    private static final long HARMLESS_BYTES = 64L << 20;

    /// Dictionaries of up to 64 MiB (`xz -9`) and what the decoder needs beside.
    private static final int XZ_MEMORY_KIB = 96 << 10;

    private static final int BUFFER_BYTES = 1 << 16;
    private static final int LONGEST_MAGIC = 6;

    private final String title;
    private final int[] magic;

    Compression(String title, int... magic) {
        this.title = title;
        this.magic = magic;
    }

    /// The name that the format goes by.
    public String title() {
        return title;
    }

    private boolean begins(byte[] bytes) {
        if (bytes.length < magic.length) {
            return false;
        }
        for (int i = 0; i < magic.length; i++) {
            if (Byte.toUnsignedInt(bytes[i]) != magic[i]) {
                return false;
            }
        }
        return true;
    }

    /// Which format data are in that begin like this; [#NONE] if it is none of the others.
    static Compression of(byte[] beginning) {
        return Arrays.stream(values())
                .filter((Compression format) -> format != NONE && format.begins(beginning))
                .findFirst()
                .orElse(NONE);
    }

    /// What a stream holds, decompressed if it is compressed. Several compressed streams one after the other are read
    // as
    /// one.
    ///
    /// A stream that ends too early throws [java.io.EOFException], and a damaged one [CorruptDataException].
    ///
    /// @param in not closed before the returned stream is
    /// @param maxRatio how many bytes may come out for each byte that goes in, once more than 64 MiB came out; `1`
    // or
    ///     more
    /// @throws IOException the stream cannot be read, or its first bytes are damaged
    public static InputStream decompress(InputStream in, int maxRatio) throws IOException {
        Counting counted = new Counting(in);
        BufferedInputStream buffered = new BufferedInputStream(counted, BUFFER_BYTES);
        buffered.mark(LONGEST_MAGIC);
        Compression format = of(buffered.readNBytes(LONGEST_MAGIC));
        buffered.reset();
        if (format == NONE) {
            return buffered;
        }
        return new BufferedInputStream(new Bounded(format, format.open(buffered), counted, maxRatio), BUFFER_BYTES);
    }

    private InputStream open(InputStream in) throws IOException {
        try {
            return switch (this) {
                case NONE -> in;
                case GZIP -> new GZIPInputStream(in, BUFFER_BYTES);
                case XZ -> new XZInputStream(in, XZ_MEMORY_KIB);
                case ZSTD -> new ZstdInputStream(in);
            };
        } catch (IOException e) {
            throw translated(e).orElse(e);
        }
    }

    private Optional<IOException> translated(IOException e) {
        return switch (e) {
            case MemoryLimitException _ ->
                Optional.of(new CorruptDataException(
                        "xz data need more than " + (XZ_MEMORY_KIB >> 10) + " MiB of memory to be read", e));
            case XZIOException _, ZipException _ ->
                Optional.of(new CorruptDataException("damaged " + title + " data: " + e.getMessage(), e));
            default -> Optional.empty();
        };
    }

    /// Counts what is read.
    private static final class Counting extends FilterInputStream {
        private long count;

        Counting(InputStream in) {
            super(in);
        }

        @Override
        public int read() throws IOException {
            int value = super.read();
            count += value >= 0 ? 1 : 0;
            return value;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            int read = super.read(target, offset, length);
            count += Math.max(read, 0);
            return read;
        }
    }

    /// Compares what comes out with what went in.
    private static final class Bounded extends FilterInputStream {
        private final Compression format;
        private final Counting compressed;
        private final int maxRatio;
        private long count;

        Bounded(Compression format, InputStream in, Counting compressed, int maxRatio) {
            super(in);
            this.format = format;
            this.compressed = compressed;
            this.maxRatio = maxRatio;
        }

        @Override
        public int read() throws IOException {
            byte[] single = new byte[1];
            return read(single, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(single[0]);
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            int read;
            try {
                read = super.read(target, offset, length);
            } catch (IOException e) {
                throw format.translated(e).orElse(e);
            }
            count += Math.max(read, 0);
            if (count > HARMLESS_BYTES && count / maxRatio > compressed.count) {
                throw new CorruptDataException("%s data expand more than %d times: %d bytes became more than %d"
                        .formatted(format.title, maxRatio, compressed.count, HARMLESS_BYTES));
            }
            return read;
        }
    }
}
