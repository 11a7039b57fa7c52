// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.internal.KvmRequest;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/// General registers (`struct kvm_regs`).
///
/// A view of memory that is not safe for use by several threads at a time.
public final class KvmRegs implements VcpuStruct {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    ValueLayout.JAVA_LONG.withName("rax"),
                    ValueLayout.JAVA_LONG.withName("rbx"),
                    ValueLayout.JAVA_LONG.withName("rcx"),
                    ValueLayout.JAVA_LONG.withName("rdx"),
                    ValueLayout.JAVA_LONG.withName("rsi"),
                    ValueLayout.JAVA_LONG.withName("rdi"),
                    ValueLayout.JAVA_LONG.withName("rsp"),
                    ValueLayout.JAVA_LONG.withName("rbp"),
                    ValueLayout.JAVA_LONG.withName("r8"),
                    ValueLayout.JAVA_LONG.withName("r9"),
                    ValueLayout.JAVA_LONG.withName("r10"),
                    ValueLayout.JAVA_LONG.withName("r11"),
                    ValueLayout.JAVA_LONG.withName("r12"),
                    ValueLayout.JAVA_LONG.withName("r13"),
                    ValueLayout.JAVA_LONG.withName("r14"),
                    ValueLayout.JAVA_LONG.withName("r15"),
                    ValueLayout.JAVA_LONG.withName("rip"),
                    ValueLayout.JAVA_LONG.withName("rflags"))
            .withName("kvm_regs");

    private static final long RAX = LAYOUT.byteOffset(PathElement.groupElement("rax"));
    private static final long RBX = LAYOUT.byteOffset(PathElement.groupElement("rbx"));
    private static final long RCX = LAYOUT.byteOffset(PathElement.groupElement("rcx"));
    private static final long RDX = LAYOUT.byteOffset(PathElement.groupElement("rdx"));
    private static final long RSI = LAYOUT.byteOffset(PathElement.groupElement("rsi"));
    private static final long RDI = LAYOUT.byteOffset(PathElement.groupElement("rdi"));
    private static final long RSP = LAYOUT.byteOffset(PathElement.groupElement("rsp"));
    private static final long RBP = LAYOUT.byteOffset(PathElement.groupElement("rbp"));
    private static final long R8 = LAYOUT.byteOffset(PathElement.groupElement("r8"));
    private static final long R9 = LAYOUT.byteOffset(PathElement.groupElement("r9"));
    private static final long R10 = LAYOUT.byteOffset(PathElement.groupElement("r10"));
    private static final long R11 = LAYOUT.byteOffset(PathElement.groupElement("r11"));
    private static final long R12 = LAYOUT.byteOffset(PathElement.groupElement("r12"));
    private static final long R13 = LAYOUT.byteOffset(PathElement.groupElement("r13"));
    private static final long R14 = LAYOUT.byteOffset(PathElement.groupElement("r14"));
    private static final long R15 = LAYOUT.byteOffset(PathElement.groupElement("r15"));
    private static final long RIP = LAYOUT.byteOffset(PathElement.groupElement("rip"));
    private static final long RFLAGS = LAYOUT.byteOffset(PathElement.groupElement("rflags"));

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it starts as zeros
    public KvmRegs(SegmentAllocator allocator) {
        this(allocator.allocate(LAYOUT).fill((byte) 0));
    }

    KvmRegs(MemorySegment segment) {
        this.segment = segment;
    }

    /// The bytes as KVM reads and writes them.
    @Override
    public MemorySegment segment() {
        return segment;
    }

    @Override
    public long getRequest() {
        return KvmRequest.KVM_GET_REGS;
    }

    @Override
    public long setRequest() {
        return KvmRequest.KVM_SET_REGS;
    }

    /// Register `rax`.
    public long rax() {
        return segment.get(ValueLayout.JAVA_LONG, RAX);
    }

    /// Register `rax`.
    public void rax(long value) {
        segment.set(ValueLayout.JAVA_LONG, RAX, value);
    }

    /// Register `rbx`.
    public long rbx() {
        return segment.get(ValueLayout.JAVA_LONG, RBX);
    }

    /// Register `rbx`.
    public void rbx(long value) {
        segment.set(ValueLayout.JAVA_LONG, RBX, value);
    }

    /// Register `rcx`.
    public long rcx() {
        return segment.get(ValueLayout.JAVA_LONG, RCX);
    }

    /// Register `rcx`.
    public void rcx(long value) {
        segment.set(ValueLayout.JAVA_LONG, RCX, value);
    }

    /// Register `rdx`.
    public long rdx() {
        return segment.get(ValueLayout.JAVA_LONG, RDX);
    }

    /// Register `rdx`.
    public void rdx(long value) {
        segment.set(ValueLayout.JAVA_LONG, RDX, value);
    }

    /// Register `rsi`.
    public long rsi() {
        return segment.get(ValueLayout.JAVA_LONG, RSI);
    }

    /// Register `rsi`.
    public void rsi(long value) {
        segment.set(ValueLayout.JAVA_LONG, RSI, value);
    }

    /// Register `rdi`.
    public long rdi() {
        return segment.get(ValueLayout.JAVA_LONG, RDI);
    }

    /// Register `rdi`.
    public void rdi(long value) {
        segment.set(ValueLayout.JAVA_LONG, RDI, value);
    }

    /// Register `rsp`.
    public long rsp() {
        return segment.get(ValueLayout.JAVA_LONG, RSP);
    }

    /// Register `rsp`.
    public void rsp(long value) {
        segment.set(ValueLayout.JAVA_LONG, RSP, value);
    }

    /// Register `rbp`.
    public long rbp() {
        return segment.get(ValueLayout.JAVA_LONG, RBP);
    }

    /// Register `rbp`.
    public void rbp(long value) {
        segment.set(ValueLayout.JAVA_LONG, RBP, value);
    }

    /// Register `r8`.
    public long r8() {
        return segment.get(ValueLayout.JAVA_LONG, R8);
    }

    /// Register `r8`.
    public void r8(long value) {
        segment.set(ValueLayout.JAVA_LONG, R8, value);
    }

    /// Register `r9`.
    public long r9() {
        return segment.get(ValueLayout.JAVA_LONG, R9);
    }

    /// Register `r9`.
    public void r9(long value) {
        segment.set(ValueLayout.JAVA_LONG, R9, value);
    }

    /// Register `r10`.
    public long r10() {
        return segment.get(ValueLayout.JAVA_LONG, R10);
    }

    /// Register `r10`.
    public void r10(long value) {
        segment.set(ValueLayout.JAVA_LONG, R10, value);
    }

    /// Register `r11`.
    public long r11() {
        return segment.get(ValueLayout.JAVA_LONG, R11);
    }

    /// Register `r11`.
    public void r11(long value) {
        segment.set(ValueLayout.JAVA_LONG, R11, value);
    }

    /// Register `r12`.
    public long r12() {
        return segment.get(ValueLayout.JAVA_LONG, R12);
    }

    /// Register `r12`.
    public void r12(long value) {
        segment.set(ValueLayout.JAVA_LONG, R12, value);
    }

    /// Register `r13`.
    public long r13() {
        return segment.get(ValueLayout.JAVA_LONG, R13);
    }

    /// Register `r13`.
    public void r13(long value) {
        segment.set(ValueLayout.JAVA_LONG, R13, value);
    }

    /// Register `r14`.
    public long r14() {
        return segment.get(ValueLayout.JAVA_LONG, R14);
    }

    /// Register `r14`.
    public void r14(long value) {
        segment.set(ValueLayout.JAVA_LONG, R14, value);
    }

    /// Register `r15`.
    public long r15() {
        return segment.get(ValueLayout.JAVA_LONG, R15);
    }

    /// Register `r15`.
    public void r15(long value) {
        segment.set(ValueLayout.JAVA_LONG, R15, value);
    }

    /// Register `rip`.
    public long rip() {
        return segment.get(ValueLayout.JAVA_LONG, RIP);
    }

    /// Register `rip`.
    public void rip(long value) {
        segment.set(ValueLayout.JAVA_LONG, RIP, value);
    }

    /// Register `rflags`.
    public long rflags() {
        return segment.get(ValueLayout.JAVA_LONG, RFLAGS);
    }

    /// Register `rflags`.
    public void rflags(long value) {
        segment.set(ValueLayout.JAVA_LONG, RFLAGS, value);
    }
}
