// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.testing;

import io.vivarium.kvm.KvmKind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// What Linux says about the KVM it has loaded: another source than a guest for what the probe finds.
/// It is no way to probe: modules have other names elsewhere, and containers hide them.
public final class KvmModule {
    private KvmModule() {}

    /// The kind that follows from a processor with virtualization extensions (`flags` in
    /// proc_cpuinfo(5)) and the module that drives them.
    public static KvmKind kind() throws IOException {
        boolean driven = Files.exists(Path.of("/sys/module/kvm_amd")) || Files.exists(Path.of("/sys/module/kvm_intel"));
        boolean extended = Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
                .filter(line -> line.startsWith("flags"))
                .map(line -> List.of(line.split("\\s+", -1)))
                .anyMatch(flags -> flags.contains("svm") || flags.contains("vmx"));
        return driven && extended ? KvmKind.NATIVE : KvmKind.DEPRIVILEGING;
    }
}
