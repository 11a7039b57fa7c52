// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.KvmConstant;
import io.vivarium.kvm.internal.KvmRequest;
import io.vivarium.kvm.internal.Syscalls;
import io.vivarium.kvm.x86.CpuidEntries;
import io.vivarium.kvm.x86.PrivilegeProbe;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// The host's KVM (`/dev/kvm`). Machines may outlive it. May be used from any thread.
public final class Kvm implements AutoCloseable {
    private static final String DEVICE = "/dev/kvm";

    private static final List<Capability> REQUIRED = List.of(
            Capability.USER_MEMORY,
            Capability.EXT_CPUID,
            Capability.MP_STATE,
            Capability.VCPU_EVENTS,
            Capability.XSAVE,
            Capability.XCRS,
            Capability.IMMEDIATE_EXIT);

    private final FileDescriptor fd;
    private final int vcpuMmapSize;
    private final CpuidEntries supportedCpuid;
    private final ReentrantLock kindLock = new ReentrantLock();
    private @Nullable KvmKind kind;

    private Kvm(FileDescriptor fd) {
        this.fd = fd;
        int version = request("KVM_GET_API_VERSION", KvmRequest.KVM_GET_API_VERSION, 0);
        if (version != KvmConstant.KVM_API_VERSION) {
            throw new KvmUnavailableException(new KvmProbe.WrongVersion(version));
        }
        for (Capability capability : REQUIRED) {
            if (check(capability) == 0) {
                throw new KvmUnavailableException(new KvmProbe.LacksCapability(capability));
            }
        }
        this.vcpuMmapSize = request("KVM_GET_VCPU_MMAP_SIZE", KvmRequest.KVM_GET_VCPU_MMAP_SIZE, 0);
        CpuidEntries entries = new CpuidEntries(Arena.ofAuto());
        KvmException.check("KVM_GET_SUPPORTED_CPUID", fd.ioctl(KvmRequest.KVM_GET_SUPPORTED_CPUID, entries.segment()));
        this.supportedCpuid = entries;
    }

    /// Opens `/dev/kvm`.
    ///
    /// @throws KvmUnavailableException if machines cannot run here, with the reason and a remedy
    public static Kvm open() {
        return open(DEVICE);
    }

    /// @param device opened in place of `/dev/kvm`
    static Kvm open(String device) {
        FileDescriptor fd = openDevice(device);
        try {
            return new Kvm(fd);
        } catch (KvmException e) {
            fd.close();
            throw new KvmUnavailableException(new KvmProbe.Broken(device + ", " + e.getMessage()));
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    private static FileDescriptor openDevice(String device) {
        String system = System.getProperty("os.name");
        String architecture = System.getProperty("os.arch");
        if (!system.equals("Linux") || !architecture.equals("amd64")) {
            throw new KvmUnavailableException(new KvmProbe.WrongArchitecture(system + " on " + architecture));
        }
        try {
            return new FileDescriptor("open", device, Syscalls.open(device, Syscalls.O_RDWR));
        } catch (IllegalCallerException e) {
            throw new KvmUnavailableException(new KvmProbe.NativeAccessDenied(String.valueOf(e.getMessage())));
        } catch (KvmException e) {
            throw new KvmUnavailableException(whyNotOpen(device, e));
        }
    }

    static KvmProbe.Unavailable whyNotOpen(String device, KvmException e) {
        Errno errno = e.errno();
        if (errno.equals(Errno.ENOENT) || errno.equals(Errno.ENXIO) || errno.equals(Errno.ENODEV)) {
            return new KvmProbe.Missing(device);
        }
        if (errno.equals(Errno.EACCES) || errno.equals(Errno.EPERM)) {
            return new KvmProbe.NoPermission(device);
        }
        return new KvmProbe.Broken(String.valueOf(e.getMessage()));
    }

    private int request(String call, long request, long argument) {
        return (int) KvmException.check(call, fd.ioctl(request, argument));
    }

    /// Asks for a capability.
    ///
    /// @return 0 when it is not there; 1 or, for some, a number that says more
    public int check(Capability capability) {
        return (int) KvmException.check(
                "KVM_CHECK_EXTENSION", capability, fd.ioctl(KvmRequest.KVM_CHECK_EXTENSION, capability.number()));
    }

    /// How this KVM runs guest kernels, found out by running one at the first call.
    ///
    /// @throws IllegalStateException if the guest did not run as any KVM we know of runs it
    public KvmKind kind() {
        kindLock.lock();
        try {
            KvmKind known = kind;
            if (known == null) {
                known = PrivilegeProbe.kind(this);
                kind = known;
            }
            return known;
        } finally {
            kindLock.unlock();
        }
    }

    /// What `cpuid` may answer in a guest (`KVM_GET_SUPPORTED_CPUID`), asked once. Copy it to change it.
    public CpuidEntries supportedCpuid() {
        return supportedCpuid;
    }

    /// The model-specific registers that a snapshot of a vCPU has to hold (`KVM_GET_MSR_INDEX_LIST`).
    public int[] msrIndices() {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment size = scratch.allocate(ValueLayout.JAVA_INT);
            // With no room it fails with E2BIG and says how many there are (Documentation/virt/kvm/api.rst, 4.3).
            long result = fd.ioctl(KvmRequest.KVM_GET_MSR_INDEX_LIST, size);
            if (result != -Errno.E2BIG.value()) {
                KvmException.check("KVM_GET_MSR_INDEX_LIST", result);
            }
            int count = size.get(ValueLayout.JAVA_INT, 0);
            MemorySegment list = scratch.allocate(ValueLayout.JAVA_INT, count + 1L);
            list.set(ValueLayout.JAVA_INT, 0, count);
            KvmException.check("KVM_GET_MSR_INDEX_LIST", fd.ioctl(KvmRequest.KVM_GET_MSR_INDEX_LIST, list));
            return list.asSlice(4, count * 4L).toArray(ValueLayout.JAVA_INT);
        }
    }

    int vcpuMmapSize() {
        return vcpuMmapSize;
    }

    /// Creates a VM (`KVM_CREATE_VM`), which takes some 150 µs.
    Vm createVm() {
        int result;
        do {
            // A signal may interrupt it, without a trace left.
            result = fd.ioctl(KvmRequest.KVM_CREATE_VM, 0);
        } while (result == -Errno.EINTR.value());
        return new Vm(this, new FileDescriptor("KVM_CREATE_VM", result));
    }

    /// Closes the device; idempotent.
    @Override
    public void close() {
        fd.close();
    }
}
