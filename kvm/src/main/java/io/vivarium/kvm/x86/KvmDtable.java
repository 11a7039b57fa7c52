// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/// A descriptor table register (`struct kvm_dtable`).
///
/// A view of memory that is not safe for use by several threads at a time.
public final class KvmDtable {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    ValueLayout.JAVA_LONG.withName("base"),
                    ValueLayout.JAVA_SHORT.withName("limit"),
                    MemoryLayout.sequenceLayout(3, ValueLayout.JAVA_SHORT).withName("padding"))
            .withName("kvm_dtable");

    private static final long BASE = LAYOUT.byteOffset(PathElement.groupElement("base"));
    private static final long LIMIT = LAYOUT.byteOffset(PathElement.groupElement("limit"));

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it starts as zeros
    public KvmDtable(SegmentAllocator allocator) {
        this(allocator.allocate(LAYOUT).fill((byte) 0));
    }

    KvmDtable(MemorySegment segment) {
        this.segment = segment;
    }

    /// The bytes as KVM reads and writes them.
    public MemorySegment segment() {
        return segment;
    }

    /// Linear address of the table.
    public long base() {
        return segment.get(ValueLayout.JAVA_LONG, BASE);
    }

    /// Linear address of the table.
    public void base(long value) {
        segment.set(ValueLayout.JAVA_LONG, BASE, value);
    }

    /// Its size in bytes, less one.
    public int limit() {
        return Short.toUnsignedInt(segment.get(ValueLayout.JAVA_SHORT, LIMIT));
    }

    /// Its size in bytes, less one.
    public void limit(int value) {
        segment.set(ValueLayout.JAVA_SHORT, LIMIT, (short) value);
    }
}
