// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static io.vivarium.virtio.ConsoleDriver.CONSOLE_PORT;
import static io.vivarium.virtio.ConsoleDriver.CONTROL_RX;
import static io.vivarium.virtio.ConsoleDriver.CONTROL_TX;
import static io.vivarium.virtio.ConsoleDriver.DEVICE_ADD;
import static io.vivarium.virtio.ConsoleDriver.DEVICE_READY;
import static io.vivarium.virtio.ConsoleDriver.PORT_NAME;
import static io.vivarium.virtio.ConsoleDriver.PORT_OPEN;
import static io.vivarium.virtio.ConsoleDriver.PORT_READY;
import static io.vivarium.virtio.ConsoleDriver.RESIZE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.vivarium.virtio.ConsoleDriver.Control;
import io.vivarium.virtio.DriverQueue.Buffer;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class VirtioConsoleTest {
    private static final String AGENT = "io.vivarium.agent.0";

    private final VirtioConsole console =
            VirtioConsole.builder().port(AGENT).size(80, 25).build();
    private final ConsoleDriver driver = new ConsoleDriver(console);
    private final RecordingListener agent = new RecordingListener();

    @AfterEach
    void close() {
        driver.close();
    }

    private void start() {
        driver.start(2, 8, ConsoleDriver.F_SIZE);
    }

    private void startAndOpen() {
        start();
        console.port(1).connect(agent);
        driver.handshake(2);
        driver.received();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private void assertFault(VirtioFault.Kind kind) {
        VirtioFault fault = driver.driver.transport.fault();
        assertThat(fault).isNotNull();
        assertThat(fault.kind()).isEqualTo(kind);
        assertThat(console.port(1).fault()).isSameAs(fault);
    }

    @Test
    void handshake() {
        console.port(0).connect(new ConsoleLog(16));
        start();
        assertThat(driver.received()).isEmpty();
        driver.send(-1, DEVICE_READY, 1);
        assertThat(driver.received())
                .containsExactly(new Control(0, DEVICE_ADD, 0, ""), new Control(1, DEVICE_ADD, 0, ""));
        driver.send(1, PORT_READY, 1);
        assertThat(driver.received()).containsExactly(new Control(1, PORT_NAME, 1, AGENT));
        driver.send(0, PORT_READY, 1);
        assertThat(driver.received())
                .containsExactly(
                        new Control(0, CONSOLE_PORT, 1, ""),
                        new Control(0, RESIZE, 0, "80x25"),
                        new Control(0, PORT_OPEN, 1, ""));
        assertThat(console.port(0).isGuestOpen()).isFalse();
        driver.send(0, PORT_OPEN, 1);
        assertThat(console.port(0).isGuestOpen()).isTrue();

        console.port(1).connect(agent);
        assertThat(driver.received()).containsExactly(new Control(1, PORT_OPEN, 1, ""));
        driver.send(1, PORT_OPEN, 1);
        assertThat(console.port(1).isGuestOpen()).isTrue();
        assertThat(agent.stateChanges).isEqualTo(1);
        console.port(1).close();
        assertThat(driver.received()).containsExactly(new Control(1, PORT_OPEN, 0, ""));
        driver.send(1, PORT_OPEN, 0);
        assertThat(console.port(1).isGuestOpen()).isFalse();
        assertThat(driver.driver.transport.fault()).isNull();
        assertThat(driver.driver.transport.refusals()).isZero();
    }

    @Test
    void messagesWaitForBuffers() {
        driver.driver.negotiate(DriverHarness.VERSION_1 | ConsoleDriver.F_MULTIPORT);
        driver.driver.setUp(CONTROL_RX, 16);
        driver.driver.setUp(CONTROL_TX, 16);
        driver.driver.driverOk();
        driver.send(-1, DEVICE_READY, 1);
        driver.addControlBuffer(8);
        assertThat(driver.driver.kickIfWanted(CONTROL_RX)).isTrue();
        assertThat(driver.driver.queue(CONTROL_RX).usedIdx()).isEqualTo(1);
        driver.addControlBuffer(8);
        driver.addControlBuffer(8);
        assertThat(driver.driver.kickIfWanted(CONTROL_RX)).isTrue();
        assertThat(driver.driver.queue(CONTROL_RX).usedIdx()).isEqualTo(2);
        // Nothing is pending: the device wants no notification of more buffers.
        driver.addControlBuffer(8);
        assertThat(driver.driver.kickIfWanted(CONTROL_RX)).isFalse();
    }

    @Test
    void driverThatCannotHavePortsIsToldOfNone() {
        start();
        driver.send(-1, DEVICE_READY, 0);
        assertThat(driver.received()).isEmpty();
        driver.send(-1, DEVICE_READY, 1);
        driver.send(1, PORT_READY, 0);
        assertThat(driver.received()).hasSize(2);
        console.port(1).connect(agent);
        assertThat(driver.received()).isEmpty();
    }

    @Test
    void configurationSpace() {
        assertThat(driver.driver.offeredFeatures() & 7).isEqualTo(ConsoleDriver.F_SIZE | ConsoleDriver.F_MULTIPORT);
        assertThat(driver.driver.read(DriverHarness.DEVICE_ID)).isEqualTo(3);
        VirtioMmioTransport transport = driver.driver.transport;
        assertThat(transport.read(DriverHarness.CONFIG, 2)).isEqualTo(80);
        assertThat(transport.read(DriverHarness.CONFIG + 2, 2)).isEqualTo(25);
        assertThat(transport.read(DriverHarness.CONFIG + 4, 4)).isEqualTo(2);
        assertThat(transport.read(DriverHarness.CONFIG + 8, 4)).isZero();
        assertThat(transport.read(DriverHarness.CONFIG, 8)).isEqualTo(2L << 32 | 25 << 16 | 80);
        assertThat(transport.read(DriverHarness.CONFIG + 5, 1)).isZero();
        assertThat(transport.refusals()).isZero();
    }

    @Test
    void resizeTellsTheDriverInBothWays() {
        startAndOpen();
        driver.driver.acknowledge();
        int generation = driver.driver.read(DriverHarness.CONFIG_GENERATION);
        console.resize(132, 43);
        assertThat(driver.driver.read(DriverHarness.CONFIG_GENERATION)).isNotEqualTo(generation);
        assertThat(driver.driver.acknowledge()).isEqualTo(3);
        assertThat(driver.driver.transport.read(DriverHarness.CONFIG, 4)).isEqualTo(43 << 16 | 132);
        assertThat(driver.received()).containsExactly(new Control(0, RESIZE, 0, "132x43"));
        assertThatIllegalArgumentException().isThrownBy(() -> console.resize(0, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> console.resize(1, 65536));
        assertThatIllegalStateException()
                .isThrownBy(() -> VirtioConsole.builder().build().resize(1, 1));
    }

    @Test
    void resizeDuringInitializationChangesTheGeneration() {
        int generation = driver.driver.read(DriverHarness.CONFIG_GENERATION);
        console.resize(132, 43);
        assertThat(driver.driver.read(DriverHarness.CONFIG_GENERATION)).isNotEqualTo(generation);
        assertThat(driver.driver.interrupts.availablePermits()).isZero();
    }

    @Test
    void withoutMultiportThereIsPort0() {
        ConsoleLog log = new ConsoleLog(100);
        console.port(0).connect(log);
        driver.driver.negotiate(DriverHarness.VERSION_1);
        driver.driver.setUp(0, 4);
        driver.driver.setUp(1, 4);
        driver.driver.setUp(CONTROL_TX, 4);
        driver.driver.setUp(5, 4);
        driver.driver.driverOk();
        driver.transmit(0, "hello");
        assertThat(log.text()).isEqualTo("hello");
        long buffer = driver.provide(0, 8);
        assertThat(console.port(0).write(bytes("hi"), 0, 2)).isEqualTo(2);
        assertThat(driver.driver.text(buffer, 2)).isEqualTo("hi");
        // Those queues do not exist, and so are left alone.
        driver.transmit(1, "x");
        driver.send(-1, DEVICE_READY, 1);
        assertThat(driver.driver.queue(5).usedIdx()).isZero();
        assertThat(driver.driver.queue(CONTROL_TX).usedIdx()).isZero();
        assertThat(driver.driver.transport.fault()).isNull();
    }

    @Test
    void bytesGoBothWays() {
        startAndOpen();
        driver.transmit(1, "from the guest");
        assertThat(agent.text()).isEqualTo("from the guest");
        assertThat(console.port(1).bytesFromGuest()).isEqualTo(14);
        assertThat(driver.driver.queue(ConsoleDriver.tx(1)).poll()).isNotNull();

        long first = driver.provide(1, 4);
        long second = driver.provide(1, 100);
        driver.driver.acknowledge();
        driver.driver.interrupts.drainPermits();
        ByteBuffer message = ByteBuffer.wrap(bytes("from the host"));
        assertThat(console.port(1).write(message)).isEqualTo(13);
        assertThat(message.hasRemaining()).isFalse();
        assertThat(driver.driver.interrupts.drainPermits()).isEqualTo(1);
        assertThat(driver.driver.acknowledge()).isEqualTo(1);
        assertThat(driver.driver.queue(ConsoleDriver.rx(1)).poll()).isEqualTo(new DriverQueue.Used(0, 4));
        assertThat(driver.driver.queue(ConsoleDriver.rx(1)).poll()).isEqualTo(new DriverQueue.Used(1, 9));
        assertThat(driver.driver.text(first, 4) + driver.driver.text(second, 9)).isEqualTo("from the host");
        assertThat(console.port(1).bytesToGuest()).isEqualTo(13);
        assertThat(agent.writable).isZero();
    }

    @Test
    void spuriousNotificationsDoNothing() {
        startAndOpen();
        driver.driver.acknowledge();
        driver.driver.interrupts.drainPermits();
        for (int queue = 0; queue < 6; queue++) {
            driver.driver.kick(queue);
        }
        assertThat(driver.driver.interrupts.availablePermits()).isZero();
        assertThat(driver.driver.read(DriverHarness.INTERRUPT_STATUS)).isZero();
        assertThat(agent.text()).isEmpty();
        assertThat(driver.driver.transport.fault()).isNull();
        assertThat(driver.driver.transport.refusals()).isZero();
    }

    @Test
    void suppressedInterruptIsNotSent() {
        startAndOpen();
        driver.provide(1, 4);
        driver.driver.queue(ConsoleDriver.rx(1)).setNoInterrupt(true);
        driver.driver.interrupts.drainPermits();
        assertThat(console.port(1).write(bytes("x"), 0, 1)).isEqualTo(1);
        assertThat(driver.driver.interrupts.availablePermits()).isZero();
    }

    @Test
    void writerHearsOfNewBuffersOnce() {
        startAndOpen();
        assertThat(console.port(1).write(bytes("abc"), 0, 3)).isZero();
        assertThat(agent.writable).isZero();
        driver.provide(1, 2);
        assertThat(agent.writable).isEqualTo(1);
        assertThat(console.port(1).write(bytes("abc"), 0, 3)).isEqualTo(2);
        driver.provide(1, 2);
        assertThat(agent.writable).isEqualTo(2);
        // Nobody waits: the driver need not notify.
        driver.driver.queue(ConsoleDriver.rx(1)).add(Buffer.writable(0x1000, 1));
        assertThat(driver.driver.kickIfWanted(ConsoleDriver.rx(1))).isFalse();
        assertThat(agent.writable).isEqualTo(2);
    }

    @Test
    void writeBeforeTheGuestIsThereWaits() {
        console.port(1).connect(agent);
        assertThat(console.port(1).write(bytes("abc"), 0, 3)).isZero();
        start();
        driver.send(-1, DEVICE_READY, 1);
        driver.send(1, PORT_READY, 1);
        long buffer = driver.provide(1, 8);
        assertThat(console.port(1).write(bytes("abc"), 0, 3)).isZero();
        assertThat(agent.writable).isZero();
        driver.send(1, PORT_OPEN, 1);
        assertThat(agent.writable).isEqualTo(1);
        assertThat(console.port(1).write(bytes("abc"), 0, 3)).isEqualTo(3);
        assertThat(driver.driver.text(buffer, 3)).isEqualTo("abc");
    }

    @Test
    void whatTheListenerLeavesStaysWithTheGuest() {
        startAndOpen();
        agent.room = 5;
        driver.transmit(1, "abcdefgh");
        driver.transmit(1, "ij");
        assertThat(agent.text()).isEqualTo("abcde");
        assertThat(driver.driver.queue(ConsoleDriver.tx(1)).usedIdx()).isZero();
        // While it is blocked the guest need not notify.
        driver.driver.queue(ConsoleDriver.tx(1)).add(Buffer.readable(driver.driver.put("k"), 1));
        assertThat(driver.driver.kickIfWanted(ConsoleDriver.tx(1))).isFalse();
        agent.room = 4;
        console.port(1).resume();
        assertThat(agent.text()).isEqualTo("abcdefghi");
        assertThat(driver.driver.queue(ConsoleDriver.tx(1)).usedIdx()).isEqualTo(1);
        driver.driver.interrupts.drainPermits();
        agent.room = 1000;
        console.port(1).resume();
        assertThat(agent.text()).isEqualTo("abcdefghijk");
        assertThat(driver.driver.queue(ConsoleDriver.tx(1)).usedIdx()).isEqualTo(3);
        assertThat(driver.driver.interrupts.drainPermits()).isEqualTo(1);
        console.port(1).resume();
        driver.driver.queue(ConsoleDriver.tx(1)).add(Buffer.readable(driver.driver.put("l"), 1));
        assertThat(driver.driver.kickIfWanted(ConsoleDriver.tx(1))).isTrue();
        assertThat(agent.text()).endsWith("l");
    }

    @Test
    void bytesWaitForAListener() {
        start();
        driver.handshake(2);
        driver.transmit(1, "early");
        assertThat(driver.driver.queue(ConsoleDriver.tx(1)).usedIdx()).isZero();
        console.port(1).connect(agent);
        assertThat(agent.text()).isEqualTo("early");
        assertThat(driver.driver.queue(ConsoleDriver.tx(1)).usedIdx()).isEqualTo(1);
        assertThatIllegalStateException().isThrownBy(() -> console.port(1).connect(agent));
    }

    @Test
    void bytesToAClosedPortAreDropped() {
        startAndOpen();
        agent.room = 0;
        driver.transmit(1, "abc");
        console.port(1).close();
        console.port(1).close();
        driver.transmit(1, "def");
        assertThat(driver.driver.queue(ConsoleDriver.tx(1)).usedIdx()).isEqualTo(2);
        assertThat(agent.text()).isEmpty();
        assertThat(console.port(1).bytesFromGuest()).isEqualTo(6);
        console.port(1).resume();
        assertThatIllegalStateException().isThrownBy(() -> console.port(1).write(bytes("x"), 0, 1));
        assertThatIllegalStateException().isThrownBy(() -> console.port(1).connect(agent));
    }

    @Test
    void listenerMayWriteButNotResume() {
        start();
        ConsolePort port = console.port(1);
        byte[] one = new byte[1];
        port.connect(bytes -> {
            while (bytes.remaining() > 0) {
                bytes.read(one, 0, 1);
                assertThat(port.write(one, 0, 1)).isEqualTo(1);
            }
            assertThatIllegalStateException().isThrownBy(port::resume);
            assertThatIllegalStateException().isThrownBy(port::close);
        });
        driver.handshake(2);
        long a = driver.provide(1, 1);
        long b = driver.provide(1, 1);
        driver.transmit(1, "ab");
        assertThat(driver.driver.text(a, 1) + driver.driver.text(b, 1)).isEqualTo("ab");
    }

    @Test
    void failureOfTheListenerIsItsCallersAndNothingIsLost() {
        start();
        ConsolePort port = console.port(1);
        agent.failure = new IllegalArgumentException("the listener's own");
        port.connect(agent);
        driver.handshake(2);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> driver.transmit(1, "abc"))
                .withMessage("the listener's own");
        agent.failure = null;
        port.resume();
        assertThat(agent.text()).isEqualTo("abc");
        assertThat(driver.driver.transport.fault()).isNull();
    }

    @Test
    void oneNotificationCostsABoundedNumberOfRequests() {
        startAndOpen();
        // Each request that the device takes is followed by the next, as from another vCPU.
        DriverQueue queue = driver.driver.queue(ConsoleDriver.tx(1));
        long address = driver.driver.put("x");
        agent.onReceived = () -> {
            while (queue.poll() != null) {}
            if (agent.text().length() < 1000) {
                queue.add(Buffer.readable(address, 1));
            }
        };
        queue.add(Buffer.readable(address, 1));
        driver.driver.interrupts.drainPermits();
        driver.driver.kick(ConsoleDriver.tx(1));
        assertThat(agent.text()).hasSize(8);
        int rounds = 1;
        while (driver.driver.interrupts.drainPermits() > 0) {
            driver.driver.acknowledge();
            rounds++;
        }
        assertThat(agent.text()).hasSize(1000);
        assertThat(rounds).isBetween(1000 / 8, 1000 / 8 + 3);
    }

    @Test
    void resetInMidTransfer() {
        startAndOpen();
        agent.room = 2;
        driver.transmit(1, "abcdef");
        assertThat(console.port(1).write(bytes("xyz"), 0, 3)).isZero();
        int changes = agent.stateChanges;
        driver.driver.write(DriverHarness.STATUS, 0);
        assertThat(console.port(1).isGuestOpen()).isFalse();
        assertThat(agent.stateChanges).isEqualTo(changes + 1);
        agent.room = 1000;
        console.port(1).resume();
        assertThat(agent.text()).isEqualTo("ab");
        assertThat(console.port(1).write(bytes("xyz"), 0, 3)).isZero();

        start();
        driver.send(-1, DEVICE_READY, 1);
        driver.send(1, PORT_READY, 1);
        assertThat(driver.received()).contains(new Control(1, PORT_OPEN, 1, ""));
        driver.transmit(1, "again");
        assertThat(agent.text()).isEqualTo("abagain");
        driver.send(1, PORT_OPEN, 1);
        long buffer = driver.provide(1, 3);
        assertThat(agent.writable).isEqualTo(1);
        assertThat(console.port(1).write(bytes("xyz"), 0, 3)).isEqualTo(3);
        assertThat(driver.driver.text(buffer, 3)).isEqualTo("xyz");
    }

    @Test
    void queueTakenBackInMidTransfer() {
        startAndOpen();
        agent.room = 2;
        driver.transmit(1, "abcdef");
        driver.driver.write(DriverHarness.QUEUE_SEL, ConsoleDriver.tx(1));
        driver.driver.write(DriverHarness.QUEUE_READY, 0);
        agent.room = 1000;
        console.port(1).resume();
        assertThat(agent.text()).isEqualTo("ab");
        driver.driver.setUp(ConsoleDriver.tx(1), 4);
        driver.transmit(1, "new");
        assertThat(agent.text()).isEqualTo("abnew");
        for (int queue : new int[] {CONTROL_RX, CONTROL_TX, ConsoleDriver.rx(1)}) {
            driver.driver.write(DriverHarness.QUEUE_SEL, queue);
            driver.driver.write(DriverHarness.QUEUE_READY, 0);
        }
        assertThat(console.port(1).write(bytes("x"), 0, 1)).isZero();
        console.port(1).close();
        assertThat(driver.driver.transport.fault()).isNull();
    }

    static Stream<Arguments> misbehaviours() {
        return Stream.of(
                bad("device-writable bytes in a transmit queue", VirtioFault.Kind.BUFFER_DIRECTION, d -> {
                    d.driver.queue(5).add(Buffer.writable(0x1000, 8));
                    d.driver.kick(5);
                }),
                bad("both in a transmit queue", VirtioFault.Kind.BUFFER_DIRECTION, d -> {
                    d.driver.queue(5).add(Buffer.readable(0x1000, 8), Buffer.writable(0x1000, 8));
                    d.driver.kick(5);
                }),
                bad("device-writable bytes in the control transmit queue", VirtioFault.Kind.BUFFER_DIRECTION, d -> {
                    d.driver.queue(CONTROL_TX).add(Buffer.writable(0x1000, 8));
                    d.driver.kick(CONTROL_TX);
                }),
                bad("a short control message", VirtioFault.Kind.CONTROL_LENGTH, d -> control(d, 7)),
                bad("a long control message", VirtioFault.Kind.CONTROL_LENGTH, d -> control(d, 9)),
                bad("an event of the device", VirtioFault.Kind.CONTROL_EVENT, d -> d.send(1, PORT_NAME, 1)),
                bad("port removed by the driver", VirtioFault.Kind.CONTROL_EVENT, d -> d.send(1, 2, 0)),
                bad("an unknown event", VirtioFault.Kind.CONTROL_EVENT, d -> d.send(1, 0xffff, 0)),
                bad("an unknown port", VirtioFault.Kind.CONTROL_PORT, d -> d.send(2, PORT_OPEN, 1)),
                bad("port -1", VirtioFault.Kind.CONTROL_PORT, d -> d.send(-1, PORT_READY, 1)),
                bad("DEVICE_READY a second time", VirtioFault.Kind.CONTROL_ORDER, d -> d.send(0, DEVICE_READY, 1)),
                bad("PORT_READY a second time", VirtioFault.Kind.CONTROL_ORDER, d -> d.send(1, PORT_READY, 1)),
                bad("a broken ring", VirtioFault.Kind.AVAILABLE_INDEX, d -> {
                    d.driver.queue(5).setAvailableIdx(1000);
                    d.driver.kick(5);
                }));
    }

    private static void control(ConsoleDriver driver, int length) {
        driver.driver.queue(CONTROL_TX).add(Buffer.readable(0x1000, length));
        driver.driver.kick(CONTROL_TX);
    }

    private static Arguments bad(String what, VirtioFault.Kind kind, Consumer<ConsoleDriver> misbehave) {
        return Arguments.of(what, kind, misbehave);
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("misbehaviours")
    void misbehaviourHasAName(String what, VirtioFault.Kind kind, Consumer<ConsoleDriver> misbehave) {
        startAndOpen();
        driver.driver.acknowledge();
        int changes = agent.stateChanges;
        misbehave.accept(driver);
        assertFault(kind);
        assertThat(driver.driver.acknowledge() & 2).isEqualTo(2);
        assertThat(agent.stateChanges).isEqualTo(changes + 1);
        assertThat(console.port(1).isGuestOpen()).isFalse();
        assertThat(console.port(1).write(bytes("x"), 0, 1)).isZero();
        console.port(1).resume();

        // A driver that comes to its senses has a device again.
        agent.received.reset();
        start();
        driver.send(-1, DEVICE_READY, 1);
        driver.send(1, PORT_READY, 1);
        driver.transmit(1, "again");
        assertThat(agent.text()).isEqualTo("again");
        assertThat(console.port(1).fault()).isNull();
    }

    /// A guest to which a doorbell is dear sends its half of the handshake with one.
    @Test
    void handshakeInOneGo() {
        start();
        for (byte[] message : new byte[][] {
            ConsoleDriver.control(-1, DEVICE_READY, 1),
            ConsoleDriver.control(0, PORT_READY, 1),
            ConsoleDriver.control(1, PORT_READY, 1),
            ConsoleDriver.control(1, PORT_OPEN, 1)
        }) {
            driver.driver.queue(ConsoleDriver.CONTROL_TX).add(Buffer.readable(driver.driver.put(message), 8));
        }
        driver.driver.kick(ConsoleDriver.CONTROL_TX);
        assertThat(console.port(1).fault()).isNull();
        assertThat(console.port(1).isGuestOpen()).isTrue();
    }

    @Test
    void portReadyBeforeItWasAdded() {
        start();
        driver.send(1, PORT_READY, 1);
        assertFault(VirtioFault.Kind.CONTROL_ORDER);
    }

    @Test
    void portOpenBeforeItIsReady() {
        start();
        driver.send(-1, DEVICE_READY, 1);
        driver.send(1, PORT_OPEN, 1);
        assertFault(VirtioFault.Kind.CONTROL_ORDER);
    }

    @Test
    void bufferTooSmallForAMessage() {
        driver.driver.negotiate(DriverHarness.VERSION_1 | ConsoleDriver.F_MULTIPORT);
        driver.driver.setUp(CONTROL_RX, 16);
        driver.driver.setUp(CONTROL_TX, 16);
        driver.driver.driverOk();
        driver.addControlBuffer(7);
        driver.send(-1, DEVICE_READY, 1);
        assertFault(VirtioFault.Kind.CONTROL_BUFFER);
    }

    @Test
    void readableBufferForAMessage() {
        driver.driver.negotiate(DriverHarness.VERSION_1 | ConsoleDriver.F_MULTIPORT);
        driver.driver.setUp(CONTROL_RX, 16);
        driver.driver.setUp(CONTROL_TX, 16);
        driver.driver.driverOk();
        driver.driver.queue(CONTROL_RX).add(Buffer.readable(0x1000, 8));
        driver.send(-1, DEVICE_READY, 1);
        assertFault(VirtioFault.Kind.BUFFER_DIRECTION);
    }

    @Test
    void faultFoundByAWriterIsTheGuests() {
        startAndOpen();
        driver.driver.queue(ConsoleDriver.rx(1)).add(Buffer.readable(0x1000, 8));
        driver.driver.interrupts.drainPermits();
        assertThat(console.port(1).write(bytes("x"), 0, 1)).isZero();
        assertFault(VirtioFault.Kind.BUFFER_DIRECTION);
        assertThat(driver.driver.interrupts.drainPermits()).isEqualTo(1);
        assertThat(driver.driver.read(DriverHarness.STATUS) & DriverHarness.NEEDS_RESET)
                .isNotZero();
    }

    @Test
    void faultFoundByTheHostsOpeningIsTheGuests() {
        start();
        driver.handshake(2);
        driver.driver.queue(CONTROL_RX).setAvailableIdx(-1);
        driver.driver.queue(ConsoleDriver.tx(1)).setAvailableIdx(99);
        console.port(1).connect(agent);
        assertThat(driver.driver.transport.fault()).isNotNull();
        assertThat(agent.text()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 32769, -8, Integer.MIN_VALUE})
    void badQueueSize(int size) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> VirtioConsole.builder().queueSize(size));
    }

    @Test
    void badPorts() {
        VirtioConsole.Builder builder = VirtioConsole.builder().port("a");
        assertThatIllegalArgumentException().isThrownBy(() -> builder.port("a"));
        assertThatIllegalArgumentException().isThrownBy(() -> builder.port(""));
        assertThatIllegalArgumentException().isThrownBy(() -> builder.port("ä".repeat(65)));
        for (int i = 2; i < VirtioConsole.MAX_PORTS; i++) {
            builder.port("port" + i);
        }
        assertThatIllegalArgumentException().isThrownBy(() -> builder.port("one more"));
        VirtioConsole full = builder.build();
        assertThat(full.ports()).hasSize(VirtioConsole.MAX_PORTS);
        assertThat(full.queueCount()).isEqualTo(64);
        assertThat(full.port("port30").id()).isEqualTo(30);
        assertThatIllegalArgumentException().isThrownBy(() -> full.port("none"));
    }

    @Test
    void allPortsOfAFullConsoleWork() {
        VirtioConsole.Builder builder = VirtioConsole.builder().queueSize(4);
        for (int i = 1; i < VirtioConsole.MAX_PORTS; i++) {
            builder.port("port" + i);
        }
        VirtioConsole full = builder.build();
        try (ConsoleDriver other = new ConsoleDriver(full)) {
            other.start(VirtioConsole.MAX_PORTS, 4, 0);
            other.send(-1, DEVICE_READY, 1);
            while (!other.received().isEmpty()) {}
            for (int id = 0; id < VirtioConsole.MAX_PORTS; id++) {
                RecordingListener listener = new RecordingListener();
                full.port(id).connect(listener);
                other.send(id, PORT_READY, 1);
                other.received();
                assertThat(full.port(id).write(bytes("x"), 0, 1)).isZero();
                other.provide(id, 8);
                other.send(id, PORT_OPEN, 1);
                assertThat(listener.writable).isEqualTo(1);
                assertThat(listener.stateChanges).isEqualTo(1);
                other.transmit(id, "port " + id);
                assertThat(listener.text()).isEqualTo("port " + id);
            }
            assertThat(other.driver.transport.fault()).isNull();
        }
    }
}
