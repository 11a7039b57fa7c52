// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.internal.KvmRequest;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/// Exceptions, interrupts and NMIs that are on their way (`struct kvm_vcpu_events`).
///
/// A view of memory that is not safe for use by several threads at a time.
public final class KvmVcpuEvents implements VcpuStruct {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    MemoryLayout.structLayout(
                                    ValueLayout.JAVA_BYTE.withName("injected"),
                                    ValueLayout.JAVA_BYTE.withName("nr"),
                                    ValueLayout.JAVA_BYTE.withName("has_error_code"),
                                    ValueLayout.JAVA_BYTE.withName("pending"),
                                    ValueLayout.JAVA_INT.withName("error_code"))
                            .withName("exception"),
                    MemoryLayout.structLayout(
                                    ValueLayout.JAVA_BYTE.withName("injected"),
                                    ValueLayout.JAVA_BYTE.withName("nr"),
                                    ValueLayout.JAVA_BYTE.withName("soft"),
                                    ValueLayout.JAVA_BYTE.withName("shadow"))
                            .withName("interrupt"),
                    MemoryLayout.structLayout(
                                    ValueLayout.JAVA_BYTE.withName("injected"),
                                    ValueLayout.JAVA_BYTE.withName("pending"),
                                    ValueLayout.JAVA_BYTE.withName("masked"),
                                    ValueLayout.JAVA_BYTE.withName("pad"))
                            .withName("nmi"),
                    ValueLayout.JAVA_INT.withName("sipi_vector"),
                    ValueLayout.JAVA_INT.withName("flags"),
                    MemoryLayout.structLayout(
                                    ValueLayout.JAVA_BYTE.withName("smm"),
                                    ValueLayout.JAVA_BYTE.withName("pending"),
                                    ValueLayout.JAVA_BYTE.withName("smm_inside_nmi"),
                                    ValueLayout.JAVA_BYTE.withName("latched_init"))
                            .withName("smi"),
                    MemoryLayout.structLayout(ValueLayout.JAVA_BYTE.withName("pending"))
                            .withName("triple_fault"),
                    MemoryLayout.sequenceLayout(26, ValueLayout.JAVA_BYTE).withName("reserved"),
                    ValueLayout.JAVA_BYTE.withName("exception_has_payload"),
                    ValueLayout.JAVA_LONG.withName("exception_payload"))
            .withName("kvm_vcpu_events");

    private static final long EXCEPTION_INJECTED = offset("exception", "injected");
    private static final long EXCEPTION_NR = offset("exception", "nr");
    private static final long INTERRUPT_INJECTED = offset("interrupt", "injected");
    private static final long INTERRUPT_NR = offset("interrupt", "nr");

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it starts as zeros
    public KvmVcpuEvents(SegmentAllocator allocator) {
        this(allocator.allocate(LAYOUT).fill((byte) 0));
    }

    KvmVcpuEvents(MemorySegment segment) {
        this.segment = segment;
    }

    private static long offset(String group, String field) {
        return LAYOUT.byteOffset(PathElement.groupElement(group), PathElement.groupElement(field));
    }

    @Override
    public MemorySegment segment() {
        return segment;
    }

    @Override
    public long getRequest() {
        return KvmRequest.KVM_GET_VCPU_EVENTS;
    }

    @Override
    public long setRequest() {
        return KvmRequest.KVM_SET_VCPU_EVENTS;
    }

    /// Whether an exception is being delivered.
    public boolean exceptionInjected() {
        return segment.get(ValueLayout.JAVA_BYTE, EXCEPTION_INJECTED) != 0;
    }

    /// Vector of the exception, 0 to 31.
    public int exceptionNr() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, EXCEPTION_NR));
    }

    /// Whether an interrupt is being delivered.
    public boolean interruptInjected() {
        return segment.get(ValueLayout.JAVA_BYTE, INTERRUPT_INJECTED) != 0;
    }

    /// Vector of the interrupt, 0 to 255.
    public int interruptNr() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, INTERRUPT_NR));
    }
}
