// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.KvmConstant;
import io.vivarium.kvm.internal.KvmRequest;
import io.vivarium.kvm.x86.CpuidEntries;
import io.vivarium.kvm.x86.KvmClock;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/// A KVM virtual machine: what its vCPUs share. May be used from any thread until its machine closes.
public final class Vm {
    static final StructLayout MEMORY_REGION = MemoryLayout.structLayout(
                    ValueLayout.JAVA_INT.withName("slot"),
                    ValueLayout.JAVA_INT.withName("flags"),
                    ValueLayout.JAVA_LONG.withName("guest_phys_addr"),
                    ValueLayout.JAVA_LONG.withName("memory_size"),
                    ValueLayout.JAVA_LONG.withName("userspace_addr"))
            .withName("kvm_userspace_memory_region");

    static final StructLayout IOEVENTFD = MemoryLayout.structLayout(
                    ValueLayout.JAVA_LONG.withName("datamatch"),
                    ValueLayout.JAVA_LONG.withName("addr"),
                    ValueLayout.JAVA_INT.withName("len"),
                    ValueLayout.JAVA_INT.withName("fd"),
                    ValueLayout.JAVA_INT.withName("flags"),
                    MemoryLayout.sequenceLayout(36, ValueLayout.JAVA_BYTE).withName("pad"))
            .withName("kvm_ioeventfd");

    private static final long SLOT = offset(MEMORY_REGION, "slot");
    private static final long SLOT_FLAGS = offset(MEMORY_REGION, "flags");
    private static final long GUEST_PHYS_ADDR = offset(MEMORY_REGION, "guest_phys_addr");
    private static final long MEMORY_SIZE = offset(MEMORY_REGION, "memory_size");
    private static final long USERSPACE_ADDR = offset(MEMORY_REGION, "userspace_addr");

    private static final long EVENT_ADDR = offset(IOEVENTFD, "addr");
    private static final long EVENT_LEN = offset(IOEVENTFD, "len");
    private static final long EVENT_FD = offset(IOEVENTFD, "fd");
    private static final long EVENT_FLAGS = offset(IOEVENTFD, "flags");

    private final Kvm kvm;
    private final FileDescriptor fd;

    Vm(Kvm kvm, FileDescriptor fd) {
        this.kvm = kvm;
        this.fd = fd;
    }

    private static long offset(StructLayout layout, String field) {
        return layout.byteOffset(PathElement.groupElement(field));
    }

    FileDescriptor fd() {
        return fd;
    }

    CpuidEntries supportedCpuid() {
        return kvm.supportedCpuid();
    }

    int vcpuMmapSize() {
        return kvm.vcpuMmapSize();
    }

    /// Asks for a capability of this VM.
    ///
    /// @return 0 when it is not there; 1 or, for some, a number that says more
    public int check(Capability capability) {
        return (int) KvmException.check(
                "KVM_CHECK_EXTENSION", capability, fd.ioctl(KvmRequest.KVM_CHECK_EXTENSION, capability.number()));
    }

    /// Puts a region of memory into a slot (`KVM_SET_USER_MEMORY_REGION`). KVM keeps its address: the region is
    /// unmapped only after the VM is closed.
    void setUserMemoryRegion(int slot, MemoryRegion region) {
        if (region.readOnly() && check(Capability.READONLY_MEM) == 0) {
            throw new UnsupportedOperationException(
                    "KVM lacks " + Capability.READONLY_MEM.symbol() + ", which " + region.spec() + " needs");
        }
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment argument = scratch.allocate(MEMORY_REGION);
            argument.set(ValueLayout.JAVA_INT, SLOT, slot);
            argument.set(ValueLayout.JAVA_INT, SLOT_FLAGS, region.readOnly() ? KvmConstant.KVM_MEM_READONLY : 0);
            argument.set(ValueLayout.JAVA_LONG, GUEST_PHYS_ADDR, region.guestPhysicalAddress());
            argument.set(ValueLayout.JAVA_LONG, MEMORY_SIZE, region.length());
            argument.set(ValueLayout.JAVA_LONG, USERSPACE_ADDR, region.memory().address());
            KvmException.check(
                    "KVM_SET_USER_MEMORY_REGION",
                    region.spec(),
                    fd.ioctl(KvmRequest.KVM_SET_USER_MEMORY_REGION, argument));
        }
    }

    /// Creates a vCPU (`KVM_CREATE_VCPU`).
    ///
    /// @param arena unmaps its `struct kvm_run`
    Vcpu createVcpu(Arena arena, int index) {
        FileDescriptor vcpu = new FileDescriptor("KVM_CREATE_VCPU", fd.ioctl(KvmRequest.KVM_CREATE_VCPU, index));
        try {
            return new Vcpu(this, vcpu, arena, index);
        } catch (RuntimeException e) {
            vcpu.close();
            throw e;
        }
    }

    /// Signals an eventfd when the guest writes to an MMIO address, instead of an exit (`KVM_IOEVENTFD`).
    ///
    /// @param address guest-physical
    /// @param length bytes of the write: 1, 2, 4 or 8; 0 for any
    public void notifyOnWrite(long address, int length, EventFd event) {
        ioeventfd(address, length, event, 0);
    }

    /// Signals an eventfd when the guest writes to a port, instead of an exit (`KVM_IOEVENTFD`).
    ///
    /// @param port 0 to 65535
    /// @param length bytes of the write: 1, 2 or 4; 0 for any
    public void notifyOnPort(int port, int length, EventFd event) {
        ioeventfd(port, length, event, KvmConstant.KVM_IOEVENTFD_FLAG_PIO);
    }

    private void ioeventfd(long address, int length, EventFd event, int flags) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment argument = scratch.allocate(IOEVENTFD);
            argument.set(ValueLayout.JAVA_LONG, EVENT_ADDR, address);
            argument.set(ValueLayout.JAVA_INT, EVENT_LEN, length);
            argument.set(ValueLayout.JAVA_INT, EVENT_FLAGS, flags);
            KvmException.check("KVM_IOEVENTFD", fd.ioctl(KvmRequest.KVM_IOEVENTFD, argument, EVENT_FD, event.fd()));
        }
    }

    /// Reads the paravirtual clock (`KVM_GET_CLOCK`).
    public void read(KvmClock clock) {
        KvmException.check("KVM_GET_CLOCK", fd.ioctl(KvmRequest.KVM_GET_CLOCK, clock.segment()));
    }

    /// Sets the paravirtual clock (`KVM_SET_CLOCK`).
    public void write(KvmClock clock) {
        KvmException.check("KVM_SET_CLOCK", fd.ioctl(KvmRequest.KVM_SET_CLOCK, clock.segment()));
    }

    /// Closes the VM once its vCPUs are closed too.
    void close() {
        fd.close();
    }
}
