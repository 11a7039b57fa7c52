// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import io.vivarium.kvm.PageMap;
import io.vivarium.snapshot.InvalidSnapshotFileException.Reason;
import io.vivarium.snapshot.SnapshotFile.Base;
import io.vivarium.snapshot.Stretches.Stretch;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.LongConsumer;

/// Which pages of a guest's memory a snapshot file has, in the order in which it has them.
///
/// The stretches of memory that it covers follow each other, and are counted in offsets from the first one's start: as
/// in [MemoryTemplate#content]. Not safe for use by several threads at a time.
final class MemoryLayout {
    static final long PAGE = PageMap.PAGE_SIZE;

    /// Bytes that have a digest of their own: few enough to be read at once, enough for digests to be few.
    private static final int CHUNK = 256 << 10;

    private static final int VERSION = 1;

    /// The most that a guest has, and more.
    private static final long MOST_ADDRESS = 1L << 46;

    private final Stretches stretches;
    private final Optional<String> base;

    /// Pages that the file has.
    private final List<Run> runs;

    /// Pages of the base that are zeros here.
    private final List<Run> zeros;

    private final byte[] digests;

    /// Pages that follow each other.
    ///
    /// @param offset of the first
    /// @param length bytes
    private record Run(long offset, long length) {}

    private MemoryLayout(Stretches stretches, Optional<String> base, List<Run> runs, List<Run> zeros, byte[] digests) {
        this.stretches = stretches;
        this.base = base;
        this.runs = runs;
        this.zeros = zeros;
        this.digests = digests;
    }

    /// Of a template, as far as it differs from the base. What is there is hashed when it is written.
    static MemoryLayout of(MemoryTemplate memory, Optional<Base> base) {
        Runs runs = new Runs();
        Runs zeros = new Runs();
        if (base.isPresent()) {
            BasePages pages = new BasePages(memory.stretches(), base.get().memory());
            Runs common = new Runs();
            memory.forEachContent(page -> {
                if (pages.has(page, memory.content().asSlice(page, PAGE))) {
                    common.add(page);
                } else {
                    runs.add(page);
                }
            });
            pages.forEach((long page, MemorySegment _) -> {
                if (!runs.contains(page) && !common.contains(page)) {
                    zeros.add(page);
                }
            });
        } else {
            memory.forEachContent(runs::add);
        }
        long chunks = Math.ceilDiv(length(runs.list), CHUNK);
        return new MemoryLayout(
                memory.stretches(),
                base.map(Base::id),
                List.copyOf(runs.list),
                List.copyOf(zeros.list),
                new byte[Math.toIntExact(chunks * Digests.LENGTH)]);
    }

    private static long length(List<Run> runs) {
        return runs.stream().mapToLong(Run::length).sum();
    }

    /// Collects pages in ascending order.
    private static final class Runs {
        private final List<Run> list = new ArrayList<>();

        void add(long page) {
            Run last = list.isEmpty() ? null : list.getLast();
            if (last != null && last.offset + last.length == page) {
                list.set(list.size() - 1, new Run(last.offset, last.length + PAGE));
            } else {
                list.add(new Run(page, PAGE));
            }
        }

        void forEach(LongConsumer visitor) {
            for (Run run : list) {
                for (long page = run.offset; page < run.offset + run.length; page += PAGE) {
                    visitor.accept(page);
                }
            }
        }

        boolean contains(long page) {
            int low = 0;
            int high = list.size() - 1;
            while (low <= high) {
                int middle = (low + high) >>> 1;
                Run run = list.get(middle);
                if (page < run.offset) {
                    high = middle - 1;
                } else if (page >= run.offset + run.length) {
                    low = middle + 1;
                } else {
                    return true;
                }
            }
            return false;
        }
    }

    /// The pages with content that a base has, at the offsets that they have in another layout.
    private static final class BasePages {
        private final Stretches stretches;
        private final MemoryTemplate base;
        private final Runs content = new Runs();

