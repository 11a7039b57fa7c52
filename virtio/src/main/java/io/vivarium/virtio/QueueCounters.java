// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// [QueueStatistics] in the making; outlives the [VirtQueue]s that a driver sets up one after the other.
/// Guarded by the device's lock.
final class QueueCounters {
    long requests;
    long bytesFromGuest;
    long bytesToGuest;
    long notificationsReceived;
    long notificationsSent;
    long notificationsSuppressed;
    long errors;

    QueueStatistics statistics() {
        return new QueueStatistics(
                requests,
                bytesFromGuest,
                bytesToGuest,
                notificationsReceived,
                notificationsSent,
                notificationsSuppressed,
                errors);
    }
}
