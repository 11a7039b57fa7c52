// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.KvmRequest;
import io.vivarium.kvm.internal.Syscalls;
import io.vivarium.kvm.x86.CpuidEntries;
import io.vivarium.kvm.x86.KvmMsrs;
import io.vivarium.kvm.x86.KvmXsave;
import io.vivarium.kvm.x86.SyncRegs;
import io.vivarium.kvm.x86.VcpuStruct;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.util.OptionalLong;

/// A virtual CPU.
///
/// Its state may be read and written by one thread at a time, and only while no other thread runs it: between two calls
/// of [Machine#run], or from a device that the vCPU is in. Otherwise the methods throw [IllegalStateException].
public final class Vcpu {
    static final StructLayout TRANSLATION = MemoryLayout.structLayout(
                    ValueLayout.JAVA_LONG.withName("linear_address"),
                    ValueLayout.JAVA_LONG.withName("physical_address"),
                    ValueLayout.JAVA_BYTE.withName("valid"),
                    ValueLayout.JAVA_BYTE.withName("writeable"),
                    ValueLayout.JAVA_BYTE.withName("usermode"),
                    MemoryLayout.sequenceLayout(5, ValueLayout.JAVA_BYTE).withName("pad"))
            .withName("kvm_translation");

    /// `struct kvm_signal_mask` with the kernel's 8-byte set as its tail.
    static final StructLayout SIGNAL_MASK = MemoryLayout.structLayout(
                    ValueLayout.JAVA_INT.withName("len"), ValueLayout.JAVA_LONG_UNALIGNED.withName("sigset"))
            .withName("kvm_signal_mask");

    private static final long PHYSICAL_ADDRESS = TRANSLATION.byteOffset(PathElement.groupElement("physical_address"));
    private static final long VALID = TRANSLATION.byteOffset(PathElement.groupElement("valid"));
    private static final long SIGSET = SIGNAL_MASK.byteOffset(PathElement.groupElement("sigset"));

    private final Vm vm;
    private final FileDescriptor fd;
    private final int index;
    private final KvmRun run;
    private final SyncRegs syncRegs;
    private final int syncable;
    private final long xsaveSize;
    private final MemorySegment capture;
    private final RunSection section;
    private int dirty;
    private boolean written;

    /// @param fd taken over
    Vcpu(Vm vm, FileDescriptor fd, Arena arena, int index) {
        this.vm = vm;
        this.fd = fd;
        this.index = index;
        int size = vm.vcpuMmapSize();
        int protection = Syscalls.PROT_READ | Syscalls.PROT_WRITE;
        long mapped = KvmException.check("mmap vCPU", fd.mmap(size, protection, Syscalls.MAP_SHARED, 0));
        MemorySegment mapping = Mapping.of(arena, mapped, size);
        this.run = new KvmRun(mapping);
        this.syncRegs = new SyncRegs(run.syncRegs());
        this.syncable = vm.check(Capability.SYNC_REGS);
        this.xsaveSize = Math.max(vm.check(Capability.XSAVE2), 4096);
        this.capture = Syscalls.newCapture(arena);
        this.section = new RunSection(this);
    }

    /// Whether the kernel has its local interrupt controller, with a state of its own.
    public boolean hasInterruptController() {
        return vm.hasInterruptController();
    }

    /// Its number in the machine, from 0; its APIC id.
    public int index() {
        return index;
    }

    /// Bytes that [KvmXsave] takes on this vCPU.
    public long xsaveSize() {
        return xsaveSize;
    }

    /// What `cpuid` may answer on this host; see [Kvm#supportedCpuid].
    public CpuidEntries supportedCpuid() {
        return vm.supportedCpuid();
    }

    /// Reads a part of the state.
    ///
    /// @throws KvmException if KVM refuses
    public void read(VcpuStruct state) {
        requireAccess(state);
        loadDirty();
        int result = request("get", state, state.getRequest());
        state.completed(state.getRequest(), result);
    }

    /// Reads model-specific registers if the vCPU has them all.
    ///
    /// @return whether it has
    public boolean tryRead(KvmMsrs msrs) {
        requireAccess(msrs);
        loadDirty();
        return fd.ioctl(msrs.getRequest(), msrs.segment()) == msrs.count();
    }

    /// Writes model-specific registers, as far as KVM accepts them: those before the first that it refuses.
    ///
    /// @return whether it accepts them all
    public boolean tryWrite(KvmMsrs msrs) {
        requireAccess(msrs);
        loadDirty();
        written = true;
        return fd.ioctl(msrs.setRequest(), msrs.segment()) == msrs.count();
    }

    /// Writes a part of the state.
    ///
    /// @throws KvmException if KVM refuses
    public void write(VcpuStruct state) {
        requireAccess(state);
        loadDirty();
        written = true;
        int result = request("set", state, state.setRequest());
        state.completed(state.setRequest(), result);
    }

