// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import org.jspecify.annotations.Nullable;

/// A virtio device, apart from how it is reached: that is its transport's business, one transport for each
/// device.
///
/// Its transport calls all of it with the device's lock held, on vCPU threads. Each of `activate`,
/// `notified`, `stopped` and `reset` returns soon: the guest's vCPU waits. They may throw [VirtioFault].
public interface VirtioDevice {
    /// Which type of device it is (virtio 1.2 §5).
    int deviceId();

    /// The features of its type that it offers: bits 0 to 23 and 50 to 63. The transport adds those of
    /// queues.
    long features();

    /// How many queues it has: at most 64.
    int queueCount();

    /// The most entries that a queue may have: a power of two, at most [VirtQueue#MAX_SIZE].
    ///
    /// @param queue below [#queueCount]
    int maxQueueSize(int queue);

    /// Bytes of configuration space: at most 256.
    int configLength();

    /// Reads from the configuration space, before the driver is up as well as after (§2.5.2).
    ///
    /// @param offset `offset + size` is at most [#configLength]
    /// @param size 1, 2, 4 or 8 bytes
    /// @return little-endian value, zero-extended
    long readConfig(int offset, int size);

    /// Writes to the configuration space.
    ///
    /// @param offset `offset + size` is at most [#configLength]
    /// @param size 1, 2, 4 or 8 bytes
    /// @param value little-endian value
    /// @return whether there is something to write at that place
    default boolean writeConfig(int offset, int size, long value) {
        return false;
    }

    /// A number that changes with the configuration space, so that the driver can tell whether what it read
    /// belongs together (§2.5).
    default int configGeneration() {
        return 0;
    }

    /// The lock that guards the device and all of its queues.
    DeviceLock lock();

    /// The driver is up (`DRIVER_OK`): the device may use its queues. [#notified] follows for each queue that
    /// is ready.
    ///
    /// @param transport valid until [#reset]
    void activate(VirtioTransport transport);

    /// The driver says that there are new requests in a queue; there may be none.
    void notified(VirtQueue queue);

    /// The driver has taken a queue back: what was popped from it is forgotten.
    ///
    /// @param queue its index
    void stopped(int queue);

    /// The device has failed ([VirtioTransport#fail]): there is no queue to use until it is reset.
    ///
    /// @param fault why
    void failed(VirtioFault fault);

    /// What it remembers. It goes on working.
    DeviceState save();

    /// Remembers what another device of its type did. Called once, before the driver can reach it.
    ///
    /// @param state of a device that was built in the same way
    /// @param transport as for [#activate]; null if the driver was not up
    /// @throws IllegalArgumentException if the state is not of such a device
    /// @throws VirtioFault if a request that was being worked on is not as it must be any more
    void restore(DeviceState state, @Nullable VirtioTransport transport);

    /// The driver has reset the device: all is as at the beginning, no queue and no request is left.
    void reset();
}
