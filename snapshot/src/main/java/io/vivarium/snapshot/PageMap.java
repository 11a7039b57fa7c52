// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/// Which pages of this process's memory are its own: written to by it, or by a guest that has them.
///
/// The kernel tells in `/proc/self/pagemap`, a 64-bit word a page
/// (Documentation/admin-guide/mm/pagemap.rst). Not safe for use by several threads at a time.
final class PageMap implements AutoCloseable {
    static final long PAGE_SIZE = 4096;

    private static final long PRESENT = 1L << 63;
    private static final long SWAPPED = 1L << 62;

    /// The page belongs to a file, or to memory that is shared.
    private static final long OF_FILE = 1L << 61;

    private static final int WORDS_AT_ONCE = 8192;

    private final FileChannel pagemap;
    private final ByteBuffer words =
            ByteBuffer.allocateDirect(WORDS_AT_ONCE * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);

    private PageMap(FileChannel pagemap) {
        this.pagemap = pagemap;
    }

    /// Hears of a page.
    @FunctionalInterface
    interface Visitor {
        /// A page was found.
        ///
        /// @param offset of the page in the segment, a multiple of 4096
        void page(long offset);
    }

    /// @throws UncheckedIOException if there is no `/proc`
    static PageMap open() {
        try {
            return new PageMap(FileChannel.open(Path.of("/proc/self/pagemap")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Visits the pages that are private to this process and have been touched, in ascending order.
    ///
    /// @param memory native, starting at a multiple of 4096
    void forEachOwn(MemorySegment memory, Visitor visitor) {
        long pages = Math.ceilDiv(memory.byteSize(), PAGE_SIZE);
        long first = memory.address() / PAGE_SIZE;
        for (long page = 0; page < pages; page += WORDS_AT_ONCE) {
            read(first + page, (int) Math.min(WORDS_AT_ONCE, pages - page));
            for (int i = 0; i < words.limit() / Long.BYTES; i++) {
                long word = words.getLong(i * Long.BYTES);
                if ((word & (PRESENT | SWAPPED)) != 0 && (word & OF_FILE) == 0) {
                    visitor.page((page + i) * PAGE_SIZE);
                }
            }
        }
    }

    private void read(long page, int count) {
        words.clear().limit(count * Long.BYTES);
        long at = page * Long.BYTES;
        try {
            while (words.hasRemaining()) {
                int length = pagemap.read(words, at + words.position());
                if (length < 0) {
                    throw new IOException("/proc/self/pagemap ends at page 0x%x".formatted(page));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        words.flip();
    }

    @Override
    public void close() {
        try {
            pagemap.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