    /// Writes a part of the state when the vCPU is next run, which spares a request where KVM can do it
    /// (`KVM_CAP_SYNC_REGS`: general, segment and control registers, and events). The structure is copied.
    public void writeOnEntry(VcpuStruct state) {
        requireAccess(state);
        int syncClass = SyncRegs.classOf(state);
        if (syncClass == 0 || (syncable & syncClass) == 0) {
            write(state);
            return;
        }
        syncRegs.part(syncClass).segment().copyFrom(state.segment());
        dirty |= syncClass;
        written = true;
    }

    /// What was to be written on entry, written now: KVM's own copy is stale until then.
    private void loadDirty() {
        if (dirty == 0) {
            return;
        }
        for (int syncClass : SyncRegs.classes()) {
            if ((dirty & syncClass) != 0) {
                VcpuStruct part = syncRegs.part(syncClass);
                request("set", part, part.setRequest());
                dirty &= ~syncClass;
            }
        }
    }

    /// Sets what `cpuid` answers (`KVM_SET_CPUID2`); only before the vCPU first runs.
    public void setCpuid(CpuidEntries entries) {
        section.requireNoOtherThread();
        request("KVM_SET_CPUID2", KvmRequest.KVM_SET_CPUID2, entries.segment());
    }

    /// What `cpuid` answers (`KVM_GET_CPUID2`).
    ///
    /// @param arena where the copy lives
    public CpuidEntries cpuid(Arena arena) {
        section.requireNoOtherThread();
        CpuidEntries entries = new CpuidEntries(arena);
        request("KVM_GET_CPUID2", KvmRequest.KVM_GET_CPUID2, entries.segment());
        return entries;
    }

    /// Frequency of its time-stamp counter in kHz (`KVM_GET_TSC_KHZ`).
    ///
    /// @throws KvmException if KVM does not know, or the host's counter is not constant
    public int tscKhz() {
        return (int) KvmException.check("KVM_GET_TSC_KHZ", fd.ioctl(KvmRequest.KVM_GET_TSC_KHZ, 0));
    }

    /// Where a linear address lies in guest-physical memory, by the vCPU's own page tables (`KVM_TRANSLATE`).
    ///
    /// @return empty if it is not mapped
    public OptionalLong translate(long linearAddress) {
        section.requireNoOtherThread();
        loadDirty();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment translation = scratch.allocate(TRANSLATION);
            translation.set(ValueLayout.JAVA_LONG, 0, linearAddress);
            request("KVM_TRANSLATE", KvmRequest.KVM_TRANSLATE, translation);
            boolean valid = translation.get(ValueLayout.JAVA_BYTE, VALID) != 0;
            return valid
                    ? OptionalLong.of(translation.get(ValueLayout.JAVA_LONG, PHYSICAL_ADDRESS))
                    : OptionalLong.empty();
        }
    }

    private void requireAccess(VcpuStruct state) {
        section.requireNoOtherThread();
        if (state instanceof KvmXsave && state.segment().byteSize() < xsaveSize) {
            throw new IllegalArgumentException("an xsave area of %d bytes: this vCPU's takes %d"
                    .formatted(state.segment().byteSize(), xsaveSize));
        }
    }

    private int request(String verb, VcpuStruct state, long request) {
        int result = fd.ioctl(request, state.segment());
        if (result < 0) {
            throw new KvmException(verb + " " + state.getClass().getSimpleName(), new Errno(-result));
        }
        return result;
    }

    private int request(String call, long request, MemorySegment argument) {
        return (int) KvmException.check(call, fd.ioctl(request, argument));
    }

    /// Delivers an external interrupt at the next entry (`KVM_INTERRUPT`).
    void interrupt(int vector) {
        try (Arena scratch = Arena.ofConfined()) {
            request("KVM_INTERRUPT", KvmRequest.KVM_INTERRUPT, scratch.allocateFrom(ValueLayout.JAVA_INT, vector));
        }
    }

    /// Which signals are blocked inside `KVM_RUN`, in place of those that the thread blocks (`KVM_SET_SIGNAL_MASK`).
    void setSignalMask(long mask) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment argument = scratch.allocate(SIGNAL_MASK);
            argument.set(ValueLayout.JAVA_INT, 0, Long.BYTES);
            argument.set(ValueLayout.JAVA_LONG_UNALIGNED, SIGSET, mask);
            request("KVM_SET_SIGNAL_MASK", KvmRequest.KVM_SET_SIGNAL_MASK, argument);
        }
    }

    RunSection section() {
        return section;
    }

    KvmRun run() {
        return run;
    }

    /// Whether the state was written since the last call: what the last exit said of it no longer holds.
    boolean takeWritten() {
        boolean was = written;
        written = false;
        return was;
    }

    /// Runs the guest on the calling thread, which is inside the [run section][#section].
    ///
    /// @return 0 after an exit, or `-errno`
    int enter() {
        if (dirty != 0) {
            run.dirtyRegs(dirty);
            dirty = 0;
        }
        return Syscalls.kvmRun(capture, fd.raw());
    }

    void close() {
        fd.close();
    }
}
