// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static io.vivarium.virtio.DriverHarness.CONFIG;
import static io.vivarium.virtio.DriverHarness.CONFIG_GENERATION;
import static io.vivarium.virtio.DriverHarness.INTERRUPT_STATUS;
import static io.vivarium.virtio.DriverHarness.NEEDS_RESET;
import static io.vivarium.virtio.DriverHarness.STATUS;
import static io.vivarium.virtio.DriverHarness.VERSION_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.vivarium.virtio.BalloonStatistics.Tag;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class VirtioBalloonTest {
    private static final long STATS = 1 << 1;
    private static final long DEFLATE_ON_OOM = 1 << 2;
    private static final long POISON = 1 << 4;
    private static final long REPORTING = 1 << 5;
    private static final int PAGE = VirtioBalloon.PAGE_SIZE;

    private static final class Listener implements BalloonListener {
        private int actualChanges;
        private int statisticsChanges;

        @Override
        public void actualChanged() {
            actualChanges++;
        }

        @Override
        public void statisticsChanged() {
            statisticsChanges++;
        }
    }

    private final Listener listener = new Listener();
    private final VirtioBalloon balloon = new VirtioBalloon(listener, true);
    private final DriverHarness driver = new DriverHarness(balloon);
    /// RAM that no queue lies in, and the copy-on-write region.
    private final MemorySegment ram = driver.ram.memory().writableSlice(8 << 20, 1 << 20);

    private final MemorySegment copy = driver.ram.memory().writableSlice(GuestRam.COPY, GuestRam.COPY_SIZE);

    @AfterEach
    void close() {
        driver.close();
    }

    private void start(long features, int... queues) {
        driver.negotiate(VERSION_1 | features);
        for (int queue : queues) {
            driver.setUp(queue, 8);
        }
        driver.driverOk();
    }

    /// A request with page numbers; the device has taken it when this returns.
    private void request(int queue, long... addresses) {
        ByteBuffer numbers = ByteBuffer.allocate(4 * addresses.length).order(ByteOrder.LITTLE_ENDIAN);
        for (long address : addresses) {
            numbers.putInt((int) (address / PAGE));
        }
        driver.queue(queue).add(DriverQueue.Buffer.readable(driver.put(numbers.array()), numbers.capacity()));
        driver.kick(queue);
    }

    private static long resident(MemorySegment memory) throws IOException {
        long resident = 0;
        try (RandomAccessFile pageMap = new RandomAccessFile("/proc/self/pagemap", "r")) {
            pageMap.seek(memory.address() / PAGE * 8);
            for (long page = 0; page < memory.byteSize() / PAGE; page++) {
                resident += Long.reverseBytes(pageMap.readLong()) >>> 63;
            }
        }
        return resident;
    }

    private static byte at(MemorySegment memory, int page) {
        return memory.get(ValueLayout.JAVA_BYTE, (long) page * PAGE);
    }

    @Test
    void whatItIs() {
        assertThat(driver.read(DriverHarness.DEVICE_ID)).isEqualTo(5);
        assertThat(driver.offeredFeatures() & 0xffffff).isEqualTo(STATS | DEFLATE_ON_OOM | POISON | REPORTING);
        try (DriverHarness strict = new DriverHarness(new VirtioBalloon(listener, false))) {
            assertThat(strict.offeredFeatures() & 0xffffff).isEqualTo(STATS | POISON | REPORTING);
        }
    }

    @Test
    void theTargetIsInTheConfigurationAndTheDriverIsTold() {
        start(0, 0, 1);
        int generation = driver.read(CONFIG_GENERATION);
        balloon.setTarget(0xfedc_ba98L);
        assertThat(driver.read(INTERRUPT_STATUS)).isEqualTo(2);
        assertThat(driver.interrupts.availablePermits()).isEqualTo(1);
        assertThat(driver.read(CONFIG_GENERATION)).isNotEqualTo(generation);
        assertThat(driver.read(CONFIG)).isEqualTo(0xfedc_ba98);
        assertThat(balloon.target()).isEqualTo(0xfedc_ba98L);
        assertThat(driver.transport.read(CONFIG + 1, 2)).isEqualTo(0xdcba);
        assertThat(driver.transport.read(CONFIG, 8)).isEqualTo(0xfedc_ba98L);
        assertThatIllegalArgumentException().isThrownBy(() -> balloon.setTarget(1L << 32));
        assertThatIllegalArgumentException().isThrownBy(() -> balloon.setTarget(-1));
    }

    @Test
    void theDriverSaysHowMuchItGaveUp() {
        start(0, 0, 1);
        driver.write(CONFIG + 4, 77);
        assertThat(balloon.actual()).isEqualTo(77);
        assertThat(listener.actualChanges).isEqualTo(1);
        assertThat(driver.read(CONFIG + 4)).isEqualTo(77);
        assertThat(driver.transport.read(CONFIG + 2, 4)).isEqualTo(77 << 16);
        driver.write(STATUS, 0);
        assertThat(balloon.actual()).isZero();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 8})
    void onlyActualAndPoisonCanBeWritten(int offset) {
        start(0, 0, 1);
        driver.write(CONFIG + offset, 77);
        assertThat(driver.transport.lastRefusal()).isEqualTo(VirtioMmioTransport.Refusal.NO_SUCH_CONFIG);
        driver.transport.write(CONFIG + 4, 2, 77);
        assertThat(driver.transport.refusals()).isEqualTo(2);
        assertThat(driver.read(CONFIG + offset)).isZero();
        assertThat(balloon.actual()).isZero();
    }

    @Test
    void pagesInTheBalloonLeaveTheHostsMemory() throws IOException {
        start(0, 0, 1);
        ram.fill((byte) 1);
        assertThat(resident(ram)).isEqualTo(256);
        long base = 8 << 20;
        // Descending, as Linux sends them; then scattered; then one of them a second time.
        request(0, base + 3 * PAGE, base + 2 * PAGE, base + PAGE);
        assertThat(resident(ram)).isEqualTo(253);
        request(0, base + 10 * PAGE, base + 11 * PAGE, base + 20 * PAGE, base + 10 * PAGE);
        assertThat(resident(ram)).isEqualTo(250);
        assertThat(balloon.releasedPages()).isEqualTo(7);
        assertThat(at(ram, 0)).isEqualTo((byte) 1);
        assertThat(at(ram, 1)).isZero();
        assertThat(at(ram, 4)).isEqualTo((byte) 1);
        assertThat(at(ram, 20)).isZero();
        assertThat(driver.queue(0).poll()).isEqualTo(new DriverQueue.Used(0, 0));
    }

    @Test
    void pagesOfATemplateReadAsAtTheStart() throws IOException {
        start(0, 0, 1);
        copy.fill((byte) 1);
        request(0, GuestRam.COPY, GuestRam.COPY + 2 * PAGE);
        assertThat(resident(copy)).isEqualTo(254);
        assertThat(at(copy, 0)).isEqualTo(GuestRam.COPIED);
        assertThat(at(copy, 1)).isEqualTo((byte) 1);
        assertThat(at(copy, 2)).isEqualTo(GuestRam.COPIED);
    }

    @Test
    void deflatedPagesAreTheGuestsToUse() {
        start(0, 0, 1);
        request(0, 8 << 20);
        ram.set(ValueLayout.JAVA_BYTE, 0, (byte) 5);
        request(1, 8 << 20);
        assertThat(driver.queue(1).poll()).isNotNull();
        assertThat(at(ram, 0)).isEqualTo((byte) 5);
    }

    @Test
    void aRequestOfTheLargestSize() {
        start(0, 0, 1);
        long[] pages = new long[VirtioBalloon.MAX_PAGES];
        for (int i = 0; i < pages.length; i++) {
            pages[i] = (8 << 20) + (long) PAGE * (i % 256);
        }
        request(0, pages);
        assertThat(driver.queue(0).poll()).isNotNull();
        assertThat(balloon.releasedPages()).isEqualTo(pages.length);
    }

    private static Arguments bad(String name, VirtioFault.Kind kind, int queue, DriverQueue.Buffer... buffers) {
        return Arguments.of(name, kind, queue, List.of(buffers));
    }

    /// Memory at 0x1000 has, as page numbers: the first page that is none, a read-only one, and the last there is.
    static Stream<Arguments> misbehaviour() {
        return Stream.of(
                bad(
                        "no whole number",
                        VirtioFault.Kind.BALLOON_REQUEST_SIZE,
                        0,
                        DriverQueue.Buffer.readable(0x2000, 6)),
                bad(
                        "too many numbers",
                        VirtioFault.Kind.BALLOON_REQUEST_SIZE,
                        0,
                        DriverQueue.Buffer.readable(0x2000, 4L * VirtioBalloon.MAX_PAGES + 4)),
                bad("a page beyond memory", VirtioFault.Kind.BALLOON_PAGE, 0, DriverQueue.Buffer.readable(0x1000, 4)),
                bad("a read-only page", VirtioFault.Kind.BALLOON_PAGE, 0, DriverQueue.Buffer.readable(0x1004, 4)),
                bad("the last page number", VirtioFault.Kind.BALLOON_PAGE, 0, DriverQueue.Buffer.readable(0x1008, 4)),
                bad("deflating no memory", VirtioFault.Kind.BALLOON_PAGE, 1, DriverQueue.Buffer.readable(0x1008, 4)),
                bad(
                        "inflating into a buffer",
                        VirtioFault.Kind.BUFFER_DIRECTION,
                        0,
                        DriverQueue.Buffer.writable(0x2000, 4)),
                bad(
                        "deflating into a buffer",
                        VirtioFault.Kind.BUFFER_DIRECTION,
                        1,
                        DriverQueue.Buffer.writable(0x2000, 4)),
                bad(
                        "statistics into a buffer",
                        VirtioFault.Kind.BUFFER_DIRECTION,
                        2,
                        DriverQueue.Buffer.writable(0x2000, 10)),
                bad(
                        "a report to read",
                        VirtioFault.Kind.BUFFER_DIRECTION,
                        4,
                        DriverQueue.Buffer.readable(0x2000, PAGE)),
                bad(
                        "a report of what is no memory",
                        VirtioFault.Kind.BUFFER_ADDRESS,
                        4,
                        DriverQueue.Buffer.writable(GuestRam.RAM_SIZE, PAGE)),
                bad(
                        "a report of read-only memory",
                        VirtioFault.Kind.BUFFER_READ_ONLY,
                        4,
                        DriverQueue.Buffer.writable(GuestRam.ROM, PAGE)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("misbehaviour")
    void misbehaviourHasAName(String name, VirtioFault.Kind kind, int queue, List<DriverQueue.Buffer> buffers) {
        start(STATS | REPORTING, 0, 1, 2, 4);
        MemorySegment numbers = driver.ram.ram().asSlice(0x1000, 12);
        numbers.set(ValueLayout.JAVA_INT, 0, (int) (GuestRam.RAM_SIZE / PAGE));
        numbers.set(ValueLayout.JAVA_INT, 4, (int) (GuestRam.ROM / PAGE));
        numbers.set(ValueLayout.JAVA_INT, 8, -1);
        driver.queue(queue).add(buffers);
        driver.kick(queue);
        VirtioFault fault = Objects.requireNonNull(driver.transport.fault(), name);
        assertThat(fault.kind()).isEqualTo(kind);
        assertThat(driver.read(STATUS) & NEEDS_RESET).isNotZero();
        assertThat(balloon.releasedPages()).isZero();
        assertThat(driver.transport.statistics(queue).errors()).isEqualTo(1);
    }

    /// Reports with every way of numbering the queue (§5.5.2, and Linux before 6.11).
    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void reportedPagesLeaveTheHostsMemory(int queue) throws IOException {
        start(queue == 2 ? REPORTING : REPORTING | STATS, 0, 1, queue);
        ram.fill((byte) 1);
        copy.fill((byte) 1);
        driver.queue(queue)
                .add(
                        // Of the pages that a buffer has only a part of, nothing is taken.
                        DriverQueue.Buffer.writable((8 << 20) + 100, 3L * PAGE),
                        DriverQueue.Buffer.writable((8 << 20) + 10L * PAGE, 20L * PAGE),
                        DriverQueue.Buffer.writable(GuestRam.COPY + PAGE, PAGE),
                        DriverQueue.Buffer.writable((8 << 20) + 40L * PAGE, 10));
        driver.kick(queue);
        assertThat(driver.queue(queue).poll()).isEqualTo(new DriverQueue.Used(0, 0));
        assertThat(resident(ram)).isEqualTo(256 - 22);
        assertThat(resident(copy)).isEqualTo(255);
        assertThat(at(ram, 0)).isEqualTo((byte) 1);
        assertThat(at(ram, 1)).isZero();
        assertThat(at(ram, 3)).isEqualTo((byte) 1);
        assertThat(at(ram, 29)).isZero();
        assertThat(at(ram, 40)).isEqualTo((byte) 1);
        assertThat(at(copy, 1)).isEqualTo(GuestRam.COPIED);
        assertThat(balloon.releasedPages()).isEqualTo(23);
    }

    /// With a poison value, a page may change to that value only (§5.5.6.7.2).
    @ParameterizedTest
    @ValueSource(ints = {0, 0xaaaaaaaa})
    void poisonedPagesAreTakenOnlyIfTheyReadAsPoison(int poison) throws IOException {
        driver.negotiate(VERSION_1 | REPORTING | POISON);
        driver.write(CONFIG + 12, poison);
        assertThat(driver.read(CONFIG + 12)).isEqualTo(poison);
        driver.setUp(4, 8);
        driver.driverOk();
        ram.fill((byte) poison);
        copy.fill((byte) poison);
        driver.queue(4)
                .add(
                        DriverQueue.Buffer.writable(8 << 20, 16L * PAGE),
                        DriverQueue.Buffer.writable(GuestRam.COPY, 16L * PAGE));
        driver.kick(4);
        assertThat(driver.queue(4).poll()).isNotNull();
        assertThat(resident(ram)).isEqualTo(poison == 0 ? 240 : 256);
        assertThat(resident(copy)).isEqualTo(256);
        assertThat(at(ram, 0)).isEqualTo((byte) poison);
        assertThat(at(copy, 0)).isEqualTo((byte) poison);
    }

    @Test
    void queuesOfFeaturesThatWereNotAcceptedAreNotServed() {
        start(0, 0, 1, 2, 3, 4);
        for (int queue = 2; queue < 5; queue++) {
            driver.queue(queue).add(DriverQueue.Buffer.writable(8 << 20, PAGE));
            driver.kick(queue);
            assertThat(driver.queue(queue).poll()).isNull();
        }
        assertThat(driver.transport.fault()).isNull();
        assertThat(balloon.requestStatistics()).isFalse();
    }

    private void giveStatistics(Object... tagsAndValues) {
        addStatistics(tagsAndValues);
        driver.kick(2);
    }

    private void addStatistics(Object... tagsAndValues) {
        ByteBuffer buffer = ByteBuffer.allocate(10 * (tagsAndValues.length / 2)).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < tagsAndValues.length; i += 2) {
            buffer.putShort((short) (int) tagsAndValues[i]).putLong((long) tagsAndValues[i + 1]);
        }
        driver.queue(2).add(DriverQueue.Buffer.readable(driver.put(buffer.array()), buffer.capacity()));
    }

    @Test
    void statisticsAreAskedForAndAnswered() {
        start(STATS, 0, 1, 2);
        assertThat(balloon.requestStatistics()).isFalse();
        giveStatistics(4, 100L, 5, 200L);
        assertThat(listener.statisticsChanges).isEqualTo(1);
        assertThat(driver.queue(2).poll()).isNull();
        assertThat(balloon.requestStatistics()).isTrue();
        assertThat(driver.queue(2).poll()).isNotNull();
        assertThat(driver.interrupts.availablePermits()).isEqualTo(1);
        assertThat(balloon.requestStatistics()).isFalse();
        // Any order, unknown tags, the same tag twice.
        giveStatistics(9, 1L, 0xffff, 2L, 10, 3L, 0, -4L, 9, 5L);
        assertThat(balloon.statistics().values()).isEqualTo(Map.of(Tag.HTLB_PGFAIL, 5L, Tag.SWAP_IN, -4L));
        assertThat(listener.statisticsChanges).isEqualTo(2);
    }

    /// Such a driver rings the doorbell only when the device has asked for it, each time anew (§2.7.10).
    @Test
    void statisticsOfADriverThatNotifiesWhenItIsAsked() {
        start(STATS | DriverHarness.EVENT_IDX, 0, 1, 2);
        for (long i = 0; i < 5; i++) {
            addStatistics(4, i);
            assertThat(driver.kickIfWanted(2)).isTrue();
            assertThat(balloon.statistics().values()).isEqualTo(Map.of(Tag.MEMFREE, i));
            assertThat(balloon.requestStatistics()).isTrue();
            assertThat(driver.queue(2).poll()).isNotNull();
        }
    }

    @Test
    void aSecondBufferOfStatisticsWaits() {
        start(STATS, 0, 1, 2);
        giveStatistics(4, 100L);
        giveStatistics(4, 200L);
        assertThat(balloon.statistics().values()).isEqualTo(Map.of(Tag.MEMFREE, 100L));
        assertThat(driver.queue(2).poll()).isNull();
    }

    @Test
    void statisticsGoOnAfterARestore() {
        start(STATS, 0, 1, 2);
        balloon.setTarget(5);
        driver.write(CONFIG + 4, 3);
        giveStatistics(4, 100L);
        VirtioBalloon restored = new VirtioBalloon(listener, true);
        VirtioMmioState state = driver.moveTo(restored);
        assertThat(state.device()).isEqualTo(new BalloonState(5, 3, 0, 1, 0));
        assertThat(restored.target()).isEqualTo(5);
        assertThat(restored.actual()).isEqualTo(3);
        assertThat(restored.requestStatistics()).isTrue();
        assertThat(driver.queue(2).poll()).isNotNull();
        giveStatistics(4, 101L);
        assertThat(restored.statistics().values()).isEqualTo(Map.of(Tag.MEMFREE, 101L));
        request(0, 8 << 20);
        assertThat(restored.releasedPages()).isEqualTo(1);
    }

    @Test
    void aResetInBetweenForgetsTheDriversRequests() {
        start(STATS, 0, 1, 2);
        giveStatistics(4, 100L);
        start(STATS, 0, 1, 2);
        assertThat(balloon.requestStatistics()).isFalse();
        giveStatistics(4, 200L);
        assertThat(balloon.requestStatistics()).isTrue();
    }

    @Test
    void theStateOfAnotherDeviceIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> balloon.restore(new RngState(false), null))
                .withMessageContaining("not the state of a balloon");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> balloon.restore(new BalloonState(0, 0, 0, 0, 3), null))
                .withMessageContaining("not the state of a balloon");
    }
}
