// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static io.vivarium.virtio.DriverHarness.ACKNOWLEDGE;
import static io.vivarium.virtio.DriverHarness.CONFIG;
import static io.vivarium.virtio.DriverHarness.CONFIG_GENERATION;
import static io.vivarium.virtio.DriverHarness.DEVICE_FEATURES;
import static io.vivarium.virtio.DriverHarness.DEVICE_FEATURES_SEL;
import static io.vivarium.virtio.DriverHarness.DEVICE_ID;
import static io.vivarium.virtio.DriverHarness.DRIVER;
import static io.vivarium.virtio.DriverHarness.DRIVER_FEATURES;
import static io.vivarium.virtio.DriverHarness.DRIVER_FEATURES_SEL;
import static io.vivarium.virtio.DriverHarness.DRIVER_OK;
import static io.vivarium.virtio.DriverHarness.EVENT_IDX;
import static io.vivarium.virtio.DriverHarness.FAILED;
import static io.vivarium.virtio.DriverHarness.FEATURES_OK;
import static io.vivarium.virtio.DriverHarness.INDIRECT;
import static io.vivarium.virtio.DriverHarness.INTERRUPT_ACK;
import static io.vivarium.virtio.DriverHarness.INTERRUPT_STATUS;
import static io.vivarium.virtio.DriverHarness.MAGIC_VALUE;
import static io.vivarium.virtio.DriverHarness.NEEDS_RESET;
import static io.vivarium.virtio.DriverHarness.QUEUE_DESC_LOW;
import static io.vivarium.virtio.DriverHarness.QUEUE_NUM;
import static io.vivarium.virtio.DriverHarness.QUEUE_NUM_MAX;
import static io.vivarium.virtio.DriverHarness.QUEUE_READY;
import static io.vivarium.virtio.DriverHarness.QUEUE_SEL;
import static io.vivarium.virtio.DriverHarness.STATUS;
import static io.vivarium.virtio.DriverHarness.VENDOR;
import static io.vivarium.virtio.DriverHarness.VERSION;
import static io.vivarium.virtio.DriverHarness.VERSION_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.vivarium.kvm.DeviceFault;
import io.vivarium.virtio.VirtioMmioTransport.Refusal;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class VirtioMmioTransportTest {
    private final FakeDevice device = new FakeDevice();
    private final DriverHarness driver = new DriverHarness(device);

    @AfterEach
    void close() {
        driver.close();
    }

    private VirtioTransport link() {
        return Objects.requireNonNull(device.transport);
    }

    private void failDevice(VirtioFault.Kind kind) {
        device.lock.acquire();
        try {
            link().fail(new VirtioFault(kind, "as the test says"));
        } finally {
            device.lock.release();
        }
    }

    private void start() {
        driver.negotiate(VERSION_1);
        driver.setUp(0, 8);
        driver.driverOk();
    }

    @Test
    void identification() {
        assertThat(driver.read(MAGIC_VALUE)).isEqualTo(0x74726976);
        assertThat(driver.read(VERSION)).isEqualTo(2);
        assertThat(driver.read(DEVICE_ID)).isEqualTo(42);
        assertThat(driver.read(VENDOR)).isEqualTo(VirtioMmioTransport.VENDOR_ID);
        assertThat(driver.transport.refusals()).isZero();
        assertThat(driver.transport.lastRefusal()).isNull();
    }

    @Test
    void featuresAreOfferedInTwoWords() {
        assertThat(driver.offeredFeatures())
                .isEqualTo(FakeDevice.FEATURE_0 | 1L << 50 | VERSION_1 | EVENT_IDX | INDIRECT);
        driver.write(DEVICE_FEATURES_SEL, 2);
        assertThat(driver.read(DEVICE_FEATURES)).isZero();
        driver.write(DEVICE_FEATURES_SEL, -1);
        assertThat(driver.read(DEVICE_FEATURES)).isZero();
    }

    @Test
    void initializationStepByStep() {
        assertThat(driver.read(STATUS)).isZero();
        driver.negotiate(VERSION_1 | FakeDevice.FEATURE_0);
        assertThat(driver.read(STATUS)).isEqualTo(ACKNOWLEDGE | DRIVER | FEATURES_OK);
        driver.setUp(1, 4);
        assertThat(driver.read(QUEUE_READY)).isEqualTo(1);
        assertThat(device.calls).isEmpty();
        driver.driverOk();
        assertThat(driver.read(STATUS)).isEqualTo(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        // What was made available before DRIVER_OK is looked at then.
        assertThat(device.calls).containsExactly("activate", "notified 1");
        assertThat(link().negotiatedFeatures()).isEqualTo(VERSION_1 | FakeDevice.FEATURE_0);
        assertThat(link().queue(0)).isNull();
        assertThat(link().queue(1)).isNotNull();
        driver.kick(1);
        assertThat(device.calls).containsExactly("activate", "notified 1", "notified 1");
        assertThat(driver.transport.refusals()).isZero();
    }

    @Test
    void whatGoesThroughAQueueIsCounted() {
        VirtioConsole console = VirtioConsole.builder().build();
        byte[] sink = new byte[64];
        console.port(0).connect(bytes -> bytes.read(sink, 0, sink.length));
        try (DriverHarness guest = new DriverHarness(console)) {
            guest.negotiate(VERSION_1);
            guest.setUp(0, 8);
            guest.setUp(1, 8);
            guest.driverOk();
            for (String text : new String[] {"one", "three"}) {
                guest.queue(1).add(DriverQueue.Buffer.readable(guest.put(text), text.length()));
                guest.kick(1);
            }
            guest.queue(1).setNoInterrupt(true);
            guest.queue(1).add(DriverQueue.Buffer.readable(guest.put("four"), 4));
            guest.kick(1);
            guest.kick(1);
            guest.queue(0).add(DriverQueue.Buffer.writable(guest.ram.allocate(16), 16));
            console.port(0).write(sink, 0, 7);
            assertThat(guest.transport.statistics(1)).isEqualTo(new QueueStatistics(3, 12, 0, 4, 2, 1, 0));
            assertThat(guest.transport.statistics(0)).isEqualTo(new QueueStatistics(1, 0, 7, 0, 1, 0, 0));
            guest.queue(1).add(DriverQueue.Buffer.readable(-1L, 4));
            guest.kick(1);
            assertThat(guest.transport.statistics(1)).isEqualTo(new QueueStatistics(3, 12, 0, 5, 2, 1, 1));
            guest.write(STATUS, 0);
            assertThat(guest.transport.statistics(1).requests()).isEqualTo(3);
        }
    }

    @Test
    void queueRegistersBelongToTheSelectedQueue() {
        driver.negotiate(VERSION_1);
        driver.setUp(0, 8);
        assertThat(driver.read(QUEUE_NUM_MAX)).isEqualTo(8);
        driver.write(QUEUE_SEL, 1);
        assertThat(driver.read(QUEUE_READY)).isZero();
        for (int absent : new int[] {2, 64, -1}) {
            driver.write(QUEUE_SEL, absent);
            assertThat(driver.read(QUEUE_NUM_MAX)).isZero();
            assertThat(driver.read(QUEUE_READY)).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, EVENT_IDX, VERSION_1 | 1L << 2, VERSION_1 | 1L << 34, VERSION_1 | 1L << 63})
    void unacceptableFeaturesAreNotOk(long features) {
        driver.negotiate(features);
        assertThat(driver.read(STATUS)).isEqualTo(ACKNOWLEDGE | DRIVER);
        assertThat(driver.transport.lastRefusal()).isEqualTo(Refusal.FEATURES);
        driver.setUp(0, 8);
        assertThat(driver.read(QUEUE_READY)).isZero();
        driver.driverOk();
        assertThat(driver.read(STATUS)).isEqualTo(ACKNOWLEDGE | DRIVER);
        assertThat(device.calls).isEmpty();
        // Other features may be tried without a reset.
        driver.writeFeatures(VERSION_1);
        driver.write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        assertThat(driver.read(STATUS)).isEqualTo(ACKNOWLEDGE | DRIVER | FEATURES_OK);
    }

    @Test
    void sameFeaturesAreAcceptedAgainAfterAReset() {
        for (int i = 0; i < 3; i++) {
            start();
            assertThat(driver.read(STATUS)).isEqualTo(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        }
    }

    @Test
    void resetClearsEverything() {
        start();
        driver.write(QUEUE_SEL, 0);
        device.lock.acquire();
        link().notifyConfigChange();
        link().continueLater(Objects.requireNonNull(link().queue(0)));
        device.lock.release();
        assertThat(driver.interrupts.drainPermits()).isEqualTo(1);
        assertThat(driver.read(INTERRUPT_STATUS)).isEqualTo(3);
        device.calls.clear();

        driver.write(STATUS, 0);
        assertThat(driver.read(STATUS)).isZero();
        assertThat(driver.read(INTERRUPT_STATUS)).isZero();
        assertThat(driver.read(QUEUE_READY)).isZero();
        assertThat(device.calls).containsExactly("reset");
        driver.write(INTERRUPT_ACK, 3);
        driver.kick(0);
        assertThat(device.calls).containsExactly("reset");
        assertThat(driver.interrupts.availablePermits()).isZero();
        // Addresses of before are gone as well.
        driver.negotiate(VERSION_1);
        driver.write(QUEUE_READY, 1);
        assertThat(driver.read(QUEUE_READY)).isZero();
        assertFault(VirtioFault.Kind.QUEUE_SIZE);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5})
    void resetAtAnyPoint(int point) {
        Runnable[] steps = {
            () -> driver.write(STATUS, ACKNOWLEDGE),
            () -> driver.negotiate(VERSION_1),
            () -> driver.setUp(0, 8),
            driver::driverOk,
            () -> driver.kick(0),
            () -> failDevice(VirtioFault.Kind.HEAD_INDEX),
        };
        for (int i = 0; i <= point; i++) {
            steps[i].run();
        }
        driver.write(STATUS, 0);
        assertThat(driver.read(STATUS)).isZero();
        assertThat(driver.transport.fault()).isNull();
        start();
        assertThat(driver.read(STATUS)).isEqualTo(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        assertThat(device.calls).endsWith("activate", "notified 0");
    }

    @Test
    void interruptStatusStaysUntilItIsAcknowledged() {
        start();
        DriverQueue queue = driver.queue(0);
        queue.add(DriverQueue.Buffer.readable(0x1000, 1));
        device.lock.acquire();
        try {
            VirtQueue deviceQueue = Objects.requireNonNull(link().queue(0));
            DescriptorChain chain = deviceQueue.newChain();
            deviceQueue.pop(chain);
            deviceQueue.push(chain);
            link().notifyUsed(deviceQueue);
            link().notifyConfigChange();
            // Nobody is interrupted while the lock is held, and then once.
            assertThat(driver.interrupts.availablePermits()).isZero();
        } finally {
            device.lock.release();
        }
        assertThat(driver.interrupts.drainPermits()).isEqualTo(1);
        assertThat(driver.read(INTERRUPT_STATUS)).isEqualTo(3);
        driver.write(INTERRUPT_ACK, 1);
        assertThat(driver.read(INTERRUPT_STATUS)).isEqualTo(2);
        driver.write(INTERRUPT_ACK, 2);
        assertThat(driver.read(INTERRUPT_STATUS)).isZero();
    }

    @Test
    void whatIsLeftForLaterContinuesWhenTheDriverAcknowledges() {
        start();
        device.calls.clear();
        device.lock.acquire();
        link().continueLater(Objects.requireNonNull(link().queue(0)));
        device.lock.release();
        assertThat(driver.interrupts.drainPermits()).isEqualTo(1);
        assertThat(driver.acknowledge()).isEqualTo(1);
        assertThat(device.calls).containsExactly("notified 0");
        driver.acknowledge();
        assertThat(device.calls).containsExactly("notified 0");
    }

    @Test
    void configurationSpaceHasAnySizeOfAccess() {
        assertThat(driver.transport.read(CONFIG, 1)).isEqualTo(1);
        assertThat(driver.transport.read(CONFIG + 1, 1)).isEqualTo(2);
        assertThat(driver.transport.read(CONFIG + 2, 2)).isEqualTo(0x0403);
        assertThat(driver.transport.read(CONFIG, 4)).isEqualTo(0x04030201);
        driver.transport.write(CONFIG, 1, 9);
        assertThat(driver.transport.read(CONFIG, 1)).isEqualTo(9);
        assertThat(driver.transport.refusals()).isZero();
        device.generation = 7;
        assertThat(driver.read(CONFIG_GENERATION)).isEqualTo(7);
    }

    @Test
    void thereIsNoSharedMemory() {
        driver.write(0x0ac, 0);
        for (int register : new int[] {0x0b0, 0x0b4, 0x0b8, 0x0bc}) {
            assertThat(driver.read(register)).isEqualTo(-1);
        }
        assertThat(driver.transport.refusals()).isZero();
    }

    @Test
    void stoppedQueueIsNotTouched() {
        start();
        driver.write(QUEUE_SEL, 0);
        device.calls.clear();
        driver.write(QUEUE_READY, 0);
        assertThat(driver.read(QUEUE_READY)).isZero();
        assertThat(link().queue(0)).isNull();
        driver.kick(0);
        assertThat(device.calls).containsExactly("stopped 0");
        assertThat(driver.transport.lastRefusal()).isEqualTo(Refusal.NOTIFY_ORDER);
        driver.setUp(0, 4);
        driver.kick(0);
        assertThat(device.calls).containsExactly("stopped 0", "notified 0");
    }

    @Test
    void faultAsksForAReset() {
        start();
        device.thrownWhenNotified = new VirtioFault(VirtioFault.Kind.HEAD_INDEX, "as the test says");
        driver.kick(0);
        assertThat(driver.read(STATUS)).isEqualTo(NEEDS_RESET | ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        assertFault(VirtioFault.Kind.HEAD_INDEX);
        assertThat(driver.interrupts.drainPermits()).isEqualTo(1);
        assertThat(driver.read(INTERRUPT_STATUS)).isEqualTo(2);
        assertThat(device.calls).containsExactly("activate", "notified 0", "notified 0", "failed HEAD_INDEX");
        assertThat(link().queue(0)).isNull();
        driver.kick(0);
        assertThat(device.calls).hasSize(4);
        failDevice(VirtioFault.Kind.CHAIN_LENGTH);
        assertFault(VirtioFault.Kind.HEAD_INDEX); // the first says why
        // A driver that writes the status that it remembers does not clear what the device has set.
        driver.driverOk();
        assertThat(driver.read(STATUS)).isEqualTo(NEEDS_RESET | ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);

        device.thrownWhenNotified = null;
        start();
        assertThat(driver.transport.fault()).isNull();
        driver.kick(0);
        assertThat(device.calls).endsWith("notified 0");
    }

    @Test
    void faultBeforeDriverOkInterruptsNobody() {
        driver.negotiate(VERSION_1);
        QueueRegisters registers = new DriverQueue(driver.ram, 8).registers();
        registers.deviceArea = -4096;
        driver.writeQueue(0, registers);
        driver.write(QUEUE_READY, 1);
        assertFault(VirtioFault.Kind.QUEUE_AREA_ADDRESS);
        assertThat(driver.read(STATUS)).isEqualTo(NEEDS_RESET | ACKNOWLEDGE | DRIVER | FEATURES_OK);
        assertThat(driver.interrupts.availablePermits()).isZero();
        driver.driverOk();
        assertThat(driver.transport.lastRefusal()).isEqualTo(Refusal.STATUS_ORDER);
        assertThat(device.calls).isEmpty();
    }

    @Test
    void driverThatGivesUpHasNoDeviceAnyMore() {
        start();
        driver.write(STATUS, FAILED | ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        assertThat(driver.read(STATUS)).isEqualTo(FAILED | ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        assertThat(device.calls).endsWith("reset");
        driver.kick(0);
        assertThat(device.calls).endsWith("reset");
        start();
        assertThat(device.calls).endsWith("activate", "notified 0");
    }

    @Test
    void faultCanEndTheMachine() {
        try (DriverHarness strict = new DriverHarness(new FakeDevice(), FaultPolicy.END_MACHINE)) {
            strict.negotiate(VERSION_1);
            strict.write(QUEUE_SEL, 0);
            assertThatExceptionOfType(DeviceFault.class)
                    .isThrownBy(() -> strict.write(QUEUE_READY, 1))
                    .withMessageContaining("virtio device 42: QUEUE_SIZE: queue 0")
                    .withCauseInstanceOf(VirtioFault.class);
            assertThatExceptionOfType(DeviceFault.class).isThrownBy(() -> strict.read(STATUS));
        }
    }

    @Test
    void deviceWithTooMuchIsRefused() {
        FakeDevice many = new FakeDevice();
        many.queueCount = 65;
        FakeDevice large = new FakeDevice(257);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new VirtioMmioTransport(many, driver.ram.memory(), () -> {}));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new VirtioMmioTransport(large, driver.ram.memory(), () -> {}));
    }

    static Stream<Arguments> refusals() {
        return Stream.of(
                refused("a byte of a register", Refusal.ACCESS_SIZE, d -> zero(d.transport.read(MAGIC_VALUE, 1))),
                refused("two bytes", Refusal.ACCESS_SIZE, d -> zero(d.transport.read(STATUS, 2))),
                refused("eight bytes", Refusal.ACCESS_SIZE, d -> d.transport.write(QUEUE_DESC_LOW, 8, 0x1000)),
                refused("misaligned", Refusal.ACCESS_SIZE, d -> zero(d.transport.read(MAGIC_VALUE + 2, 4))),
                refused("reset by a byte", Refusal.ACCESS_SIZE, d -> d.transport.write(STATUS, 1, 0)),
                refused("read of a write-only register", Refusal.NO_SUCH_REGISTER, d -> zero(d.read(QUEUE_SEL))),
                refused("write to a read-only register", Refusal.NO_SUCH_REGISTER, d -> d.write(MAGIC_VALUE, 1)),
                refused("read of no register", Refusal.NO_SUCH_REGISTER, d -> zero(d.read(0x018))),
                refused("write to no register", Refusal.NO_SUCH_REGISTER, d -> d.write(0x0f8, 1)),
                refused("legacy GuestPageSize", Refusal.NO_SUCH_REGISTER, d -> d.write(0x028, 4096)),
                refused("QueueReset, not negotiated", Refusal.NO_SUCH_REGISTER, d -> d.write(0x0c0, 1)),
                refused(
                        "read beyond the configuration",
                        Refusal.NO_SUCH_CONFIG,
                        d -> zero(d.transport.read(CONFIG + 5, 2))),
                refused("more than the configuration", Refusal.NO_SUCH_CONFIG, d -> zero(d.transport.read(CONFIG, 8))),
                refused("far beyond the configuration", Refusal.NO_SUCH_CONFIG, d -> zero(d.transport.read(0xffc, 4))),
                refused(
                        "write beyond the configuration",
                        Refusal.NO_SUCH_CONFIG,
                        d -> d.transport.write(CONFIG + 8, 4, 1)),
                refused("read-only configuration", Refusal.NO_SUCH_CONFIG, d -> d.transport.write(CONFIG + 1, 1, 1)),
                refused("a status bit cleared", Refusal.STATUS_CLEARED, d -> d.write(STATUS, ACKNOWLEDGE | DRIVER)),
                refused("DRIVER_OK a second time, alone", Refusal.STATUS_CLEARED, d -> d.write(STATUS, DRIVER_OK)),
                refused(
                        "DEVICE_NEEDS_RESET by the driver",
                        Refusal.STATUS_ORDER,
                        d -> d.write(STATUS, 15 | NEEDS_RESET)),
                refused("an unknown status bit", Refusal.STATUS_ORDER, d -> d.write(STATUS, 15 | 16)),
                refused("high status bits", Refusal.STATUS_ORDER, d -> d.write(STATUS, 15 | 0x100)),
                refused("features when it is too late", Refusal.FEATURES_ORDER, d -> d.write(DRIVER_FEATURES, 1)),
                refused("a queue's size while it is ready", Refusal.QUEUE_ORDER, d -> d.write(QUEUE_NUM, 4)),
                refused("a queue's address while it is ready", Refusal.QUEUE_ORDER, d -> d.write(QUEUE_DESC_LOW, 0)),
                refused("QueueReady 2", Refusal.QUEUE_READY_VALUE, d -> d.write(QUEUE_READY, 2)),
                refused("the size of no queue", Refusal.NO_SUCH_QUEUE, d -> {
                    d.write(QUEUE_SEL, 2);
                    d.write(QUEUE_NUM, 8);
                }),
                refused("readiness of no queue", Refusal.NO_SUCH_QUEUE, d -> {
                    d.write(QUEUE_SEL, -1);
                    d.write(QUEUE_READY, 1);
                }),
                refused("notification of no queue", Refusal.NO_SUCH_QUEUE, d -> d.kick(2)),
                refused("notification of queue -1", Refusal.NO_SUCH_QUEUE, d -> d.kick(-1)),
                refused("notification of a queue that is not ready", Refusal.NOTIFY_ORDER, d -> d.kick(1)));
    }

    private static void zero(long value) {
        assertThat(value).isZero();
    }

    private static Arguments refused(String what, Refusal refusal, Consumer<DriverHarness> access) {
        return Arguments.of(what, refusal, access);
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("refusals")
    void refusedAccessChangesNothing(String what, Refusal refusal, Consumer<DriverHarness> access) {
        start();
        device.calls.clear();
        assertThat(driver.transport.refusals()).isZero();
        access.accept(driver);
        assertThat(driver.transport.refusals()).isEqualTo(1);
        assertThat(driver.transport.lastRefusal()).isEqualTo(refusal);
        assertThat(driver.read(STATUS)).isEqualTo(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        assertThat(device.calls).isEmpty();
        driver.write(QUEUE_SEL, 0);
        assertThat(driver.read(QUEUE_READY)).isEqualTo(1);
        assertThat(device.config).containsExactly(1, 2, 3, 4, 5, 6);
        driver.kick(0);
        assertThat(device.calls).containsExactly("notified 0");
    }

    @Test
    void orderOfInitialization() {
        driver.write(STATUS, DRIVER);
        assertThat(driver.transport.lastRefusal()).isEqualTo(Refusal.STATUS_ORDER);
        driver.write(DRIVER_FEATURES, 1);
        assertThat(driver.transport.lastRefusal()).isEqualTo(Refusal.FEATURES_ORDER);
        driver.write(STATUS, ACKNOWLEDGE | DRIVER | DRIVER_OK);
        assertThat(driver.transport.lastRefusal()).isEqualTo(Refusal.STATUS_ORDER);
        assertThat(driver.read(STATUS)).isZero();
        driver.write(STATUS, ACKNOWLEDGE | DRIVER);
        driver.setUp(0, 8);
        assertThat(driver.transport.lastRefusal()).isEqualTo(Refusal.QUEUE_ORDER);
        assertThat(driver.read(QUEUE_READY)).isZero();
        driver.write(DRIVER_FEATURES_SEL, 2);
        driver.write(DRIVER_FEATURES, 0);
        long before = driver.transport.refusals();
        driver.write(DRIVER_FEATURES, 1);
        assertThat(driver.transport.lastRefusal()).isEqualTo(Refusal.FEATURES);
        assertThat(driver.transport.refusals()).isEqualTo(before + 1);
        driver.negotiate(VERSION_1);
        driver.setUp(0, 8);
        driver.kick(0);
        assertThat(driver.transport.lastRefusal()).isEqualTo(Refusal.NOTIFY_ORDER);
        assertThat(device.calls).isEmpty();
    }

    private void assertFault(VirtioFault.Kind kind) {
        VirtioFault fault = driver.transport.fault();
        assertThat(fault).isNotNull();
        assertThat(fault.kind()).isEqualTo(kind);
    }
}
