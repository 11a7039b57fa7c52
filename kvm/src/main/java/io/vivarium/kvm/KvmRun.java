// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.KvmConstant;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.UnionLayout;
import java.lang.foreign.ValueLayout;

/// What a vCPU and the thread that runs it tell each other (`struct kvm_run`), mapped from the vCPU's file.
///
/// Belongs to the thread that runs the vCPU; reads and writes allocate nothing.
final class KvmRun {
    private static final UnionLayout EXIT = MemoryLayout.unionLayout(
            struct("hw", ValueLayout.JAVA_LONG.withName("hardware_exit_reason")),
            struct(
                    "fail_entry",
                    ValueLayout.JAVA_LONG.withName("hardware_entry_failure_reason"),
                    ValueLayout.JAVA_INT.withName("cpu"),
                    MemoryLayout.paddingLayout(4)),
            struct("ex", ValueLayout.JAVA_INT.withName("exception"), ValueLayout.JAVA_INT.withName("error_code")),
            struct(
                    "io",
                    ValueLayout.JAVA_BYTE.withName("direction"),
                    ValueLayout.JAVA_BYTE.withName("size"),
                    ValueLayout.JAVA_SHORT.withName("port"),
                    ValueLayout.JAVA_INT.withName("count"),
                    ValueLayout.JAVA_LONG.withName("data_offset")),
            struct(
                    "mmio",
                    ValueLayout.JAVA_LONG.withName("phys_addr"),
                    MemoryLayout.sequenceLayout(8, ValueLayout.JAVA_BYTE).withName("data"),
                    ValueLayout.JAVA_INT.withName("len"),
                    ValueLayout.JAVA_BYTE.withName("is_write"),
                    MemoryLayout.paddingLayout(3)),
            struct(
                    "hypercall",
                    ValueLayout.JAVA_LONG.withName("nr"),
                    MemoryLayout.sequenceLayout(6, ValueLayout.JAVA_LONG).withName("args"),
                    ValueLayout.JAVA_LONG.withName("ret"),
                    ValueLayout.JAVA_INT.withName("longmode"),
                    ValueLayout.JAVA_INT.withName("pad")),
            struct(
                    "internal",
                    ValueLayout.JAVA_INT.withName("suberror"),
                    ValueLayout.JAVA_INT.withName("ndata"),
                    MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_LONG).withName("data")),
            struct(
                    "emulation_failure",
                    ValueLayout.JAVA_INT.withName("suberror"),
                    ValueLayout.JAVA_INT.withName("ndata"),
                    ValueLayout.JAVA_LONG.withName("flags"),
                    ValueLayout.JAVA_BYTE.withName("insn_size"),
                    MemoryLayout.sequenceLayout(15, ValueLayout.JAVA_BYTE).withName("insn_bytes")),
            struct(
                    "system_event",
                    ValueLayout.JAVA_INT.withName("type"),
                    ValueLayout.JAVA_INT.withName("ndata"),
                    MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_LONG).withName("data")),
            struct(
                    "msr",
                    ValueLayout.JAVA_BYTE.withName("error"),
                    MemoryLayout.paddingLayout(7),
                    ValueLayout.JAVA_INT.withName("reason"),
                    ValueLayout.JAVA_INT.withName("index"),
                    ValueLayout.JAVA_LONG.withName("data")),
            struct("notify", ValueLayout.JAVA_INT.withName("flags")),
            MemoryLayout.sequenceLayout(256, ValueLayout.JAVA_BYTE).withName("padding"));

    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    ValueLayout.JAVA_BYTE.withName("request_interrupt_window"),
                    ValueLayout.JAVA_BYTE.withName("immediate_exit"),
                    MemoryLayout.sequenceLayout(6, ValueLayout.JAVA_BYTE).withName("padding1"),
                    ValueLayout.JAVA_INT.withName("exit_reason"),
                    ValueLayout.JAVA_BYTE.withName("ready_for_interrupt_injection"),
                    ValueLayout.JAVA_BYTE.withName("if_flag"),
                    ValueLayout.JAVA_SHORT.withName("flags"),
                    ValueLayout.JAVA_LONG.withName("cr8"),
                    ValueLayout.JAVA_LONG.withName("apic_base"),
                    EXIT,
                    ValueLayout.JAVA_LONG.withName("kvm_valid_regs"),
                    ValueLayout.JAVA_LONG.withName("kvm_dirty_regs"),
                    MemoryLayout.sequenceLayout(2048, ValueLayout.JAVA_BYTE).withName("s"))
            .withName("kvm_run");

    private static final long EXIT_OFFSET = LAYOUT.byteOffset(PathElement.groupElement("apic_base")) + 8;

    private static final long REQUEST_INTERRUPT_WINDOW = offset("request_interrupt_window");
    private static final long IMMEDIATE_EXIT = offset("immediate_exit");
    private static final long EXIT_REASON = offset("exit_reason");
    private static final long READY_FOR_INTERRUPT_INJECTION = offset("ready_for_interrupt_injection");
    private static final long IF_FLAG = offset("if_flag");
    private static final long HARDWARE_EXIT_REASON = offset("hw", "hardware_exit_reason");
    private static final long ENTRY_FAILURE_REASON = offset("fail_entry", "hardware_entry_failure_reason");
    private static final long ENTRY_FAILURE_CPU = offset("fail_entry", "cpu");
    private static final long EXCEPTION = offset("ex", "exception");
    private static final long EXCEPTION_ERROR_CODE = offset("ex", "error_code");
    private static final long IO_DIRECTION = offset("io", "direction");
    private static final long IO_SIZE = offset("io", "size");
    private static final long IO_PORT = offset("io", "port");
    private static final long IO_COUNT = offset("io", "count");
    private static final long IO_DATA_OFFSET = offset("io", "data_offset");
    private static final long MMIO_PHYS_ADDR = offset("mmio", "phys_addr");
    private static final long MMIO_DATA = offset("mmio", "data");
    private static final long MMIO_LEN = offset("mmio", "len");
    private static final long MMIO_IS_WRITE = offset("mmio", "is_write");
    private static final long HYPERCALL_NR = offset("hypercall", "nr");
    private static final long INTERNAL_SUBERROR = offset("internal", "suberror");
    private static final long INTERNAL_NDATA = offset("internal", "ndata");
    private static final long INTERNAL_DATA = offset("internal", "data");
    private static final long EMULATION_FLAGS = offset("emulation_failure", "flags");
    private static final long EMULATION_INSN_SIZE = offset("emulation_failure", "insn_size");
    private static final long EMULATION_INSN_BYTES = offset("emulation_failure", "insn_bytes");
    private static final long EVENT_TYPE = offset("system_event", "type");
    private static final long MSR_INDEX = offset("msr", "index");
    private static final long MSR_DATA = offset("msr", "data");
    private static final long NOTIFY_FLAGS = offset("notify", "flags");
    private static final long VALID_REGS = offset("kvm_valid_regs");
    private static final long DIRTY_REGS = offset("kvm_dirty_regs");
    private static final long SYNC_REGS = offset("s");

    private static final int LONGEST_INSTRUCTION = 15;
    private static final int INTERNAL_DATA_LENGTH = 16;

    private final MemorySegment run;

    /// @param run the whole mapping: the structure, then the page that `io.data_offset` points into
    KvmRun(MemorySegment run) {
        if (run.byteSize() < LAYOUT.byteSize()) {
            throw new IllegalStateException(
                    "KVM_GET_VCPU_MMAP_SIZE: " + run.byteSize() + " bytes are no struct kvm_run");
        }
        this.run = run;
    }

    private static StructLayout struct(String name, MemoryLayout... fields) {
        return MemoryLayout.structLayout(fields).withName(name);
    }

    private static long offset(String field) {
        return LAYOUT.byteOffset(PathElement.groupElement(field));
    }

    private static long offset(String exit, String field) {
        return EXIT_OFFSET + EXIT.byteOffset(PathElement.groupElement(exit), PathElement.groupElement(field));
    }

    /// Asks for an exit as soon as the guest can take an interrupt.
    void requestInterruptWindow(boolean wanted) {
        run.set(ValueLayout.JAVA_BYTE, REQUEST_INTERRUPT_WINDOW, (byte) (wanted ? 1 : 0));
    }

    /// Makes the next entry complete the last exit, and not run the guest.
    void immediateExit(boolean wanted) {
        run.set(ValueLayout.JAVA_BYTE, IMMEDIATE_EXIT, (byte) (wanted ? 1 : 0));
    }

    int exitReason() {
        return run.get(ValueLayout.JAVA_INT, EXIT_REASON);
    }

    /// Whether `KVM_INTERRUPT` may be called, as of the last exit.
    boolean readyForInterruptInjection() {
        return run.get(ValueLayout.JAVA_BYTE, READY_FOR_INTERRUPT_INJECTION) != 0;
    }

    /// Whether the guest has interrupts switched on, as of the last exit.
    boolean ifFlag() {
        return run.get(ValueLayout.JAVA_BYTE, IF_FLAG) != 0;
    }

    long hardwareExitReason() {
        return run.get(ValueLayout.JAVA_LONG, HARDWARE_EXIT_REASON);
    }

    long entryFailureReason() {
        return run.get(ValueLayout.JAVA_LONG, ENTRY_FAILURE_REASON);
    }

    int entryFailureCpu() {
        return run.get(ValueLayout.JAVA_INT, ENTRY_FAILURE_CPU);
    }

    int exception() {
        return run.get(ValueLayout.JAVA_INT, EXCEPTION);
    }

    int exceptionErrorCode() {
        return run.get(ValueLayout.JAVA_INT, EXCEPTION_ERROR_CODE);
    }

    int ioDirection() {
        return run.get(ValueLayout.JAVA_BYTE, IO_DIRECTION);
    }

    /// Bytes of one access: 1, 2 or 4.
    int ioSize() {
        return run.get(ValueLayout.JAVA_BYTE, IO_SIZE);
    }

    int ioPort() {
        return Short.toUnsignedInt(run.get(ValueLayout.JAVA_SHORT, IO_PORT));
    }

    /// Number of accesses of a string instruction; 1 otherwise.
    int ioCount() {
        return run.get(ValueLayout.JAVA_INT, IO_COUNT);
    }

    /// The value of access `i`, zero-extended.
    int ioData(int i) {
        int size = ioSize();
        long at = run.get(ValueLayout.JAVA_LONG, IO_DATA_OFFSET) + (long) i * size;
        return switch (size) {
            case 1 -> Byte.toUnsignedInt(run.get(ValueLayout.JAVA_BYTE, at));
            case 2 -> Short.toUnsignedInt(run.get(ValueLayout.JAVA_SHORT_UNALIGNED, at));
            default -> run.get(ValueLayout.JAVA_INT_UNALIGNED, at);
        };
    }

    /// Answers access `i`.
    void ioData(int i, int value) {
        int size = ioSize();
        long at = run.get(ValueLayout.JAVA_LONG, IO_DATA_OFFSET) + (long) i * size;
        switch (size) {
            case 1 -> run.set(ValueLayout.JAVA_BYTE, at, (byte) value);
            case 2 -> run.set(ValueLayout.JAVA_SHORT_UNALIGNED, at, (short) value);
            default -> run.set(ValueLayout.JAVA_INT_UNALIGNED, at, value);
        }
    }

    long mmioPhysAddr() {
        return run.get(ValueLayout.JAVA_LONG, MMIO_PHYS_ADDR);
    }

    /// Bytes of the access, 1 to 8.
    int mmioLen() {
        return run.get(ValueLayout.JAVA_INT, MMIO_LEN);
    }

    boolean mmioIsWrite() {
        return run.get(ValueLayout.JAVA_BYTE, MMIO_IS_WRITE) != 0;
    }

    /// The value of a write, zero-extended.
    long mmioData() {
        long data = run.get(ValueLayout.JAVA_LONG, MMIO_DATA);
        int length = mmioLen();
        return length >= 8 ? data : data & ((1L << (length * 8)) - 1);
    }

    /// Answers a read.
    void mmioData(long value) {
        run.set(ValueLayout.JAVA_LONG, MMIO_DATA, value);
    }

    long hypercallNr() {
        return run.get(ValueLayout.JAVA_LONG, HYPERCALL_NR);
    }

    int internalSuberror() {
        return run.get(ValueLayout.JAVA_INT, INTERNAL_SUBERROR);
    }

    /// What KVM added to an internal error.
    long[] internalData() {
        int count = Math.clamp(run.get(ValueLayout.JAVA_INT, INTERNAL_NDATA), 0, INTERNAL_DATA_LENGTH);
        return run.asSlice(INTERNAL_DATA, count * 8L).toArray(ValueLayout.JAVA_LONG);
    }

    /// Whether KVM says which instruction it could not emulate.
    boolean hasFailedInstruction() {
        return run.get(ValueLayout.JAVA_INT, INTERNAL_NDATA) >= 1
                && (run.get(ValueLayout.JAVA_LONG, EMULATION_FLAGS)
                                & KvmConstant.KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)
                        != 0;
    }

    /// The instruction that KVM could not emulate.
    byte[] emulationFailureInstruction() {
        int size = Math.clamp(run.get(ValueLayout.JAVA_BYTE, EMULATION_INSN_SIZE), 0, LONGEST_INSTRUCTION);
        return run.asSlice(EMULATION_INSN_BYTES, size).toArray(ValueLayout.JAVA_BYTE);
    }

    int systemEventType() {
        return run.get(ValueLayout.JAVA_INT, EVENT_TYPE);
    }

    int msrIndex() {
        return run.get(ValueLayout.JAVA_INT, MSR_INDEX);
    }

    long msrData() {
        return run.get(ValueLayout.JAVA_LONG, MSR_DATA);
    }

    int notifyFlags() {
        return run.get(ValueLayout.JAVA_INT, NOTIFY_FLAGS);
    }

    /// Which classes of registers (`KVM_SYNC_X86_*`) KVM stores at each exit.
    void validRegs(long classes) {
        run.set(ValueLayout.JAVA_LONG, VALID_REGS, classes);
    }

    /// Adds to the classes of registers (`KVM_SYNC_X86_*`) that KVM loads at the next entry; it clears them then.
    void dirtyRegs(long classes) {
        run.set(ValueLayout.JAVA_LONG, DIRTY_REGS, run.get(ValueLayout.JAVA_LONG, DIRTY_REGS) | classes);
    }

    /// The synchronized registers (`struct kvm_sync_regs`).
    MemorySegment syncRegs() {
        return run.asSlice(SYNC_REGS, 2048);
    }
}
