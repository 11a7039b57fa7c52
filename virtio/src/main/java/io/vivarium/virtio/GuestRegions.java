// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.MemoryRegion;
import io.vivarium.kvm.RegionSpec;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// The regions of guest memory as arrays, so that a buffer becomes a region and an offset into it without an
/// object being made, which [GuestMemory#slice] does. Every access through the region's segment is checked
/// once more by it.
final class GuestRegions {
    /// No region.
    static final int NONE = -1;

    private final long[] starts;
    private final long[] lengths;
    private final MemorySegment[] segments;
    private final List<MemoryRegion> regions;

    GuestRegions(GuestMemory memory) {
        regions = memory.regions();
        starts = new long[regions.size()];
        lengths = new long[regions.size()];
        segments = new MemorySegment[regions.size()];
        for (int i = 0; i < starts.length; i++) {
            MemoryRegion region = regions.get(i);
            starts[i] = region.guestPhysicalAddress();
            lengths[i] = region.length();
            segments[i] = region.memory();
        }
    }

    /// The region that a range of guest-physical addresses is wholly inside of, or [#NONE].
    ///
    /// @param address first byte, unsigned, whatever the guest wrote
    /// @param length bytes; not negative
    int find(long address, long length) {
        for (int i = 0; i < starts.length; i++) {
            // One comparison for both ends: below the region the difference is huge, as an unsigned number.
            long offset = address - starts[i];
            if (Long.compareUnsigned(offset, lengths[i]) < 0) {
                return length <= lengths[i] - offset ? i : NONE;
            }
        }
        return NONE;
    }

    MemorySegment segment(int region) {
        return segments[region];
    }

    long length(int region) {
        return lengths[region];
    }

    /// What the region is made of.
    RegionSpec spec(int region) {
        return regions.get(region).spec();
    }

    long offset(int region, long address) {
        return address - starts[region];
    }

    boolean readOnly(int region) {
        return segments[region].isReadOnly();
    }
}
