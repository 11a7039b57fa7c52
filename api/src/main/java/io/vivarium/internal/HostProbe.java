// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.Host;
import io.vivarium.kvm.KvmKind;
import io.vivarium.kvm.KvmProbe;

/// Tells what the KVM probe found in the words of the API.
public final class HostProbe {
    /// `KVM_API_VERSION` of `linux/kvm.h`: the only one that the probe accepts, and the only one since Linux 2.6.22.
    private static final int KVM_API_VERSION = 12;

    private HostProbe() {}

    /// Probes.
    public static Host.Probe run() {
        return switch (KvmProbe.probe()) {
            case KvmProbe.Ready ready ->
                new Host.Ready(
                        KVM_API_VERSION,
                        kind(ready.kind()),
                        System.getProperty("os.arch"),
                        System.getProperty("os.version"));
            case KvmProbe.Unavailable unavailable -> unavailable(unavailable);
        };
    }

    static Host.Unavailable unavailable(KvmProbe.Unavailable found) {
        return new Host.Unavailable(found.reason(), found.remedy());
    }

    private static Host.Kind kind(KvmKind kind) {
        return switch (kind) {
            case NATIVE -> Host.Kind.NATIVE;
            case DEPRIVILEGING -> Host.Kind.DEPRIVILEGING;
        };
    }
}
