// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.vivarium.virtio.VsockDriver.Packet;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Any packets, between any calls of the host.
final class VsockPacketsFuzzTest {
    private static final int MAX_STEPS = 400;
    private static final int CONNECTIONS = 5;

    /// Steps of a byte and what belongs to it.
    @FuzzTest
    void packets(byte[] input) {
        ByteBuffer steps = ByteBuffer.wrap(input).order(ByteOrder.LITTLE_ENDIAN);
        VirtioVsock device = new VirtioVsock(VsockDriver.GUEST_CID, CONNECTIONS, new ManualTimer());
        List<VsockConnection> connections = new ArrayList<>();
        VsockEnd nobody = new VsockEnd() {
            @Override
            public void readable() {}

            @Override
            public void writable() {}
        };
        device.listen(1, connections::add);
        device.listen(2, connection -> connection.guestPort() % 2 == 0);
        try (VsockDriver driver = new VsockDriver(device, 300)) {
            driver.start(32, DriverHarness.EVENT_IDX);
            driver.provide(4);
            byte[] target = new byte[5000];
            for (int step = 0; step < MAX_STEPS && steps.hasRemaining(); step++) {
                int what = Byte.toUnsignedInt(steps.get());
                VsockConnection connection = connections.isEmpty() ? null : connections.get(what % connections.size());
                switch (what / 16) {
                    case 0 -> {
                        VsockConnection made = device.connect(what % 16, nobody);
                        if (made != null) {
                            connections.add(made);
                        }
                    }
                    case 1 -> {
                        if (connection != null) {
                            connection.close();
                        }
                    }
                    case 2 -> {
                        if (connection != null) {
                            assertThat(connection.read(target, 0, target.length))
                                    .isBetween(-1, target.length);
                        }
                    }
                    case 3 -> {
                        if (connection != null) {
                            assertThat(connection.write(ByteBuffer.wrap(target, 0, 100 * (what % 16))))
                                    .isBetween(-1, 1600);
                        }
                    }
                    case 4 -> {
                        if (connection != null) {
                            connection.shutdownOutput();
                        }
                    }
                    case 5 -> {
                        if (connection != null) {
                            connection.shutdownInput();
                        }
                    }
                    case 6 -> checkAll(driver.received());
                    case 7 -> {
                        if (what % 16 == 0) {
                            device.resetTransport();
                        }
                    }
                    default -> driver.sendBytes(packet(steps, what));
                }
                assertThat(device.connections()).hasSizeLessThanOrEqualTo(CONNECTIONS);
                if (driver.driver.transport.fault() != null) {
                    assertThat(device.connections()).isEmpty();
                    assertThat(connections).allMatch(one -> one.write(ByteBuffer.wrap(target)) == -1);
                    return;
                }
            }
        }
    }

    private static void checkAll(List<Packet> packets) {
        for (Packet packet : packets) {
            assertThat(packet.dstCid()).isEqualTo(VsockDriver.GUEST_CID);
            assertThat(packet.op()).isBetween(VsockDriver.REQUEST, VsockDriver.CREDIT_REQUEST);
            assertThat(packet.len()).isEqualTo(packet.payload().length());
            assertThat(packet.len() > 0).isEqualTo(packet.op() == VsockDriver.RW);
        }
    }

    /// A packet whose fields are near to what they may be.
    private static byte[] packet(ByteBuffer steps, int what) {
        int op = what % 16;
        int ports = next(steps);
        int rest = next(steps);
        int length = 10 * (rest % 16);
        Packet packet = Packet.of(op, ports % 16, ports / 16 % 4 == 3 ? 1024 + ports / 64 : ports / 16)
                .with("x".repeat(length))
                .withFlags(rest / 16 % 4)
                .withCredit(next(steps) * 16, next(steps));
        if (rest / 64 == 3) {
            packet = switch (next(steps) % 5) {
                case 0 -> packet.withLen(length - 1);
                case 1 -> packet.withType(2);
                case 2 -> packet.to(7);
                case 3 -> packet.from(8);
                default -> packet.withLen(length + 1);
            };
        }
        return packet.bytes();
    }

    private static int next(ByteBuffer steps) {
        return steps.hasRemaining() ? Byte.toUnsignedInt(steps.get()) : 0;
    }

    @Test
    void byChance() {
        for (int seed = 0; seed < 1000; seed++) {
            byte[] input = new byte[1500];
            new Random(seed).nextBytes(input);
            packets(input);
        }
    }
}
