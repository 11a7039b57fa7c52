/* SPDX-License-Identifier: Apache-2.0 */
#include "kvm.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cpuid.h"

int kvm_call(int fd, unsigned long request, void *argument, const char *name)
{
	int result;

	do
		result = ioctl(fd, request, argument);
	while (result < 0 && errno == EINTR);
	if (result < 0)
		err(1, "%s", name);
	return result;
}

/* Only a vCPU tells. */
static unsigned tsc_khz(int fd)
{
	int vm = KVM_CALL(fd, KVM_CREATE_VM, 0);
	int vcpu = KVM_CALL(vm, KVM_CREATE_VCPU, 0);
	int khz = KVM_CALL(vcpu, KVM_GET_TSC_KHZ, 0);

	close(vcpu);
	close(vm);
	return (unsigned)khz;
}

void kvm_open(struct kvm *kvm)
{
	kvm->fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm->fd < 0)
		err(1, "/dev/kvm");
	int version = KVM_CALL(kvm->fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		errx(1, "/dev/kvm speaks version %d, not %d", version, KVM_API_VERSION);
	kvm->run_size = KVM_CALL(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	kvm->tsc_khz = tsc_khz(kvm->fd);
	kvm->cpuid.nent = MAX_CPUID_ENTRIES;
	KVM_CALL(kvm->fd, KVM_GET_SUPPORTED_CPUID, &kvm->cpuid);
	cpuid_prepare(&kvm->cpuid, MAX_CPUID_ENTRIES);
	kvm->xcr0 = cpuid_xcr0(&kvm->cpuid);
	kvm->cr4_osxsave = cpuid_has_xsave(&kvm->cpuid) ? 1UL << 18 : 0;
}
