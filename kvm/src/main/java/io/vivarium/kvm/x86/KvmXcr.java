// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/// An extended control register (`struct kvm_xcr`).
///
/// A view of memory that is not safe for use by several threads at a time.
public final class KvmXcr {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    ValueLayout.JAVA_INT.withName("xcr"),
                    ValueLayout.JAVA_INT.withName("reserved"),
                    ValueLayout.JAVA_LONG.withName("value"))
            .withName("kvm_xcr");

    private static final long XCR = LAYOUT.byteOffset(PathElement.groupElement("xcr"));
    private static final long RESERVED = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    private static final long VALUE = LAYOUT.byteOffset(PathElement.groupElement("value"));

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it starts as zeros
    public KvmXcr(SegmentAllocator allocator) {
        this(allocator.allocate(LAYOUT).fill((byte) 0));
    }

    KvmXcr(MemorySegment segment) {
        this.segment = segment;
    }

    /// The bytes as KVM reads and writes them.
    public MemorySegment segment() {
        return segment;
    }

    /// Its number: 0 for XCR0.
    public int xcr() {
        return segment.get(ValueLayout.JAVA_INT, XCR);
    }

    /// Its number: 0 for XCR0.
    public void xcr(int value) {
        segment.set(ValueLayout.JAVA_INT, XCR, value);
    }

    /// Not used.
    public int reserved() {
        return segment.get(ValueLayout.JAVA_INT, RESERVED);
    }

    /// Not used.
    public void reserved(int value) {
        segment.set(ValueLayout.JAVA_INT, RESERVED, value);
    }

    /// Its value.
    public long value() {
        return segment.get(ValueLayout.JAVA_LONG, VALUE);
    }

    /// Its value.
    public void value(long value) {
        segment.set(ValueLayout.JAVA_LONG, VALUE, value);
    }
}
