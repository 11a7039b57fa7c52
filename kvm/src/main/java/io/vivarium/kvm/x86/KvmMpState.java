// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.internal.KvmRequest;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/// Whether the vCPU runs (`struct kvm_mp_state`).
///
/// A view of memory that is not safe for use by several threads at a time.
public final class KvmMpState implements VcpuStruct {
    static final StructLayout LAYOUT =
            MemoryLayout.structLayout(ValueLayout.JAVA_INT.withName("mp_state")).withName("kvm_mp_state");

    private static final long MP_STATE = LAYOUT.byteOffset(PathElement.groupElement("mp_state"));

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it starts as zeros
    public KvmMpState(SegmentAllocator allocator) {
        this(allocator.allocate(LAYOUT).fill((byte) 0));
    }

    KvmMpState(MemorySegment segment) {
        this.segment = segment;
    }

    /// The bytes as KVM reads and writes them.
    @Override
    public MemorySegment segment() {
        return segment;
    }

    @Override
    public long getRequest() {
        return KvmRequest.KVM_GET_MP_STATE;
    }

    @Override
    public long setRequest() {
        return KvmRequest.KVM_SET_MP_STATE;
    }

    /// `KVM_MP_STATE_RUNNABLE` (0), `KVM_MP_STATE_HALTED` (3), ….
    public int mp_state() {
        return segment.get(ValueLayout.JAVA_INT, MP_STATE);
    }

    /// `KVM_MP_STATE_RUNNABLE` (0), `KVM_MP_STATE_HALTED` (3), ….
    public void mp_state(int value) {
        segment.set(ValueLayout.JAVA_INT, MP_STATE, value);
    }
}