        BasePages(Stretches stretches, MemoryTemplate base) {
            this.stretches = stretches;
            this.base = base;
            base.forEachContent(content::add);
        }

        /// Takes a page.
        @FunctionalInterface
        interface Visitor {
            void page(long offset, MemorySegment content);
        }

        void forEach(Visitor visitor) {
            content.forEach(page -> {
                long offset = stretches.offsetOf(base.stretches().address(page));
                if (offset >= 0) {
                    visitor.page(offset, base.content().asSlice(page, PAGE));
                }
            });
        }

        /// Whether the base has that very page.
        boolean has(long offset, MemorySegment other) {
            long page = base.stretches().offsetOf(stretches.address(offset));
            return page >= 0
                    && content.contains(page)
                    && base.content().asSlice(page, PAGE).mismatch(other) < 0;
        }
    }

    void write(StateWriter to) {
        to.section("memory", VERSION, section -> {
            section.list(
                    stretches.list(), (StateWriter each, Stretch stretch) -> each.u64(stretch.guestPhysicalAddress())
                            .u64(stretch.length()));
            section.text(base.orElse(""));
            section.list(runs, MemoryLayout::write);
            section.list(zeros, MemoryLayout::write);
            section.bytes(digests);
        });
    }

    private static void write(StateWriter to, Run run) {
        to.u64(run.offset).u64(run.length);
    }

    /// @param length bytes of content that the file says it has
    static MemoryLayout read(StateReader from, long length) {
        return from.section("memory", VERSION, section -> {
            Stretches stretches = new Stretches(section.list(MemoryLayout::stretch));
            String base = section.text();
            MemoryLayout layout = new MemoryLayout(
                    stretches,
                    base.isEmpty() ? Optional.empty() : Optional.of(base),
                    section.list(MemoryLayout::run),
                    section.list(MemoryLayout::run),
                    section.bytes());
            layout.check(length);
            return layout;
        });
    }

    private static Stretch stretch(StateReader from) {
        return new Stretch(pages(from, "address"), pages(from, "length"));
    }

    private static Run run(StateReader from) {
        return new Run(pages(from, "offset"), pages(from, "length"));
    }

    private static long pages(StateReader from, String what) {
        long bytes = from.u64(what, MOST_ADDRESS);
        if (bytes % PAGE != 0) {
            throw StateReader.malformed("%s 0x%x of pages".formatted(what, bytes));
        }
        return bytes;
    }

    private void check(long length) {
        long end = 0;
        for (Stretch stretch : stretches.list()) {
            if (stretch.length() == 0 || stretch.guestPhysicalAddress() < end) {
                throw StateReader.malformed("stretches of memory " + stretches.list());
            }
            end = stretch.end();
        }
        if (stretches.size() == 0) {
            throw StateReader.malformed("a guest without memory");
        }
        checkAscend(runs, stretches.size());
        checkAscend(zeros, stretches.size());
        if (base.isEmpty() && !zeros.isEmpty()) {
            throw StateReader.malformed("pages that are not as in a base that there is not");
        }
        if (length(runs) != length || digests.length != Math.ceilDiv(length, CHUNK) * Digests.LENGTH) {
            throw StateReader.malformed("%d bytes of content with %d bytes of digests for %d bytes of pages"
                    .formatted(length, digests.length, length(runs)));
        }
    }

    private static void checkAscend(List<Run> runs, long size) {
        long end = 0;
        for (Run run : runs) {
            if (run.length == 0 || run.offset < end || run.length > size - run.offset) {
                throw StateReader.malformed("pages from 0x%x, 0x%x bytes".formatted(run.offset, run.length));
            }
            end = run.offset + run.length;
        }
    }

    Optional<String> base() {
        return base;
    }

    /// Bytes of content.
    long contentLength() {
        return length(runs);
    }

