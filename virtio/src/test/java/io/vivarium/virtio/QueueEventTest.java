// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static io.vivarium.virtio.DriverHarness.VERSION_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.random.RandomGenerator;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(300)
final class QueueEventTest {
    private static final int ENTROPY = 4;

    private static void ask(DriverHarness driver, DriverQueue.Buffer buffer) {
        driver.queue(0).add(buffer);
        driver.kick(0);
    }

    private static DriverHarness start() {
        DriverHarness driver =
                new DriverHarness(new VirtioRng(RandomGenerator.getDefault(), RateLimit.none(), new ManualTimer()));
        driver.negotiate(VERSION_1);
        driver.setUp(0, 8);
        driver.driverOk();
        return driver;
    }

    /// Waits for an event of one device.
    private static RecordedEvent await(BlockingQueue<RecordedEvent> events, long device) throws InterruptedException {
        RecordedEvent event = events.take();
        while (event.getLong("device") != device) {
            event = events.take();
        }
        return event;
    }

    @Test
    void countersAndFaultsAreRecorded() throws InterruptedException {
        BlockingQueue<RecordedEvent> sampled = new LinkedBlockingQueue<>();
        BlockingQueue<RecordedEvent> faults = new LinkedBlockingQueue<>();
        try (RecordingStream recording = new RecordingStream()) {
            recording.enable("io.vivarium.VirtioQueue").with("period", "100 ms");
            recording.enable("io.vivarium.VirtioFault");
            recording.setReuse(false);
            recording.onEvent("io.vivarium.VirtioQueue", sampled::add);
            recording.onEvent("io.vivarium.VirtioFault", faults::add);
            recording.startAsync();
            try (DriverHarness driver = start()) {
                long number = driver.transport.number();
                ask(driver, DriverQueue.Buffer.writable(0x1000, 100));
                ask(driver, DriverQueue.Buffer.writable(0x1000, 50));
                RecordedEvent event = await(sampled, number);
                while (event.getLong("requests") < 2) {
                    event = await(sampled, number);
                }
                assertThat(event.getInt("deviceType")).isEqualTo(ENTROPY);
                assertThat(event.getInt("queue")).isZero();
                assertThat(event.getLong("bytesToGuest")).isEqualTo(150);
                assertThat(event.getLong("bytesFromGuest")).isZero();
                assertThat(event.getLong("notificationsReceived")).isEqualTo(2);
                assertThat(event.getLong("notificationsSent")).isEqualTo(2);
                assertThat(event.getLong("errors")).isZero();

                ask(driver, DriverQueue.Buffer.readable(0x1000, 100));
                RecordedEvent fault = await(faults, number);
                assertThat(fault.getString("fault")).isEqualTo("BUFFER_DIRECTION");
                assertThat(fault.getString("detail")).startsWith("rng: device-readable bytes");
                event = await(sampled, number);
                assertThat(event.getLong("errors")).isEqualTo(1);
            }
        }
    }
}
