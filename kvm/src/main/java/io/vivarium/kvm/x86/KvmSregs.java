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

/// Segment and control registers (`struct kvm_sregs`).
///
/// A view of memory that is not safe for use by several threads at a time.
public final class KvmSregs implements VcpuStruct {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    KvmSegment.LAYOUT.withName("cs"),
                    KvmSegment.LAYOUT.withName("ds"),
                    KvmSegment.LAYOUT.withName("es"),
                    KvmSegment.LAYOUT.withName("fs"),
                    KvmSegment.LAYOUT.withName("gs"),
                    KvmSegment.LAYOUT.withName("ss"),
                    KvmSegment.LAYOUT.withName("tr"),
                    KvmSegment.LAYOUT.withName("ldt"),
                    KvmDtable.LAYOUT.withName("gdt"),
                    KvmDtable.LAYOUT.withName("idt"),
                    ValueLayout.JAVA_LONG.withName("cr0"),
                    ValueLayout.JAVA_LONG.withName("cr2"),
                    ValueLayout.JAVA_LONG.withName("cr3"),
                    ValueLayout.JAVA_LONG.withName("cr4"),
                    ValueLayout.JAVA_LONG.withName("cr8"),
                    ValueLayout.JAVA_LONG.withName("efer"),
                    ValueLayout.JAVA_LONG.withName("apic_base"),
                    MemoryLayout.sequenceLayout(4, ValueLayout.JAVA_LONG).withName("interrupt_bitmap"))
            .withName("kvm_sregs");

    private static final long CS_OFFSET = LAYOUT.byteOffset(PathElement.groupElement("cs"));
    private static final long DS_OFFSET = LAYOUT.byteOffset(PathElement.groupElement("ds"));
    private static final long ES_OFFSET = LAYOUT.byteOffset(PathElement.groupElement("es"));
    private static final long FS_OFFSET = LAYOUT.byteOffset(PathElement.groupElement("fs"));
    private static final long GS_OFFSET = LAYOUT.byteOffset(PathElement.groupElement("gs"));
    private static final long SS_OFFSET = LAYOUT.byteOffset(PathElement.groupElement("ss"));
    private static final long TR_OFFSET = LAYOUT.byteOffset(PathElement.groupElement("tr"));
    private static final long LDT_OFFSET = LAYOUT.byteOffset(PathElement.groupElement("ldt"));
    private static final long GDT_OFFSET = LAYOUT.byteOffset(PathElement.groupElement("gdt"));
    private static final long IDT_OFFSET = LAYOUT.byteOffset(PathElement.groupElement("idt"));
    private static final long CR0 = LAYOUT.byteOffset(PathElement.groupElement("cr0"));
    private static final long CR2 = LAYOUT.byteOffset(PathElement.groupElement("cr2"));
    private static final long CR3 = LAYOUT.byteOffset(PathElement.groupElement("cr3"));
    private static final long CR4 = LAYOUT.byteOffset(PathElement.groupElement("cr4"));
    private static final long CR8 = LAYOUT.byteOffset(PathElement.groupElement("cr8"));
    private static final long EFER = LAYOUT.byteOffset(PathElement.groupElement("efer"));
    private static final long APIC_BASE = LAYOUT.byteOffset(PathElement.groupElement("apic_base"));
    private static final long INTERRUPT_BITMAP = LAYOUT.byteOffset(PathElement.groupElement("interrupt_bitmap"));

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it starts as zeros
    public KvmSregs(SegmentAllocator allocator) {
        this(allocator.allocate(LAYOUT).fill((byte) 0));
    }

    KvmSregs(MemorySegment segment) {
        this.segment = segment;
    }

    /// The bytes as KVM reads and writes them.
    @Override
    public MemorySegment segment() {
        return segment;
    }

    @Override
    public long getRequest() {
        return KvmRequest.KVM_GET_SREGS;
    }

    @Override
    public long setRequest() {
        return KvmRequest.KVM_SET_SREGS;
    }

    /// Segment `cs`.
    public KvmSegment cs() {
        return new KvmSegment(segment.asSlice(CS_OFFSET, KvmSegment.LAYOUT));
    }

    /// Segment `ds`.
    public KvmSegment ds() {
        return new KvmSegment(segment.asSlice(DS_OFFSET, KvmSegment.LAYOUT));
    }

    /// Segment `es`.
    public KvmSegment es() {
        return new KvmSegment(segment.asSlice(ES_OFFSET, KvmSegment.LAYOUT));
    }

    /// Segment `fs`.
    public KvmSegment fs() {
        return new KvmSegment(segment.asSlice(FS_OFFSET, KvmSegment.LAYOUT));
    }

    /// Segment `gs`.
    public KvmSegment gs() {
        return new KvmSegment(segment.asSlice(GS_OFFSET, KvmSegment.LAYOUT));
    }

    /// Segment `ss`.
    public KvmSegment ss() {
        return new KvmSegment(segment.asSlice(SS_OFFSET, KvmSegment.LAYOUT));
    }

    /// Segment `tr`.
    public KvmSegment tr() {
        return new KvmSegment(segment.asSlice(TR_OFFSET, KvmSegment.LAYOUT));
    }

    /// Segment `ldt`.
    public KvmSegment ldt() {
        return new KvmSegment(segment.asSlice(LDT_OFFSET, KvmSegment.LAYOUT));
    }

    /// Table `gdt`.
    public KvmDtable gdt() {
        return new KvmDtable(segment.asSlice(GDT_OFFSET, KvmDtable.LAYOUT));
    }

    /// Table `idt`.
    public KvmDtable idt() {
        return new KvmDtable(segment.asSlice(IDT_OFFSET, KvmDtable.LAYOUT));
    }

    /// Register `cr0`.
    public long cr0() {
        return segment.get(ValueLayout.JAVA_LONG, CR0);
    }

    /// Register `cr0`.
    public void cr0(long value) {
        segment.set(ValueLayout.JAVA_LONG, CR0, value);
    }

    /// Register `cr2`.
    public long cr2() {
        return segment.get(ValueLayout.JAVA_LONG, CR2);
    }

    /// Register `cr2`.
    public void cr2(long value) {
        segment.set(ValueLayout.JAVA_LONG, CR2, value);
    }

    /// Register `cr3`.
    public long cr3() {
        return segment.get(ValueLayout.JAVA_LONG, CR3);
    }

    /// Register `cr3`.
    public void cr3(long value) {
        segment.set(ValueLayout.JAVA_LONG, CR3, value);
    }

    /// Register `cr4`.
    public long cr4() {
        return segment.get(ValueLayout.JAVA_LONG, CR4);
    }

    /// Register `cr4`.
    public void cr4(long value) {
        segment.set(ValueLayout.JAVA_LONG, CR4, value);
    }

    /// Register `cr8`.
    public long cr8() {
        return segment.get(ValueLayout.JAVA_LONG, CR8);
    }

    /// Register `cr8`.
    public void cr8(long value) {
        segment.set(ValueLayout.JAVA_LONG, CR8, value);
    }

    /// Register `efer`.
    public long efer() {
        return segment.get(ValueLayout.JAVA_LONG, EFER);
    }

    /// Register `efer`.
    public void efer(long value) {
        segment.set(ValueLayout.JAVA_LONG, EFER, value);
    }

    /// Register `apic_base`.
    public long apic_base() {
        return segment.get(ValueLayout.JAVA_LONG, APIC_BASE);
    }

    /// Register `apic_base`.
    public void apic_base(long value) {
        segment.set(ValueLayout.JAVA_LONG, APIC_BASE, value);
    }

    /// 64 of the 256 vectors that are being delivered: index 0 to 3.
    public long interrupt_bitmap(int index) {
        return segment.get(ValueLayout.JAVA_LONG, INTERRUPT_BITMAP + Objects.checkIndex(index, 4) * 8L);
    }

    /// 64 of the 256 vectors that are being delivered: index 0 to 3.
    public void interrupt_bitmap(int index, long value) {
        segment.set(ValueLayout.JAVA_LONG, INTERRUPT_BITMAP + Objects.checkIndex(index, 4) * 8L, value);
    }
}
