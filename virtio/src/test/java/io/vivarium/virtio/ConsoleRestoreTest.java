// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.vivarium.virtio.ConsoleDriver.Control;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A driver does not notice that another device has taken the place of its own.
final class ConsoleRestoreTest {
    private static final String AGENT = "io.vivarium.agent.0";

    private final VirtioConsole first = console();
    private final ConsoleDriver driver = new ConsoleDriver(first);
    private final VirtioConsole second = console();
    private final RecordingListener before = new RecordingListener();
    private final RecordingListener after = new RecordingListener();

    private static VirtioConsole console() {
        return VirtioConsole.builder().port(AGENT).build();
    }

    @AfterEach
    void close() {
        driver.close();
    }

    private void startAndOpen(long features) {
        driver.start(2, 8, features);
        first.port(1).connect(before);
        driver.handshake(2);
        driver.received();
    }

    @ParameterizedTest
    @ValueSource(longs = {0, DriverHarness.EVENT_IDX, DriverHarness.EVENT_IDX | DriverHarness.INDIRECT})
    void trafficGoesOnBothWays(long features) {
        startAndOpen(features);
        driver.transmit(1, "one ");
        long room = driver.provide(1, 16);
        assertThat(first.port(1).write("to guest".getBytes(StandardCharsets.UTF_8), 0, 8))
                .isEqualTo(8);

        driver.driver.moveTo(second);
        second.port(1).connect(after);

        assertThat(driver.received())
                .as("the driver knows that the port is open")
                .isEmpty();
        assertThat(second.port(1).isGuestOpen()).isTrue();
        driver.transmit(1, "two");
        assertThat(before.text()).isEqualTo("one ");
        assertThat(after.text()).isEqualTo("two");
        assertThat(second.port(1).bytesFromGuest()).isEqualTo(7);
        assertThat(driver.driver.text(room, 8)).isEqualTo("to guest");
        long more = driver.provide(1, 16);
        assertThat(second.port(1).write("again".getBytes(StandardCharsets.UTF_8), 0, 5))
                .isEqualTo(5);
        assertThat(driver.driver.text(more, 5)).isEqualTo("again");
        assertThat(driver.driver.transport.fault()).isNull();
        assertThat(driver.driver.transport.refusals()).isZero();
    }

    @Test
    void aRequestThatWasHalfReadIsReadToItsEnd() {
        startAndOpen(0);
        before.room = 5;
        driver.transmit(1, "halfway");
        driver.transmit(1, " there");
        driver.driver.moveTo(second);
        second.port(1).connect(after);
        assertThat(before.text()).isEqualTo("halfw");
        assertThat(after.text()).isEqualTo("ay there");
        assertThat(driver.driver.queue(ConsoleDriver.tx(1)).usedIdx()).isEqualTo(2);
    }

    @Test
    void anyMomentOfTheHandshake() {
        for (int steps = 0; steps < 5; steps++) {
            VirtioConsole from = console();
            VirtioConsole to = console();
            try (ConsoleDriver moving = new ConsoleDriver(from)) {
                moving.start(2, 8, 0);
                from.port(1).connect(new RecordingListener());
                List<Runnable> handshake = List.of(
                        () -> moving.send(-1, ConsoleDriver.DEVICE_READY, 1),
                        () -> moving.send(0, ConsoleDriver.PORT_READY, 1),
                        () -> moving.send(1, ConsoleDriver.PORT_READY, 1),
                        () -> moving.send(1, ConsoleDriver.PORT_OPEN, 1));
                List<Control> messages = new ArrayList<>();
                for (int i = 0; i <= handshake.size(); i++) {
                    if (i == steps) {
                        moving.driver.moveTo(to);
                        to.port(1).connect(new RecordingListener());
                    }
                    if (i < handshake.size()) {
                        handshake.get(i).run();
                    }
                    messages.addAll(moving.received());
                }
                assertThat(messages)
                        .as("moved before step %d", steps)
                        .containsExactlyInAnyOrder(
                                new Control(0, ConsoleDriver.DEVICE_ADD, 0, ""),
                                new Control(1, ConsoleDriver.DEVICE_ADD, 0, ""),
                                new Control(0, ConsoleDriver.CONSOLE_PORT, 1, ""),
                                new Control(1, ConsoleDriver.PORT_NAME, 1, AGENT),
                                new Control(1, ConsoleDriver.PORT_OPEN, 1, ""));
                assertThat(to.port(1).isGuestOpen()).isTrue();
                assertThat(moving.driver.transport.fault()).isNull();
            }
        }
    }

