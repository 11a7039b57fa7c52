// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static io.vivarium.virtio.VsockDriver.CREDIT_REQUEST;
import static io.vivarium.virtio.VsockDriver.CREDIT_UPDATE;
import static io.vivarium.virtio.VsockDriver.EVENT;
import static io.vivarium.virtio.VsockDriver.REQUEST;
import static io.vivarium.virtio.VsockDriver.RESPONSE;
import static io.vivarium.virtio.VsockDriver.RST;
import static io.vivarium.virtio.VsockDriver.RW;
import static io.vivarium.virtio.VsockDriver.RX;
import static io.vivarium.virtio.VsockDriver.SHUTDOWN;
import static io.vivarium.virtio.VsockDriver.TX;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.tuple;

import io.vivarium.virtio.DriverQueue.Buffer;
import io.vivarium.virtio.VsockConnection.Phase;
import io.vivarium.virtio.VsockDriver.Packet;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class VirtioVsockTest {
    private static final int GUEST = 700;
    private static final int HOST = 80;
    private static final int WINDOW = VirtioVsock.FIRST_WINDOW;

    private final ManualTimer timer = new ManualTimer();
    private final VirtioVsock device = device();
    private final VsockDriver driver = new VsockDriver(device, 4096);
    private final List<VsockConnection> accepted = new ArrayList<>();
    private final RecordingEnd end = new RecordingEnd();

    /// Counts what it is told.
    private static final class RecordingEnd implements VsockEnd {
        private int readable;
        private int writable;

        @Override
        public void readable() {
            readable++;
        }

        @Override
        public void writable() {
            writable++;
        }
    }

    private VirtioVsock device() {
        return new VirtioVsock(VsockDriver.GUEST_CID, 4, timer);
    }

    @AfterEach
    void close() {
        driver.close();
    }

    private void start() {
        driver.start(64, DriverHarness.EVENT_IDX);
        driver.provide(8);
    }

    /// A connection that the guest has made to [#HOST].
    private VsockConnection accept() {
        start();
        device.listen(HOST, accepted::add);
        return request(GUEST);
    }

    private VsockConnection request(int guestPort) {
        driver.send(Packet.of(REQUEST, guestPort, HOST));
        assertThat(driver.received()).containsExactly(fromHost(RESPONSE, guestPort, HOST, 0));
        VsockConnection connection = accepted.getLast();
        connection.attach(end);
        return connection;
    }

    private static Packet fromHost(int op, int guestPort, int hostPort, int fwdCnt) {
        return new Packet(
                VsockDriver.HOST_CID, hostPort, VsockDriver.GUEST_CID, guestPort, 0, 1, op, 0, WINDOW, fwdCnt, "");
    }

    private static ByteBuffer bytes(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    private static String read(VsockConnection connection) {
        ByteBuffer target = ByteBuffer.allocate(1 << 20);
        while (connection.read(target) > 0) {}
        return new String(target.array(), 0, target.position(), StandardCharsets.ISO_8859_1);
    }

    private static String text(int length) {
        StringBuilder text = new StringBuilder();
        Random random = new Random(length);
        for (int i = 0; i < length; i++) {
            text.append((char) random.nextInt(256));
        }
        return text.toString();
    }

    private void assertNoFault() {
        assertThat(driver.driver.transport.fault()).isNull();
        assertThat(driver.driver.transport.refusals()).isZero();
    }

    @Test
    void configurationSpace() {
        assertThat(driver.driver.read(DriverHarness.DEVICE_ID)).isEqualTo(19);
        assertThat(driver.driver.offeredFeatures() & 0xffffff)
                .as("streams alone")
                .isEqualTo(1);
        assertThat(driver.driver.transport.read(DriverHarness.CONFIG, 8)).isEqualTo(3);
        assertThat(driver.driver.read(DriverHarness.CONFIG + 4)).isZero();
        assertThat(driver.driver.transport.read(DriverHarness.CONFIG, 1)).isEqualTo(3);
        for (long reserved : new long[] {-1, 0, 1, 2, 0xffff_ffffL, 1L << 32}) {
            assertThatIllegalArgumentException().isThrownBy(() -> new VirtioVsock(reserved, 1, timer));
        }
    }

    @Test
    void guestConnects() {
        VsockConnection connection = accept();
        assertThat(connection.phase()).isEqualTo(Phase.ESTABLISHED);
        assertThat(connection.guestPort()).isEqualTo(GUEST);
        assertThat(connection.hostPort()).isEqualTo(HOST);
        assertThat(connection.read(new byte[1], 0, 1)).isZero();
        driver.send(Packet.of(RW, GUEST, HOST).with("hello"));
        assertThat(end.readable).isEqualTo(1);
        assertThat(connection.available()).isEqualTo(5);
        assertThat(read(connection)).isEqualTo("hello");
        assertThat(connection.write(bytes("answer"))).isEqualTo(6);
        Packet answer = driver.received().getFirst();
        assertThat(answer).isEqualTo(fromHost(RW, GUEST, HOST, 5).with("answer"));
        assertNoFault();
    }

    @Test
    void hostConnects() {
        start();
        VsockConnection connection = Objects.requireNonNull(device.connect(GUEST, end));
        assertThat(connection.phase()).isEqualTo(Phase.CONNECTING);
        assertThat(connection.write(bytes("x"))).as("not yet").isEqualTo(-1);
        int port = connection.hostPort();
        assertThat(driver.received()).containsExactly(fromHost(REQUEST, GUEST, port, 0));
        driver.send(Packet.of(RESPONSE, GUEST, port));
        assertThat(connection.phase()).isEqualTo(Phase.ESTABLISHED);
        assertThat(end.writable).isPositive();
        assertThat(connection.write(bytes("x"))).isEqualTo(1);
        VsockConnection other = Objects.requireNonNull(device.connect(GUEST, end));
        assertThat(other.hostPort()).isNotEqualTo(port);
        assertNoFault();
    }

    @Test
    void nobodyListens() {
        start();
        VsockConnection connection = Objects.requireNonNull(device.connect(GUEST, end));
        driver.received();
        driver.send(Packet.of(RST, GUEST, connection.hostPort()));
        assertThat(connection.phase()).isEqualTo(Phase.REFUSED);
        driver.send(Packet.of(REQUEST, GUEST, HOST));
        assertThat(driver.received())
                .containsExactly(fromHost(RST, GUEST, HOST, 0).withCredit(0, 0));
        assertThat(device.connections()).isEmpty();
        assertNoFault();
    }

    @Test
    void driverThatIsNotUp() {
        assertThat(Objects.requireNonNull(device.connect(GUEST, end)).phase()).isEqualTo(Phase.LOST);
    }

    @Test
    void listenersAreAskedAndLeave() {
        start();
        VsockAcceptor busy = _ -> false;
        assertThat(device.listen(HOST, busy)).isTrue();
        assertThat(device.listen(HOST, accepted::add)).isFalse();
        driver.send(Packet.of(REQUEST, GUEST, HOST));
        assertThat(driver.received()).extracting(Packet::op).containsExactly(RST);
        device.unlisten(HOST, busy);
        assertThat(device.listen(HOST, accepted::add)).isTrue();
        request(GUEST);
        assertThatIllegalArgumentException().isThrownBy(() -> device.listen(-1, busy));
    }

    /// What a packet of a guest is answered with when it belongs nowhere, or comes at the wrong time.
    static Stream<Arguments> answeredWithReset() {
        return Stream.of(
                Arguments.of("unknown type", Packet.of(RW, GUEST, HOST).withType(7)),
                Arguments.of(
                        "sequential packets", Packet.of(REQUEST, GUEST, HOST).withType(2)),
                Arguments.of(
                        "another destination", Packet.of(REQUEST, GUEST, HOST).to(9)),
                Arguments.of(
                        "reserved bits of the destination",
                        Packet.of(REQUEST, GUEST, HOST).to(1L << 32 | 2)),
                Arguments.of("no connection: RW", Packet.of(RW, 1, HOST)),
                Arguments.of("no connection: RESPONSE", Packet.of(RESPONSE, 1, HOST)),
                Arguments.of(
                        "no connection: SHUTDOWN", Packet.of(SHUTDOWN, 1, HOST).withFlags(3)),
                Arguments.of("no connection: CREDIT_REQUEST", Packet.of(CREDIT_REQUEST, 1, HOST)),
                Arguments.of("no connection: invalid", Packet.of(0, 1, HOST)),
                Arguments.of("from VMADDR_PORT_ANY", Packet.of(REQUEST, -1, HOST)),
                Arguments.of("REQUEST again", Packet.of(REQUEST, GUEST, HOST)),
                Arguments.of("RESPONSE to nothing", Packet.of(RESPONSE, GUEST, HOST)),
                Arguments.of("invalid operation", Packet.of(0, GUEST, HOST)),
                Arguments.of("unknown operation", Packet.of(8, GUEST, HOST)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void answeredWithReset(String what, Packet packet) {
        VsockConnection connection = accept();
        driver.send(packet);
        List<Packet> answers = driver.received();
        assertThat(answers).as(what).hasSize(1);
        Packet answer = answers.getFirst();
        assertThat(answer.op()).isEqualTo(RST);
        assertThat(answer.type()).isEqualTo(packet.type());
        assertThat(answer.srcCid()).isEqualTo(packet.dstCid());
        assertThat(answer.srcPort()).isEqualTo(packet.dstPort());
        assertThat(answer.dstCid()).isEqualTo(packet.srcCid());
        assertThat(answer.dstPort()).isEqualTo(packet.srcPort());
        boolean ofConnection = packet.srcPort() == GUEST && packet.dstCid() == 2 && packet.type() == 1;
        assertThat(connection.phase()).isEqualTo(ofConnection ? Phase.RESET : Phase.ESTABLISHED);
        assertNoFault();
    }

    @Test
    void resetsAreNotAnswered() {
        accept();
        driver.send(Packet.of(RST, 1, HOST));
        driver.send(Packet.of(RST, GUEST, HOST).withType(9));
        driver.send(Packet.of(RST, GUEST, HOST).to(77));
        driver.send(Packet.of(RST, GUEST, HOST));
        assertThat(driver.received()).isEmpty();
        assertThat(accepted.getFirst().phase()).isEqualTo(Phase.RESET);
    }

    /// What the device cannot go on from.
    static Stream<Arguments> misbehaviourHasAName() {
        return Stream.of(
                fault("no whole header", VirtioFault.Kind.PACKET_LENGTH, d -> d.sendBytes(new byte[43])),
                fault(
                        "less payload than said",
                        VirtioFault.Kind.PACKET_LENGTH,
                        d -> d.send(Packet.of(RW, GUEST, HOST).with("abc").withLen(4))),
                fault(
                        "a length that is negative as a signed number",
                        VirtioFault.Kind.PACKET_LENGTH,
                        d -> d.send(Packet.of(RW, GUEST, HOST).withLen(-1))),
                fault(
                        "another source",
                        VirtioFault.Kind.PACKET_SOURCE,
                        d -> d.send(Packet.of(RW, GUEST, HOST).from(4))),
                fault(
                        "reserved bits of the source",
                        VirtioFault.Kind.PACKET_SOURCE,
                        d -> d.send(Packet.of(RW, GUEST, HOST).from(1L << 32 | 3))),
                fault(
                        "more than the credit",
                        VirtioFault.Kind.PACKET_CREDIT,
                        d -> d.send(Packet.of(RW, GUEST, HOST).with(text(WINDOW + 1)))),
                fault("more than is left of the credit", VirtioFault.Kind.PACKET_CREDIT, d -> {
                    d.send(Packet.of(RW, GUEST, HOST).with(text(WINDOW)));
                    d.send(Packet.of(RW, GUEST, HOST).with("x"));
                }),
                fault(
                        "more read than was sent",
                        VirtioFault.Kind.PACKET_CREDIT,
                        d -> d.send(Packet.of(CREDIT_UPDATE, GUEST, HOST).withCredit(65536, 1))),
                fault("a writable buffer to transmit", VirtioFault.Kind.BUFFER_DIRECTION, d -> {
                    d.driver.queue(TX).add(Buffer.writable(d.driver.ram.allocate(64), 64));
                    d.driver.kick(TX);
                }),
                fault("a readable receive buffer", VirtioFault.Kind.BUFFER_DIRECTION, d -> {
                    useReceiveBuffer(d, Buffer.readable(d.driver.ram.allocate(64), 64));
                }),
                fault("a receive buffer without room", VirtioFault.Kind.PACKET_BUFFER, d -> {
                    useReceiveBuffer(d, Buffer.writable(d.driver.ram.allocate(64), 44));
                }));
    }

    private static void useReceiveBuffer(VsockDriver driver, Buffer buffer) {
        driver.driver.queue(RX).add(buffer);
        for (int i = 0; i < 9 && driver.driver.transport.fault() == null; i++) {
            driver.send(Packet.of(RW, 1, HOST));
        }
    }

    private static Arguments fault(String what, VirtioFault.Kind kind, Consumer<VsockDriver> misbehave) {
        return Arguments.of(what, kind, misbehave);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void misbehaviourHasAName(String what, VirtioFault.Kind kind, Consumer<VsockDriver> misbehave) {
        VsockConnection connection = accept();
        misbehave.accept(driver);
        VirtioFault fault = driver.driver.transport.fault();
        assertThat(fault).as(what).isNotNull();
        assertThat(fault.kind()).isEqualTo(kind);
        assertThat(device.fault()).isSameAs(fault);
        assertThat(connection.phase()).isEqualTo(Phase.LOST);
        assertThat(connection.write(bytes("x"))).isEqualTo(-1);
        assertThat(device.connections()).isEmpty();
        driver.driver.write(DriverHarness.STATUS, 0);
        assertThat(device.fault()).isNull();
        driver.start(64, 0);
        driver.provide(4);
        request(GUEST + 1);
    }

    @ParameterizedTest
    @ValueSource(ints = {48, 100, 4096})
    void guestsCreditIsKept(int bufferLength) {
        VirtioVsock small = device();
        List<VsockConnection> connections = new ArrayList<>();
        try (VsockDriver guest = new VsockDriver(small, bufferLength)) {
            guest.start(64, 0);
            guest.provide(32);
            small.listen(HOST, connections::add);
            guest.send(Packet.of(REQUEST, GUEST, HOST).withCredit(50, 12345));
            guest.received();
            VsockConnection connection = connections.getFirst();
            connection.attach(end);
            String text = text(200);
            ByteBuffer source = bytes(text);
            StringBuilder got = new StringBuilder();
            // The counter of a new connection begins at zero, whatever the request says.
            assertThat(write(connection, source)).isEqualTo(50);
            assertThat(write(connection, source)).as("no credit is left").isZero();
            got.append(payload(guest));
            int told = end.writable;
            guest.send(Packet.of(CREDIT_UPDATE, GUEST, HOST).withCredit(50, 30));
            assertThat(end.writable).isEqualTo(told + 1);
            assertThat(write(connection, source)).isEqualTo(30);
            got.append(payload(guest));
            guest.send(Packet.of(CREDIT_UPDATE, GUEST, HOST).withCredit(10, 30));
            assertThat(write(connection, source))
                    .as("the guest's buffer has shrunk")
                    .isZero();
            guest.send(Packet.of(RW, GUEST, HOST).with("x").withCredit(1000, 20));
            assertThat(write(connection, source)).as("an older packet's count").isEqualTo(120);
            got.append(payload(guest));
            assertThat(got).hasToString(text);
            assertThat(guest.driver.transport.fault()).isNull();
        }
    }

    private static int write(VsockConnection connection, ByteBuffer source) {
        return connection.write(source);
    }

    private static String payload(VsockDriver guest) {
        StringBuilder all = new StringBuilder();
        for (Packet packet : guest.received()) {
            assertThat(packet.op()).isEqualTo(RW);
            assertThat(packet.len()).isEqualTo(packet.payload().length()).isPositive();
            all.append(packet.payload());
        }
        return all.toString();
    }

    /// The guest is told of room when it is worth it, and its credit is then what it was told.
    @Test
    void hostsCreditIsTold() {
        VsockConnection connection = accept();
        String text = text(WINDOW);
        driver.send(Packet.of(RW, GUEST, HOST).with(text));
        byte[] target = new byte[WINDOW];
        assertThat(connection.read(target, 0, WINDOW / 4 - 1)).isEqualTo(WINDOW / 4 - 1);
        assertThat(driver.received()).as("not worth a packet").isEmpty();
        assertThat(connection.read(target, WINDOW / 4 - 1, 1)).isOne();
        List<Packet> updates = driver.received();
        assertThat(updates).hasSize(1);
        Packet update = updates.getFirst();
        assertThat(update.op()).isEqualTo(CREDIT_UPDATE);
        assertThat(update.fwdCnt()).isEqualTo(WINDOW / 4);
        assertThat(update.bufAlloc()).as("it has used what it had").isEqualTo(2 * WINDOW);
        String more = text(WINDOW + WINDOW / 4);
        driver.send(Packet.of(RW, GUEST, HOST).with(more));
        assertNoFault();
        assertThat(text.substring(0, WINDOW / 4) + read(connection)).isEqualTo(text + more);
        driver.send(Packet.of(RW, GUEST, HOST).with("and on"));
        assertThat(read(connection)).isEqualTo("and on");
        driver.send(Packet.of(CREDIT_REQUEST, GUEST, HOST));
        Packet last = driver.received().getLast();
        assertThat(last.op()).isEqualTo(CREDIT_UPDATE);
        assertThat(last.fwdCnt()).isEqualTo(WINDOW * 2 + WINDOW / 4 + 6);
        assertThat(last.bufAlloc()).isLessThanOrEqualTo(VirtioVsock.MAX_WINDOW);
    }

    @Test
    void windowsGrowOnlyWithinTheDevicesShare() {
        start();
        device.listen(HOST, accepted::add);
        long promised = 0;
        for (int i = 0; i < 4; i++) {
            VsockConnection connection = request(GUEST + i);
            int sent = 0;
            int room = WINDOW;
            for (int round = 0; round < 4; round++) {
                driver.send(Packet.of(RW, GUEST + i, HOST).with(text(room)));
                sent += room;
                read(connection);
                Packet update = driver.received().getLast();
                assertThat(update.fwdCnt()).isEqualTo(sent);
                room = update.bufAlloc();
            }
            promised += room;
        }
        assertThat(promised).isEqualTo(2L * 4 * WINDOW);
        assertNoFault();
    }

    @Test
    void halfClose() {
        VsockConnection connection = accept();
        connection.shutdownOutput();
        connection.shutdownOutput();
        assertThat(driver.received())
                .containsExactly(fromHost(SHUTDOWN, GUEST, HOST, 0).withFlags(2));
        assertThat(connection.write(bytes("x"))).isEqualTo(-1);
        driver.send(Packet.of(RW, GUEST, HOST).with("late"));
        driver.send(Packet.of(SHUTDOWN, GUEST, HOST).withFlags(2));
        assertThat(driver.received()).isEmpty();
        assertThat(read(connection)).isEqualTo("late");
        assertThat(connection.read(new byte[1], 0, 1)).isEqualTo(-1);
        assertThat(connection.phase()).isEqualTo(Phase.ESTABLISHED);
        // The other bit completes what was said before.
        driver.send(Packet.of(SHUTDOWN, GUEST, HOST).withFlags(1));
        assertThat(driver.received()).extracting(Packet::op).containsExactly(RST);
        assertThat(connection.phase()).isEqualTo(Phase.FINISHED);
        assertNoFault();
    }

    @Test
    void guestSendsAfterItSaidItWouldNot() {
        VsockConnection connection = accept();
        driver.send(Packet.of(SHUTDOWN, GUEST, HOST).withFlags(2));
        driver.send(Packet.of(RW, GUEST, HOST).with("x"));
        assertThat(driver.received()).extracting(Packet::op).containsExactly(RST);
        assertThat(connection.phase()).isEqualTo(Phase.RESET);
    }

    @Test
    void guestCloses() {
        VsockConnection connection = accept();
        driver.send(Packet.of(RW, GUEST, HOST).with("last words"));
        driver.send(Packet.of(SHUTDOWN, GUEST, HOST).withFlags(3));
        assertThat(driver.received()).extracting(Packet::op).containsExactly(RST);
        assertThat(connection.phase()).isEqualTo(Phase.FINISHED);
        assertThat(read(connection)).isEqualTo("last words");
        assertThat(connection.read(new byte[1], 0, 1)).isEqualTo(-1);
        assertThat(connection.write(bytes("x"))).isEqualTo(-1);
        // The ports are free again.
        request(GUEST);
    }

    @Test
    void hostCloses() {
        VsockConnection connection = accept();
        driver.send(Packet.of(RW, GUEST, HOST).with("unread"));
        connection.close();
        connection.close();
        assertThat(driver.received())
                .containsExactly(fromHost(SHUTDOWN, GUEST, HOST, 6).withFlags(3));
        assertThat(connection.phase()).isEqualTo(Phase.CLOSING);
        driver.send(Packet.of(RW, GUEST, HOST).with("on its way"));
        assertThat(connection.read(new byte[1], 0, 1)).isEqualTo(-1);
        driver.send(Packet.of(RST, GUEST, HOST));
        assertThat(connection.phase()).isEqualTo(Phase.CLOSED);
        assertThat(device.connections()).isEmpty();
        assertNoFault();
    }

    @Test
    void hostClosesBeforeTheGuestHasAnswered() {
        start();
        VsockConnection connection = Objects.requireNonNull(device.connect(GUEST, end));
        connection.close();
        assertThat(driver.received()).extracting(Packet::op).containsExactly(REQUEST, RST);
        driver.send(Packet.of(RESPONSE, GUEST, connection.hostPort()));
        assertThat(driver.received()).extracting(Packet::op).containsExactly(RST);
        assertThat(connection.phase()).isEqualTo(Phase.CLOSED);
    }

    @Test
    void whatIsNotReadAnyMoreIsDroppedAndCostsNoCredit() {
        VsockConnection connection = accept();
        driver.send(Packet.of(RW, GUEST, HOST).with("unread"));
        connection.shutdownInput();
        assertThat(driver.received()).extracting(Packet::flags).containsExactly(1);
        for (int i = 0; i < 8; i++) {
            driver.send(Packet.of(RW, GUEST, HOST).with(text(WINDOW / 2)));
            driver.received();
        }
        assertThat(connection.available()).isZero();
        assertThat(connection.write(bytes("still"))).isEqualTo(5);
        assertNoFault();
    }

    @Test
    void connectionsAreLimited() {
        start();
        device.listen(HOST, accepted::add);
        for (int i = 0; i < 4; i++) {
            request(GUEST + i);
        }
        driver.send(Packet.of(REQUEST, GUEST + 4, HOST));
        assertThat(driver.received()).extracting(Packet::op).containsExactly(RST);
        assertThat(device.connect(1, end)).isNull();
        // One that the guest does not let go of gives way.
        accepted.get(1).close();
        assertThat(driver.received()).extracting(Packet::op).containsExactly(SHUTDOWN);
        driver.send(Packet.of(REQUEST, GUEST + 4, HOST));
        assertThat(driver.received()).extracting(Packet::op).containsExactly(RST, RESPONSE);
        assertThat(accepted.get(1).phase()).isEqualTo(Phase.CLOSED);
        assertThat(device.connections()).hasSize(4);
    }

    /// A guest that provides no receive buffers has its packets taken all the same, as far as there is room for
    /// answers; then they wait in its queue.
    @Test
    void transmitQueueIsServedWhileTheReceiveQueueIsEmpty() {
        driver.start(256, 0);
        device.listen(HOST, accepted::add);
        driver.send(Packet.of(REQUEST, GUEST, HOST));
        VsockConnection connection = accepted.getFirst();
        driver.send(Packet.of(REQUEST, 1, 5));
        for (int i = 0; i < 200; i++) {
            driver.driver
                    .queue(TX)
                    .add(Buffer.readable(driver.driver.put(Packet.of(RW, 1, 2).bytes()), VsockDriver.HEADER));
        }
        driver.driver.kick(TX);
        int taken = driver.driver.queue(TX).usedIdx();
        assertThat(taken).isEqualTo(1 + VsockRefusals.CAPACITY);
        assertThat(connection.write(bytes("x"))).isZero();
        driver.provide(100);
        assertThat(driver.received()).hasSize(100);
        assertThat(driver.received()).hasSize(100);
        assertThat(driver.driver.queue(TX).usedIdx()).isEqualTo(202);
        assertThat(driver.received()).extracting(Packet::op).contains(RESPONSE);
        assertThat(connection.write(bytes("x"))).isEqualTo(1);
        assertNoFault();
    }

    @Test
    void writersWaitForReceiveBuffersInTurn() {
        start();
        device.listen(HOST, accepted::add);
        VsockConnection first = request(GUEST);
        VsockConnection second = request(GUEST + 1);
        List<VsockConnection> told = new ArrayList<>();
        for (VsockConnection connection : List.of(first, second)) {
            connection.attach(new VsockEnd() {
                @Override
                public void readable() {}

                @Override
                public void writable() {
                    told.add(connection);
                }
            });
        }
        byte[] much = new byte[60_000];
        assertThat(first.write(ByteBuffer.wrap(much))).isEqualTo(8 * (4096 - 44));
        assertThat(second.write(ByteBuffer.wrap(much))).isZero();
        assertThat(second.write(ByteBuffer.wrap(much))).isZero();
        assertThat(told).isEmpty();
        driver.received();
        assertThat(told).containsExactly(first, second);
        assertThat(second.write(ByteBuffer.wrap(much))).isPositive();
    }

    @Test
    void transportReset() {
        VsockConnection connection = accept();
        device.resetTransport();
        assertThat(connection.phase()).isEqualTo(Phase.LOST);
        assertThat(device.connections()).isEmpty();
        assertThat(driver.driver.queue(EVENT).usedIdx()).as("no buffer yet").isZero();
        long address = driver.driver.ram.allocate(4);
        driver.driver.ram.ram().set(ValueLayout.JAVA_INT, address, -1);
        driver.driver.queue(EVENT).add(Buffer.writable(address, 4));
        driver.driver.interrupts.drainPermits();
        driver.driver.kick(EVENT);
        assertThat(Objects.requireNonNull(driver.driver.queue(EVENT).poll()).written())
                .isEqualTo(4);
        assertThat(driver.driver.le32(address))
                .as("VIRTIO_VSOCK_EVENT_TRANSPORT_RESET")
                .isZero();
        assertThat(driver.driver.interrupts.tryAcquire()).isTrue();
        driver.driver.kick(EVENT);
        // Listeners have stayed.
        request(GUEST);
        device.resetTransport();
        driver.driver.queue(EVENT).add(Buffer.writable(driver.driver.ram.allocate(4), 3));
        driver.driver.kick(EVENT);
        assertThat(Objects.requireNonNull(driver.driver.transport.fault()).kind())
                .isEqualTo(VirtioFault.Kind.PACKET_BUFFER);
    }

    @Test
    void driverResetEndsConnections() {
        VsockConnection connection = accept();
        driver.driver.write(DriverHarness.STATUS, 0);
        assertThat(connection.phase()).isEqualTo(Phase.LOST);
        assertThat(connection.read(new byte[1], 0, 1)).isEqualTo(-1);
        assertThat(connection.write(bytes("x"))).isEqualTo(-1);
        driver.start(64, 0);
        driver.provide(4);
        request(GUEST);
    }

    @Test
    void closedDeviceTouchesNothing() {
        VirtioVsock gone = device();
        VsockConnection connection;
        try (VsockDriver guest = new VsockDriver(gone, 4096)) {
            guest.start(64, 0);
            gone.listen(HOST, accepted::add);
            guest.send(Packet.of(REQUEST, GUEST, HOST));
            connection = accepted.getFirst();
            gone.close();
        }
        // The guest's memory is not there any more.
        assertThat(connection.phase()).isEqualTo(Phase.LOST);
        assertThat(connection.write(bytes("x"))).isEqualTo(-1);
        assertThat(Objects.requireNonNull(gone.connect(1, end)).phase()).isEqualTo(Phase.LOST);
        connection.close();
        connection.shutdownOutput();
    }

    @Test
    void queuesTakenBack() {
        VsockConnection connection = accept();
        for (int queue : new int[] {RX, TX}) {
            driver.driver.write(DriverHarness.QUEUE_SEL, queue);
            driver.driver.write(DriverHarness.QUEUE_READY, 0);
        }
        assertThat(connection.write(bytes("x"))).isZero();
        connection.close();
        assertThat(connection.phase()).isEqualTo(Phase.CLOSING);
        assertNoFault();
    }

    // ---- saved state ----

    /// A conversation that is moved to another device before any of its steps.
    @Test
    void anyMomentOfAConversation() {
        for (int moved = 0; moved <= 7; moved++) {
            VirtioVsock from = device();
            VirtioVsock to = device();
            try (VsockDriver guest = new VsockDriver(from, 4096)) {
                guest.start(64, DriverHarness.EVENT_IDX);
                VirtioVsock at = from;
                List<Packet> got = new ArrayList<>();
                VsockConnection connection = null;
                for (int step = 0; step <= 7; step++) {
                    if (step == moved) {
                        guest.driver.moveTo(to);
                        at = to;
                        if (connection != null && step < 7) {
                            assertThat(to.connections()).hasSize(1);
                            connection = to.connections().getFirst();
                        }
                    }
                    switch (step) {
                        case 0 -> connection = Objects.requireNonNull(at.connect(GUEST, end));
                        case 1 -> guest.provide(8);
                        case 2 -> guest.send(Packet.of(RESPONSE, GUEST, 1024));
                        case 3 -> guest.send(Packet.of(RW, GUEST, 1024).with("from guest"));
                        case 4 ->
                            assertThat(Objects.requireNonNull(connection).write(bytes("to guest")))
                                    .isEqualTo(8);
                        case 5 -> {
                            assertThat(read(Objects.requireNonNull(connection))).isEqualTo("from guest");
                            connection.shutdownOutput();
                        }
                        case 6 ->
                            guest.send(Packet.of(SHUTDOWN, GUEST, 1024)
                                    .withFlags(3)
                                    .withCredit(65536, 8));
                        default -> {}
                    }
                    got.addAll(guest.received());
                }
                assertThat(got)
                        .as("moved before step %d", moved)
                        .containsExactly(
                                fromHost(REQUEST, GUEST, 1024, 0),
                                fromHost(RW, GUEST, 1024, 0).with("to guest"),
                                fromHost(SHUTDOWN, GUEST, 1024, 10).withFlags(2),
                                fromHost(RST, GUEST, 1024, 10));
                assertThat(guest.driver.transport.fault()).isNull();
            }
        }
    }

    @Test
    void whatWaitsForBuffersIsSaved() {
        driver.start(64, 0);
        device.listen(HOST, accepted::add);
        driver.send(Packet.of(REQUEST, GUEST, HOST));
        driver.send(Packet.of(REQUEST, 1, 5));
        driver.send(Packet.of(REQUEST, GUEST + 1, HOST));
        driver.send(Packet.of(SHUTDOWN, GUEST + 1, HOST).withFlags(3));
        VirtioVsock other = device();
        driver.driver.moveTo(other);
        driver.provide(8);
        assertThat(driver.received())
                .extracting(Packet::op, Packet::dstPort)
                .containsExactlyInAnyOrder(tuple(RST, 1), tuple(RESPONSE, GUEST), tuple(RST, GUEST + 1));
        // The connections of a copy end, and the driver hears of it.
        other.resetTransport();
        VirtioVsock third = device();
        driver.driver.moveTo(third);
        driver.driver.queue(EVENT).add(Buffer.writable(driver.driver.ram.allocate(4), 4));
        driver.driver.kick(EVENT);
        assertThat(driver.driver.queue(EVENT).usedIdx()).isEqualTo(1);
    }

    // ---- limits: a burst of 1,000 bytes, and as many in a second ----

    private static final RateLimit SLOW = RateLimit.none().withBytes(1000, 1000);

    @Test
    void guestsPacketsWaitForTheRate() {
        VsockConnection connection = accept();
        device.limit(SLOW);
        String first = text(1500);
        driver.send(Packet.of(RW, GUEST, HOST).with(first));
        assertThat(read(connection)).as("the bucket was full").isEqualTo(first);
        driver.send(Packet.of(RW, GUEST, HOST).with("abc"));
        driver.send(Packet.of(RW, GUEST, HOST).with("def"));
        assertThat(connection.available()).isZero();
        assertThat(timer.pending()).isEqualTo(1);
        // 44 bytes of header, 1500 of payload, and one is to be there.
        timer.advance(544_999_999);
        assertThat(connection.available()).isZero();
        int readable = end.readable;
        timer.advance(1);
        assertThat(end.readable).isEqualTo(readable + 1);
        assertThat(read(connection)).isEqualTo("abc");
        timer.advance(47_000_000);
        assertThat(read(connection)).isEqualTo("def");
        assertNoFault();
    }

    @Test
    void packetsWithoutPayloadAreHeldToTheRateToo() {
        VsockConnection connection = accept();
        device.limit(RateLimit.none().withOperations(2, 2));
        for (int i = 0; i < 3; i++) {
            driver.send(Packet.of(CREDIT_REQUEST, GUEST, HOST));
        }
        assertThat(driver.received()).hasSize(2);
        timer.advance(499_999_999);
        assertThat(driver.received()).isEmpty();
        timer.advance(1);
        assertThat(driver.received()).hasSize(1);
        assertThat(connection.phase()).isEqualTo(VsockConnection.Phase.ESTABLISHED);
    }

    @Test
    void whoWritesToTheGuestWaitsForTheRate() {
        VsockConnection connection = accept();
        device.limit(SLOW);
        assertThat(connection.write(bytes(text(1500)))).isEqualTo(1500);
        ByteBuffer more = bytes("more");
        assertThat(connection.write(more)).isZero();
        int writable = end.writable;
        timer.advance(544_999_999);
        assertThat(end.writable).isEqualTo(writable);
        assertThat(connection.write(more)).isZero();
        timer.advance(1);
        assertThat(end.writable).isEqualTo(writable + 1);
        assertThat(connection.write(more)).isEqualTo(4);
        assertThat(driver.received()).extracting(Packet::payload).containsExactly(text(1500), "more");
    }

    @Test
    void aLimitThatIsLiftedLetsGoWhatWaited() {
        VsockConnection connection = accept();
        device.limit(SLOW);
        driver.send(Packet.of(RW, GUEST, HOST).with(text(1500)));
        driver.send(Packet.of(RW, GUEST, HOST).with("abc"));
        connection.write(bytes(text(1500)));
        assertThat(connection.write(bytes("x"))).isZero();
        int writable = end.writable;
        device.limit(RateLimit.none());
        assertThat(read(connection)).isEqualTo(text(1500) + "abc");
        assertThat(end.writable).isEqualTo(writable + 1);
        timer.advance(10_000_000_000L);
        assertNoFault();
    }

    @Test
    void packetsThatWaitForTheRateAreTakenByARestoredDevice() {
        VsockConnection connection = accept();
        device.limit(SLOW);
        driver.send(Packet.of(RW, GUEST, HOST).with(text(1500)));
        driver.send(Packet.of(RW, GUEST, HOST).with("abc"));
        assertThat(read(connection)).isEqualTo(text(1500));
        VirtioVsock other = device();
        driver.driver.moveTo(other);
        assertThat(read(other.connections().getFirst())).isEqualTo("abc");
    }

    @Test
    void nothingIsTakenAfterTheEndBecauseItsTimeHasCome() {
        VsockConnection connection = accept();
        device.limit(SLOW);
        driver.send(Packet.of(RW, GUEST, HOST).with(text(1500)));
        driver.send(Packet.of(RW, GUEST, HOST).with("abc"));
        device.close();
        timer.advance(10_000_000_000L);
        assertThat(read(connection)).isEqualTo(text(1500));
        assertThat(connection.phase()).isEqualTo(VsockConnection.Phase.LOST);
    }

    @Test
    void badPacketThatWaitedForTheRateIsAFault() {
        accept();
        device.limit(SLOW);
        driver.send(Packet.of(RW, GUEST, HOST).with(text(1500)));
        driver.send(Packet.of(RW, GUEST, HOST).from(9));
        assertNoFault();
        timer.advance(545_000_000);
        VirtioFault fault = driver.driver.transport.fault();
        assertThat(fault).isNotNull();
        assertThat(fault.kind()).isEqualTo(VirtioFault.Kind.PACKET_SOURCE);
    }

    @Test
    void statesOfOthersAreRefused() {
        VsockConnection connection = accept();
        driver.send(Packet.of(RW, GUEST, HOST).with("abc"));
        VirtioMmioState state = driver.driver.transport.save();
        VsockState saved = (VsockState) state.device();
        assertThat(saved.connections()).hasSize(1);
        assertThat(connection.available()).isEqualTo(3);
        refused(new VirtioVsock(9, 4, timer), state, "not the state of a socket device of guest 9");
        VsockState.Connection one = saved.connections().getFirst();
        refused(device(), with(state, List.of(one, one)), "one connection too many");
        refused(
                device(),
                with(state, List.of(changed(one, VirtioVsock.MAX_WINDOW + 1, one.taken()))),
                "a window of %d bytes".formatted(VirtioVsock.MAX_WINDOW + 1));
        refused(device(), with(state, List.of(changed(one, 2, one.taken()))), "no state of a connection");
        refused(device(), with(state, List.of(changed(one, one.window(), -1))), "no state of a connection");
    }

    private static VsockState.Connection changed(VsockState.Connection one, int window, int taken) {
        return new VsockState.Connection(
                one.hostPort(),
                one.guestPort(),
                one.phase(),
                one.due(),
                one.peerShutdown(),
                one.shutdown(),
                one.sent(),
                one.peerBufAlloc(),
                one.peerFwdCnt(),
                window,
                one.toldBufAlloc(),
                taken,
                one.toldFwdCnt(),
                one.buffered());
    }

    private static VirtioMmioState with(VirtioMmioState state, List<VsockState.Connection> connections) {
        return new VirtioMmioState(
                state.status(),
                state.driverFeatures(),
                state.deviceFeaturesSel(),
                state.driverFeaturesSel(),
                state.queueSel(),
                state.interruptStatus(),
                state.continueQueues(),
                state.queues(),
                state.fault(),
                new VsockState(3, 1024, false, List.of(), connections));
    }

    private void refused(VirtioVsock other, VirtioMmioState state, String message) {
        VirtioMmioTransport transport = new VirtioMmioTransport(other, driver.driver.ram.memory(), () -> {});
        assertThatIllegalArgumentException()
                .isThrownBy(() -> transport.restore(state))
                .withMessageContaining(message);
    }
}
