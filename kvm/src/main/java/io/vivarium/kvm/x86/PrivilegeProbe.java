// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmKind;
import java.lang.foreign.Arena;

/// Finds out how a KVM runs guest kernels: a guest at CPL 3 executes `syscall`, and where it arrives tells.
/// `/proc/cpuinfo` does not.
public final class PrivilegeProbe {
    /// `syscall`
    private static final byte[] SYSCALL = {0x0f, 0x05};

    private PrivilegeProbe() {}

    /// Runs the guest, in a machine of its own.
    ///
    /// @throws IllegalStateException if it did something else than arrive
    public static KvmKind kind(Kvm kvm) {
        try (UserCode code = new UserCode(kvm, SYSCALL);
                Arena scratch = Arena.ofConfined()) {
            KvmSregs sregs = new KvmSregs(scratch);
            code.run().read(sregs);
            return (sregs.cs().selector() & 3) == 0 ? KvmKind.NATIVE : KvmKind.DEPRIVILEGING;
        }
    }
}
