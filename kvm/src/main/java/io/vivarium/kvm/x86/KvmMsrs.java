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

/// Model-specific registers, a fixed choice of them (`struct kvm_msrs`).
///
/// Not safe for use by several threads at a time.
public final class KvmMsrs implements VcpuStruct {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    ValueLayout.JAVA_INT.withName("nmsrs"), ValueLayout.JAVA_INT.withName("pad"))
            .withName("kvm_msrs");

    static final StructLayout ENTRY = MemoryLayout.structLayout(
                    ValueLayout.JAVA_INT.withName("index"),
                    ValueLayout.JAVA_INT.withName("reserved"),
                    ValueLayout.JAVA_LONG.withName("data"))
            .withName("kvm_msr_entry");

    /// As many as KVM takes at once (`MAX_IO_MSRS`, arch/x86/kvm/x86.c).
    private static final int MAXIMUM = 256;

    private static final long DATA = ENTRY.byteOffset(PathElement.groupElement("data"));

    private final MemorySegment segment;
    private final int count;

    /// @param allocator where the structure lives; every value starts as zero
    /// @param indices which registers, 1 to 256 of them
    public KvmMsrs(SegmentAllocator allocator, int... indices) {
        if (indices.length == 0 || indices.length > MAXIMUM) {
            throw new IllegalArgumentException(indices.length + " MSRs: KVM takes 1 to " + MAXIMUM + " at once");
        }
        count = indices.length;
        segment = allocator
                .allocate(LAYOUT.byteSize() + count * ENTRY.byteSize(), LAYOUT.byteAlignment())
                .fill((byte) 0);
        segment.set(ValueLayout.JAVA_INT, 0, count);
        for (int i = 0; i < count; i++) {
            segment.set(ValueLayout.JAVA_INT, entry(i), indices[i]);
        }
    }

    private long entry(int i) {
        return LAYOUT.byteSize() + Objects.checkIndex(i, count) * ENTRY.byteSize();
    }

    /// How many registers.
    public int count() {
        return count;
    }

    /// The number of register `i` of this choice.
    public int index(int i) {
        return segment.get(ValueLayout.JAVA_INT, entry(i));
    }

    /// The value of register `i` of this choice.
    public long data(int i) {
        return segment.get(ValueLayout.JAVA_LONG, entry(i) + DATA);
    }

    /// The value of register `i` of this choice.
    public void data(int i, long value) {
        segment.set(ValueLayout.JAVA_LONG, entry(i) + DATA, value);
    }

    /// The bytes as KVM reads and writes them, the header with their number included.
    @Override
    public MemorySegment segment() {
        return segment.asReadOnly();
    }

    @Override
    public long getRequest() {
        return KvmRequest.KVM_GET_MSRS;
    }

    @Override
    public long setRequest() {
        return KvmRequest.KVM_SET_MSRS;
    }

    /// KVM stops at the first register it does not accept and returns how many it did.
    @Override
    public void completed(long request, int result) {
        if (result != count) {
            throw new IllegalStateException("%s refuses MSR 0x%x = 0x%x"
                    .formatted(
                            request == KvmRequest.KVM_GET_MSRS ? "KVM_GET_MSRS" : "KVM_SET_MSRS",
                            index(result),
                            data(result)));
        }
    }
}
