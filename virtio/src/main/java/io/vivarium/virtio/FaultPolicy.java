// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// What follows a [VirtioFault].
public enum FaultPolicy {
    /// The device stops, sets `DEVICE_NEEDS_RESET` and notifies the driver (virtio 1.2 §2.1.2), which may
    /// reset it and go on.
    NEEDS_RESET,
    /// As `NEEDS_RESET`, and the register access during which the fault was found, or the next one, ends the
    /// machine with [io.vivarium.kvm.DeviceFault].
    END_MACHINE
}
