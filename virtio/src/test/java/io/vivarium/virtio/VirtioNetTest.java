// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static io.vivarium.virtio.DriverHarness.CONFIG;
import static io.vivarium.virtio.DriverHarness.CONFIG_GENERATION;
import static io.vivarium.virtio.DriverHarness.EVENT_IDX;
import static io.vivarium.virtio.DriverHarness.INTERRUPT_STATUS;
import static io.vivarium.virtio.DriverHarness.NEEDS_RESET;
import static io.vivarium.virtio.DriverHarness.STATUS;
import static io.vivarium.virtio.DriverHarness.VERSION_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class VirtioNetTest {
    private static final long MTU = 1 << 3;
    private static final long MAC = 1 << 5;
    private static final long MRG_RXBUF = 1 << 15;
    private static final long LINK_STATUS = 1 << 16;
    private static final int HEADER = 12;
    private static final int RX = 0;
    private static final int TX = 1;
    private static final MacAddress ADDRESS = MacAddress.parse("52:54:00:12:34:56");
    private static final long SECOND = 1_000_000_000;

    /// Writes down what happens.
    private static final class Backend implements NetBackend {
        private final List<byte[]> frames = new ArrayList<>();
        private int transmitted;
        private int receivable;

        @Override
        public void transmit(GuestBytes frame) {
            byte[] bytes = new byte[(int) frame.remaining()];
            frame.read(bytes, 0, bytes.length);
            frames.add(bytes);
        }

        @Override
        public void transmitted() {
            transmitted++;
        }

        @Override
        public void receivable() {
            receivable++;
        }
    }

    private final ManualTimer timer = new ManualTimer();
    private final Backend backend = new Backend();
    private final List<DriverHarness> drivers = new ArrayList<>();

    @AfterEach
    void close() {
        drivers.forEach(DriverHarness::close);
    }

    private DriverHarness start(VirtioNet net, long features) {
        DriverHarness driver = new DriverHarness(net);
        drivers.add(driver);
        bringUp(driver, features);
        return driver;
    }

    private static void bringUp(DriverHarness driver, long features) {
        driver.negotiate(VERSION_1 | features);
        driver.setUp(RX, 64);
        driver.setUp(TX, 64);
        driver.driverOk();
    }

    private VirtioNet connected() {
        VirtioNet net = VirtioNet.builder(ADDRESS).build();
        net.connect(backend);
        return net;
    }

    private static byte[] frame(int length, int seed) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) (i * 31 + seed);
        }
        return bytes;
    }

    /// Sends a frame behind a header of zeros, in one buffer.
    private static void send(DriverHarness driver, byte[] frame) {
        byte[] bytes = new byte[HEADER + frame.length];
        System.arraycopy(frame, 0, bytes, HEADER, frame.length);
        driver.queue(TX).add(DriverQueue.Buffer.readable(driver.put(bytes), bytes.length));
        driver.kickIfWanted(TX);
    }

    private static long provide(DriverHarness driver, int length) {
        long address = driver.ram.allocate(length);
        driver.queue(RX).add(DriverQueue.Buffer.writable(address, length));
        driver.kickIfWanted(RX);
        return address;
    }

    private static boolean receive(VirtioNet net, byte[] frame) {
        return net.receive(MemorySegment.ofArray(frame), 0, frame.length);
    }

    @Test
    void whatItIs() {
        DriverHarness driver =
                new DriverHarness(VirtioNet.builder(ADDRESS).mtu(1400).build());
        drivers.add(driver);
        assertThat(driver.read(DriverHarness.DEVICE_ID)).isEqualTo(1);
        assertThat(driver.offeredFeatures() & 0xffffff).isEqualTo(MTU | MAC | MRG_RXBUF | LINK_STATUS);
        assertThat(driver.transport.read(CONFIG, 4)).isEqualTo(0x12005452L);
        assertThat(driver.transport.read(CONFIG + 4, 2)).isEqualTo(0x5634L);
        assertThat(driver.transport.read(CONFIG + 6, 2)).isEqualTo(1);
        assertThat(driver.transport.read(CONFIG + 8, 2)).isEqualTo(1);
        assertThat(driver.transport.read(CONFIG + 10, 2)).isEqualTo(1400);
        assertThat(driver.transport.read(CONFIG + 4, 8)).isEqualTo(0x0578_0001_0001_5634L);
        driver.write(CONFIG, 1);
        assertThat(driver.transport.lastRefusal()).isEqualTo(VirtioMmioTransport.Refusal.NO_SUCH_CONFIG);
        DriverHarness plain = start(VirtioNet.builder(ADDRESS).build(), 0);
        assertThat(plain.offeredFeatures() & 0xffffff).isEqualTo(MAC | MRG_RXBUF | LINK_STATUS);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 67, 65536, -1})
    void anMtuThatIsNoneIsRefused(int mtu) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> VirtioNet.builder(ADDRESS).mtu(mtu));
    }

    @Test
    void oneCable() {
        VirtioNet net = connected();
        assertThatIllegalStateException().isThrownBy(() -> net.connect(backend));
    }

    @Test
    void framesOfTheGuestGoOut() {
        DriverHarness driver = start(connected(), EVENT_IDX);
        send(driver, frame(14, 1));
        send(driver, frame(1514, 2));
        send(driver, frame(VirtioNet.MAX_FRAME, 3));
        assertThat(backend.frames).containsExactly(frame(14, 1), frame(1514, 2), frame(VirtioNet.MAX_FRAME, 3));
        assertThat(backend.transmitted).isEqualTo(3);
        assertThat(driver.queue(TX).poll()).isEqualTo(new DriverQueue.Used(0, 0));
        assertThat(driver.transport.statistics(TX).bytesFromGuest())
                .isEqualTo(14 + 1514 + VirtioNet.MAX_FRAME + 3 * HEADER);
    }

    @Test
    void headerAndFrameMayLieInAnyBuffers() {
        DriverHarness driver = start(connected(), 0);
        long address = driver.put(new byte[HEADER + 60]);
        byte[] frame = frame(60, 9);
        MemorySegment.copy(frame, 0, driver.ram.ram(), ValueLayout.JAVA_BYTE, address + HEADER, frame.length);
        driver.queue(TX)
                .add(
                        DriverQueue.Buffer.readable(address, 5),
                        DriverQueue.Buffer.readable(address + 5, 20),
                        DriverQueue.Buffer.readable(address + 25, HEADER + 60 - 25));
        driver.kick(TX);
        assertThat(backend.frames).containsExactly(frame);
    }

    @Test
    void flagsThatAreNotKnownAreIgnored() {
        DriverHarness driver = start(connected(), 0);
        byte[] bytes = new byte[HEADER + 14];
        bytes[0] = (byte) 0xfe;
        // hdr_len, gso_size, csum_start, csum_offset and num_buffers mean nothing here.
        Arrays.fill(bytes, 2, HEADER, (byte) 0xff);
        driver.queue(TX).add(DriverQueue.Buffer.readable(driver.put(bytes), bytes.length));
        driver.kick(TX);
        assertThat(backend.frames).containsExactly(new byte[14]);
    }

    @Test
    void framesForTheGuestComeIn() {
        VirtioNet net = connected();
        DriverHarness driver = start(net, 0);
        long first = provide(driver, 2000);
        long second = provide(driver, HEADER + 60);
        assertThat(receive(net, frame(1514, 1))).isTrue();
        assertThat(driver.read(INTERRUPT_STATUS)).isEqualTo(1);
        assertThat(receive(net, frame(60, 2))).isTrue();
        assertThat(driver.queue(RX).poll()).isEqualTo(new DriverQueue.Used(0, HEADER + 1514));
        assertThat(driver.queue(RX).poll()).isEqualTo(new DriverQueue.Used(1, HEADER + 60));
        // flags, gso_type, hdr_len, gso_size, csum_start, csum_offset 0; num_buffers 1
        assertThat(driver.bytes(first, HEADER)).containsExactly(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0);
        assertThat(driver.bytes(first + HEADER, 1514)).isEqualTo(frame(1514, 1));
        assertThat(driver.bytes(second + HEADER, 60)).isEqualTo(frame(60, 2));
        assertThat(net.dropped()).isZero();
    }

    @Test
    void withMergeableBuffersAFrameIsSpreadOverSeveral() {
        VirtioNet net = connected();
        DriverHarness driver = start(net, MRG_RXBUF);
        long first = provide(driver, HEADER);
        long second = provide(driver, 100);
        long third = provide(driver, 100);
        provide(driver, 100);
        assertThat(receive(net, frame(150, 1))).isTrue();
        assertThat(driver.queue(RX).usedIdx()).isEqualTo(3);
        assertThat(driver.queue(RX).poll()).isEqualTo(new DriverQueue.Used(0, HEADER));
        assertThat(driver.queue(RX).poll()).isEqualTo(new DriverQueue.Used(1, 100));
        assertThat(driver.queue(RX).poll()).isEqualTo(new DriverQueue.Used(2, 50));
        assertThat(driver.le16(first + 10)).isEqualTo(3);
        assertThat(driver.bytes(second, 100)).isEqualTo(Arrays.copyOf(frame(150, 1), 100));
        assertThat(driver.bytes(third, 50)).isEqualTo(Arrays.copyOfRange(frame(150, 1), 100, 150));
        assertThat(driver.interrupts.availablePermits()).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(longs = {0, EVENT_IDX})
    void aFrameWithoutBuffersWaitsForThem(long features) {
        VirtioNet net = connected();
        DriverHarness driver = start(net, MRG_RXBUF | features);
        provide(driver, 100);
        assertThat(receive(net, frame(150, 1))).isFalse();
        assertThat(driver.queue(RX).usedIdx()).isZero();
        assertThat(backend.receivable).isZero();
        provide(driver, 100);
        assertThat(backend.receivable).isEqualTo(1);
        assertThat(receive(net, frame(150, 1))).isTrue();
        assertThat(driver.queue(RX).usedIdx()).isEqualTo(2);
        assertThat(driver.transport.statistics(RX).requests()).isEqualTo(2);
        // Nobody waits any more.
        provide(driver, 100);
        assertThat(backend.receivable).isEqualTo(1);
    }

    @Test
    void aBufferTooSmallIsKeptAndTheFrameLost() {
        VirtioNet net = connected();
        DriverHarness driver = start(net, 0);
        provide(driver, HEADER + 100);
        provide(driver, HEADER + 100);
        assertThat(receive(net, frame(101, 1))).isTrue();
        assertThat(net.dropped()).isEqualTo(1);
        assertThat(driver.transport.statistics(RX).errors()).isEqualTo(1);
        assertThat(receive(net, frame(100, 1))).isTrue();
        assertThat(driver.queue(RX).poll()).isEqualTo(new DriverQueue.Used(0, HEADER + 100));
    }

    @Test
    void aFrameOverMoreBuffersThanAreMergedIsLost() {
        VirtioNet net = connected();
        DriverHarness driver = start(net, MRG_RXBUF);
        for (int i = 0; i < 64; i++) {
            provide(driver, HEADER);
        }
        assertThat(receive(net, frame(64 * HEADER, 1))).isTrue();
        assertThat(net.dropped()).isEqualTo(1);
        assertThat(receive(net, frame(63 * HEADER, 1))).isTrue();
        assertThat(driver.queue(RX).usedIdx()).isEqualTo(64);
    }

    @Test
    void theMtuIsKeptInBothDirections() {
        VirtioNet net = VirtioNet.builder(ADDRESS).mtu(1400).build();
        net.connect(backend);
        DriverHarness driver = start(net, MTU);
        provide(driver, 2000);
        assertThat(receive(net, frame(1415, 1))).isTrue();
        assertThat(net.dropped()).isEqualTo(1);
        assertThat(receive(net, frame(1414, 1))).isTrue();
        assertThat(driver.queue(RX).usedIdx()).isEqualTo(1);
        send(driver, frame(1418, 1));
        assertThat(backend.frames).hasSize(1);
        send(driver, frame(1419, 1));
        assertThat(Objects.requireNonNull(driver.transport.fault()).kind())
                .isEqualTo(VirtioFault.Kind.NET_FRAME_LENGTH);
    }

    @Test
    void framesAreLostWithoutDriverOrLinkOrCable() {
        VirtioNet net = VirtioNet.builder(ADDRESS).build();
        assertThat(receive(net, frame(60, 1))).isTrue();
        assertThat(net.dropped()).isEqualTo(1);
        DriverHarness driver = start(net, LINK_STATUS);
        send(driver, frame(60, 1));
        assertThat(driver.queue(TX).poll()).isNotNull();
        assertThat(net.dropped()).isEqualTo(2);
        net.connect(backend);
        provide(driver, 200);
        net.setLink(false);
        send(driver, frame(60, 1));
        receive(net, frame(60, 1));
        assertThat(net.dropped()).isEqualTo(4);
        assertThat(backend.frames).isEmpty();
        assertThat(driver.queue(RX).poll()).isNull();
        receive(net, frame(13, 1));
        receive(net, new byte[VirtioNet.MAX_FRAME + 1]);
        net.setLink(true);
        receive(net, frame(13, 1));
        receive(net, new byte[VirtioNet.MAX_FRAME + 1]);
        assertThat(net.dropped()).isEqualTo(8);
        assertThat(receive(net, frame(60, 1))).isTrue();
        assertThat(driver.queue(RX).poll()).isNotNull();
    }

    @Test
    void theLinksStateIsConfiguration() {
        VirtioNet net = connected();
        DriverHarness driver = start(net, LINK_STATUS);
        int generation = driver.read(CONFIG_GENERATION);
        net.setLink(false);
        assertThat(driver.read(INTERRUPT_STATUS)).isEqualTo(2);
        assertThat(driver.transport.read(CONFIG + 6, 2)).isZero();
        assertThat(driver.read(CONFIG_GENERATION)).isNotEqualTo(generation);
        driver.write(STATUS, 0);
        net.setLink(true);
        assertThat(driver.read(INTERRUPT_STATUS)).isZero();
    }

    private static Arguments bad(
            String name, VirtioFault.Kind kind, int queue, long features, DriverQueue.Buffer... buffers) {
        return Arguments.of(name, kind, queue, features, List.of(buffers));
    }

    /// Memory at 0x1000 is zeros; at 0x2000 a header that asks for a checksum, at 0x3000 one for segmentation.
    static Stream<Arguments> misbehaviour() {
        return Stream.of(
                bad("no header", VirtioFault.Kind.NET_HEADER, TX, 0, DriverQueue.Buffer.readable(0x1000, 11)),
                bad("a checksum", VirtioFault.Kind.NET_HEADER, TX, 0, DriverQueue.Buffer.readable(0x2000, 100)),
                bad("segmentation", VirtioFault.Kind.NET_HEADER, TX, 0, DriverQueue.Buffer.readable(0x3000, 100)),
                bad("no frame", VirtioFault.Kind.NET_FRAME_LENGTH, TX, 0, DriverQueue.Buffer.readable(0x1000, 12)),
                bad("13 bytes", VirtioFault.Kind.NET_FRAME_LENGTH, TX, 0, DriverQueue.Buffer.readable(0x1000, 25)),
                bad(
                        "too long",
                        VirtioFault.Kind.NET_FRAME_LENGTH,
                        TX,
                        0,
                        DriverQueue.Buffer.readable(0x4000, HEADER + VirtioNet.MAX_FRAME + 1)),
                bad(
                        "transmit into a buffer",
                        VirtioFault.Kind.BUFFER_DIRECTION,
                        TX,
                        0,
                        DriverQueue.Buffer.readable(0x1000, 100),
                        DriverQueue.Buffer.writable(0x1100, 4)),
                bad(
                        "receive from a buffer",
                        VirtioFault.Kind.BUFFER_DIRECTION,
                        RX,
                        0,
                        DriverQueue.Buffer.readable(0x1000, 100)),
                bad(
                        "no room for a header",
                        VirtioFault.Kind.NET_BUFFER,
                        RX,
                        0,
                        DriverQueue.Buffer.writable(0x1000, 11)),
                bad(
                        "no room for a header to merge",
                        VirtioFault.Kind.NET_BUFFER,
                        RX,
                        MRG_RXBUF,
                        DriverQueue.Buffer.writable(0x1000, 11)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("misbehaviour")
    void misbehaviourHasAName(
            String name, VirtioFault.Kind kind, int queue, long features, List<DriverQueue.Buffer> buffers) {
        VirtioNet net = connected();
        DriverHarness driver = start(net, features);
        driver.ram.ram().set(ValueLayout.JAVA_BYTE, 0x2000, (byte) 1);
        driver.ram.ram().set(ValueLayout.JAVA_BYTE, 0x3001, (byte) 1);
        driver.queue(queue).add(buffers);
        driver.kick(queue);
        receive(net, frame(60, 1));
        assertThat(Objects.requireNonNull(driver.transport.fault(), name).kind())
                .isEqualTo(kind);
        assertThat(driver.read(STATUS) & NEEDS_RESET).isNotZero();
        assertThat(backend.frames).isEmpty();
        assertThat(driver.queue(queue).poll()).isNull();
        bringUp(driver, features);
        provide(driver, 100);
        assertThat(receive(net, frame(60, 1))).isTrue();
        assertThat(driver.queue(RX).poll()).isNotNull();
    }

    @Test
    void whoWaitsIsToldWhenTheBuffersAreTakenBack() {
        VirtioNet net = connected();
        DriverHarness driver = start(net, 0);
        assertThat(receive(net, frame(60, 1))).isFalse();
        driver.write(STATUS, 0);
        assertThat(backend.receivable).isEqualTo(1);
        assertThat(receive(net, frame(60, 1))).isTrue();
        assertThat(net.dropped()).isEqualTo(1);
    }

    @Test
    void bothDirectionsAreLimited() {
        VirtioNet net = VirtioNet.builder(ADDRESS)
                .limits(RateLimit.none().withOperations(1, 1), RateLimit.none().withBytes(10, 10), timer)
                .build();
        net.connect(backend);
        DriverHarness driver = start(net, 0);
        send(driver, frame(60, 1));
        send(driver, frame(61, 1));
        assertThat(backend.frames).hasSize(1);
        timer.advance(SECOND);
        assertThat(backend.frames).hasSize(2);
        provide(driver, 100);
        provide(driver, 100);
        assertThat(receive(net, frame(19, 1))).isTrue();
        assertThat(receive(net, frame(19, 1))).isFalse();
        timer.advance(SECOND);
        assertThat(backend.receivable).isEqualTo(1);
        assertThat(receive(net, frame(19, 1))).isTrue();
    }

    @Test
    void trafficGoesOnAfterARestore() {
        VirtioNet net = VirtioNet.builder(ADDRESS)
                .limits(RateLimit.none().withOperations(1, 1), RateLimit.none(), timer)
                .build();
        net.connect(backend);
        DriverHarness driver = start(net, MRG_RXBUF);
        send(driver, frame(60, 1));
        send(driver, frame(61, 2));
        provide(driver, 50);
        assertThat(receive(net, frame(60, 1))).isFalse();
        net.setLink(true);
        VirtioNet restored = VirtioNet.builder(ADDRESS).build();
        Backend newBackend = new Backend();
        restored.connect(newBackend);
        VirtioMmioState state = driver.moveTo(restored);
        assertThat(state.device()).isEqualTo(new NetState(ADDRESS, 0, true, 1, true));
        assertThat(newBackend.frames).containsExactly(frame(61, 2));
        assertThat(receive(restored, frame(60, 1))).isFalse();
        provide(driver, 50);
        assertThat(newBackend.receivable).isEqualTo(1);
        assertThat(receive(restored, frame(60, 1))).isTrue();
        assertThat(driver.queue(RX).usedIdx()).isEqualTo(2);
    }

    @Test
    void theStateOfAnotherDeviceIsRefused() {
        VirtioNet net = connected();
        NetState other = new NetState(MacAddress.parse("52:54:00:12:34:57"), 0, true, 0, false);
        assertThatIllegalArgumentException().isThrownBy(() -> net.restore(other, null));
        assertThatIllegalArgumentException().isThrownBy(() -> net.restore(new RngState(false), null));
    }

    @Test
    void twoMachinesTalkOverALink() {
        VirtioNet left = VirtioNet.builder(ADDRESS).build();
        VirtioNet right =
                VirtioNet.builder(MacAddress.parse("52:54:00:12:34:57")).build();
        NetLink link = NetLink.connect(left, right, 4);
        DriverHarness leftDriver = start(left, EVENT_IDX);
        DriverHarness rightDriver = start(right, MRG_RXBUF);
        long there = provide(rightDriver, 2000);
        long back = provide(leftDriver, 2000);
        send(leftDriver, frame(1000, 1));
        assertThat(rightDriver.queue(RX).poll()).isEqualTo(new DriverQueue.Used(0, HEADER + 1000));
        assertThat(rightDriver.bytes(there + HEADER, 1000)).isEqualTo(frame(1000, 1));
        send(rightDriver, frame(500, 2));
        assertThat(leftDriver.bytes(back + HEADER, 500)).isEqualTo(frame(500, 2));
        assertThat(link.dropped()).isZero();
    }

    @Test
    void aLinkHoldsSomeFramesAndLosesTheRest() {
        VirtioNet left = VirtioNet.builder(ADDRESS).build();
        VirtioNet right =
                VirtioNet.builder(MacAddress.parse("52:54:00:12:34:57")).build();
        NetLink link = NetLink.connect(left, right, 3);
        DriverHarness leftDriver = start(left, 0);
        DriverHarness rightDriver = start(right, 0);
        for (int i = 0; i < 5; i++) {
            send(leftDriver, frame(60, i));
        }
        assertThat(link.dropped()).isEqualTo(2);
        for (int i = 0; i < 5; i++) {
            long address = provide(rightDriver, 100);
            if (i < 3) {
                assertThat(rightDriver.bytes(address + HEADER, 60)).isEqualTo(frame(60, i));
            }
        }
        assertThat(rightDriver.queue(RX).usedIdx()).isEqualTo(3);
        send(leftDriver, frame(60, 9));
        assertThat(rightDriver.queue(RX).usedIdx()).isEqualTo(4);
    }
}
