// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.vivarium.kvm.HostFile;
import io.vivarium.virtio.BlockDriver.Done;
import io.vivarium.virtio.BlockDriver.Segment;
import io.vivarium.virtio.DriverQueue.Buffer;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class VirtioBlockTest {
    private static final int SECTOR = VirtioBlock.SECTOR;
    private static final long CAPACITY = 1 << 20;
    private static final long SECTORS = CAPACITY / SECTOR;

    private final List<BlockException> errors = new ArrayList<>();
    private final ManualTimer timer = new ManualTimer();

    private VirtioBlock device(BlockBackend backend) {
        return device(backend, RateLimit.none());
    }

    private VirtioBlock device(BlockBackend backend, RateLimit limit) {
        return new VirtioBlock(backend, "serial-0", errors::add, limit, timer);
    }

    private static FaultyBackend storage() {
        return new FaultyBackend(CAPACITY, false);
    }

    private static byte[] random(long seed, int length) {
        byte[] bytes = new byte[length];
        RandomGeneratorFactory.of("L64X128MixRandom").create(seed).nextBytes(bytes);
        return bytes;
    }

    private static Path file(Path directory, byte[] content) throws IOException {
        return Files.write(directory.resolve("disk"), content);
    }

    private static FileBackend backend(Path file, boolean readOnly) {
        return new FileBackend(HostFile.open(file, !readOnly), readOnly);
    }

    // ---- what it says of itself ----

    @Test
    void featuresOfAWritableDisk() {
        assertThat(device(storage()).features()).isEqualTo(1L << 1 | 1L << 2 | 1L << 6 | 1L << 9 | 1L << 13 | 1L << 14);
    }

    @Test
    void featuresOfAReadOnlyDisk() {
        assertThat(device(new FaultyBackend(CAPACITY, true)).features())
                .isEqualTo(1L << 1 | 1L << 2 | 1L << 5 | 1L << 6 | 1L << 9);
    }

    /// struct virtio_blk_config (§5.2.4): offset, size, value.
    @ParameterizedTest
    @CsvSource({
        "0, 8, 2048", "0, 4, 2048", "4, 4, 0", "1, 1, 8", "0, 2, 2048",
        "8, 4, 1048576", "12, 4, 254", "16, 4, 0", "20, 4, 512", "24, 8, 0",
        "32, 4, 0", "36, 4, 2097152", "40, 4, 16", "44, 4, 8", "48, 4, 2097152",
        "52, 4, 16", "56, 1, 1", "57, 1, 0", "58, 2, 0"
    })
    void configurationSpace(int offset, int size, long value) {
        try (BlockDriver driver = new BlockDriver(device(storage()))) {
            assertThat(driver.driver.transport.read(DriverHarness.CONFIG + offset, size))
                    .isEqualTo(value);
            driver.driver.transport.write(DriverHarness.CONFIG + offset, size, -1);
            assertThat(driver.driver.transport.read(DriverHarness.CONFIG + offset, size))
                    .isEqualTo(value);
        }
    }

    @Test
    void readOnlyDiskHasNothingToDiscard() {
        VirtioBlock device = device(new FaultyBackend(CAPACITY, true));
        for (int offset = 36; offset < 60; offset += 4) {
            assertThat(device.readConfig(offset, 4)).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "x", "01234567890123456789"})
    void deviceId(String serial) {
        VirtioBlock device = new VirtioBlock(storage(), serial, errors::add, RateLimit.none(), timer);
        try (BlockDriver driver = new BlockDriver(device)) {
            long at = driver.driver.put(random(1, 21));
            byte after = driver.driver.bytes(at + 20, 1)[0];
            assertThat(driver.request(BlockDriver.GET_ID, 0, Buffer.writable(at, 20)))
                    .isEqualTo(new Done(BlockDriver.OK, 21));
            assertThat(driver.driver.bytes(at, 20))
                    .isEqualTo(Arrays.copyOf(serial.getBytes(StandardCharsets.US_ASCII), 20));
            assertThat(driver.driver.bytes(at + 20, 1)[0]).isEqualTo(after);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"012345678901234567890", "ä"})
    void serialThatIsNone(String serial) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new VirtioBlock(storage(), serial, errors::add, RateLimit.none(), timer));
    }

    // ---- requests ----

    @Test
    void readsAndWritesAFile(@TempDir Path directory) throws IOException {
        byte[] content = random(1, (int) CAPACITY);
        Path file = file(directory, content);
        try (VirtioBlock device = device(backend(file, false));
                BlockDriver driver = new BlockDriver(device)) {
            assertThat(driver.read(0, SECTOR)).isEqualTo(Arrays.copyOf(content, SECTOR));
            assertThat(driver.read(SECTORS - 1, SECTOR))
                    .isEqualTo(Arrays.copyOfRange(content, (int) CAPACITY - SECTOR, (int) CAPACITY));
            assertThat(driver.read(3, 100 * SECTOR)).isEqualTo(Arrays.copyOfRange(content, 3 * SECTOR, 103 * SECTOR));
            byte[] written = random(2, 5 * SECTOR);
            assertThat(driver.write(7, written)).isEqualTo(new Done(BlockDriver.OK, 1));
            System.arraycopy(written, 0, content, 7 * SECTOR, written.length);
            assertThat(driver.read(6, 7 * SECTOR)).isEqualTo(Arrays.copyOfRange(content, 6 * SECTOR, 13 * SECTOR));
            assertThat(driver.request(BlockDriver.FLUSH, 0)).isEqualTo(new Done(BlockDriver.OK, 1));
        }
        assertThat(Files.readAllBytes(file)).isEqualTo(content);
        assertThat(errors).isEmpty();
    }

    /// No arrangement of a request in descriptors may be assumed (§2.7.4.1): every cut of it gives the same.
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void anyArrangementInDescriptors(long seed, @TempDir Path directory) throws IOException {
        byte[] content = random(seed, (int) CAPACITY);
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        try (VirtioBlock device = device(backend(file(directory, content), false));
                BlockDriver driver = new BlockDriver(device)) {
            for (int i = 0; i < 20; i++) {
                int length = SECTOR * random.nextInt(1, 5);
                int sector = random.nextInt((int) SECTORS - 5);
                boolean write = random.nextBoolean();
                byte[] data = random(seed * 100 + i, length);
                byte[] header = BlockDriver.header(write ? BlockDriver.OUT : BlockDriver.IN, sector);
                byte[] toRead = write ? concatenated(header, data) : header;
                long readable = driver.driver.put(toRead);
                int writableLength = write ? 1 : length + 1;
                long writable = driver.driver.ram.allocate(writableLength);
                List<Buffer> chain = new ArrayList<>();
                cut(random, readable, toRead.length, false, chain);
                cut(random, writable, writableLength, true, chain);
                driver.queue().add(chain);
                driver.driver.kick(0);
                assertThat(driver.queue().poll())
                        .isNotNull()
                        .extracting(DriverQueue.Used::written)
                        .isEqualTo((long) writableLength);
                assertThat(driver.status(writable + writableLength - 1)).isEqualTo(BlockDriver.OK);
                if (write) {
                    System.arraycopy(data, 0, content, sector * SECTOR, length);
                } else {
                    assertThat(driver.driver.bytes(writable, length))
                            .isEqualTo(Arrays.copyOfRange(content, sector * SECTOR, sector * SECTOR + length));
                }
            }
        }
        assertThat(Files.readAllBytes(directory.resolve("disk"))).isEqualTo(content);
    }

    private static byte[] concatenated(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    private static void cut(RandomGenerator random, long at, int length, boolean writes, List<Buffer> chain) {
        for (int done = 0; done < length; ) {
            int part = chain.size() > 40 ? length - done : Math.min(length - done, random.nextInt(1, 700));
            chain.add(new Buffer(at + done, part, writes));
            done += part;
        }
    }

    @Test
    void dataMayBeEmpty() {
        try (BlockDriver driver = new BlockDriver(device(storage()))) {
            assertThat(driver.request(BlockDriver.IN, SECTORS)).isEqualTo(new Done(BlockDriver.OK, 1));
            assertThat(driver.request(BlockDriver.OUT, 0)).isEqualTo(new Done(BlockDriver.OK, 1));
        }
    }

    /// Bad requests that are answered: type, sector, bytes of data, status.
    @ParameterizedTest
    @CsvSource({
        // beyond the capacity
        "0, 2048, 512, 1",
        "0, 2047, 1024, 1",
        "0, 9223372036854775807, 512, 1",
        "0, -1, 512, 1",
        "0, -9223372036854775808, 512, 1",
        "0, 36028797018963968, 512, 1",
        "1, 2048, 512, 1",
        "1, 2047, 1024, 1",
        "1, -1, 512, 1",
        // not whole sectors
        "0, 0, 511, 1",
        "0, 0, 1, 1",
        "1, 0, 513, 1",
        // a device ID of another size
        "8, 0, 19, 1",
        "8, 0, 21, 1",
        // discard and write zeroes without whole segments, or with too many
        "11, 0, 15, 1",
        "11, 0, 17, 1",
        "11, 0, 272, 1",
        "13, 0, 8, 1",
        "13, 0, 272, 1",
        // unknown types: SCSI command, lifetime, secure erase, zones, and none
        "2, 0, 512, 2",
        "10, 0, 512, 2",
        "14, 0, 16, 2",
        "15, 0, 512, 2",
        "16, 0, 512, 2",
        "18, 0, 512, 2",
        "20, 0, 512, 2",
        "22, 0, 512, 2",
        "24, 0, 512, 2",
        "26, 0, 512, 2",
        "-1, 0, 512, 2"
    })
    void badRequests(int type, long sector, int length, int status) {
        FaultyBackend storage = storage();
        try (BlockDriver driver = new BlockDriver(device(storage))) {
            long at = driver.driver.ram.allocate(length);
            boolean reads = type == BlockDriver.IN || type == BlockDriver.GET_ID;
            Done done = driver.request(type, sector, new Buffer(at, length, reads));
            assertThat(done.status()).isEqualTo(status);
            assertThat(done.written()).isEqualTo(reads ? 0 : 1);
            assertThat(storage.calls).isEmpty();
            assertThat(driver.driver.transport.fault()).isNull();
            assertThat(driver.driver.transport.statistics(0).errors()).isEqualTo(1);
            assertThat(driver.read(0, SECTOR)).containsOnly(1);
        }
        assertThat(errors).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {BlockDriver.DISCARD, BlockDriver.WRITE_ZEROES})
    void discardWithoutASegment(int type) {
        try (BlockDriver driver = new BlockDriver(device(storage()))) {
            assertThat(driver.request(type, 0).status()).isEqualTo(BlockDriver.IOERR);
        }
    }

    /// Segments: type, sector, sectors, flags, status.
    @ParameterizedTest
    @CsvSource({
        "11, 0, 1, 1, 2", // discard with unmap (§5.2.6.2)
        "11, 0, 1, 2, 2",
        "13, 0, 1, 2, 2",
        "13, 0, 1, 3, 2",
        "13, 0, 1, -2147483648, 2",
        "13, 99999, 1, 4, 2",
        "11, 2048, 1, 0, 1",
        "11, 2047, 2, 0, 1",
        "11, -1, 1, 0, 1",
        "11, 0, -1, 0, 1",
        "13, 9223372036854775807, 8, 0, 1",
        "13, 0, 2097153, 0, 1"
    })
    void badSegments(int type, long sector, int sectors, int flags, int status) {
        FaultyBackend storage = storage();
        try (BlockDriver driver = new BlockDriver(device(storage))) {
            Segment good = new Segment(0, 8, 0);
            assertThat(driver.segments(type, good, new Segment(sector, sectors, flags)))
                    .isEqualTo(new Done(status, 1));
            assertThat(storage.calls).isEmpty();
        }
    }

    @Test
    void segmentsAreDoneInTheirOrder() {
        FaultyBackend storage = storage();
        try (BlockDriver driver = new BlockDriver(device(storage))) {
            driver.segments(BlockDriver.DISCARD, new Segment(8, 8, 0), new Segment(5, 0, 0), new Segment(0, 1, 0));
            driver.segments(BlockDriver.WRITE_ZEROES, new Segment(1, 2, 1), new Segment(3, 1, 0));
            assertThat(storage.calls)
                    .containsExactly("discard 4096+4096", "discard 0+512", "zero 512+1024 unmap", "zero 1536+512");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void writtenZeroesAreReadWhateverUnmapSays(int unmap, @TempDir Path directory) throws IOException {
        byte[] content = random(9, (int) CAPACITY);
        try (VirtioBlock device = device(backend(file(directory, content), false));
                BlockDriver driver = new BlockDriver(device)) {
            assertThat(driver.segments(BlockDriver.WRITE_ZEROES, new Segment(1, 1000, unmap))
                            .status())
                    .isEqualTo(BlockDriver.OK);
            Arrays.fill(content, SECTOR, 1001 * SECTOR, (byte) 0);
            assertThat(driver.read(0, 1002 * SECTOR)).isEqualTo(Arrays.copyOf(content, 1002 * SECTOR));
        }
        assertThat(Files.readAllBytes(directory.resolve("disk"))).isEqualTo(content);
    }

    @Test
    void discardGivesStorageBack(@TempDir Path directory) throws IOException {
        Path file = file(directory, random(9, (int) CAPACITY));
        long before = blocks(file);
        try (VirtioBlock device = device(backend(file, false));
                BlockDriver driver = new BlockDriver(device)) {
            assertThat(driver.segments(BlockDriver.DISCARD, new Segment(0, (int) SECTORS, 0))
                            .status())
                    .isEqualTo(BlockDriver.OK);
        }
        assertThat(Files.size(file)).isEqualTo(CAPACITY);
        assertThat(blocks(file)).isLessThan(before);
    }

    private static long blocks(Path file) throws IOException {
        Process stat = new ProcessBuilder("stat", "--format=%b", file.toString()).start();
        return Long.parseLong(new String(stat.getInputStream().readAllBytes(), StandardCharsets.US_ASCII).strip());
    }

    @Test
    void readOnlyDiskIsNotWritten() {
        FaultyBackend storage = new FaultyBackend(CAPACITY, true);
        try (BlockDriver driver = new BlockDriver(device(storage))) {
            assertThat(driver.write(0, new byte[SECTOR])).isEqualTo(new Done(BlockDriver.IOERR, 1));
            assertThat(driver.segments(BlockDriver.DISCARD, new Segment(0, 1, 0)))
                    .isEqualTo(new Done(BlockDriver.UNSUPP, 1));
            assertThat(driver.segments(BlockDriver.WRITE_ZEROES, new Segment(0, 1, 0)))
                    .isEqualTo(new Done(BlockDriver.UNSUPP, 1));
            assertThat(storage.calls).isEmpty();
        }
    }

    /// Without a flush to ask for, a write that is done is stable (§5.2.6.2).
    @Test
    void writesThroughWithoutFlush() {
        FaultyBackend storage = storage();
        try (BlockDriver driver = new BlockDriver(device(storage), DriverHarness.VERSION_1)) {
            driver.write(0, new byte[SECTOR]);
            driver.segments(BlockDriver.WRITE_ZEROES, new Segment(0, 1, 0));
            assertThat(storage.calls).containsExactly("write 0+512", "flush", "zero 0+512", "flush");
        }
    }

    @Test
    void flushReachesTheStorageAndMayCarryData() {
        FaultyBackend storage = storage();
        try (BlockDriver driver = new BlockDriver(device(storage))) {
            driver.write(0, new byte[SECTOR]);
            assertThat(storage.calls).containsExactly("write 0+512");
            long at = driver.driver.ram.allocate(SECTOR);
            assertThat(driver.request(BlockDriver.FLUSH, 0, Buffer.readable(at, SECTOR))
                            .status())
                    .isEqualTo(BlockDriver.OK);
            assertThat(storage.calls).containsExactly("write 0+512", "flush");
        }
    }

    // ---- what breaks the contract ----

    @Test
    void requestWithoutAStatus() {
        try (BlockDriver driver = new BlockDriver(device(storage()))) {
            driver.queue().add(Buffer.readable(driver.driver.put(BlockDriver.header(0, 0)), 16));
            driver.driver.kick(0);
            assertFault(driver, VirtioFault.Kind.BLOCK_STATUS);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 15})
    void requestWithoutItsHeader(int length) {
        try (BlockDriver driver = new BlockDriver(device(storage()))) {
            long at = driver.driver.ram.allocate(32);
            Buffer status = Buffer.writable(at + 16, 1);
            if (length == 0) {
                driver.queue().add(status);
            } else {
                driver.queue().add(Buffer.readable(at, length), status);
            }
            driver.driver.kick(0);
            assertFault(driver, VirtioFault.Kind.BLOCK_HEADER);
        }
    }

    @ParameterizedTest
    @ValueSource(
            ints = {BlockDriver.IN, BlockDriver.OUT, BlockDriver.GET_ID, BlockDriver.DISCARD, BlockDriver.WRITE_ZEROES})
    void dataForTheWrongDirection(int type) {
        FaultyBackend storage = storage();
        try (BlockDriver driver = new BlockDriver(device(storage))) {
            boolean reads = type == BlockDriver.IN || type == BlockDriver.GET_ID;
            driver.add(type, 0, new Buffer(driver.driver.ram.allocate(SECTOR), SECTOR, !reads));
            driver.driver.kick(0);
            assertFault(driver, VirtioFault.Kind.BUFFER_DIRECTION);
            assertThat(storage.calls).isEmpty();
        }
    }

    private static void assertFault(BlockDriver driver, VirtioFault.Kind kind) {
        assertThat(driver.driver.transport.fault())
                .isNotNull()
                .extracting(VirtioFault::kind)
                .isEqualTo(kind);
        assertThat(driver.driver.read(DriverHarness.STATUS) & DriverHarness.NEEDS_RESET)
                .isNotZero();
    }

    @Test
    void worksAgainAfterAReset() {
        try (BlockDriver driver = new BlockDriver(device(storage()))) {
            driver.queue().add(Buffer.writable(driver.driver.ram.allocate(1), 1));
            driver.driver.kick(0);
            assertFault(driver, VirtioFault.Kind.BLOCK_HEADER);
            driver.driver.negotiate(DriverHarness.VERSION_1);
            driver.driver.setUp(0, 4);
            driver.driver.driverOk();
            assertThat(driver.read(0, SECTOR)).containsOnly(1);
        }
    }

    // ---- what the storage fails at ----

    @ParameterizedTest
    @ValueSource(ints = {BlockDriver.IN, BlockDriver.OUT, BlockDriver.FLUSH})
    void storageThatFails(int type) {
        FaultyBackend storage = storage();
        try (BlockDriver driver = new BlockDriver(device(storage))) {
            storage.next = new BlockException(BlockException.Kind.IO, "a broken disk");
            long at = driver.driver.ram.allocate(SECTOR);
            Done done = driver.request(type, 0, new Buffer(at, SECTOR, type == BlockDriver.IN));
            assertThat(done.status()).isEqualTo(BlockDriver.IOERR);
            assertThat(errors).extracting(BlockException::kind).containsExactly(BlockException.Kind.IO);
            assertThat(driver.driver.transport.statistics(0).errors()).isEqualTo(1);
            assertThat(driver.read(0, SECTOR)).containsOnly(1);
        }
        assertThat(errors).hasSize(1);
    }

    @Test
    void listenerIsToldWithoutTheLock() {
        FaultyBackend storage = storage();
        List<Boolean> held = new ArrayList<>();
        VirtioBlock[] device = new VirtioBlock[1];
        device[0] =
                new VirtioBlock(storage, "", error -> held.add(device[0].lock().isHeld()), RateLimit.none(), timer);
        try (BlockDriver driver = new BlockDriver(device[0])) {
            storage.next = new BlockException(BlockException.Kind.IO, "a broken disk");
            driver.request(BlockDriver.FLUSH, 0);
        }
        assertThat(held).containsExactly(false);
    }

    /// Of a read that fails halfway, what is told to be written begins with the first byte (§2.7.8.2).
    @Test
    void truncatedFile(@TempDir Path directory) throws IOException {
        byte[] content = random(3, (int) CAPACITY);
        Path file = file(directory, content);
        try (VirtioBlock device = device(backend(file, false));
                BlockDriver driver = new BlockDriver(device)) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(5 * SECTOR);
            }
            long first = driver.driver.ram.allocate(2 * SECTOR);
            long second = driver.driver.ram.allocate(2 * SECTOR);
            Done done = driver.request(
                    BlockDriver.IN, 3, Buffer.writable(first, 2 * SECTOR), Buffer.writable(second, 2 * SECTOR));
            assertThat(done).isEqualTo(new Done(BlockDriver.IOERR, 2 * SECTOR));
            assertThat(driver.driver.bytes(first, 2 * SECTOR))
                    .isEqualTo(Arrays.copyOfRange(content, 3 * SECTOR, 5 * SECTOR));
            assertThat(errors).extracting(BlockException::kind).containsExactly(BlockException.Kind.TRUNCATED);
            assertThat(driver.read(0, 5 * SECTOR)).isEqualTo(Arrays.copyOf(content, 5 * SECTOR));
        }
    }

    @Test
    void stoppedDeviceFailsWhatIsUnderWayAndWhatComes() {
        FaultyBackend storage = new FaultyBackend(8 << 20, false);
        VirtioBlock device = device(storage);
        try (BlockDriver driver = new BlockDriver(device)) {
            storage.meanwhile = device::stop;
            long at = driver.driver.ram.allocate(3 << 20);
            assertThat(driver.request(BlockDriver.OUT, 0, Buffer.readable(at, 3 << 20))
                            .status())
                    .isEqualTo(BlockDriver.IOERR);
            assertThat(storage.calls).containsExactly("write 0+1048576");
            assertThat(driver.request(BlockDriver.FLUSH, 0).status()).isEqualTo(BlockDriver.IOERR);
            assertThat(driver.segments(BlockDriver.DISCARD, new Segment(0, 1, 0))
                            .status())
                    .isEqualTo(BlockDriver.IOERR);
            assertThat(driver.segments(BlockDriver.WRITE_ZEROES, new Segment(0, 1, 0))
                            .status())
                    .isEqualTo(BlockDriver.IOERR);
            assertThat(storage.calls).hasSize(1);
            assertThat(errors).extracting(BlockException::kind).containsOnly(BlockException.Kind.STOPPED);
            device.close();
            assertThat(storage.calls).hasSize(2).endsWith("close");
        }
    }

    // ---- queue ----

    @Test
    void severalRequestsWithOneNotification() {
        try (BlockDriver driver = new BlockDriver(device(storage()))) {
            List<Long> statuses = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                statuses.add(
                        driver.add(BlockDriver.IN, i, Buffer.writable(driver.driver.ram.allocate(SECTOR), SECTOR)));
            }
            assertThat(driver.driver.kickIfWanted(0)).isTrue();
            assertThat(statuses).allMatch(at -> driver.status(at) == BlockDriver.OK);
            assertThat(driver.driver.interrupts.drainPermits()).isEqualTo(1);
        }
    }

    @Test
    void oneNotificationCostsABoundedTime() {
        FaultyBackend storage = new FaultyBackend(8 << 20, false);
        try (BlockDriver driver = new BlockDriver(device(storage))) {
            long at = driver.driver.ram.allocate(1 << 20);
            for (int i = 0; i < 6; i++) {
                driver.add(BlockDriver.OUT, 0, Buffer.readable(at, 1 << 20));
            }
            driver.driver.kick(0);
            assertThat(storage.calls).hasSize(4);
            assertThat(driver.driver.interrupts.drainPermits()).isEqualTo(1);
            driver.driver.acknowledge();
            assertThat(storage.calls).hasSize(6);
        }
    }

    // ---- rate ----

    @Test
    void operationsAreHeldToTheirRate() {
        FaultyBackend storage = storage();
        try (BlockDriver driver =
                new BlockDriver(device(storage, RateLimit.none().withOperations(2, 1000)))) {
            for (int i = 0; i < 5; i++) {
                driver.add(BlockDriver.FLUSH, 0);
            }
            driver.driver.kick(0);
            assertThat(storage.calls).hasSize(2);
            driver.driver.interrupts.drainPermits();
            driver.driver.acknowledge();
            assertThat(storage.calls).hasSize(2);
            for (int more = 3; more <= 5; more++) {
                timer.advance(999_999);
                assertThat(driver.driver.interrupts.drainPermits()).isZero();
                timer.advance(1);
                assertThat(driver.driver.interrupts.drainPermits()).isEqualTo(1);
                driver.driver.acknowledge();
                assertThat(storage.calls).hasSize(more);
            }
            assertThat(driver.driver.transport.fault()).isNull();
        }
    }

    @Test
    void bytesAreHeldToTheirRate() {
        FaultyBackend storage = storage();
        try (BlockDriver driver =
                new BlockDriver(device(storage, RateLimit.none().withBytes(1000, 1000)))) {
            long at = driver.driver.ram.allocate(4 * SECTOR);
            driver.add(BlockDriver.IN, 0, Buffer.writable(at, 4 * SECTOR));
            long second = driver.add(BlockDriver.IN, 0, Buffer.writable(at, SECTOR));
            driver.driver.kick(0);
            // 16 bytes of header, the data, the status; one token more than the debt has to come.
            long nanos = (16 + 4 * SECTOR + 1 - 1000 + 1) * 1_000_000L;
            timer.advance(nanos - 1);
            driver.driver.acknowledge();
            assertThat(driver.status(second)).isEqualTo(BlockDriver.NONE);
            timer.advance(1);
            driver.driver.acknowledge();
            assertThat(driver.status(second)).isEqualTo(BlockDriver.OK);
        }
    }

    @Test
    void requestsThatWaitAreGoneWithAReset() {
        FaultyBackend storage = storage();
        try (BlockDriver driver =
                new BlockDriver(device(storage, RateLimit.none().withOperations(1, 1)))) {
            driver.add(BlockDriver.FLUSH, 0);
            driver.add(BlockDriver.FLUSH, 0);
            driver.driver.kick(0);
            driver.driver.write(DriverHarness.STATUS, 0);
            driver.driver.interrupts.drainPermits();
            timer.advance(2_000_000_000L);
            assertThat(driver.driver.interrupts.drainPermits()).isZero();
            assertThat(storage.calls).hasSize(1);
        }
    }

    // ---- saved ----

    @Test
    void goesOnInTheMiddleOfTraffic(@TempDir Path directory) throws IOException {
        byte[] content = random(4, (int) CAPACITY);
        Path file = file(directory, content);
        try (VirtioBlock first = device(backend(file, true), RateLimit.none().withOperations(2, 1));
                VirtioBlock second = device(backend(file, true));
                BlockDriver driver = new BlockDriver(first)) {
            List<Long> statuses = new ArrayList<>();
            List<Long> buffers = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                long at = driver.driver.ram.allocate(SECTOR);
                buffers.add(at);
                statuses.add(driver.add(BlockDriver.IN, i, Buffer.writable(at, SECTOR)));
            }
            driver.driver.kick(0);
            assertThat(statuses.stream().filter(at -> driver.status(at) == BlockDriver.OK))
                    .hasSize(2);
            driver.driver.acknowledge();
            driver.driver.interrupts.drainPermits();

            VirtioMmioState state = driver.driver.moveTo(second);
            assertThat(state.device()).isEqualTo(new BlockState(CAPACITY, true));
            assertThat(driver.driver.interrupts.drainPermits()).isEqualTo(1);
            driver.driver.acknowledge();
            assertThat(statuses).allMatch(at -> driver.status(at) == BlockDriver.OK);
            for (int i = 0; i < 5; i++) {
                assertThat(driver.driver.bytes(buffers.get(i), SECTOR))
                        .isEqualTo(Arrays.copyOfRange(content, i * SECTOR, (i + 1) * SECTOR));
            }
        }
    }

    @Test
    void idleDeviceGoesOnWithoutAnInterrupt() {
        try (BlockDriver driver = new BlockDriver(device(storage()))) {
            driver.read(0, SECTOR);
            driver.driver.acknowledge();
            driver.driver.interrupts.drainPermits();
            driver.driver.moveTo(device(storage()));
            assertThat(driver.driver.interrupts.drainPermits()).isZero();
            assertThat(driver.read(0, SECTOR)).containsOnly(1);
        }
    }

    @Test
    void stateOfAnotherDiskIsRefused() {
        try (BlockDriver driver = new BlockDriver(device(storage()))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> driver.driver.moveTo(device(new FaultyBackend(2 * CAPACITY, false))));
        }
        try (BlockDriver driver = new BlockDriver(device(storage()), DriverHarness.VERSION_1)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> driver.driver.moveTo(device(new FaultyBackend(CAPACITY, true))));
        }
    }

    // ---- files that are no disks ----

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 511, 513})
    void fileOfNoWholeSectors(int length, @TempDir Path directory) throws IOException {
        Path file = file(directory, new byte[length]);
        try (HostFile open = HostFile.open(file, false)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new FileBackend(open, true))
                    .withMessageContaining(length + " bytes");
        }
    }

    @Test
    void statusByteIsWrittenOnceAllElseIs() {
        try (BlockDriver driver = new BlockDriver(device(storage()))) {
            long at = driver.driver.ram.allocate(SECTOR + 1);
            long header = driver.driver.put(BlockDriver.header(BlockDriver.IN, 0));
            driver.queue().add(Buffer.readable(header, 16), Buffer.writable(at, SECTOR + 1));
            driver.driver.kick(0);
            assertThat(driver.driver.ram.ram().get(ValueLayout.JAVA_BYTE, at + SECTOR))
                    .isEqualTo((byte) BlockDriver.OK);
            assertThat(driver.driver.bytes(at, SECTOR)).containsOnly(1);
        }
    }
}
