// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/// Guest-physical memory: ordered regions that do not overlap, mapped in one arena.
///
/// May be used from any thread (as far as the arena allows) until the arena closes; after that
/// every access is an [IllegalStateException]. The guest reads and writes the same bytes at the
/// same time: read once, check, then use.
public final class GuestMemory {
    private static final long HUGE_PAGE_SIZE = 2 << 20;

    private final List<MemoryRegion> regions;
    private final long[] starts;
    private final long[] ends;
    private final MemorySegment[] segments;

    private GuestMemory(List<MemoryRegion> regions) {
        this.regions = List.copyOf(regions);
        this.starts =
                regions.stream().mapToLong(MemoryRegion::guestPhysicalAddress).toArray();
        this.ends = regions.stream().mapToLong(MemoryRegion::end).toArray();
        this.segments = regions.stream().map(MemoryRegion::memory).toArray(MemorySegment[]::new);
    }

    /// Maps regions. They are not inherited by child processes (`MADV_DONTFORK`).
    ///
    /// @param arena unmaps them when it closes; a shared one, where more than one thread reaches
    ///     the memory
    /// @param specs in any order
    /// @throws IllegalArgumentException if there are none, or two overlap
    /// @throws KvmException if the host refuses; what was mapped by then stays until the arena
    ///     closes
    public static GuestMemory map(Arena arena, List<RegionSpec> specs) {
        if (specs.isEmpty()) {
            throw new IllegalArgumentException("guest memory without a region");
        }
        List<RegionSpec> sorted = ascending(specs);
        for (int i = 1; i < sorted.size(); i++) {
            RegionSpec before = sorted.get(i - 1);
            RegionSpec here = sorted.get(i);
            if (before.guestPhysicalAddress() + before.length() > here.guestPhysicalAddress()) {
                throw new IllegalArgumentException("regions overlap: " + before + " and " + here);
            }
        }
        List<MemoryRegion> regions = new ArrayList<>(sorted.size());
        for (RegionSpec spec : sorted) {
            regions.add(new MemoryRegion(spec, mapOne(arena, spec)));
        }
        return new GuestMemory(regions);
    }

    private static List<RegionSpec> ascending(List<RegionSpec> specs) {
        List<RegionSpec> sorted = new ArrayList<>(specs.size());
        for (RegionSpec spec : specs) {
            int at = 0;
            while (at < sorted.size() && sorted.get(at).guestPhysicalAddress() <= spec.guestPhysicalAddress()) {
                at++;
            }
            sorted.add(at, spec);
        }
        return sorted;
    }

    // Called for every machine: a switch over patterns would cost a cold JVM milliseconds at its first use.
    private static MemorySegment mapOne(Arena arena, RegionSpec spec) {
        int writable = Syscalls.PROT_READ | Syscalls.PROT_WRITE;
        int unreserved = Syscalls.MAP_PRIVATE | Syscalls.MAP_NORESERVE;
        long length = spec.length();
        if (spec instanceof RegionSpec.Anonymous anonymous) {
            if (anonymous.hugePages()) {
                return mapHuge(arena, anonymous);
            }
            long address = Syscalls.mmap(0, length, writable, unreserved | Syscalls.MAP_ANONYMOUS, -1, 0);
            return ofThisProcess(Mapping.of(arena, KvmException.check("mmap", spec, address), length));
        }
        if (spec instanceof RegionSpec.CopyOnWrite copy) {
            long address = copy.file().fd().mmap(length, writable, unreserved, copy.offset());
            return ofThisProcess(Mapping.of(arena, KvmException.check("mmap", spec, address), length));
        }
        return ((RegionSpec.ReadOnlyFile) spec).file().mapShared(arena);
    }

    private static MemorySegment ofThisProcess(MemorySegment mapping) {
        KvmException.check(
                "madvise MADV_DONTFORK",
                Syscalls.madvise(mapping.address(), mapping.byteSize(), Syscalls.MADV_DONTFORK));
        return mapping;
    }

    /// KVM uses a huge page for the guest only where host and guest address agree modulo 2 MiB, so
    /// that the region is placed inside a larger reservation. Its ends are addresses and no memory; to
    /// give them back would have the host ask every machine of this process whether it uses them.
    private static MemorySegment mapHuge(Arena arena, RegionSpec.Anonymous spec) {
        long length = spec.length();
        long reserved = Math.addExact(length, HUGE_PAGE_SIZE);
        int flags = Syscalls.MAP_PRIVATE | Syscalls.MAP_NORESERVE | Syscalls.MAP_ANONYMOUS;
        long reservation = KvmException.check(
                "mmap", spec, Syscalls.mmap(0, reserved, Syscalls.PROT_READ | Syscalls.PROT_WRITE, flags, -1, 0));
        MemorySegment whole = ofThisProcess(Mapping.of(arena, reservation, reserved));
        // A host without huge pages (EINVAL) serves the region with small ones: the same bytes, only slower.
        Syscalls.madvise(reservation, reserved, Syscalls.MADV_HUGEPAGE);
        return whole.asSlice(spec.guestPhysicalAddress() - reservation & HUGE_PAGE_SIZE - 1, length);
    }

