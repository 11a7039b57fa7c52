// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.HostFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/// Requests make no garbage, neither in the queue nor in a device.
///
/// Runs where nothing is compiled (`-Xint`, an execution of its own in the module's build): what a compiler does away
/// with depends on what else the JVM has run, so that the same code would make objects in one run and none in another.
@Tag("interpreted")
@EnabledIf(value = "isInterpreted", disabledReason = "runs in a JVM with -Xint only")
final class AllocationTest {
    private static final int REQUESTS = 4_000;
    private static final int MOST_ROUNDS = 5;

    /// Bytes that a round may make and still count as none: what the measurement itself takes. No object has less than
    /// sixteen times as many for each request.
    private static final long NOISE = REQUESTS;

    static boolean isInterpreted() {
        return System.getProperty("java.vm.info", "").contains("interpreted mode");
    }

    private static final ValueLayout.OfShort LE16 = ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// The bytes that this thread has allocated, ever. Asked for by reflection: the module does not need
    /// java.management.
    private static long allocatedBytes() {
        try {
            Class<?> factory = Class.forName("java.lang.management.ManagementFactory");
            Object threads = factory.getMethod("getThreadMXBean").invoke(null);
            Method allocated =
                    Class.forName("com.sun.management.ThreadMXBean").getMethod("getCurrentThreadAllocatedBytes");
            return (long) allocated.invoke(threads);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError("the JVM does not count allocated bytes", e);
        }
    }

    /// The fewest bytes that one of some rounds allocated: the first one sets up what stays.
    private static long allocatedByARound(Runnable round) {
        long fewest = Long.MAX_VALUE;
        for (int i = 0; i < MOST_ROUNDS && fewest > NOISE; i++) {
            long before = allocatedBytes();
            round.run();
            fewest = Math.min(fewest, allocatedBytes() - before);
        }
        return fewest;
    }

    /// The driver's part of a round trip, without the objects that the test's driver makes.
    private static void makeAvailable(MemorySegment ram, DriverQueue queue, int idx) {
        ram.set(LE16, queue.driverArea + 2, (short) idx);
    }

    @Test
    void measurementSeesAnObject() {
        Object[] keep = new Object[1];
        long allocated = allocatedByARound(() -> {
            for (int i = 0; i < REQUESTS; i++) {
                keep[0] = new byte[8];
            }
        });
        assertThat(allocated).isGreaterThanOrEqualTo(16L * REQUESTS);
    }

    @Test
    void bytesFromTheGuest() {
        VirtioConsole console = VirtioConsole.builder().build();
        byte[] sink = new byte[64];
        console.port(0).connect(bytes -> {
            while (bytes.remaining() > 0) {
                bytes.read(sink, 0, sink.length);
            }
        });
        try (ConsoleDriver driver = new ConsoleDriver(console)) {
            driver.start(1, 8, DriverHarness.EVENT_IDX);
            DriverQueue queue = driver.driver.queue(1);
            // Each entry of the ring is the same chain: two descriptors directly.
            queue.descriptor(0, 0x1000, 20, DriverQueue.F_NEXT, 1);
            queue.descriptor(1, 0x2000, 100, 0, 0);
            MemorySegment ram = driver.driver.ram.ram();
            VirtioMmioTransport transport = driver.driver.transport;
            int[] idx = new int[1];
            long allocated = allocatedByARound(() -> {
                for (int i = 0; i < REQUESTS; i++) {
                    makeAvailable(ram, queue, ++idx[0]);
                    transport.write(DriverHarness.QUEUE_NOTIFY, 4, 1);
                    transport.write(DriverHarness.INTERRUPT_ACK, 4, transport.read(DriverHarness.INTERRUPT_STATUS, 4));
                }
            });
            assertThat(allocated).isLessThanOrEqualTo(NOISE);
            assertThat(console.port(0).bytesFromGuest()).isEqualTo(120L * idx[0]);
        }
    }

    @Test
    void bytesToTheGuest() {
        VirtioConsole console = VirtioConsole.builder().build();
        console.port(0).connect(new ConsoleLog(1));
        try (ConsoleDriver driver = new ConsoleDriver(console)) {
            driver.driver.negotiate(DriverHarness.VERSION_1 | DriverHarness.EVENT_IDX);
            driver.driver.setUp(0, 8);
            driver.driver.driverOk();
            DriverQueue queue = driver.driver.queue(0);
            queue.descriptor(0, 0x1000, 64, DriverQueue.F_WRITE, 0);
            MemorySegment ram = driver.driver.ram.ram();
            MemorySegment source = MemorySegment.ofArray(new byte[64]);
            ConsolePort port = console.port(0);
            int[] idx = new int[1];
            long allocated = allocatedByARound(() -> {
                for (int i = 0; i < REQUESTS; i++) {
                    makeAvailable(ram, queue, ++idx[0]);
                    port.write(source, 0, 64);
                }
            });
            assertThat(allocated).isLessThanOrEqualTo(NOISE);
            assertThat(port.bytesToGuest()).isEqualTo(64L * idx[0]);
        }
    }

