// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.internal.HostProbe;

/// The machine that this JVM runs on, as a place for sandboxes.
public final class Host {
    private Host() {}

    /// Whether this host runs sandboxes, found by trying: it opens `/dev/kvm` and enters a guest of a few instructions.
    /// Takes a few milliseconds; throws nothing.
    public static Probe probe() {
        return HostProbe.run();
    }

    /// What the probe found.
    public sealed interface Probe {}

    /// Sandboxes can run.
    ///
    /// @param apiVersion of KVM, always 12
    /// @param kind how it runs guests
    /// @param architecture such as `x86-64`
    /// @param kernel the host's Linux release, such as `6.1.0`
    public record Ready(int apiVersion, Kind kind, String architecture, String kernel) implements Probe {}

    /// Sandboxes cannot run.
    ///
    /// @param reason what is missing, in a sentence without a full stop
    /// @param remedy what to do about it
    public record Unavailable(String reason, String remedy) implements Probe {}

    /// How KVM runs guests.
    public enum Kind {
        /// On the processor's virtualization extensions, guest kernels included.
        NATIVE,
        /// Without them: programs run on the processor, the privileged instructions of guest kernels are interpreted.
        /// Substrate runs well there, a Linux guest does not.
        DEPRIVILEGING
    }
}
