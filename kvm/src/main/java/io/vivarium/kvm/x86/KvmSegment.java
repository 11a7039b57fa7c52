// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/// A segment register with its hidden part (`struct kvm_segment`).
///
/// A view of memory that is not safe for use by several threads at a time.
public final class KvmSegment {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    ValueLayout.JAVA_LONG.withName("base"),
                    ValueLayout.JAVA_INT.withName("limit"),
                    ValueLayout.JAVA_SHORT.withName("selector"),
                    ValueLayout.JAVA_BYTE.withName("type"),
                    ValueLayout.JAVA_BYTE.withName("present"),
                    ValueLayout.JAVA_BYTE.withName("dpl"),
                    ValueLayout.JAVA_BYTE.withName("db"),
                    ValueLayout.JAVA_BYTE.withName("s"),
                    ValueLayout.JAVA_BYTE.withName("l"),
                    ValueLayout.JAVA_BYTE.withName("g"),
                    ValueLayout.JAVA_BYTE.withName("avl"),
                    ValueLayout.JAVA_BYTE.withName("unusable"),
                    ValueLayout.JAVA_BYTE.withName("padding"))
            .withName("kvm_segment");

    private static final long BASE = LAYOUT.byteOffset(PathElement.groupElement("base"));
    private static final long LIMIT = LAYOUT.byteOffset(PathElement.groupElement("limit"));
    private static final long SELECTOR = LAYOUT.byteOffset(PathElement.groupElement("selector"));
    private static final long TYPE = LAYOUT.byteOffset(PathElement.groupElement("type"));
    private static final long PRESENT = LAYOUT.byteOffset(PathElement.groupElement("present"));
    private static final long DPL = LAYOUT.byteOffset(PathElement.groupElement("dpl"));
    private static final long DB = LAYOUT.byteOffset(PathElement.groupElement("db"));
    private static final long S = LAYOUT.byteOffset(PathElement.groupElement("s"));
    private static final long L = LAYOUT.byteOffset(PathElement.groupElement("l"));
    private static final long G = LAYOUT.byteOffset(PathElement.groupElement("g"));
    private static final long AVL = LAYOUT.byteOffset(PathElement.groupElement("avl"));
    private static final long UNUSABLE = LAYOUT.byteOffset(PathElement.groupElement("unusable"));
    private static final long PADDING = LAYOUT.byteOffset(PathElement.groupElement("padding"));

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it starts as zeros
    public KvmSegment(SegmentAllocator allocator) {
        this(allocator.allocate(LAYOUT).fill((byte) 0));
    }

    KvmSegment(MemorySegment segment) {
        this.segment = segment;
    }

    /// The bytes as KVM reads and writes them.
    public MemorySegment segment() {
        return segment;
    }

    /// Linear address of its first byte.
    public long base() {
        return segment.get(ValueLayout.JAVA_LONG, BASE);
    }

    /// Linear address of its first byte.
    public void base(long value) {
        segment.set(ValueLayout.JAVA_LONG, BASE, value);
    }

    /// Last offset within it, in bytes.
    public int limit() {
        return segment.get(ValueLayout.JAVA_INT, LIMIT);
    }

    /// Last offset within it, in bytes.
    public void limit(int value) {
        segment.set(ValueLayout.JAVA_INT, LIMIT, value);
    }

    /// Index into the descriptor table, with table and requested privilege level.
    public int selector() {
        return Short.toUnsignedInt(segment.get(ValueLayout.JAVA_SHORT, SELECTOR));
    }

    /// Index into the descriptor table, with table and requested privilege level.
    public void selector(int value) {
        segment.set(ValueLayout.JAVA_SHORT, SELECTOR, (short) value);
    }

    /// Descriptor type (Intel SDM 3A, 3.4.5.1).
    public int type() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, TYPE));
    }

    /// Descriptor type (Intel SDM 3A, 3.4.5.1).
    public void type(int value) {
        segment.set(ValueLayout.JAVA_BYTE, TYPE, (byte) value);
    }

    /// 1 when present.
    public int present() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, PRESENT));
    }

    /// 1 when present.
    public void present(int value) {
        segment.set(ValueLayout.JAVA_BYTE, PRESENT, (byte) value);
    }

    /// Descriptor privilege level, 0 to 3.
    public int dpl() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, DPL));
    }

    /// Descriptor privilege level, 0 to 3.
    public void dpl(int value) {
        segment.set(ValueLayout.JAVA_BYTE, DPL, (byte) value);
    }

    /// Default operation size: 1 for 32 bits.
    public int db() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, DB));
    }

    /// Default operation size: 1 for 32 bits.
    public void db(int value) {
        segment.set(ValueLayout.JAVA_BYTE, DB, (byte) value);
    }

    /// 0 for a system segment, 1 for code and data.
    public int s() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, S));
    }

    /// 0 for a system segment, 1 for code and data.
    public void s(int value) {
        segment.set(ValueLayout.JAVA_BYTE, S, (byte) value);
    }

    /// 1 for 64-bit code.
    public int l() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, L));
    }

    /// 1 for 64-bit code.
    public void l(int value) {
        segment.set(ValueLayout.JAVA_BYTE, L, (byte) value);
    }

    /// Granularity of the limit: 1 for 4 KiB.
    public int g() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, G));
    }

    /// Granularity of the limit: 1 for 4 KiB.
    public void g(int value) {
        segment.set(ValueLayout.JAVA_BYTE, G, (byte) value);
    }

    /// Available to software.
    public int avl() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, AVL));
    }

    /// Available to software.
    public void avl(int value) {
        segment.set(ValueLayout.JAVA_BYTE, AVL, (byte) value);
    }

    /// 1 when it must not be used.
    public int unusable() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, UNUSABLE));
    }

    /// 1 when it must not be used.
    public void unusable(int value) {
        segment.set(ValueLayout.JAVA_BYTE, UNUSABLE, (byte) value);
    }

    /// Not used.
    public int padding() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, PADDING));
    }

    /// Not used.
    public void padding(int value) {
        segment.set(ValueLayout.JAVA_BYTE, PADDING, (byte) value);
    }

    /// Makes it flat: base 0, limit 4 GiB - 1 in pages, accessed.
    ///
    /// @param selector into the descriptor table
    /// @param type descriptor type: 11 for code that may be read, 3 for data that may be written
    void flat(int selector, int type, boolean code64, int dpl) {
        segment.fill((byte) 0);
        limit(0xffff_ffff);
        selector(selector);
        type(type);
        present(1);
        dpl(dpl);
        s(1);
        l(code64 ? 1 : 0);
        db(code64 ? 0 : 1);
        g(1);
    }
}