    /// What one pread(2) makes in the JDK: `java.lang.foreign` slices the memory for `errno` on each
    /// call, and a compiler does away with that if it can.
    private static long allocatedByReads(HostFile file, int count) {
        MemorySegment target = Arena.ofAuto().allocate(VirtioBlock.SECTOR);
        return allocatedByARound(() -> {
            for (int i = 0; i < count; i++) {
                file.read(0, target, 0, VirtioBlock.SECTOR);
            }
        });
    }

    /// A read of a sector that is in the overlay, and one that is in the base, in one request: two
    /// calls of the host's.
    @Test
    void readsOfADisk() {
        long capacity = 1 << 20;
        long floor;
        try (HostFile file = HostFile.inMemory("floor", capacity)) {
            floor = allocatedByReads(file, 2 * REQUESTS);
        }
        OverlayBackend overlay =
                new OverlayBackend(new FileBackend(HostFile.inMemory("base", capacity), false), capacity);
        List<BlockException> errors = new ArrayList<>();
        try (VirtioBlock device = new VirtioBlock(overlay, "", errors::add, RateLimit.none(), new ManualTimer());
                BlockDriver driver = new BlockDriver(device)) {
            driver.write(0, new byte[VirtioBlock.SECTOR]);
            long header = driver.driver.put(BlockDriver.header(BlockDriver.IN, 7));
            long data = driver.driver.ram.allocate(2 * VirtioBlock.SECTOR);
            DriverQueue queue = driver.queue();
            // Each entry of the ring is the same chain.
            queue.descriptor(0, header, 16, DriverQueue.F_NEXT, 1);
            queue.descriptor(1, data, 2 * VirtioBlock.SECTOR, DriverQueue.F_WRITE | DriverQueue.F_NEXT, 2);
            queue.descriptor(2, data, 1, DriverQueue.F_WRITE, 0);
            MemorySegment ram = driver.driver.ram.ram();
            for (int i = 0; i < queue.size; i++) {
                ram.set(LE16, queue.driverArea + 4 + 2L * i, (short) 0);
            }
            VirtioMmioTransport transport = driver.driver.transport;
            int[] idx = {queue.availableIdx()};
            long allocated = allocatedByARound(() -> {
                for (int i = 0; i < REQUESTS; i++) {
                    makeAvailable(ram, queue, ++idx[0]);
                    transport.write(DriverHarness.QUEUE_NOTIFY, 4, 0);
                    transport.write(DriverHarness.INTERRUPT_ACK, 4, transport.read(DriverHarness.INTERRUPT_STATUS, 4));
                }
            });
            assertThat(allocated).isLessThanOrEqualTo(floor + NOISE);
            assertThat(transport.statistics(0).requests()).isEqualTo(idx[0]);
            assertThat(transport.statistics(0).errors()).isZero();
            assertThat(errors).isEmpty();
        }
    }

    @Test
    void randomBytes() {
        RandomGenerator source = RandomGeneratorFactory.of("L64X128MixRandom").create(1);
        RateLimit limit = RateLimit.none().withBytes(RateLimit.MAX_TOKENS, RateLimit.MAX_TOKENS);
        ManualTimer timer = new ManualTimer();
        try (DriverHarness driver = new DriverHarness(new VirtioRng(source, limit, timer))) {
            driver.negotiate(DriverHarness.VERSION_1 | DriverHarness.EVENT_IDX);
            driver.setUp(0, 8);
            driver.driverOk();
            DriverQueue queue = driver.queue(0);
            queue.descriptor(0, 0x1000, 64, DriverQueue.F_WRITE, 0);
            MemorySegment ram = driver.ram.ram();
            VirtioMmioTransport transport = driver.transport;
            int[] idx = new int[1];
            long allocated = allocatedByARound(() -> {
                for (int i = 0; i < REQUESTS; i++) {
                    makeAvailable(ram, queue, ++idx[0]);
                    transport.write(DriverHarness.QUEUE_NOTIFY, 4, 0);
                }
            });
            assertThat(allocated).isLessThanOrEqualTo(NOISE);
            assertThat(transport.statistics(0).bytesToGuest()).isEqualTo(64L * idx[0]);
        }
    }

