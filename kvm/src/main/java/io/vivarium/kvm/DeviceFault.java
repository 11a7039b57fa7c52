// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

/// Thrown by a device when the guest broke the device's contract in a way that the device's specification gives no
/// answer to. It ends the machine with `VcpuStop.Failed`; the host application never sees it as an exception.
public final class DeviceFault extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /// @param message what the guest did, with the values it used
    public DeviceFault(String message) {
        super(message);
    }

    /// @param message what the guest did, with the values it used
    /// @param cause what told the device
    public DeviceFault(String message, Throwable cause) {
        super(message, cause);
    }
}
