// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

/// Why [Machine#run] returned.
///
/// [Stopped], [Shutdown] and [Failed] end the machine: every later run, of any vCPU, returns the same.
public sealed interface VcpuStop {
    /// The guest waits for an interrupt (`hlt`), and none is pending; or a device [asked][Machine#halt] for it. The
    /// next run continues after the halt.
    ///
    /// @param interruptible false if the guest waits with interrupts switched off, which is how kernels stop for
    /// good
    record Halted(boolean interruptible) implements VcpuStop {}

    /// Somebody [kicked][Machine#kick] it. The next run continues.
    record Kicked() implements VcpuStop {}

    /// Somebody [stopped][Machine#stop] or closed the machine.
    record Stopped() implements VcpuStop {}

    /// The guest has shut down, or crashed so hard that the CPU did.
    record Shutdown(Cause cause) implements VcpuStop {
        /// What brought it about.
        public enum Cause {
            /// An exception that the guest could not take, while it could not take another (`KVM_EXIT_SHUTDOWN`).
            TRIPLE_FAULT,
            /// The guest switched the machine off.
            POWER_OFF,
            /// The guest asked for a reset.
            RESET,
            /// The guest says that it has crashed.
            CRASH
        }
    }

    /// The guest or a device did what the machine has no answer to.
    record Failed(MachineReport report) implements VcpuStop {}
}
