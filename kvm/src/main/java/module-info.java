// SPDX-License-Identifier: Apache-2.0
import org.jspecify.annotations.NullMarked;

/// Linux and KVM from Java: system calls, guest memory, VM, vCPU, and the machine they make.
///
/// Needs native access: `--enable-native-access=io.vivarium.kvm`.
@NullMarked
module io.vivarium.kvm {
    requires static transitive org.jspecify;

    exports io.vivarium.kvm;
    exports io.vivarium.kvm.x86;
}
