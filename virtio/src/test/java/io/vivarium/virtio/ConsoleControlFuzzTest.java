// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.util.Arrays;

/// Any messages on the control queue of a console.
final class ConsoleControlFuzzTest {
    private static final int MAX_MESSAGES = 1000;

    /// Messages, each with a byte before it that says how long it is.
    @FuzzTest
    void messages(byte[] input) {
        VirtioConsole console =
                VirtioConsole.builder().port("one").port("two").size(80, 25).build();
        console.port(1).connect(new ConsoleLog(16));
        try (ConsoleDriver driver = new ConsoleDriver(console)) {
            driver.start(3, 8, ConsoleDriver.F_SIZE);
            int messages = 0;
            for (int at = 0; at < input.length && messages < MAX_MESSAGES; messages++) {
                int length = Byte.toUnsignedInt(input[at++]);
                byte[] message = Arrays.copyOfRange(input, at, Math.min(input.length, at + length));
                at += message.length;
                if (message.length == 0) {
                    console.resize(1 + messages, 1);
                } else {
                    driver.driver
                            .queue(ConsoleDriver.CONTROL_TX)
                            .add(DriverQueue.Buffer.readable(driver.driver.put(message), message.length));
                    driver.driver.kick(ConsoleDriver.CONTROL_TX);
                }
                if (driver.driver.transport.fault() != null) {
                    assertThat(console.ports()).noneMatch(ConsolePort::isGuestOpen);
                    return;
                }
                assertThat(driver.driver.queue(ConsoleDriver.CONTROL_TX).poll() != null)
                        .isEqualTo(message.length != 0);
                for (ConsoleDriver.Control control : driver.received()) {
                    assertThat(control.port()).isBetween(0, 2);
                }
            }
        }
    }
}
