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

    static final StructLayout IRQFD = MemoryLayout.structLayout(
                    ValueLayout.JAVA_INT.withName("fd"),
                    ValueLayout.JAVA_INT.withName("gsi"),
                    ValueLayout.JAVA_INT.withName("flags"),
                    ValueLayout.JAVA_INT.withName("resamplefd"),
                    MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE).withName("pad"))
            .withName("kvm_irqfd");

    private static final long SLOT = offset(MEMORY_REGION, "slot");
    private static final long SLOT_FLAGS = offset(MEMORY_REGION, "flags");
    private static final long GUEST_PHYS_ADDR = offset(MEMORY_REGION, "guest_phys_addr");
    private static final long MEMORY_SIZE = offset(MEMORY_REGION, "memory_size");
    private static final long USERSPACE_ADDR = offset(MEMORY_REGION, "userspace_addr");

    private static final long EVENT_DATAMATCH = offset(IOEVENTFD, "datamatch");
    private static final long EVENT_ADDR = offset(IOEVENTFD, "addr");
    private static final long EVENT_LEN = offset(IOEVENTFD, "len");
    private static final long EVENT_FD = offset(IOEVENTFD, "fd");
    private static final long EVENT_FLAGS = offset(IOEVENTFD, "flags");

    private static final long IRQ_FD = offset(IRQFD, "fd");
    private static final long IRQ_GSI = offset(IRQFD, "gsi");
    private static final long IRQ_FLAGS = offset(IRQFD, "flags");

    private final Kvm kvm;
    private final FileDescriptor fd;
    private boolean interruptController;

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

    /// Gives the VM interrupt controllers in the kernel, before its vCPUs are made (`KVM_CREATE_IRQCHIP`): two 8259, an
    /// I/O APIC, and a local APIC for each vCPU.
    void createInterruptController() {
        KvmException.check("KVM_CREATE_IRQCHIP", fd.ioctl(KvmRequest.KVM_CREATE_IRQCHIP, 0));
        interruptController = true;
    }

    /// Whether the kernel has its interrupt controllers.
    public boolean hasInterruptController() {
        return interruptController;
    }

    /// Has every signal of an eventfd raise an interrupt line for a moment, as an edge (`KVM_IRQFD`). Whoever signals
    /// neither enters the kernel's KVM nor wakes a thread of this process.
    ///
    /// @param gsi the line: 0 to 15 lead to the 8259 and to the I/O APIC, 16 to 23 to the I/O APIC
    /// @param event stays open as long as it is to work
    /// @throws IllegalStateException if the VM has no interrupt controller in the kernel
    /// @throws KvmException with `EBUSY` if the eventfd raises a line already
    public void irqfd(int gsi, EventFd event) {
        irqfd(gsi, event, 0);
    }

    /// Undoes [#irqfd].
    ///
    /// @param gsi as given there
    /// @param event as given there
    public void removeIrqfd(int gsi, EventFd event) {
        irqfd(gsi, event, KvmConstant.KVM_IRQFD_FLAG_DEASSIGN);
    }

    private void irqfd(int gsi, EventFd event, int flags) {
        if (!interruptController) {
            throw new IllegalStateException("the VM has no interrupt controller in the kernel");
        }
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment argument = scratch.allocate(IRQFD);
            argument.set(ValueLayout.JAVA_INT, IRQ_GSI, gsi);
            argument.set(ValueLayout.JAVA_INT, IRQ_FLAGS, flags);
            KvmException.check("KVM_IRQFD", fd.ioctl(KvmRequest.KVM_IRQFD, argument, IRQ_FD, event.fd()));
        }
    }

    /// Signals an eventfd when the guest writes to an MMIO address, instead of an exit (`KVM_IOEVENTFD`).
    ///
    /// @param address guest-physical
    /// @param length bytes of the write: 1, 2, 4 or 8; 0 for any
    public void notifyOnWrite(long address, int length, EventFd event) {
        ioeventfd(address, length, 0, event, 0);
    }

    /// Signals an eventfd when the guest writes a value to an MMIO address, instead of an exit (`KVM_IOEVENTFD`). Other
    /// values exit.
    ///
    /// @param address guest-physical
    /// @param length bytes of the write: 1, 2, 4 or 8
    /// @param value the value
    public void notifyOnWrite(long address, int length, long value, EventFd event) {
        ioeventfd(address, length, value, event, KvmConstant.KVM_IOEVENTFD_FLAG_DATAMATCH);
    }

    /// Undoes [#notifyOnWrite(long, int, long, EventFd)]: such writes exit again.
    ///
    /// @param address as given there
    /// @param length as given there
    /// @param value as given there
    /// @param event as given there
    public void exitOnWrite(long address, int length, long value, EventFd event) {
        int flags = KvmConstant.KVM_IOEVENTFD_FLAG_DATAMATCH | KvmConstant.KVM_IOEVENTFD_FLAG_DEASSIGN;
        ioeventfd(address, length, value, event, flags);
    }

    /// Signals an eventfd when the guest writes to a port, instead of an exit (`KVM_IOEVENTFD`).
    ///
    /// @param port 0 to 65535
    /// @param length bytes of the write: 1, 2 or 4; 0 for any
    public void notifyOnPort(int port, int length, EventFd event) {
        ioeventfd(port, length, 0, event, KvmConstant.KVM_IOEVENTFD_FLAG_PIO);
    }

    private void ioeventfd(long address, int length, long value, EventFd event, int flags) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment argument = scratch.allocate(IOEVENTFD);
            argument.set(ValueLayout.JAVA_LONG, EVENT_DATAMATCH, value);
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