    /// The regions, by ascending address.
    public List<MemoryRegion> regions() {
        return regions;
    }

    /// Gives pages back to the host: they are again what the region was made of, the content of its
    /// file or zeros.
    ///
    /// No vCPU may run meanwhile.
    ///
    /// @param guestPhysicalAddress of the first; a multiple of 4096
    /// @param length bytes, a multiple of 4096
    /// @throws GuestAddressException if they do not lie wholly inside one region that the guest may
    ///     write to
    public void discard(long guestPhysicalAddress, long length) {
        MemorySegment pages = writableSlice(guestPhysicalAddress, length);
        KvmException.check("madvise MADV_DONTNEED", Syscalls.madvise(pages.address(), length, Syscalls.MADV_DONTNEED));
    }

    /// A part of guest memory.
    ///
    /// @param guestPhysicalAddress where it starts, unsigned
    /// @param length bytes; zero is fine
    /// @return exactly these bytes; read-only in a read-only region
    /// @throws GuestAddressException if it does not lie wholly inside one region
    public MemorySegment slice(long guestPhysicalAddress, long length) {
        int region = find(guestPhysicalAddress, length);
        return segments[region].asSlice(guestPhysicalAddress - starts[region], length);
    }

    /// A part of guest memory to write to.
    ///
    /// @param guestPhysicalAddress where it starts, unsigned
    /// @param length bytes; zero is fine
    /// @return exactly these bytes
    /// @throws GuestAddressException if it does not lie wholly inside one region, or the region is
    ///     read-only
    public MemorySegment writableSlice(long guestPhysicalAddress, long length) {
        int region = find(guestPhysicalAddress, length);
        if (segments[region].isReadOnly()) {
            throw new GuestAddressException(guestPhysicalAddress, length, "read-only");
        }
        return segments[region].asSlice(guestPhysicalAddress - starts[region], length);
    }

    /// Gives pages back to the host, which has no memory in them until somebody touches them again
    /// (`MADV_DONTNEED`, madvise(2)). They are then as they were when the region was mapped: zeros in
    /// [RegionSpec.Anonymous], the file's content in [RegionSpec.CopyOnWrite].
    ///
    /// The machine must not be closed meanwhile: for devices, on the thread of a vCPU, and for the owner.
    ///
    /// @param guestPhysicalAddress where they start, unsigned; a multiple of 4096
    /// @param length bytes; a multiple of 4096
    /// @throws GuestAddressException if they do not lie wholly inside one region, or the region is read-only,
    /// and so shared with others
    /// @throws IllegalArgumentException if they are not whole pages
    /// @throws KvmException if the host refuses, as for memory that is locked
    public void release(long guestPhysicalAddress, long length) {
        if (guestPhysicalAddress % Mapping.PAGE_SIZE != 0 || length % Mapping.PAGE_SIZE != 0) {
            throw new IllegalArgumentException(
                    "0x%x bytes at 0x%x are not whole pages".formatted(length, guestPhysicalAddress));
        }
        MemorySegment pages = writableSlice(guestPhysicalAddress, length);
        if (length > 0) {
            KvmException.check(
                    "madvise MADV_DONTNEED", Syscalls.madvise(pages.address(), length, Syscalls.MADV_DONTNEED));
        }
    }

    /// Gives the machine pages of its own now that it is about to write to: in one go, instead of
    /// one at a time when the guest has read them first and the host has to ask every machine of
    /// this process to let go of what they shared until then (`MADV_POPULATE_WRITE`, madvise(2)).
    /// The bytes stay what they are.
    ///
    /// @param guestPhysicalAddress of the first, a multiple of 4096
    /// @param length bytes, a multiple of 4096
    /// @throws GuestAddressException if they do not lie wholly inside one region that the guest may write to
    public void populate(long guestPhysicalAddress, long length) {
        MemorySegment pages = writableSlice(guestPhysicalAddress, length);
        // A host that cannot (EINVAL before Linux 5.14, no memory now) makes them when they are written to.
        Syscalls.madvise(pages.address(), length, Syscalls.MADV_POPULATE_WRITE);
    }

    private int find(long address, long length) {
        // Regions end below 2^63 and ascend, so that a negative (that is, huge) address is below the first of them.
        for (int i = 0; i < starts.length && address >= starts[i]; i++) {
            if (address < ends[i]) {
                if (length < 0 || length > ends[i] - address) {
                    throw new GuestAddressException(
                            address, length, "reaches beyond the region that ends at 0x%x".formatted(ends[i]));
                }
                return i;
            }
        }
        throw new GuestAddressException(address, length, "no memory there");
    }
}
