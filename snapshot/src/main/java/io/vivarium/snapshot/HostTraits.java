// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmKind;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.x86.GuestCpu;
import io.vivarium.snapshot.InvalidSnapshotFileException.Reason;
import java.util.List;

/// What a guest can have noticed of the host that it ran on, and counts on.
///
/// @param kind how guests run: a kernel that booted where `syscall` stays at CPL 3 cannot go on where it does not
/// @param tscKhz frequency of the time-stamp counter, from which a guest takes its time
/// @param cpu what programs have found
record HostTraits(KvmKind kind, int tscKhz, GuestCpu cpu) {
    private static final int VERSION = 1;

    /// By how much the frequency may differ: as far as KVM lets it (`tsc_tolerance_ppm`, arch/x86/kvm/x86.c). Hosts
    /// measure it anew each time that they boot.
    private static final long TOLERANCE_PPM = 250;

    /// Those of this host.
    static HostTraits of(Kvm kvm) {
        try (Machine machine =
                Machine.builder(kvm).region(RegionSpec.anonymous(0, 4096)).build()) {
            return new HostTraits(kvm.kind(), machine.vcpu(0).tscKhz(), GuestCpu.of(kvm));
        }
    }

    void write(StateWriter to) {
        to.section("host", VERSION, section -> section.text(kind.name())
                .u32(tscKhz)
                .bytes(cpu.toBytes()));
    }

    static HostTraits read(StateReader from) {
        return from.section(
                "host",
                VERSION,
                section -> new HostTraits(
                        section.constant(KvmKind.class), section.u32(), GuestCpu.ofBytes(section.bytes())));
    }

    /// Checks that a guest from a host with these can go on on another.
    ///
    /// @throws InvalidSnapshotFileException if it cannot
    void requireFits(HostTraits here) {
        if (kind != here.kind) {
            throw new InvalidSnapshotFileException(
                    Reason.KVM_KIND,
                    "the guest booted on a KVM that is %s, this host's is %s".formatted(kind, here.kind));
        }
        List<String> missing = cpu.missingOn(here.cpu);
        if (!missing.isEmpty()) {
            throw new InvalidSnapshotFileException(
                    Reason.CPU,
                    "programs of the guest may count on what this CPU lacks: " + String.join(", ", missing));
        }
        if (Math.abs((long) tscKhz - here.tscKhz) * 1_000_000 > TOLERANCE_PPM * tscKhz) {
            throw new InvalidSnapshotFileException(
                    Reason.CLOCK,
                    "the guest counts time in %d kHz, this host's time-stamp counter has %d kHz"
                            .formatted(tscKhz, here.tscKhz));
        }
        if (kind == KvmKind.DEPRIVILEGING
                && Long.compareUnsigned(here.cpu.timeStampCounter(), cpu.timeStampCounter()) < 0) {
            throw new InvalidSnapshotFileException(
                    Reason.CLOCK,
                    "the guest reads the host's own time-stamp counter, which has gone back since it was saved: the host was started anew, or is another one");
        }
    }
}
