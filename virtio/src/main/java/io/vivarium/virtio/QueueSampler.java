// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.WeakHashMap;
import jdk.jfr.FlightRecorder;

/// Writes the counters of all queues into flight recordings, as [QueueEvent]s.
///
/// To set the flight recorder up takes a JVM half a second, which no launch is to wait for: so this waits
/// until somebody else has. A recording that starts later than all devices were made sees them once another
/// is made.
final class QueueSampler {
    /// Each transport, for as long as somebody has it, with what was last written of its queues.
    private static final Map<VirtioMmioTransport, QueueStatistics[]> TRANSPORTS = new WeakHashMap<>();

    private static final Object LOCK = new Object();
    private static boolean installed;

    private QueueSampler() {}

    /// Has a transport's queues sampled.
    static void watch(VirtioMmioTransport transport, int queues) {
        synchronized (LOCK) {
            TRANSPORTS.put(transport, new QueueStatistics[queues]);
            if (!installed && FlightRecorder.isInitialized()) {
                installed = true;
                FlightRecorder.addPeriodicEvent(QueueEvent.class, QueueSampler::sample);
            }
        }
    }

    private static void sample() {
        List<Map.Entry<VirtioMmioTransport, QueueStatistics[]>> transports;
        synchronized (LOCK) {
            transports = new ArrayList<>(TRANSPORTS.size());
            TRANSPORTS.forEach((transport, written) -> transports.add(Map.entry(transport, written)));
        }
        for (Map.Entry<VirtioMmioTransport, QueueStatistics[]> entry : transports) {
            sample(entry.getKey(), entry.getValue());
        }
    }

    /// @param written of each queue, what was last written; used by the flight recorder's thread alone
    private static void sample(VirtioMmioTransport transport, QueueStatistics[] written) {
        for (int queue = 0; queue < written.length; queue++) {
            QueueStatistics now = transport.statistics(queue);
            if (now.requests() + now.notificationsReceived() + now.errors() > 0 && !now.equals(written[queue])) {
                written[queue] = now;
                new QueueEvent(transport.number(), transport.deviceType(), queue, now).commit();
            }
        }
    }
}
