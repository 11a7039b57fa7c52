// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

/// What a KVM may or may not be able to do: the extensions of `linux/kvm.h`, with their numbers there.
public enum Capability {
    /// Interrupt controllers in the kernel.
    IRQCHIP(0),

    /// Guest memory is memory of this process.
    USER_MEMORY(3),

    /// `KVM_GET_SUPPORTED_CPUID`.
    EXT_CPUID(7),

    /// Recommended largest number of vCPUs of a VM.
    NR_VCPUS(9),

    /// Number of memory slots of a VM.
    NR_MEMSLOTS(10),

    /// `KVM_GET_MP_STATE`.
    MP_STATE(14),

    /// An eventfd that raises an interrupt.
    IRQFD(32),

    /// An eventfd that a write of the guest signals, without an exit.
    IOEVENTFD(36),

    /// `KVM_SET_CLOCK`.
    ADJUST_CLOCK(39),

    /// Internal errors come with details.
    INTERNAL_ERROR_DATA(40),

    /// `KVM_GET_VCPU_EVENTS`.
    VCPU_EVENTS(41),

    /// `KVM_GET_DEBUGREGS`.
    DEBUGREGS(50),

    /// `KVM_GET_XSAVE`.
    XSAVE(55),

    /// `KVM_GET_XCRS`.
    XCRS(56),

    /// Largest number of vCPUs of a VM.
    MAX_VCPUS(66),

    /// Registers in `struct kvm_run`.
    SYNC_REGS(74),

    /// Memory that the guest may only read.
    READONLY_MEM(81),

    /// Local interrupt controllers in the kernel, the rest outside it.
    SPLIT_IRQCHIP(121),

    /// `immediate_exit` in `struct kvm_run`.
    IMMEDIATE_EXIT(136),

    /// `KVM_GET_XSAVE2`; its value is the size of the area.
    XSAVE2(208);

    private final int number;

    Capability(int number) {
        this.number = number;
    }

    /// The number that `KVM_CHECK_EXTENSION` takes.
    public int number() {
        return number;
    }

    /// The name in `linux/kvm.h`, such as `KVM_CAP_READONLY_MEM`.
    public String symbol() {
        return "KVM_CAP_" + name();
    }
}
