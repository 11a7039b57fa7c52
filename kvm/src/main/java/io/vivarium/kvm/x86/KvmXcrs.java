// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.internal.KvmRequest;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/// Extended control registers (`struct kvm_xcrs`), of which x86 has one: XCR0.
///
/// A view of memory that is not safe for use by several threads at a time.
public final class KvmXcrs implements VcpuStruct {
    /// `KVM_MAX_XCRS`.
    private static final int MAXIMUM = 16;

    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    ValueLayout.JAVA_INT.withName("nr_xcrs"),
                    ValueLayout.JAVA_INT.withName("flags"),
                    MemoryLayout.sequenceLayout(MAXIMUM, KvmXcr.LAYOUT).withName("xcrs"),
                    MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_LONG).withName("padding"))
            .withName("kvm_xcrs");

    private static final long XCRS = LAYOUT.byteOffset(PathElement.groupElement("xcrs"));

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it starts without a register
    public KvmXcrs(SegmentAllocator allocator) {
        segment = allocator.allocate(LAYOUT).fill((byte) 0);
    }

    private KvmXcr xcr(int i) {
        return new KvmXcr(segment.asSlice(XCRS + i * KvmXcr.LAYOUT.byteSize(), KvmXcr.LAYOUT));
    }

    /// XCR0, the state components that are switched on; 0 if it is not among the registers.
    public long xcr0() {
        int count = Math.min(segment.get(ValueLayout.JAVA_INT, 0), MAXIMUM);
        for (int i = 0; i < count; i++) {
            if (xcr(i).xcr() == 0) {
                return xcr(i).value();
            }
        }
        return 0;
    }

    /// Makes XCR0 the only register.
    public void xcr0(long value) {
        segment.fill((byte) 0);
        segment.set(ValueLayout.JAVA_INT, 0, 1);
        xcr(0).value(value);
    }

    @Override
    public MemorySegment segment() {
        return segment;
    }

    @Override
    public long getRequest() {
        return KvmRequest.KVM_GET_XCRS;
    }

    @Override
    public long setRequest() {
        return KvmRequest.KVM_SET_XCRS;
    }
}
