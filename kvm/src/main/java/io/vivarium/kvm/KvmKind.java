// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

/// How a KVM runs guest kernels.
public enum KvmKind {
    /// On the CPU's own virtualization: a guest kernel runs at CPL 0 at full speed.
    NATIVE,

    /// Without it: a guest's CPL 3 runs on the CPU, its CPL 0 is interpreted, and `syscall` stays at CPL 3.
    DEPRIVILEGING
}
