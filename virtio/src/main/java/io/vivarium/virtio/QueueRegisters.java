// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// What a driver has written to the registers of one queue, unchecked (virtio 1.2 §4.2.2).
final class QueueRegisters {
    /// `QueueNum`, as an unsigned number
    int size;

    /// `QueueDesc`
    long descriptorArea;

    /// `QueueDriver`
    long driverArea;

    /// `QueueDevice`
    long deviceArea;

    void reset() {
        size = 0;
        descriptorArea = 0;
        driverArea = 0;
        deviceArea = 0;
    }
}
