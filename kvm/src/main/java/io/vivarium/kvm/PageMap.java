// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/// Which pages of this process's memory are its own: written to by it, or by a guest that has them,
/// and so no file's any more.
///
/// The kernel tells in `/proc/self/pagemap`: since Linux 6.7 by ranges, at a price that depends on
/// what there is (`PAGEMAP_SCAN`), before that with a word for each page, whether it is there or
/// not (Documentation/admin-guide/mm/pagemap.rst). Thread-safe.
public final class PageMap implements AutoCloseable {
    /// Bytes of a page.
    public static final long PAGE_SIZE = 4096;

    private static final String FILE = "/proc/self/pagemap";

    // A word of the file
    private static final long PRESENT = 1L << 63;
    private static final long SWAPPED = 1L << 62;

    /// The page belongs to a file, or to memory that is shared.
    private static final long OF_FILE = 1L << 61;

    private static final int WORDS_AT_ONCE = 8192;

    // linux/fs.h
    private static final long PAGE_IS_FILE = 1 << 2;
    private static final long PAGE_IS_PRESENT = 1 << 3;
    private static final long PAGE_IS_SWAPPED = 1 << 4;

    /// struct pm_scan_arg (linux/fs.h).
    static final StructLayout SCAN = MemoryLayout.structLayout(
                    ValueLayout.JAVA_LONG.withName("size"),
                    ValueLayout.JAVA_LONG.withName("flags"),
                    ValueLayout.JAVA_LONG.withName("start"),
                    ValueLayout.JAVA_LONG.withName("end"),
                    ValueLayout.JAVA_LONG.withName("walk_end"),
                    ValueLayout.JAVA_LONG.withName("vec"),
                    ValueLayout.JAVA_LONG.withName("vec_len"),
                    ValueLayout.JAVA_LONG.withName("max_pages"),
                    ValueLayout.JAVA_LONG.withName("category_inverted"),
                    ValueLayout.JAVA_LONG.withName("category_mask"),
                    ValueLayout.JAVA_LONG.withName("category_anyof_mask"),
                    ValueLayout.JAVA_LONG.withName("return_mask"))
            .withName("pm_scan_arg");

    /// struct page_region (linux/fs.h): start, end, categories.
    private static final long REGION_SIZE = 24;

    private static final long REGIONS_AT_ONCE = 512;

    /// `_IOWR('f', 16, struct pm_scan_arg)`
    private static final long PAGEMAP_SCAN = 3L << 30 | SCAN.byteSize() << 16 | 'f' << 8 | 16;

    private final FileDescriptor fd;
    private final boolean scans;

    private PageMap(FileDescriptor fd) {
        this.fd = fd;
        this.scans = canScan();
    }

    /// Hears of pages.
    @FunctionalInterface
    public interface Visitor {
        /// Pages that follow each other were found.
        ///
        /// @param offset of the first in the segment, a multiple of 4096
        /// @param length bytes, a multiple of 4096, at least one page
        void pages(long offset, long length);
    }

    /// Opens that of this process.
    ///
    /// @throws KvmException if there is no `/proc`
    public static PageMap open() {
        return new PageMap(new FileDescriptor("open", FILE, Syscalls.open(FILE, Syscalls.O_RDONLY)));
    }

    /// Whether the kernel tells ranges.
    boolean scans() {
        return scans;
    }

    private boolean canScan() {
        try (Arena scratch = Arena.ofConfined()) {
            return fd.ioctl(PAGEMAP_SCAN, request(scratch, 0, 0, MemorySegment.NULL)) == 0;
        }
    }

    /// Visits the pages that are private to this process and have been touched, in ascending order.
    ///
    /// @param memory native, starting at a multiple of 4096
    public void forEachOwn(MemorySegment memory, Visitor visitor) {
        if (scans) {
            scan(memory, visitor);
        } else {
            readWords(memory, visitor);
        }
    }

    private static MemorySegment request(Arena scratch, long start, long end, MemorySegment found) {
        MemorySegment request = scratch.allocate(SCAN).fill((byte) 0);
        set(request, "size", SCAN.byteSize());
        set(request, "start", start);
        set(request, "end", end);
        set(request, "vec", found.address());
        set(request, "vec_len", found.byteSize() / REGION_SIZE);
        // Not a file's, and there, or swapped out.
        set(request, "category_inverted", PAGE_IS_FILE);
        set(request, "category_mask", PAGE_IS_FILE);
        set(request, "category_anyof_mask", PAGE_IS_PRESENT | PAGE_IS_SWAPPED);
        // One category and the same for all, so that pages that follow each other are one range.
        set(request, "return_mask", 0);
        return request;
    }

    private static void set(MemorySegment request, String field, long value) {
        request.set(ValueLayout.JAVA_LONG, SCAN.byteOffset(PathElement.groupElement(field)), value);
    }

    private void scan(MemorySegment memory, Visitor visitor) {
        long start = memory.address();
        long end = start + memory.byteSize();
        long walkEnd = SCAN.byteOffset(PathElement.groupElement("walk_end"));
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment found = scratch.allocate(REGIONS_AT_ONCE * REGION_SIZE, Long.BYTES);
            long from = start;
            while (from < end) {
                MemorySegment request = request(scratch, from, end, found);
                long count = KvmException.check("PAGEMAP_SCAN", fd.ioctl(PAGEMAP_SCAN, request));
                for (long i = 0; i < count; i++) {
                    long first = found.get(ValueLayout.JAVA_LONG, i * REGION_SIZE);
                    long last = found.get(ValueLayout.JAVA_LONG, i * REGION_SIZE + Long.BYTES);
                    visitor.pages(first - start, last - first);
                }
                from = request.get(ValueLayout.JAVA_LONG, walkEnd);
            }
        }
    }

    private static void readWords(MemorySegment memory, Visitor visitor) {
        ByteBuffer words = ByteBuffer.allocateDirect(WORDS_AT_ONCE * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        long pages = Math.ceilDiv(memory.byteSize(), PAGE_SIZE);
        long first = memory.address() / PAGE_SIZE;
        long start = -1;
        try (FileChannel pagemap = FileChannel.open(Path.of(FILE))) {
            for (long page = 0; page < pages; page += WORDS_AT_ONCE) {
                read(pagemap, words, first + page, (int) Math.min(WORDS_AT_ONCE, pages - page));
                for (int i = 0; i < words.limit() / Long.BYTES; i++) {
                    long word = words.getLong(i * Long.BYTES);
                    boolean own = (word & (PRESENT | SWAPPED)) != 0 && (word & OF_FILE) == 0;
                    if (own && start < 0) {
                        start = page + i;
                    } else if (!own && start >= 0) {
                        visitor.pages(start * PAGE_SIZE, (page + i - start) * PAGE_SIZE);
                        start = -1;
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        if (start >= 0) {
            visitor.pages(start * PAGE_SIZE, (pages - start) * PAGE_SIZE);
        }
    }

    private static void read(FileChannel pagemap, ByteBuffer words, long page, int count) throws IOException {
        words.clear().limit(count * Long.BYTES);
        long at = page * Long.BYTES;
        while (words.hasRemaining()) {
            int length = pagemap.read(words, at + words.position());
            if (length < 0) {
                throw new IOException(FILE + " ends at page 0x%x".formatted(page));
            }
        }
        words.flip();
    }

    /// For tests: as [#forEachOwn] works before Linux 6.7.
    static void forEachOwnByWords(MemorySegment memory, Visitor visitor) {
        readWords(memory, visitor);
    }

    @Override
    public void close() {
        fd.close();
    }
}
