// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.Period;
import jdk.jfr.StackTrace;

/// What has gone through a queue so far.
@Name("io.vivarium.VirtioQueue")
@Label("Virtio Queue")
@Category("Vivarium")
@Description(
        "What has gone through a virtio queue since its device was made; only of queues with traffic since the last")
@StackTrace(false)
@Period("1 s")
@SuppressWarnings("UnusedVariable") // The flight recorder reads the fields.
final class QueueEvent extends Event {
    @Label("Device")
    @Description("Number of the device in this process")
    private final long device;

    @Label("Device Type")
    @Description("Device type of virtio 1.2, section 5")
    private final int deviceType;

    @Label("Queue")
    private final int queue;

    @Label("Requests")
    private final long requests;

    @Label("Bytes from Guest")
    @DataAmount
    private final long bytesFromGuest;

    @Label("Bytes to Guest")
    @DataAmount
    private final long bytesToGuest;

    @Label("Notifications Received")
    private final long notificationsReceived;

    @Label("Notifications Sent")
    private final long notificationsSent;

    @Label("Notifications Suppressed")
    private final long notificationsSuppressed;

    @Label("Errors")
    private final long errors;

    QueueEvent(long device, int deviceType, int queue, QueueStatistics statistics) {
        this.device = device;
        this.deviceType = deviceType;
        this.queue = queue;
        requests = statistics.requests();
        bytesFromGuest = statistics.bytesFromGuest();
        bytesToGuest = statistics.bytesToGuest();
        notificationsReceived = statistics.notificationsReceived();
        notificationsSent = statistics.notificationsSent();
        notificationsSuppressed = statistics.notificationsSuppressed();
        errors = statistics.errors();
    }
}
