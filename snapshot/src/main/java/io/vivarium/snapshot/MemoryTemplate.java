// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.MemoryFile;
import io.vivarium.kvm.MemoryRegion;
import io.vivarium.kvm.RegionSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/// Memory that many machines start from: the content of one machine's, sealed, and mapped copy-on-write
/// by each of them, so that a machine costs only the pages that it writes to.
///
/// It reaches in every stretch of memory from its start to the last page that has content; what follows
/// is for the machine to fill with zeros. It is a memory file (memfd_create(2)), of which only pages
/// with content take memory. Thread-safe.
public final class MemoryTemplate implements AutoCloseable {
    private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[(int) PageMap.PAGE_SIZE]);

    private final MemoryFile file;
    private final List<Extent> extents;

    private MemoryTemplate(MemoryFile file, List<Extent> extents) {
        this.file = file;
        this.extents = extents;
    }

    /// A stretch of guest-physical memory.
    ///
    /// @param offset where its content begins in the file
    private record Extent(long guestPhysicalAddress, long length, long offset) {
        long end() {
            return guestPhysicalAddress + length;
        }
    }

    /// Takes what a machine's memory holds; regions that the guest may only read are not part of it.
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
                        pageMap.forEachOwn(region.memory(), offset -> addIfContent(pages, region, offset));
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

    /// Closes the file: no more machines can start from it, those that have are not affected. Idempotent.
    @Override
    public void close() {
        file.close();
    }
}
