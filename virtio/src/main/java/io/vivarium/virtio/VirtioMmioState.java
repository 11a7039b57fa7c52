// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A device and its transport, as [VirtioMmioTransport#save] found them and [VirtioMmioTransport#restore] makes
/// them again.
///
/// @param status `Status`
/// @param driverFeatures the features that the driver has accepted so far
/// @param deviceFeaturesSel `DeviceFeaturesSel`
/// @param driverFeaturesSel `DriverFeaturesSel`
/// @param queueSel `QueueSel`
/// @param interruptStatus `InterruptStatus`
/// @param continueQueues a bit for each queue that the device looks at when the driver next acknowledges
/// @param queues the queues of the device, by their index
/// @param fault why the device needs a reset; null while it does not
/// @param device what the device itself remembers
public record VirtioMmioState(
        int status,
        long driverFeatures,
        int deviceFeaturesSel,
        int driverFeaturesSel,
        int queueSel,
        int interruptStatus,
        long continueQueues,
        List<QueueState> queues,
        @Nullable FaultState fault,
        DeviceState device) {
    /// Copies the list.
    public VirtioMmioState {
        queues = List.copyOf(queues);
    }

    /// Why a device failed.
    ///
    /// @param kind what was wrong
    /// @param detail where, and with which values
    public record FaultState(VirtioFault.Kind kind, String detail) {}
}
