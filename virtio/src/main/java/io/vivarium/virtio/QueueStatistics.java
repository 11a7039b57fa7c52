// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// What went through a queue since its transport was made; a reset by the driver sets nothing back.
///
/// @param requests taken from the queue
/// @param bytesFromGuest device-readable bytes that were read or skipped, of the requests that were given back
/// @param bytesToGuest bytes that were written, of the requests that were given back
/// @param notificationsReceived available buffer notifications of the driver that reached the device
/// @param notificationsSent used buffer notifications, each a wish to interrupt the driver
/// @param notificationsSuppressed used buffer notifications that the driver did not want
/// @param errors requests that failed, and faults of the driver that were found on its notification
public record QueueStatistics(
        long requests,
        long bytesFromGuest,
        long bytesToGuest,
        long notificationsReceived,
        long notificationsSent,
        long notificationsSuppressed,
        long errors) {}
