// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.internal.KvmRequest;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/// Debug registers (`struct kvm_debugregs`).
///
/// A view of memory that is not safe for use by several threads at a time.
public final class KvmDebugregs implements VcpuStruct {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    MemoryLayout.sequenceLayout(4, ValueLayout.JAVA_LONG).withName("db"),
                    ValueLayout.JAVA_LONG.withName("dr6"),
                    ValueLayout.JAVA_LONG.withName("dr7"),
                    ValueLayout.JAVA_LONG.withName("flags"),
                    MemoryLayout.sequenceLayout(9, ValueLayout.JAVA_LONG).withName("reserved"))
            .withName("kvm_debugregs");

    private static final long DB = LAYOUT.byteOffset(PathElement.groupElement("db"));
    private static final long DR6 = LAYOUT.byteOffset(PathElement.groupElement("dr6"));
    private static final long DR7 = LAYOUT.byteOffset(PathElement.groupElement("dr7"));
    private static final long FLAGS = LAYOUT.byteOffset(PathElement.groupElement("flags"));

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it starts as zeros
    public KvmDebugregs(SegmentAllocator allocator) {
        this(allocator.allocate(LAYOUT).fill((byte) 0));
    }

    KvmDebugregs(MemorySegment segment) {
        this.segment = segment;
    }

    /// The bytes as KVM reads and writes them.
    @Override
    public MemorySegment segment() {
        return segment;
    }

    @Override
    public long getRequest() {
        return KvmRequest.KVM_GET_DEBUGREGS;
    }

    @Override
    public long setRequest() {
        return KvmRequest.KVM_SET_DEBUGREGS;
    }

    /// Breakpoint address, index 0 to 3.
    public long db(int index) {
        return segment.get(ValueLayout.JAVA_LONG, DB + Objects.checkIndex(index, 4) * 8L);
    }

    /// Breakpoint address, index 0 to 3.
    public void db(int index, long value) {
        segment.set(ValueLayout.JAVA_LONG, DB + Objects.checkIndex(index, 4) * 8L, value);
    }

    /// Debug status.
    public long dr6() {
        return segment.get(ValueLayout.JAVA_LONG, DR6);
    }

    /// Debug status.
    public void dr6(long value) {
        segment.set(ValueLayout.JAVA_LONG, DR6, value);
    }

    /// Debug control.
    public long dr7() {
        return segment.get(ValueLayout.JAVA_LONG, DR7);
    }

    /// Debug control.
    public void dr7(long value) {
        segment.set(ValueLayout.JAVA_LONG, DR7, value);
    }

    /// None defined: 0.
    public long flags() {
        return segment.get(ValueLayout.JAVA_LONG, FLAGS);
    }

    /// None defined: 0.
    public void flags(long value) {
        segment.set(ValueLayout.JAVA_LONG, FLAGS, value);
    }
}
