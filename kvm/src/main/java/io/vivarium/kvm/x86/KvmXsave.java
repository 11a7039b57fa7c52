// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.internal.KvmRequest;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/// Floating-point and vector registers in the layout of the `xsave` instruction (`struct kvm_xsave`; Intel SDM 1,
/// 13.4).
///
/// Not safe for use by several threads at a time.
public final class KvmXsave implements VcpuStruct {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    MemoryLayout.sequenceLayout(1024, ValueLayout.JAVA_INT).withName("region"))
            .withName("kvm_xsave");

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it starts as zeros
    /// @param size bytes, as [io.vivarium.kvm.Vcpu#xsaveSize] says; at least 4096
    public KvmXsave(SegmentAllocator allocator, long size) {
        if (size < LAYOUT.byteSize()) {
            throw new IllegalArgumentException("an xsave area of " + size + " bytes: at least 4096");
        }
        segment = allocator.allocate(size, 64).fill((byte) 0);
    }

    @Override
    public MemorySegment segment() {
        return segment;
    }

    /// `KVM_GET_XSAVE` for 4096 bytes, which fails when they do not suffice, `KVM_GET_XSAVE2` for more.
    @Override
    public long getRequest() {
        return segment.byteSize() == LAYOUT.byteSize() ? KvmRequest.KVM_GET_XSAVE : KvmRequest.KVM_GET_XSAVE2;
    }

    @Override
    public long setRequest() {
        return KvmRequest.KVM_SET_XSAVE;
    }
}
