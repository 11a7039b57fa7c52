// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static io.vivarium.virtio.DriverHarness.VERSION_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.vivarium.kvm.KvmException;
import io.vivarium.kvm.Tap;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.opentest4j.TestAbortedException;

/// A guest on a network interface of this host, whose kernel answers it. Needs `/dev/net/tun`, the right to make
/// interfaces, and ip(8).
@Timeout(120)
final class TapBackendTest {
    /// Of the range for benchmarks (RFC 2544), which no network has.
    private static final String HOST_ADDRESS = "198.18.77.1/24";

    private static final MacAddress GUEST = MacAddress.parse("52:54:00:12:34:56");
    private static final int HEADER = 12;

    /// Who has 198.18.77.1? Tell 198.18.77.2 (RFC 826).
    private static final String ARP_REQUEST =
            "ffffffffffff 525400123456 0806 0001 0800 06 04 0001 525400123456 c6124d02 000000000000 c6124d01";

    /// To this guest, ARP, a reply.
    private static final String ARP_REPLY_START = "525400123456";

    private static final String ARP_REPLY = "0806 0001 0800 06 04 0002";

    private static byte[] hex(String text) {
        return HexFormat.of().parseHex(text.replace(" ", ""));
    }

    private static Tap tap() {
        try {
            return Tap.open("vivtap%d");
        } catch (KvmException e) {
            throw new TestAbortedException("this user cannot make network interfaces: " + e.getMessage(), e);
        }
    }

    private static void ip(String... arguments) throws IOException, InterruptedException {
        String[] command = new String[arguments.length + 1];
        command[0] = "ip";
        System.arraycopy(arguments, 0, command, 1, arguments.length);
        Process process;
        try {
            process = new ProcessBuilder(command).redirectErrorStream(true).start();
        } catch (IOException e) {
            throw new TestAbortedException("there is no ip(8): " + e.getMessage(), e);
        }
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assumeTrue(process.waitFor() == 0, () -> String.join(" ", command) + ": " + output);
    }

    @Test
    @SuppressWarnings("try") // closes it before the end, which is what is tested
    void theHostAnswersTheGuest() throws IOException, InterruptedException {
        VirtioNet net = VirtioNet.builder(GUEST).build();
        try (DriverHarness driver = new DriverHarness(net);
                Tap tap = tap();
                TapBackend backend = new TapBackend(tap, net)) {
            ip("address", "add", HOST_ADDRESS, "dev", tap.name());
            ip("link", "set", tap.name(), "up");
            driver.negotiate(VERSION_1);
            driver.setUp(0, 64);
            driver.setUp(1, 8);
            driver.driverOk();
            Thread carrier = Thread.ofPlatform().start(backend);
            byte[] request = hex(ARP_REQUEST);
            driver.queue(1)
                    .add(
                            DriverQueue.Buffer.readable(driver.put(new byte[HEADER]), HEADER),
                            DriverQueue.Buffer.readable(driver.put(request), request.length));
            driver.kick(1);
            assertThat(backend.failure()).isNull();
            assertThat(backend.lost()).isZero();
            // The host sends frames of its own accord too, such as IPv6 router solicitations.
            byte[] frame = receive(driver);
            while (!isReply(frame)) {
                frame = receive(driver);
            }
            assertThat(Arrays.copyOfRange(frame, 28, 32)).isEqualTo(hex("c6124d01"));
            backend.close();
            carrier.join();
        }
    }

    private static boolean isReply(byte[] frame) {
        byte[] type = hex(ARP_REPLY);
        return Arrays.equals(frame, 0, 6, hex(ARP_REPLY_START), 0, 6)
                && Arrays.equals(frame, 12, 12 + type.length, type, 0, type.length);
    }

    /// Gives the device a buffer, and waits for a frame in it.
    private static byte[] receive(DriverHarness driver) throws InterruptedException {
        long address = driver.ram.allocate(2048);
        driver.queue(0).add(DriverQueue.Buffer.writable(address, 2048));
        driver.kickIfWanted(0);
        DriverQueue.Used used = driver.queue(0).poll();
        while (used == null) {
            driver.interrupts.acquire();
            driver.acknowledge();
            used = driver.queue(0).poll();
        }
        return driver.bytes(address + HEADER, used.written() - HEADER);
    }

    @Test
    @SuppressWarnings("try") // closes it before the end, which is what is tested
    void framesAreLostWhileTheInterfaceIsDown() {
        VirtioNet net = VirtioNet.builder(GUEST).build();
        try (DriverHarness driver = new DriverHarness(net);
                Tap tap = tap();
                TapBackend backend = new TapBackend(tap, net)) {
            driver.negotiate(VERSION_1);
            driver.setUp(1, 8);
            driver.driverOk();
            driver.queue(1).add(DriverQueue.Buffer.readable(driver.put(new byte[HEADER + 60]), HEADER + 60));
            driver.kick(1);
            assertThat(backend.lost()).isEqualTo(1);
            assertThat(backend.failure()).isNull();
            assertThat(driver.queue(1).poll()).isNotNull();
            backend.close();
            driver.queue(1).add(DriverQueue.Buffer.readable(driver.put(new byte[HEADER + 60]), HEADER + 60));
            driver.kick(1);
            assertThat(backend.lost()).isEqualTo(2);
            assertThat(backend.failure()).isInstanceOf(IllegalStateException.class);
            assertThat(driver.transport.fault()).isNull();
        }
    }

    @Test
    @SuppressWarnings("try") // closes it before the end, which is what is tested
    void closingEndsTheCarrierThatWaitsForTheGuest() throws IOException, InterruptedException {
        VirtioNet net = VirtioNet.builder(GUEST).build();
        try (DriverHarness driver = new DriverHarness(net);
                Tap tap = tap();
                TapBackend backend = new TapBackend(tap, net)) {
            driver.negotiate(VERSION_1);
            driver.setUp(0, 8);
            driver.driverOk();
            Thread carrier = Thread.ofPlatform().start(backend);
            backend.close();
            carrier.join();
            assertThat(net.dropped()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "sixteen-bytes-xx"})
    void namesOfNoInterfaceAreRefused(String name) {
        assertThatIllegalArgumentException().isThrownBy(() -> Tap.open(name).close());
    }
}
