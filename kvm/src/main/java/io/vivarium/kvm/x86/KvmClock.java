// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/// The paravirtual clock of a VM (`struct kvm_clock_data`).
///
/// A view of memory that is not safe for use by several threads at a time.
public final class KvmClock {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    ValueLayout.JAVA_LONG.withName("clock"),
                    ValueLayout.JAVA_INT.withName("flags"),
                    ValueLayout.JAVA_INT.withName("pad0"),
                    ValueLayout.JAVA_LONG.withName("realtime"),
                    ValueLayout.JAVA_LONG.withName("host_tsc"),
                    MemoryLayout.sequenceLayout(4, ValueLayout.JAVA_INT).withName("pad"))
            .withName("kvm_clock_data");

    private static final long CLOCK = LAYOUT.byteOffset(PathElement.groupElement("clock"));
    private static final long FLAGS = LAYOUT.byteOffset(PathElement.groupElement("flags"));

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it starts as zeros
    public KvmClock(SegmentAllocator allocator) {
        segment = allocator.allocate(LAYOUT).fill((byte) 0);
    }

    /// The bytes as KVM reads and writes them.
    public MemorySegment segment() {
        return segment;
    }

    /// Nanoseconds since the VM was created, as the guest sees them.
    public long clock() {
        return segment.get(ValueLayout.JAVA_LONG, CLOCK);
    }

    /// Nanoseconds since the VM was created, as the guest sees them.
    public void clock(long value) {
        segment.set(ValueLayout.JAVA_LONG, CLOCK, value);
    }

    /// Which of the fields hold something (`KVM_CLOCK_*`); must be 0, or `KVM_CLOCK_REALTIME`, to set the clock.
    public int flags() {
        return segment.get(ValueLayout.JAVA_INT, FLAGS);
    }

    /// Which of the fields hold something (`KVM_CLOCK_*`).
    public void flags(int value) {
        segment.set(ValueLayout.JAVA_INT, FLAGS, value);
    }
}
