// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

/// A device behind a range of x86 I/O ports.
///
/// Called on the thread that runs the vCPU, one access at a time per vCPU: a device that several vCPUs reach locks for
/// itself. Both methods may throw [DeviceFault] or [GuestAddressException], which end the machine with a report.
public interface PortDevice {
    /// The guest executes `in`.
    ///
    /// @param offset ports from the first port of the range; `offset + size` is within the range
    /// @param size 1, 2 or 4 bytes
    /// @return the value; bits above `size` bytes are ignored
    int read(int offset, int size);

    /// The guest executes `out`.
    ///
    /// @param offset ports from the first port of the range; `offset + size` is within the range
    /// @param size 1, 2 or 4 bytes
    /// @param value the value, zero-extended
    void write(int offset, int size, int value);
}
