// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.internal.KvmRequest;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/// x87 and SSE registers (`struct kvm_fpu`).
///
/// A view of memory that is not safe for use by several threads at a time.
public final class KvmFpu implements VcpuStruct {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    MemoryLayout.sequenceLayout(128, ValueLayout.JAVA_BYTE).withName("fpr"),
                    ValueLayout.JAVA_SHORT.withName("fcw"),
                    ValueLayout.JAVA_SHORT.withName("fsw"),
                    ValueLayout.JAVA_BYTE.withName("ftwx"),
                    ValueLayout.JAVA_BYTE.withName("pad1"),
                    ValueLayout.JAVA_SHORT.withName("last_opcode"),
                    ValueLayout.JAVA_LONG.withName("last_ip"),
                    ValueLayout.JAVA_LONG.withName("last_dp"),
                    MemoryLayout.sequenceLayout(256, ValueLayout.JAVA_BYTE).withName("xmm"),
                    ValueLayout.JAVA_INT.withName("mxcsr"),
                    ValueLayout.JAVA_INT.withName("pad2"))
            .withName("kvm_fpu");

    private static final long FCW = LAYOUT.byteOffset(PathElement.groupElement("fcw"));
    private static final long FSW = LAYOUT.byteOffset(PathElement.groupElement("fsw"));
    private static final long FTWX = LAYOUT.byteOffset(PathElement.groupElement("ftwx"));
    private static final long PAD1 = LAYOUT.byteOffset(PathElement.groupElement("pad1"));
    private static final long LAST_OPCODE = LAYOUT.byteOffset(PathElement.groupElement("last_opcode"));
    private static final long LAST_IP = LAYOUT.byteOffset(PathElement.groupElement("last_ip"));
    private static final long LAST_DP = LAYOUT.byteOffset(PathElement.groupElement("last_dp"));
    private static final long MXCSR = LAYOUT.byteOffset(PathElement.groupElement("mxcsr"));
    private static final long PAD2 = LAYOUT.byteOffset(PathElement.groupElement("pad2"));

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it starts as zeros
    public KvmFpu(SegmentAllocator allocator) {
        this(allocator.allocate(LAYOUT).fill((byte) 0));
    }

    KvmFpu(MemorySegment segment) {
        this.segment = segment;
    }

    /// The bytes as KVM reads and writes them.
    @Override
    public MemorySegment segment() {
        return segment;
    }

    @Override
    public long getRequest() {
        return KvmRequest.KVM_GET_FPU;
    }

    @Override
    public long setRequest() {
        return KvmRequest.KVM_SET_FPU;
    }

    /// x87 control word.
    public int fcw() {
        return Short.toUnsignedInt(segment.get(ValueLayout.JAVA_SHORT, FCW));
    }

    /// x87 control word.
    public void fcw(int value) {
        segment.set(ValueLayout.JAVA_SHORT, FCW, (short) value);
    }

    /// x87 status word.
    public int fsw() {
        return Short.toUnsignedInt(segment.get(ValueLayout.JAVA_SHORT, FSW));
    }

    /// x87 status word.
    public void fsw(int value) {
        segment.set(ValueLayout.JAVA_SHORT, FSW, (short) value);
    }

    /// x87 tags in their short form (fxsave).
    public int ftwx() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, FTWX));
    }

    /// x87 tags in their short form (fxsave).
    public void ftwx(int value) {
        segment.set(ValueLayout.JAVA_BYTE, FTWX, (byte) value);
    }

    /// Not used.
    public int pad1() {
        return Byte.toUnsignedInt(segment.get(ValueLayout.JAVA_BYTE, PAD1));
    }

    /// Not used.
    public void pad1(int value) {
        segment.set(ValueLayout.JAVA_BYTE, PAD1, (byte) value);
    }

    /// Last x87 opcode.
    public int last_opcode() {
        return Short.toUnsignedInt(segment.get(ValueLayout.JAVA_SHORT, LAST_OPCODE));
    }

    /// Last x87 opcode.
    public void last_opcode(int value) {
        segment.set(ValueLayout.JAVA_SHORT, LAST_OPCODE, (short) value);
    }

    /// Address of the last x87 instruction.
    public long last_ip() {
        return segment.get(ValueLayout.JAVA_LONG, LAST_IP);
    }

    /// Address of the last x87 instruction.
    public void last_ip(long value) {
        segment.set(ValueLayout.JAVA_LONG, LAST_IP, value);
    }

    /// Address of the last x87 operand.
    public long last_dp() {
        return segment.get(ValueLayout.JAVA_LONG, LAST_DP);
    }

    /// Address of the last x87 operand.
    public void last_dp(long value) {
        segment.set(ValueLayout.JAVA_LONG, LAST_DP, value);
    }

    /// SSE control and status.
    public int mxcsr() {
        return segment.get(ValueLayout.JAVA_INT, MXCSR);
    }

    /// SSE control and status.
    public void mxcsr(int value) {
        segment.set(ValueLayout.JAVA_INT, MXCSR, value);
    }

    /// Not used.
    public int pad2() {
        return segment.get(ValueLayout.JAVA_INT, PAD2);
    }

    /// Not used.
    public void pad2(int value) {
        segment.set(ValueLayout.JAVA_INT, PAD2, value);
    }
}