    boolean liesWithin(long[] starts, long[] ends) {
        for (Stretch stretch : stretches.list()) {
            boolean fits = false;
            for (int i = 0; i < starts.length; i++) {
                fits |= stretch.guestPhysicalAddress() == starts[i] && stretch.end() <= ends[i];
            }
            if (!fits) {
                return false;
            }
        }
        return true;
    }

    void requireBase(Optional<Base> given) {
        if (!base.equals(given.map(Base::id))) {
            throw new InvalidSnapshotFileException(
                    Reason.PARENT,
                    base.map(id -> "it holds what differs from snapshot " + id).orElse("it holds all of a machine")
                            + given.map(found -> ", not from " + found.id()).orElse(", and that is not there"));
        }
    }

    /// Writes the pages, and notes their digests.
    void writeContent(MemoryTemplate memory, FileChannel channel, long start) throws IOException {
        Chunks chunks = new Chunks();
        byte[] chunk = new byte[CHUNK];
        long at = start;
        for (int number = 0; number < digests.length / Digests.LENGTH; number++) {
            int length = chunks.next((long offset, int within, int part) ->
                    MemorySegment.copy(memory.content(), ValueLayout.JAVA_BYTE, offset, chunk, within, part));
            byte[] digest = Digests.sha256(Arrays.copyOf(chunk, length));
            System.arraycopy(digest, 0, digests, number * Digests.LENGTH, Digests.LENGTH);
            Digests.writeFully(channel, ByteBuffer.wrap(chunk, 0, length), at);
            at += length;
        }
    }

    /// Reads the pages, and compares their digests.
    MemoryTemplate readContent(FileChannel channel, Path path, long start, Optional<Base> given) throws IOException {
        return MemoryTemplate.of("vivarium-guest", stretches, to -> {
            given.ifPresent(found -> new BasePages(stretches, found.memory())
                    .forEach((long offset, MemorySegment page) -> MemorySegment.copy(page, 0, to, offset, PAGE)));
            for (Run run : zeros) {
                to.asSlice(run.offset, run.length).fill((byte) 0);
            }
            Chunks chunks = new Chunks();
            byte[] chunk = new byte[CHUNK];
            long left = contentLength();
            for (int number = 0; number < digests.length / Digests.LENGTH; number++) {
                int length = (int) Math.min(left, CHUNK);
                long at = start + contentLength() - left;
                if (Digests.readFully(channel, ByteBuffer.wrap(chunk, 0, length), at) < length) {
                    throw new InvalidSnapshotFileException(Reason.TRUNCATED, path + " ends too early");
                }
                checkDigest(path, number, Arrays.copyOf(chunk, length));
                chunks.next((long offset, int within, int part) ->
                        MemorySegment.copy(chunk, within, to, ValueLayout.JAVA_BYTE, offset, part));
                left -= length;
            }
        });
    }

    private void checkDigest(Path path, int number, byte[] chunk) {
        byte[] expected = Arrays.copyOfRange(digests, number * Digests.LENGTH, (number + 1) * Digests.LENGTH);
        if (!Arrays.equals(Digests.sha256(chunk), expected)) {
            throw new InvalidSnapshotFileException(
                    Reason.ALTERED, "%s: chunk %d of the memory does not have its digest".formatted(path, number));
        }
    }

    /// The parts of runs that make up a chunk, chunk by chunk.
    private final class Chunks {
        private int run;
        private long done;

        /// Takes a part of a chunk.
        @FunctionalInterface
        interface Part {
            void part(long offset, int within, int length);
        }

        /// @return bytes of the chunk
        int next(Part parts) {
            int filled = 0;
            while (filled < CHUNK && run < runs.size()) {
                Run current = runs.get(run);
                int length = (int) Math.min(CHUNK - filled, current.length - done);
                parts.part(current.offset + done, filled, length);
                filled += length;
                done += length;
                if (done == current.length) {
                    run++;
                    done = 0;
                }
            }
            return filled;
        }
    }
}
