/* SPDX-License-Identifier: Apache-2.0 */
/* /dev/kvm, and what is asked of it once for all machines. */
#ifndef KVM_H
#define KVM_H

#include <linux/kvm.h>

/* KVM_MAX_CPUID_ENTRIES (arch/x86/include/asm/kvm_host.h) */
#define MAX_CPUID_ENTRIES 256

struct kvm {
	int fd;
	int run_size;     /* of a vCPU's struct kvm_run */
	unsigned tsc_khz; /* of every machine's time-stamp counter */
	unsigned long long xcr0, cr4_osxsave; /* 0: not there */
	union {
		struct kvm_cpuid2 cpuid; /* as a machine's only vCPU gets it */
		char cpuid_room[sizeof(struct kvm_cpuid2) + MAX_CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2)];
	};
};

/* An ioctl(2) that must succeed; `name` is for the message if it does not. */
int kvm_call(int fd, unsigned long request, void *argument, const char *name);
#define KVM_CALL(fd, request, argument) kvm_call(fd, request, argument, #request)

void kvm_open(struct kvm *kvm);

#endif
