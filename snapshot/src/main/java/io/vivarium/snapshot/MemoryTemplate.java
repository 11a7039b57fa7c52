// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.MemoryFile;
import io.vivarium.kvm.MemoryRegion;
import io.vivarium.kvm.PageMap;
import io.vivarium.kvm.RegionSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
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
    private final List<Extent> extents;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment content;
    private final AtomicInteger machines = new AtomicInteger();
    private volatile List<Extent> writtenFirst = List.of();

    @SuppressWarnings("MustBeClosedChecker") // Closed with the template.
    private MemoryTemplate(MemoryFile file, List<Extent> extents) {
        this.file = file;
        this.extents = extents;
        this.content = file.mapReadOnly(arena);
    }

    /// A stretch of guest-physical memory.
    ///
    /// @param offset where its content begins in the file
    private record Extent(long guestPhysicalAddress, long length, long offset) {
        long end() {
            return guestPhysicalAddress + length;
        }
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
        List<Extent> extents = extents(memory, pages);
        Extent last = extents.getLast();
        MemoryFile file = MemoryFile.create(name, last.offset() + last.length());
        try {
            try (Arena arena = Arena.ofShared()) {
                copy(pages, extents, file.map(arena));
            }
            file.seal();
            return new MemoryTemplate(file, extents);
        } catch (RuntimeException | Error e) {
            file.close();
            throw e;
        }
    }

    /// A page that is not all zeros.
    private record Page(long guestPhysicalAddress, MemorySegment content) {}

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
        MemorySegment content = region.memory().asSlice(offset, PageMap.PAGE_SIZE);
        if (content.mismatch(ZEROS) >= 0) {
            pages.add(new Page(region.guestPhysicalAddress() + offset, content));
        }
    }

    /// One for each stretch of adjacent regions, up to the last page with content.
    private static List<Extent> extents(GuestMemory memory, List<Page> pages) {
        List<Extent> extents = new ArrayList<>();
        long start = -1;
        long end = -1;
        long lastContent = -1;
        long offset = 0;
        int page = 0;
        for (MemoryRegion region : memory.regions()) {
            if (region.guestPhysicalAddress() != end) {
                offset = add(extents, start, lastContent, offset);
                start = region.guestPhysicalAddress();
                lastContent = start;
            }
            end = region.end();
            while (page < pages.size() && pages.get(page).guestPhysicalAddress() < end) {
                lastContent = pages.get(page).guestPhysicalAddress() + PageMap.PAGE_SIZE;
                page++;
            }
        }
        add(extents, start, lastContent, offset);
        return List.copyOf(extents);
    }

    private static long add(List<Extent> extents, long start, long end, long offset) {
        if (end > start) {
            extents.add(new Extent(start, end - start, offset));
        }
        return offset + (end - start);
    }

    private static void copy(List<Page> pages, List<Extent> extents, MemorySegment to) {
        int extent = 0;
        for (Page page : pages) {
            while (page.guestPhysicalAddress() >= extents.get(extent).end()) {
                extent++;
            }
            Extent within = extents.get(extent);
            long at = within.offset() + page.guestPhysicalAddress() - within.guestPhysicalAddress();
            to.asSlice(at, PageMap.PAGE_SIZE).copyFrom(page.content());
        }
    }

    /// Learns from a machine that has just started from it which of its pages machines write to at once. It does when
    // there
    /// has been one before: of many templates only one machine is ever made, which is not to wait for that.
    ///
    /// @param pageMap of this process
    /// @param memory of a machine that was built with [#regions], and is not closed meanwhile
    public void observe(PageMap pageMap, GuestMemory memory) {
        if (machines.get() < 2 || !writtenFirst.isEmpty()) {
            return;
        }
        List<Extent> written = new ArrayList<>();
        PageBudget budget = new PageBudget(KEPT_PAGES);
        for (MemoryRegion region : memory.regions()) {
            if (region.spec() instanceof RegionSpec.CopyOnWrite) {
                pageMap.forEachOwn(region.memory(), (long offset, long length) -> {
                    if (budget.take(length / PageMap.PAGE_SIZE)) {
                        written.add(new Extent(region.guestPhysicalAddress() + offset, length, 0));
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
        for (Extent pages : writtenFirst) {
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
        for (Extent extent : extents) {
            if (start >= extent.guestPhysicalAddress() && start < extent.end()) {
                long covered = Math.min(length, extent.end() - start);
                long at = extent.offset() + start - extent.guestPhysicalAddress();
                MemorySegment.copy(content, at, target, 0, covered);
                target.asSlice(covered).fill((byte) 0);
                return;
            }
        }
        target.fill((byte) 0);
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
        List<RegionSpec> regions = new ArrayList<>(extents.size());
        for (Extent extent : extents) {
            regions.add(RegionSpec.copyOnWrite(extent.guestPhysicalAddress(), extent.length(), file, extent.offset()));
        }
        return regions;
    }

    /// Up to where it covers the memory from an address on: that address if it does not.
    public long coveredFrom(long guestPhysicalAddress) {
        for (Extent extent : extents) {
            if (extent.guestPhysicalAddress() == guestPhysicalAddress) {
                return extent.end();
            }
        }
        return guestPhysicalAddress;
    }

    /// Closes the file: no more machines can start from it, or be put back to it; those that have
    /// started are not affected. Idempotent.
    ///
    /// @throws IllegalStateException if a machine is being put back to it
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
        file.close();
    }
}
