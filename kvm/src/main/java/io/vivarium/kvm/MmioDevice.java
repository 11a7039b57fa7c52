// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

/// A device behind a window of guest-physical addresses.
///
/// Called on the thread that runs the vCPU, one access at a time per vCPU: a device that several vCPUs reach locks for
/// itself. Both methods may throw [DeviceFault] or [GuestAddressException], which end the machine with a report.
public interface MmioDevice {
    /// The guest reads.
    ///
    /// @param offset bytes from the start of the window; `offset + size` is within the window
    /// @param size 1, 2, 4 or 8 bytes
    /// @return the value, zero-extended; bits above `size` bytes are ignored
    long read(long offset, int size);

    /// The guest writes.
    ///
    /// @param offset bytes from the start of the window; `offset + size` is within the window
    /// @param size 1, 2, 4 or 8 bytes
    /// @param value the value, zero-extended
    void write(long offset, int size, long value);
}
