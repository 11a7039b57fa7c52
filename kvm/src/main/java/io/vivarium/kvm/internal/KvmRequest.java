// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.internal;

/// The ioctl requests of `linux/kvm.h` that Vivarium makes, with the numbers that x86-64 gives them.
public final class KvmRequest {
    // on /dev/kvm
    public static final long KVM_GET_API_VERSION = 0xae00L;
    public static final long KVM_CREATE_VM = 0xae01L;
    public static final long KVM_GET_MSR_INDEX_LIST = 0xc004ae02L;
    public static final long KVM_CHECK_EXTENSION = 0xae03L;
    public static final long KVM_GET_VCPU_MMAP_SIZE = 0xae04L;
    public static final long KVM_GET_SUPPORTED_CPUID = 0xc008ae05L;

    // on a VM
    public static final long KVM_CREATE_VCPU = 0xae41L;
    public static final long KVM_SET_USER_MEMORY_REGION = 0x4020ae46L;
    public static final long KVM_CREATE_IRQCHIP = 0xae60L;
    public static final long KVM_IRQFD = 0x4020ae76L;
    public static final long KVM_IOEVENTFD = 0x4040ae79L;
    public static final long KVM_SET_CLOCK = 0x4030ae7bL;
    public static final long KVM_GET_CLOCK = 0x8030ae7cL;

    // on a vCPU
    public static final long KVM_RUN = 0xae80L;
    public static final long KVM_GET_REGS = 0x8090ae81L;
    public static final long KVM_SET_REGS = 0x4090ae82L;
    public static final long KVM_GET_SREGS = 0x8138ae83L;
    public static final long KVM_SET_SREGS = 0x4138ae84L;
    public static final long KVM_TRANSLATE = 0xc018ae85L;
    public static final long KVM_INTERRUPT = 0x4004ae86L;
    public static final long KVM_GET_MSRS = 0xc008ae88L;
    public static final long KVM_SET_MSRS = 0x4008ae89L;
    public static final long KVM_SET_SIGNAL_MASK = 0x4004ae8bL;
    public static final long KVM_GET_FPU = 0x81a0ae8cL;
    public static final long KVM_SET_FPU = 0x41a0ae8dL;
    public static final long KVM_SET_CPUID2 = 0x4008ae90L;
    public static final long KVM_GET_CPUID2 = 0xc008ae91L;
    public static final long KVM_GET_MP_STATE = 0x8004ae98L;
    public static final long KVM_SET_MP_STATE = 0x4004ae99L;
    public static final long KVM_GET_VCPU_EVENTS = 0x8040ae9fL;
    public static final long KVM_SET_VCPU_EVENTS = 0x4040aea0L;
    public static final long KVM_GET_DEBUGREGS = 0x8080aea1L;
    public static final long KVM_SET_DEBUGREGS = 0x4080aea2L;
    public static final long KVM_GET_XSAVE = 0x9000aea4L;
    public static final long KVM_SET_XSAVE = 0x5000aea5L;
    public static final long KVM_GET_XSAVE2 = 0x9000aecfL;
    public static final long KVM_GET_TSC_KHZ = 0xaea3L;
    public static final long KVM_GET_XCRS = 0x8188aea6L;
    public static final long KVM_SET_XCRS = 0x4188aea7L;

    private KvmRequest() {}
}
