// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import java.lang.foreign.MemorySegment;

/// A region of guest memory, mapped into this process.
///
/// @param spec what it is made of
/// @param memory its bytes, `spec.length()` of them; a read-only segment when the guest may only read
public record MemoryRegion(RegionSpec spec, MemorySegment memory) {
    /// Guest-physical address of the first byte.
    public long guestPhysicalAddress() {
        return spec.guestPhysicalAddress();
    }

    /// Bytes.
    public long length() {
        return spec.length();
    }

    /// Guest-physical address of the first byte after it.
    public long end() {
        return spec.guestPhysicalAddress() + spec.length();
    }

    /// Whether the guest may only read.
    public boolean readOnly() {
        return spec.readOnly();
    }
}
