// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.internal;

/// Other numbers of `linux/kvm.h` and `asm/kvm.h`.
public final class KvmConstant {
    // the only version there is (Documentation/virt/kvm/api.rst, 4.1)
    public static final int KVM_API_VERSION = 0xc;

    // flags of KVM_SET_USER_MEMORY_REGION
    public static final int KVM_MEM_READONLY = 2;

    // kvm_valid_regs, kvm_dirty_regs
    public static final int KVM_SYNC_X86_REGS = 1;
    public static final int KVM_SYNC_X86_SREGS = 2;
    public static final int KVM_SYNC_X86_EVENTS = 4;

    // flags of KVM_IOEVENTFD
    public static final int KVM_IOEVENTFD_FLAG_DATAMATCH = 1;
    public static final int KVM_IOEVENTFD_FLAG_PIO = 2;
    public static final int KVM_IOEVENTFD_FLAG_DEASSIGN = 4;

    // flags of KVM_IRQFD
    public static final int KVM_IRQFD_FLAG_DEASSIGN = 1;

    // flags of kvm_cpuid_entry2
    public static final int KVM_CPUID_FLAG_SIGNIFCANT_INDEX = 1;

    // flags of KVM_EXIT_INTERNAL_ERROR for a failed emulation
    public static final int KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES = 1;

    private KvmConstant() {}
}
