// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.MemoryFile;
import io.vivarium.kvm.MemoryRegion;
import io.vivarium.kvm.PageMap;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.snapshot.Stretches.Stretch;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongConsumer;
import java.util.stream.LongStream;

/// Memory that many machines start from: the content of one machine's, sealed, and mapped
/// copy-on-write by each of them, so that a machine costs only the pages that it writes to.
///
/// It reaches in every stretch of memory from its start to the last page that has content; what
/// follows is for the machine to fill with zeros. It is a memory file (memfd_create(2)), of which
/// only pages with content take memory. Thread-safe.
public final class MemoryTemplate implements AutoCloseable {
    private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[(int) PageMap.PAGE_SIZE]);

    /// Pages of a machine that [#putBack] leaves with it, 4 MiB: to copy one takes a fraction of a
    /// microsecond, to touch one that was given back to the host some microseconds.
    private static final long KEPT_PAGES = 1024;

    private final MemoryFile file;
    private final Stretches stretches;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment content;
    private final AtomicInteger machines = new AtomicInteger();
    private volatile List<Stretch> writtenFirst = List.of();

    // Guarded by this object: whoever made it, and captures.
    private int users = 1;
    private boolean closed;

    @SuppressWarnings("MustBeClosedChecker") // Closed with the template.
    private MemoryTemplate(MemoryFile file, Stretches stretches) {
        this.file = file;
        this.stretches = stretches;
        this.content = file.mapReadOnly(arena);
    }

    /// Writes the content of a template that is made.
    @FunctionalInterface
    interface Content {
        /// Writes it.
        ///
        /// @param memory zeros, the stretches one after the other
        void writeTo(MemorySegment memory) throws IOException;
    }

    /// Makes one.
    ///
    /// @param name shown in `/proc/self/maps`
    /// @throws IOException what the content throws
    static MemoryTemplate of(String name, Stretches stretches, Content content) throws IOException {
        MemoryFile file = MemoryFile.create(name, stretches.size());
        try {
            try (Arena arena = Arena.ofShared()) {
                content.writeTo(file.map(arena));
            }
            file.seal();
            return new MemoryTemplate(file, stretches);
        } catch (IOException | RuntimeException | Error e) {
            file.close();
            throw e;
        }
    }

    /// What it covers.
    Stretches stretches() {
        return stretches;
    }

    /// The content of all stretches, one after the other.
    MemorySegment content() {
        return content;
    }

    /// Visits its pages that are not all zeros, in ascending order.
    ///
    /// @param visitor is given their offsets in [#content]
    void forEachContent(LongConsumer visitor) {
        file.forEachData((long offset, long length) -> {
            for (long page = offset; page < offset + length; page += PageMap.PAGE_SIZE) {
                if (content.asSlice(page, PageMap.PAGE_SIZE).mismatch(ZEROS) >= 0) {
                    visitor.accept(page);
                }
            }
        });
    }

    /// Takes what a machine's memory holds; regions that the guest may only read are not part of
    /// it.
    ///
    /// @param name shown in `/proc/self/maps`
    /// @param memory of a machine whose vCPUs do not run
    /// @throws io.vivarium.kvm.KvmException if the host has no memory for it
    /// @throws IllegalArgumentException if the memory has no content at all
    public static MemoryTemplate capture(String name, GuestMemory memory) {
        List<Page> pages = pagesWithContent(memory);
        if (pages.isEmpty()) {
            throw new IllegalArgumentException("memory without content");
        }
        Stretches stretches = stretches(memory, pages);
        MemoryFile file = MemoryFile.create(name, stretches.size());
        try {
            try (Arena arena = Arena.ofShared()) {
                MemorySegment target = file.map(arena);
                for (Page page : pages) {
                    page.copyTo(target, stretches.offsetOf(page.guestPhysicalAddress()));
                }
            }
            file.seal();
            return new MemoryTemplate(file, stretches);
        } catch (RuntimeException | Error e) {
            file.close();
            throw e;
        }
    }

    /// Takes what the memory of a machine holds that started from this template: the pages that are the machine's own
    /// now, and this one's when the capture is [finished][Capture#finish], the machine having gone on.
    ///
    /// @param name shown in `/proc/self/maps`
    /// @param memory of a machine that was built with [#regions], and whose vCPUs do not run
    /// @return to be finished or closed; empty if this template is closed
    /// @throws io.vivarium.kvm.KvmException if the host has no memory for it
    Optional<Capture> captureChanges(String name, GuestMemory memory) {
        if (!retain()) {
            return Optional.empty();
        }
        try {
            return Optional.of(new Capture(name, memory));
        } catch (RuntimeException | Error e) {
            release();
            throw e;
        }
    }

    /// A template that has the pages of a machine, and not yet those that the machine shares with the one that it
    /// started from.
    final class Capture implements AutoCloseable {
        private final Stretches covered;
        private final BitSet own = new BitSet();
        private final MemoryFile file;
        private final Arena arena = Arena.ofShared();
        private final MemorySegment target;
        private boolean done;

        private Capture(String name, GuestMemory memory) {
            List<Page> pages = ownPages(memory);
            covered = stretches(
                            memory,
                            pages.stream().filter(page -> !page.isZeros()).toList())
                    .and(stretches);
            file = MemoryFile.create(name, covered.size());
            try {
                target = file.map(arena);
                take(pages);
            } catch (RuntimeException | Error e) {
                arena.close();
                file.close();
                throw e;
            }
        }

        private void take(List<Page> pages) {
            for (Page page : pages) {
                long at = covered.offsetOf(page.guestPhysicalAddress());
                if (at >= 0) { // Else zeros, behind all content.
                    own.set(Math.toIntExact(at / PageMap.PAGE_SIZE));
                    if (!page.isZeros()) {
                        page.copyTo(target, at);
                    }
                }
            }
        }

        /// Pages that are the machine's own.
        int pages() {
            return own.cardinality();
        }

        /// Adds the rest. Any thread; the machine may run, or be gone.
        ///
        /// @throws io.vivarium.kvm.KvmException if the host has no memory for it
        MemoryTemplate finish() {
            try {
                forEachContent(page -> {
                    long at = covered.offsetOf(stretches.address(page));
                    if (at >= 0 && !own.get(Math.toIntExact(at / PageMap.PAGE_SIZE))) {
                        MemorySegment.copy(content, page, target, at, PageMap.PAGE_SIZE);
                    }
                });
                arena.close();
                file.seal();
                MemoryTemplate made = new MemoryTemplate(file, covered);
                done = true;
                release();
                return made;
            } finally {
                close();
            }
        }

        /// Lets go of it. Idempotent.
        @Override
        public void close() {
            if (!done) {
                done = true;
                if (arena.scope().isAlive()) {
                    arena.close();
                }
                file.close();
                release();
            }
        }
    }

    /// The pages that a machine does not share with the template that it started from, if they are zeros or not.
    private static List<Page> ownPages(GuestMemory memory) {
        List<Page> pages = new ArrayList<>();
        try (PageMap pageMap = PageMap.open()) {
            for (MemoryRegion region : memory.regions()) {
                if (!region.readOnly()) {
                    pageMap.forEachOwn(region.memory(), (long offset, long length) -> {
                        for (long page = offset; page < offset + length; page += PageMap.PAGE_SIZE) {
                            pages.add(new Page(
                                    region.guestPhysicalAddress() + page,
                                    region.memory().asSlice(page, PageMap.PAGE_SIZE)));
                        }
                    });
                }
            }
        }
        return pages;
    }

    /// A page of a machine.
    private record Page(long guestPhysicalAddress, MemorySegment content) {
        boolean isZeros() {
            return content.mismatch(ZEROS) < 0;
        }

        void copyTo(MemorySegment target, long at) {
            MemorySegment.copy(content, 0, target, at, PageMap.PAGE_SIZE);
        }
    }

    private static List<Page> pagesWithContent(GuestMemory memory) {
        List<Page> pages = new ArrayList<>();
        try (PageMap pageMap = PageMap.open()) {
            for (MemoryRegion region : memory.regions()) {
                switch (region.spec()) {
                    case RegionSpec.ReadOnlyFile _ -> {}
                    case RegionSpec.Anonymous _ ->
                        pageMap.forEachOwn(region.memory(), (long offset, long length) -> {
                            for (long page = offset; page < offset + length; page += PageMap.PAGE_SIZE) {
                                addIfContent(pages, region, page);
                            }
                        });
                    case RegionSpec.CopyOnWrite _ -> {
                        for (long offset = 0; offset < region.length(); offset += PageMap.PAGE_SIZE) {
                            addIfContent(pages, region, offset);
                        }
                    }
                }
            }
        }
        return pages;
    }

    private static void addIfContent(List<Page> pages, MemoryRegion region, long offset) {
        Page page =
                new Page(region.guestPhysicalAddress() + offset, region.memory().asSlice(offset, PageMap.PAGE_SIZE));
        if (!page.isZeros()) {
            pages.add(page);
        }
    }

    /// One for each stretch of adjacent regions, up to the last page with content.
    private static Stretches stretches(GuestMemory memory, List<Page> pages) {
        List<Stretch> stretches = new ArrayList<>();
        long start = -1;
        long end = -1;
        long lastContent = -1;
        int page = 0;
        for (MemoryRegion region : memory.regions()) {
            if (region.guestPhysicalAddress() != end) {
                add(stretches, start, lastContent);
                start = region.guestPhysicalAddress();
                lastContent = start;
            }
            end = region.end();
            while (page < pages.size() && pages.get(page).guestPhysicalAddress() < end) {
                lastContent = pages.get(page).guestPhysicalAddress() + PageMap.PAGE_SIZE;
                page++;
            }
        }
        add(stretches, start, lastContent);
        return new Stretches(stretches);
    }

    private static void add(List<Stretch> stretches, long start, long end) {
        if (end > start) {
            stretches.add(new Stretch(start, end - start));
        }
    }

    /// Learns from a machine that has just started from it which of its pages machines write to at
    /// once. It does when there has been one before: of many templates only one machine is ever
    /// made, which is not to wait for that.
    ///
    /// @param pageMap of this process
    /// @param memory of a machine that was built with [#regions], and is not closed meanwhile
    public void observe(PageMap pageMap, GuestMemory memory) {
        if (machines.get() < 2 || !writtenFirst.isEmpty()) {
            return;
        }
        List<Stretch> written = new ArrayList<>();
        PageBudget budget = new PageBudget(KEPT_PAGES);
        for (MemoryRegion region : memory.regions()) {
            if (region.spec() instanceof RegionSpec.CopyOnWrite) {
                pageMap.forEachOwn(region.memory(), (long offset, long length) -> {
                    if (budget.take(length / PageMap.PAGE_SIZE)) {
                        written.add(new Stretch(region.guestPhysicalAddress() + offset, length));
                    }
                });
            }
        }
        writtenFirst = List.copyOf(written);
    }

    /// Gives a machine the pages of its own that it is going to need at once, as far as that is known.
    ///
    /// @param memory of a machine that was built with [#regions], and has not run
    public void prepare(GuestMemory memory) {
        machines.incrementAndGet();
        for (Stretch pages : writtenFirst) {
            memory.populate(pages.guestPhysicalAddress(), pages.length());
        }
    }

    /// Puts the memory of a machine that started from it back to what it was then. The pages that
    /// the guest, or a device on its behalf, has written to are found by the page map.
    ///
    /// @param pageMap of this process
    /// @param memory of a machine that was built with [#regions], and whose vCPUs do not run
    /// @return the pages that were put back, ascending: their addresses
    /// @throws io.vivarium.kvm.KvmException if the host refuses
    /// @throws IllegalStateException if this template is closed
    public long[] putBack(PageMap pageMap, GuestMemory memory) {
        LongStream.Builder changed = LongStream.builder();
        PageBudget budget = new PageBudget(KEPT_PAGES);
        for (MemoryRegion region : memory.regions()) {
            if (!region.readOnly()) {
                pageMap.forEachOwn(region.memory(), (long offset, long length) -> {
                    long start = region.guestPhysicalAddress() + offset;
                    if (budget.take(length / PageMap.PAGE_SIZE)) {
                        putBack(memory, start, length);
                    } else {
                        memory.discard(start, length);
                    }
                    for (long page = start; page < start + length; page += PageMap.PAGE_SIZE) {
                        changed.add(page);
                    }
                });
            }
        }
        return changed.build().toArray();
    }

    /// Writes its content over memory; zeros, where it has none.
    ///
    /// @param start guest-physical address, within one region of the memory, as are all `length`
    ///     bytes from there
    public void putBack(GuestMemory memory, long start, long length) {
        MemorySegment target = memory.writableSlice(start, length);
        long covered = Math.min(length, stretches.coveredFrom(start));
        if (covered > 0) {
            MemorySegment.copy(content, stretches.offsetOf(start), target, 0, covered);
        }
        target.asSlice(covered).fill((byte) 0);
    }

    /// How many pages may still be left with a machine.
    private static final class PageBudget {
        private long left;

        private PageBudget(long pages) {
            left = pages;
        }

        private boolean take(long pages) {
            boolean enough = pages <= left;
            if (enough) {
                left -= pages;
            }
            return enough;
        }
    }

    /// Bytes of memory that it covers.
    public long size() {
        return file.size();
    }

    /// The regions of a machine that start as this template, by ascending address.
    public List<RegionSpec> regions() {
        List<RegionSpec> regions = new ArrayList<>();
        for (int i = 0; i < stretches.list().size(); i++) {
            Stretch stretch = stretches.list().get(i);
            regions.add(RegionSpec.copyOnWrite(
                    stretch.guestPhysicalAddress(), stretch.length(), file, stretches.offset(i)));
        }
        return regions;
    }

    /// Up to where it covers the memory from an address on: that address if it does not.
    public long coveredFrom(long guestPhysicalAddress) {
        return guestPhysicalAddress + stretches.coveredFrom(guestPhysicalAddress);
    }

    /// Keeps the content from being closed, until [#release].
    ///
    /// @return false if it is closed already
    private synchronized boolean retain() {
        if (users == 0) {
            return false;
        }
        users++;
        return true;
    }

    private synchronized void release() {
        users--;
        if (users == 0) {
            arena.close();
            file.close();
        }
    }

    /// Closes the file: no more machines can start from it, or be put back to it; those that have
    /// started are not affected. Idempotent.
    ///
    /// @throws IllegalStateException if a machine is being put back to it
    @Override
    public synchronized void close() {
        if (!closed) {
            release();
            closed = true;
        }
    }
}