    @Test
    void frames() {
        VirtioNet net = VirtioNet.builder(MacAddress.parse("52:54:00:12:34:56")).build();
        byte[] sink = new byte[100];
        net.connect(frame -> frame.read(sink, 0, sink.length));
        try (DriverHarness driver = new DriverHarness(net)) {
            driver.negotiate(DriverHarness.VERSION_1 | DriverHarness.EVENT_IDX);
            DriverQueue receiving = driver.setUp(0, 8);
            DriverQueue transmitting = driver.setUp(1, 8);
            driver.driverOk();
            receiving.descriptor(0, 0x1000, 200, DriverQueue.F_WRITE, 0);
            transmitting.descriptor(0, 0x2000, 72, 0, 0);
            MemorySegment ram = driver.ram.ram();
            MemorySegment frame = MemorySegment.ofArray(new byte[60]);
            VirtioMmioTransport transport = driver.transport;
            int[] idx = new int[1];
            long allocated = allocatedByARound(() -> {
                for (int i = 0; i < REQUESTS; i++) {
                    ++idx[0];
                    makeAvailable(ram, transmitting, idx[0]);
                    transport.write(DriverHarness.QUEUE_NOTIFY, 4, 1);
                    makeAvailable(ram, receiving, idx[0]);
                    net.receive(frame, 0, 60);
                }
            });
            assertThat(allocated).isLessThanOrEqualTo(NOISE);
            assertThat(transport.statistics(0).requests()).isEqualTo(idx[0]);
            assertThat(transport.statistics(1).requests()).isEqualTo(idx[0]);
        }
    }

    /// A packet from the guest, read by the host, and one to the guest.
    @Test
    void packetsOfAConnection() {
        VirtioVsock device = new VirtioVsock(VsockDriver.GUEST_CID, 1, new ManualTimer());
        List<VsockConnection> accepted = new ArrayList<>();
        device.listen(80, accepted::add);
        try (VsockDriver driver = new VsockDriver(device, 4096)) {
            driver.start(8, DriverHarness.EVENT_IDX);
            driver.provide(1);
            driver.send(VsockDriver.Packet.of(VsockDriver.REQUEST, 700, 80));
            assertThat(driver.received()).hasSize(1);
            VsockConnection connection = accepted.getFirst();
            MemorySegment ram = driver.driver.ram.ram();
            VirtioMmioTransport transport = driver.driver.transport;
            DriverQueue receiving = driver.driver.queue(VsockDriver.RX);
            DriverQueue transmitting = driver.driver.queue(VsockDriver.TX);
            byte[] packet = VsockDriver.Packet.of(VsockDriver.RW, 700, 80)
                    .with("x".repeat(64))
                    .bytes();
            long at = driver.driver.put(packet);
            transmitting.descriptor(0, at, packet.length, 0, 0);
            receiving.descriptor(0, 0x1000, 4096, DriverQueue.F_WRITE, 0);
            for (DriverQueue queue : List.of(receiving, transmitting)) {
                for (int i = 0; i < queue.size; i++) {
                    ram.set(LE16, queue.driverArea + 4 + 2L * i, (short) 0);
                }
            }
            byte[] target = new byte[64];
            MemorySegment source = MemorySegment.ofArray(target);
            int[] idx = {receiving.availableIdx(), transmitting.availableIdx()};
            ValueLayout.OfInt fwdCnt = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
            int[] sent = new int[1];
            long allocated = allocatedByARound(() -> {
                for (int i = 0; i < REQUESTS; i++) {
                    makeAvailable(ram, receiving, ++idx[0]);
                    sent[0] += (int) connection.write(source, 0, 64);
                    // The guest has read it. The header's last field.
                    ram.set(fwdCnt, at + 40, sent[0]);
                    makeAvailable(ram, transmitting, ++idx[1]);
                    transport.write(DriverHarness.QUEUE_NOTIFY, 4, VsockDriver.TX);
                    connection.read(target, 0, 64);
                }
            });
            assertThat(transport.fault()).isNull();
            assertThat(allocated).isLessThanOrEqualTo(NOISE);
            assertThat(transport.statistics(VsockDriver.TX).requests()).isGreaterThanOrEqualTo(REQUESTS);
            assertThat(sent[0]).isGreaterThan(32 * REQUESTS);
        }
    }
}
