// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import io.vivarium.kvm.GuestMemory;
import org.jspecify.annotations.Nullable;

/// What a device sees of its transport, and through it of its driver, from [VirtioDevice#activate] until
/// [VirtioDevice#reset]. The device's lock is held for every call.
public interface VirtioTransport {
    /// The features that the driver accepted.
    long negotiatedFeatures();

    /// The guest's memory, for a device that is about memory rather than about bytes in it.
    GuestMemory memory();

    /// A queue to work on.
    ///
    /// @param index below [VirtioDevice#queueCount]
    /// @return null while the driver has not made it ready, and when the device has failed
    @Nullable
    VirtQueue queue(int index);

    /// Sends a used buffer notification, if the driver wants one for what was pushed.
    void notifyUsed(VirtQueue queue);

    /// Tells the driver that the configuration space changed.
    void notifyConfigChange();

    /// Leaves the rest of a queue for later, so that one notification costs a bounded time: the driver is
    /// interrupted, and when it acknowledges, [VirtioDevice#notified] is called for that queue again.
    void continueLater(VirtQueue queue);

    /// The driver broke the contract: the device stops until it is reset, and the driver is told.
    void fail(VirtioFault fault);
}
