// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static io.vivarium.virtio.DriverHarness.EVENT_IDX;
import static io.vivarium.virtio.DriverHarness.INDIRECT;
import static io.vivarium.virtio.DriverHarness.INTERRUPT_STATUS;
import static io.vivarium.virtio.DriverHarness.NEEDS_RESET;
import static io.vivarium.virtio.DriverHarness.QUEUE_READY;
import static io.vivarium.virtio.DriverHarness.QUEUE_SEL;
import static io.vivarium.virtio.DriverHarness.STATUS;
import static io.vivarium.virtio.DriverHarness.VERSION_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.Objects;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class VirtioRngTest {
    private static final long SECOND = 1_000_000_000;

    private final ManualTimer timer = new ManualTimer();

    /// Counts up, so that a test sees each byte in its place.
    private static final class Counting implements RandomGenerator {
        private byte next;

        @Override
        public long nextLong() {
            throw new UnsupportedOperationException();
        }

        @Override
        public void nextBytes(byte[] bytes) {
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = next++;
            }
        }
    }

    private VirtioRng rng(RateLimit limit) {
        return new VirtioRng(new Counting(), limit, timer);
    }

    private static DriverHarness start(VirtioRng rng, long features) {
        DriverHarness driver = new DriverHarness(rng);
        driver.negotiate(VERSION_1 | features);
        driver.setUp(0, 8);
        driver.driverOk();
        return driver;
    }

    /// Asks for bytes, and is notified; they may come later.
    private static long ask(DriverHarness driver, int length) {
        long address = driver.ram.allocate(length);
        driver.queue(0).add(DriverQueue.Buffer.writable(address, length));
        driver.kickIfWanted(0);
        return address;
    }

    private static byte[] counting(int from, int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) (from + i);
        }
        return bytes;
    }

    @ParameterizedTest
    @ValueSource(longs = {0, EVENT_IDX, INDIRECT, EVENT_IDX | INDIRECT})
    void fillsBuffersWithRandomBytes(long features) {
        try (DriverHarness driver = start(rng(RateLimit.none()), features)) {
            assertThat(driver.read(DriverHarness.DEVICE_ID)).isEqualTo(4);
            for (int length : new int[] {1, 255, 256, 257, 4000}) {
                long address = ask(driver, length);
                assertThat(driver.queue(0).poll()).isEqualTo(new DriverQueue.Used(lastHead(driver), length));
                assertThat(driver.bytes(address, length)).isEqualTo(counting(0, length));
                assertThat(driver.read(INTERRUPT_STATUS)).isEqualTo(1);
                driver.acknowledge();
                driver.queue(0).enableInterrupts(driver.eventIdx());
            }
        }
    }

    private static int lastHead(DriverHarness driver) {
        DriverQueue queue = driver.queue(0);
        return Short.toUnsignedInt((short) driver.le16(queue.driverArea + 4 + 2L * ((queue.availableIdx() - 1) & 7)));
    }

    @Test
    void oneRequestIsGivenSoMuchAndNoMore() {
        try (DriverHarness driver = start(rng(RateLimit.none()), 0)) {
            long address = ask(driver, VirtioRng.MAX_BYTES + 100);
            assertThat(Objects.requireNonNull(driver.queue(0).poll()).written()).isEqualTo(VirtioRng.MAX_BYTES);
            assertThat(driver.bytes(address + VirtioRng.MAX_BYTES, 100)).containsOnly(0);
        }
    }

    @Test
    void bytesGoIntoAllBuffersOfAChain() {
        try (DriverHarness driver = start(rng(RateLimit.none()), 0)) {
            long address = driver.ram.allocate(64);
            driver.queue(0)
                    .add(
                            DriverQueue.Buffer.writable(address, 1),
                            DriverQueue.Buffer.writable(address + 1, 30),
                            DriverQueue.Buffer.writable(address + 31, 33));
            driver.kick(0);
            assertThat(driver.bytes(address, 64)).isEqualTo(counting(0, 64));
        }
    }

    @Test
    void readableBufferIsAFault() {
        try (DriverHarness driver = start(rng(RateLimit.none()), 0)) {
            long address = driver.ram.allocate(64);
            driver.queue(0).add(DriverQueue.Buffer.readable(address, 8), DriverQueue.Buffer.writable(address + 8, 8));
            driver.kick(0);
            assertThat(Objects.requireNonNull(driver.transport.fault()).kind())
                    .isEqualTo(VirtioFault.Kind.BUFFER_DIRECTION);
            assertThat(driver.read(STATUS) & NEEDS_RESET).isNotZero();
            assertThat(driver.queue(0).poll()).isNull();
            driver.negotiate(VERSION_1);
            driver.setUp(0, 8);
            driver.driverOk();
            ask(driver, 5);
            assertThat(driver.queue(0).poll()).isNotNull();
        }
    }

    @Test
    void spuriousNotificationsDoNothing() {
        try (DriverHarness driver = start(rng(RateLimit.none()), 0)) {
            driver.kick(0);
            driver.kick(0);
            assertThat(driver.queue(0).usedIdx()).isZero();
            assertThat(driver.interrupts.availablePermits()).isZero();
        }
    }

    @Test
    void aRequestBeyondTheRateWaitsForTheTimer() {
        try (DriverHarness driver = start(rng(RateLimit.none().withBytes(100, 100)), EVENT_IDX)) {
            ask(driver, 150);
            assertThat(driver.queue(0).poll()).isNotNull();
            ask(driver, 10);
            driver.kick(0);
            assertThat(driver.queue(0).poll()).isNull();
            assertThat(timer.pending()).isEqualTo(1);
            timer.advance(51 * SECOND / 100);
            assertThat(driver.queue(0).poll()).isNotNull();
            assertThat(timer.pending()).isZero();
        }
    }

    @Test
    void aResetGivesNoFreshRate() {
        try (DriverHarness driver = start(rng(RateLimit.none().withOperations(1, 1)), 0)) {
            ask(driver, 1);
            ask(driver, 1);
            driver.kick(0);
            driver.negotiate(VERSION_1);
            driver.setUp(0, 8);
            driver.driverOk();
            ask(driver, 1);
            driver.kick(0);
            assertThat(driver.queue(0).poll()).isNull();
            timer.advance(SECOND);
            assertThat(driver.queue(0).poll()).isNotNull();
        }
    }

    @Test
    void theTimerMayFindNobody() {
        try (DriverHarness driver = start(rng(RateLimit.none().withOperations(1, 1)), 0)) {
            ask(driver, 1);
            ask(driver, 1);
            driver.write(QUEUE_SEL, 0);
            driver.write(QUEUE_READY, 0);
            timer.advance(SECOND);
            driver.write(STATUS, 0);
            timer.advance(SECOND);
            assertThat(driver.queue(0).usedIdx()).isEqualTo(1);
        }
    }

    @Test
    void aFaultThatTheTimerFindsIsTheGuests() {
        try (DriverHarness driver = start(rng(RateLimit.none().withOperations(1, 1)), 0)) {
            ask(driver, 1);
            driver.queue(0).add(DriverQueue.Buffer.readable(driver.ram.allocate(8), 8));
            driver.kick(0);
            timer.advance(SECOND);
            assertThat(Objects.requireNonNull(driver.transport.fault()).kind())
                    .isEqualTo(VirtioFault.Kind.BUFFER_DIRECTION);
        }
    }

    @Test
    void aRestoredDeviceServesWhatWaited() {
        try (DriverHarness driver = start(rng(RateLimit.none().withOperations(1, 1)), 0)) {
            ask(driver, 1);
            long address = ask(driver, 16);
            assertThat(driver.queue(0).usedIdx()).isEqualTo(1);
            VirtioMmioState state = driver.moveTo(rng(RateLimit.none().withOperations(1, 1)));
            assertThat(state.device()).isEqualTo(new RngState(true));
            assertThat(driver.queue(0).usedIdx()).isEqualTo(2);
            assertThat(driver.bytes(address, 16)).isEqualTo(counting(0, 16));
        }
    }

    @Test
    void theStateOfAnotherDeviceIsRefused() {
        ConsoleState console = VirtioConsole.builder().build().save();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> rng(RateLimit.none()).restore(console, null))
                .withMessageContaining("not the state of an entropy device");
    }
}
