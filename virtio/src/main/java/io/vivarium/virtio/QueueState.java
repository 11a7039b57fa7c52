// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import org.jspecify.annotations.Nullable;

/// What of a queue is not in the guest's memory.
///
/// @param size `QueueNum`, as the driver wrote it
/// @param descriptorArea `QueueDesc`
/// @param driverArea `QueueDriver`
/// @param deviceArea `QueueDevice`
/// @param progress how far the device is; null while the queue is not ready
public record QueueState(
        int size,
        long descriptorArea,
        long driverArea,
        long deviceArea,
        @Nullable Progress progress) {
    /// How far the device is, in 16-bit counters that wrap.
    ///
    /// @param nextAvailable of the available ring, the entry that it takes next
    /// @param nextUsed of the used ring, the entry that it writes next
    /// @param usedNotified `nextUsed` when the driver's wish to be notified was last looked at
    public record Progress(int nextAvailable, int nextUsed, int usedNotified) {
        /// Checks the range of the counters, and that no more was given back than was taken.
        public Progress {
            if ((nextAvailable | nextUsed | usedNotified) >>> 16 != 0) {
                throw new IllegalArgumentException(
                        "queue counters of 16 bits: %d, %d, %d".formatted(nextAvailable, nextUsed, usedNotified));
            }
        }

        /// Requests that were taken and not given back.
        int inFlight() {
            return (nextAvailable - nextUsed) & 0xffff;
        }
    }

    static QueueState of(QueueRegisters registers, @Nullable VirtQueue queue) {
        return new QueueState(
                registers.size,
                registers.descriptorArea,
                registers.driverArea,
                registers.deviceArea,
                queue == null ? null : queue.progress());
    }

    void into(QueueRegisters registers) {
        registers.size = size;
        registers.descriptorArea = descriptorArea;
        registers.driverArea = driverArea;
        registers.deviceArea = deviceArea;
    }
}
