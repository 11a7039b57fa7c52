// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

final class ConsoleLogTest {
    private final VirtioConsole console = VirtioConsole.builder().build();

    @Test
    void keepsTheLastBytes() {
        try (ConsoleDriver driver = new ConsoleDriver(console)) {
            ConsoleLog log = new ConsoleLog(8);
            console.port(0).connect(log);
            driver.start(1, 8, 0);
            assertThat(log.text()).isEmpty();
            driver.transmit(0, "abc");
            assertThat(log.text()).isEqualTo("abc");
            driver.transmit(0, "defgh");
            assertThat(log.text()).isEqualTo("abcdefgh");
            driver.transmit(0, "ij");
            assertThat(log.text()).isEqualTo("cdefghij");
            driver.transmit(0, "0123456789ABCDEFGHIJ");
            assertThat(log.text()).isEqualTo("CDEFGHIJ");
            assertThat(log.bytes()).isEqualTo("CDEFGHIJ".getBytes(StandardCharsets.UTF_8));
            assertThat(log.total()).isEqualTo(30);
        }
    }

    @Test
    void passesOverWhatItCannotKeep() {
        try (ConsoleDriver driver = new ConsoleDriver(console)) {
            ConsoleLog log = new ConsoleLog(4);
            console.port(0).connect(log);
            driver.start(1, 8, 0);
            driver.driver.queue(1).add(DriverQueue.Buffer.readable(0, GuestRam.RAM_SIZE));
            driver.driver.kick(1);
            assertThat(log.total()).isEqualTo(GuestRam.RAM_SIZE);
            assertThat(log.bytes()).containsExactly(0, 0, 0, 0);
        }
    }

    @Test
    void keepsAtLeastAByte() {
        assertThatIllegalArgumentException().isThrownBy(() -> new ConsoleLog(0));
    }
}