    @Test
    void aHostThatIsNotThereAnyMoreIsTold() {
        startAndOpen(0);
        driver.driver.moveTo(second);
        second.port(1).close();
        assertThat(driver.received()).containsExactly(new Control(1, ConsoleDriver.PORT_OPEN, 0, ""));
    }

    @Test
    void anInterruptThatWasNotAcknowledgedIsSentAgain() {
        startAndOpen(0);
        driver.transmit(1, "x");
        driver.driver.interrupts.drainPermits();
        driver.driver.moveTo(second);
        assertThat(driver.driver.interrupts.tryAcquire()).isTrue();
        driver.driver.acknowledge();
        driver.driver.interrupts.drainPermits();
        driver.driver.moveTo(console());
        assertThat(driver.driver.interrupts.tryAcquire()).isFalse();
    }

    @Test
    void aFaultStays() {
        startAndOpen(0);
        driver.send(7, ConsoleDriver.PORT_OPEN, 1);
        VirtioFault fault = driver.driver.transport.fault();
        assertThat(fault).isNotNull();
        driver.driver.moveTo(second);
        assertThat(driver.driver.transport.fault())
                .isNotNull()
                .hasMessage(fault.getMessage())
                .extracting(VirtioFault::kind)
                .isEqualTo(fault.kind());
        driver.driver.write(DriverHarness.STATUS, 0);
        assertThat(driver.driver.transport.fault()).isNull();
    }

    @Test
    void statesOfOthersAreRefused() {
        startAndOpen(0);
        before.room = 1;
        driver.transmit(1, "pending");
        VirtioMmioState state = driver.driver.transport.save();
        assertThatIllegalStateException().isThrownBy(() -> driver.driver.transport.restore(state));

        refused(VirtioConsole.builder().build(), state, "with 4 queues");
        refused(VirtioConsole.builder().port("other").build(), state, "not the state of console port 1 (other)");
        refused(VirtioConsole.builder().port(AGENT).size(80, 25).build(), state, "not the state of a console");
        refused(VirtioConsole.builder().port(AGENT).queueSize(4).build(), state, "QUEUE_SIZE");

        ConsoleState device = (ConsoleState) state.device();
        ConsoleState.Port port = device.ports().get(1);
        ConsoleState.Port changed = new ConsoleState.Port(
                AGENT, true, true, true, 0, true, new ConsoleState.PartlyRead(99, 1), 0, port.bytesToGuest());
        refused(
                console(),
                with(
                        state,
                        state.status(),
                        state.queues(),
                        new ConsoleState(0, 0, 0, true, List.of(device.ports().getFirst(), changed))),
                "no request 99");
        refused(console(), with(state, 4, state.queues(), device), "not the state of a device 3");
        refused(console(), with(state, 64, state.queues(), device), "not the state of a device 3");
        List<QueueState> queues = new ArrayList<>(state.queues());
        queues.set(0, new QueueState(8, 0x7fff_ffff_0000L, 0, 0, new QueueState.Progress(0, 0, 0)));
        refused(console(), with(state, state.status(), queues, device), "QUEUE_AREA_ADDRESS");
        QueueState good = state.queues().getFirst();
        queues.set(
                0,
                new QueueState(
                        good.size(),
                        good.descriptorArea(),
                        good.driverArea(),
                        good.deviceArea(),
                        new QueueState.Progress(9, 0, 0)));
        refused(console(), with(state, state.status(), queues, device), "queue 0 of 8 entries with 9 in flight");
        assertThatIllegalArgumentException().isThrownBy(() -> new QueueState.Progress(0x10000, 0, 0));
    }

    private static VirtioMmioState with(
            VirtioMmioState state, int status, List<QueueState> queues, DeviceState device) {
        return new VirtioMmioState(
                status,
                state.driverFeatures(),
                state.deviceFeaturesSel(),
                state.driverFeaturesSel(),
                state.queueSel(),
                state.interruptStatus(),
                state.continueQueues(),
                queues,
                state.fault(),
                device);
    }

    private void refused(VirtioConsole console, VirtioMmioState state, String message) {
        VirtioMmioTransport transport = new VirtioMmioTransport(console, driver.driver.ram.memory(), () -> {});
        assertThatIllegalArgumentException()
                .isThrownBy(() -> transport.restore(state))
                .withMessageContaining(message);
    }
}
