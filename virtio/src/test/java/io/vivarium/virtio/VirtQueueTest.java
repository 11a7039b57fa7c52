// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static io.vivarium.virtio.DriverQueue.Buffer.readable;
import static io.vivarium.virtio.DriverQueue.Buffer.writable;
import static io.vivarium.virtio.DriverQueue.F_INDIRECT;
import static io.vivarium.virtio.DriverQueue.F_NEXT;
import static io.vivarium.virtio.DriverQueue.F_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class VirtQueueTest {
    private static final long ALL = DriverHarness.INDIRECT | DriverHarness.VERSION_1;

    private final GuestRam ram = new GuestRam();

    @AfterEach
    void unmap() {
        ram.close();
    }

    private VirtQueue device(DriverQueue driver, long features) {
        return new VirtQueue(
                0,
                256,
                driver.registers(),
                ram.memory(),
                new GuestRegions(ram.memory()),
                features,
                new QueueCounters());
    }

    private long put(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        long address = ram.allocate(bytes.length);
        MemorySegment.copy(bytes, 0, ram.ram(), ValueLayout.JAVA_BYTE, address, bytes.length);
        return address;
    }

    private String text(long address, int length) {
        return new String(ram.ram().asSlice(address, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    private static String readAll(GuestBytes bytes) {
        byte[] all = new byte[(int) bytes.remaining()];
        assertThat(bytes.read(all, 0, all.length)).isEqualTo(all.length);
        return new String(all, StandardCharsets.UTF_8);
    }

    @Test
    void requestGoesToTheDeviceAndBack() {
        DriverQueue driver = new DriverQueue(ram, 8);
        VirtQueue device = device(driver, ALL);
        DescriptorChain chain = device.newChain();
        assertThat(device.pop(chain)).isFalse();

        long answer = ram.allocate(6);
        int head = driver.add(readable(put("ping"), 4), writable(answer, 6));
        assertThat(device.pop(chain)).isTrue();
        assertThat(chain.remaining()).isEqualTo(4);
        assertThat(chain.writable()).isEqualTo(6);
        assertThat(readAll(chain)).isEqualTo("ping");
        MemorySegment pong = MemorySegment.ofArray("pong".getBytes(StandardCharsets.UTF_8));
        assertThat(chain.write(pong, 0, 4)).isEqualTo(4);
        assertThat(driver.usedIdx()).isZero();
        device.push(chain);

        assertThat(driver.poll()).isEqualTo(new DriverQueue.Used(head, 4));
        assertThat(text(answer, 4)).isEqualTo("pong");
        assertThat(device.pop(chain)).isFalse();
    }

    @Test
    void framingDoesNotMatter() {
        DriverQueue driver = new DriverQueue(ram, 8);
        VirtQueue device = device(driver, ALL);
        long first = ram.allocate(1);
        long second = ram.allocate(3);
        driver.add(
                readable(put("a"), 1),
                readable(put("bcd"), 3),
                readable(put("ef"), 2),
                writable(first, 1),
                writable(second, 3));
        DescriptorChain chain = device.newChain();
        assertThat(device.pop(chain)).isTrue();

        byte[] part = new byte[4];
        assertThat(chain.read(part, 1, 2)).isEqualTo(2);
        assertThat(part).containsExactly(0, 'a', 'b', 0);
        assertThat(chain.skip(1)).isEqualTo(1);
        ByteBuffer rest = ByteBuffer.allocateDirect(8);
        assertThat(chain.read(rest)).isEqualTo(3);
        assertThat(StandardCharsets.UTF_8.decode(rest.flip()).toString()).isEqualTo("def");
        assertThat(chain.read(part, 0, 4)).isZero();
        assertThat(chain.skip(1)).isZero();

        MemorySegment answer = MemorySegment.ofArray("0123456".getBytes(StandardCharsets.UTF_8));
        assertThat(chain.write(answer, 1, 2)).isEqualTo(2);
        assertThat(chain.write(answer, 3, 4)).isEqualTo(2);
        assertThat(chain.writable()).isZero();
        assertThat(text(first, 1) + text(second, 3)).isEqualTo("1234");
        device.push(chain);
        assertThat(driver.poll()).isEqualTo(new DriverQueue.Used(0, 4));
    }

    /// As a saved machine has them: what it used, and fresh memory behind that.
    @Test
    void bufferMayGoOnInTheNextRegion() {
        DriverQueue driver = new DriverQueue(ram, 2);
        VirtQueue device = device(driver, ALL);
        DescriptorChain chain = device.newChain();
        long from = GuestRam.COPY - 3;
        ram.memory().writableSlice(from, 3).copyFrom(MemorySegment.ofArray(new byte[] {1, 2, 3}));
        for (int i = 0; i < 3; i++) {
            driver.add(readable(from, 5), writable(from, 7));
            assertThat(device.pop(chain)).isTrue();
            byte[] bytes = new byte[6];
            assertThat(chain.read(bytes, 0, 6)).isEqualTo(5);
            assertThat(bytes).containsExactly(1, 2, 3, GuestRam.COPIED, GuestRam.COPIED, 0);
            assertThat(chain.writable()).isEqualTo(7);
            byte[] answer = {1, 2, 3, GuestRam.COPIED, GuestRam.COPIED, 6, 7, 8};
            assertThat(chain.write(answer, 0, 8)).isEqualTo(7);
            assertThat(ram.memory().slice(GuestRam.COPY, 4).toArray(ValueLayout.JAVA_BYTE))
                    .containsExactly(GuestRam.COPIED, GuestRam.COPIED, 6, 7);
            device.push(chain);
            assertThat(driver.poll()).isEqualTo(new DriverQueue.Used(0, 7));
        }
    }

    @Test
    void bufferEndsWithTheLastRegion() {
        DriverQueue driver = new DriverQueue(ram, 2);
        VirtQueue device = device(driver, ALL);
        driver.add(readable(GuestRam.COPY - 1, GuestRam.COPY_SIZE + 2));
        DescriptorChain chain = device.newChain();
        assertThatExceptionOfType(VirtioFault.class)
                .isThrownBy(() -> device.pop(chain))
                .satisfies(fault -> assertThat(fault.kind()).isEqualTo(VirtioFault.Kind.BUFFER_ADDRESS));
    }

    @Test
    void readingOutsideOfTheTargetReadsNothing() {
        DriverQueue driver = new DriverQueue(ram, 8);
        VirtQueue device = device(driver, ALL);
        driver.add(readable(put("ping"), 4), writable(ram.allocate(4), 4));
        DescriptorChain chain = device.newChain();
        device.pop(chain);
        assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> chain.read(new byte[2], 1, 2));
        assertThatExceptionOfType(IndexOutOfBoundsException.class)
                .isThrownBy(() -> chain.read(MemorySegment.ofArray(new byte[2]), -1, 2));
        assertThatExceptionOfType(IndexOutOfBoundsException.class)
                .isThrownBy(() -> chain.write(MemorySegment.ofArray(new byte[2]), 0, 3));
        assertThatThrownBy(() -> chain.skip(-1)).isInstanceOf(IllegalArgumentException.class);
        assertThat(chain.remaining()).isEqualTo(4);
        assertThat(chain.writable()).isEqualTo(4);
    }

    @Test
    void requestsMayBeGivenBackInAnyOrder() {
        DriverQueue driver = new DriverQueue(ram, 4);
        VirtQueue device = device(driver, ALL);
        int one = driver.add(readable(put("1"), 1));
        int two = driver.add(readable(put("2"), 1));
        DescriptorChain first = device.newChain();
        DescriptorChain second = device.newChain();
        device.pop(first);
        device.pop(second);
        device.push(second);
        device.push(first);
        assertThat(driver.poll()).isEqualTo(new DriverQueue.Used(two, 0));
        assertThat(driver.poll()).isEqualTo(new DriverQueue.Used(one, 0));
        assertThatThrownBy(() -> device.push(first)).isInstanceOf(IllegalStateException.class);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 8, 256})
    void indicesWrap(int size) {
        DriverQueue driver = new DriverQueue(ram, size);
        VirtQueue device = device(driver, ALL);
        DescriptorChain chain = device.newChain();
        long counter = ram.allocate(8);
        for (int i = 0; i < 70_000; i++) {
            ram.ram().set(ValueLayout.JAVA_INT, counter, i);
            int head = driver.add(readable(counter, 4), readable(counter, 4));
            assertThat(device.pop(chain)).isTrue();
            MemorySegment copy = MemorySegment.ofArray(new int[2]);
            chain.read(copy, 0, 8);
            assertThat(copy.get(ValueLayout.JAVA_INT, 4)).isEqualTo(i);
            device.push(chain);
            DriverQueue.Used used = driver.poll();
            assertThat(used).isEqualTo(new DriverQueue.Used(head, 0));
        }
    }

    @Test
    void indirectTableIsAChain() {
        DriverQueue driver = new DriverQueue(ram, 4);
        VirtQueue device = device(driver, ALL);
        long table = ram.allocate(4 * 16) + 1; // no alignment is asked of it
        ram.allocate(16);
        long answer = ram.allocate(2);
        unaligned(driver, table, 0, put("in"), 2, F_NEXT, 2);
        unaligned(driver, table, 2, put("direct"), 6, F_NEXT, 1);
        unaligned(driver, table, 1, answer, 2, F_WRITE, 0);
        // The write flag of the descriptor that refers to the table says nothing.
        driver.descriptor(1, table, 48, F_INDIRECT | F_WRITE, 0);
        driver.publish(1);
        DescriptorChain chain = device.newChain();
        assertThat(device.pop(chain)).isTrue();
        assertThat(readAll(chain)).isEqualTo("indirect");
        assertThat(chain.writable()).isEqualTo(2);
        assertThat(chain.head()).isEqualTo(1);
    }

    @Test
    void indirectTableMayFollowDescriptors() {
        DriverQueue driver = new DriverQueue(ram, 4);
        VirtQueue device = device(driver, ALL);
        long table = ram.allocate(16);
        driver.writeDescriptor(table, put("direct"), 6, 0, 0);
        driver.descriptor(0, put("in"), 2, F_NEXT, 3);
        driver.descriptor(3, table, 16, F_INDIRECT, 0);
        driver.publish(0);
        DescriptorChain chain = device.newChain();
        assertThat(device.pop(chain)).isTrue();
        assertThat(readAll(chain)).isEqualTo("indirect");
    }

    private void unaligned(DriverQueue driver, long table, int index, long address, int length, int flags, int next) {
        long aligned = ram.allocate(16);
        driver.writeDescriptor(aligned, address, length, flags, next);
        MemorySegment.copy(ram.ram(), aligned, ram.ram(), table + 16L * index, 16);
    }

    @Test
    void descriptorIsReadOnce() {
        DriverQueue driver = new DriverQueue(ram, 4);
        VirtQueue device = device(driver, ALL);
        driver.add(readable(put("before"), 6));
        DescriptorChain chain = device.newChain();
        device.pop(chain);
        driver.descriptor(0, 0xdead_0000_0000L, 1 << 30, F_NEXT, 77);
        assertThat(readAll(chain)).isEqualTo("before");
    }

    @Test
    void descriptorTableIsOnlyRead() {
        DriverQueue driver = new DriverQueue(ram, 4);
        VirtQueue device = device(driver, ALL | DriverHarness.EVENT_IDX);
        driver.add(readable(put("x"), 1), writable(ram.allocate(4), 4));
        driver.add(writable(ram.allocate(4), 4));
        MemorySegment shared = ram.ram().asSlice(driver.descriptorArea, driver.deviceArea - driver.descriptorArea);
        byte[] before = shared.toArray(ValueLayout.JAVA_BYTE);
        DescriptorChain chain = device.newChain();
        for (int i = 0; i < 2; i++) {
            device.pop(chain);
            chain.write(MemorySegment.ofArray(new byte[] {1, 2, 3, 4}), 0, 4);
            device.push(chain);
            device.enableNotifications();
            device.disableNotifications();
            device.needsNotification();
        }
        assertThat(shared.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(before);
    }

    @Test
    void chainAsLongAsTheQueueAndALoop() {
        DriverQueue driver = new DriverQueue(ram, 4);
        VirtQueue device = device(driver, ALL);
        long byteAddress = put("x");
        List<DriverQueue.Buffer> buffers = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            buffers.add(readable(byteAddress, 1));
        }
        driver.add(buffers);
        DescriptorChain chain = device.newChain();
        assertThat(device.pop(chain)).isTrue();
        assertThat(chain.remaining()).isEqualTo(4);
        device.push(chain);

        driver.descriptor(3, byteAddress, 1, F_NEXT, 0);
        driver.publish(0);
        assertFault(VirtioFault.Kind.CHAIN_LENGTH, () -> device.pop(chain));
    }

    @Test
    void withoutEventIdxTheFlagSuppresses() {
        DriverQueue driver = new DriverQueue(ram, 4);
        VirtQueue device = device(driver, ALL);
        driver.setUsedEvent(0x7fff); // is to be ignored
        assertThat(device.needsNotification()).isFalse();
        useOne(driver, device);
        assertThat(device.needsNotification()).isTrue();
        assertThat(device.needsNotification()).isFalse();
        driver.setNoInterrupt(true);
        useOne(driver, device);
        assertThat(device.needsNotification()).isFalse();
        driver.setNoInterrupt(false);
        assertThat(device.needsNotification()).isFalse();
        useOne(driver, device);
        assertThat(device.needsNotification()).isTrue();
    }

    @Test
    void withEventIdxTheEventSuppresses() {
        DriverQueue driver = new DriverQueue(ram, 4);
        VirtQueue device = device(driver, ALL | DriverHarness.EVENT_IDX);
        driver.setNoInterrupt(true); // is to be ignored
        driver.setUsedEvent(0);
        useOne(driver, device);
        assertThat(device.needsNotification()).isTrue();
        useOne(driver, device);
        assertThat(device.needsNotification()).isFalse();
        driver.setUsedEvent(4);
        useOne(driver, device);
        useOne(driver, device);
        assertThat(device.needsNotification()).isFalse();
        useOne(driver, device);
        useOne(driver, device);
        assertThat(device.needsNotification()).isTrue();
        // All the way round: the event 5 was passed already.
        driver.setUsedEvent(5);
        for (int i = 6; i < 65536 + 5; i++) {
            useOne(driver, device);
            assertThat(device.needsNotification()).as("used %d", i).isFalse();
        }
        useOne(driver, device);
        assertThat(device.needsNotification()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(longs = {0, DriverHarness.EVENT_IDX})
    void deviceTellsWhetherItWantsNotifications(long eventIdx) {
        DriverQueue driver = new DriverQueue(ram, 4);
        VirtQueue device = device(driver, ALL | eventIdx);
        boolean events = eventIdx != 0;
        assertThat(device.enableNotifications()).isFalse();
        driver.add(readable(put("x"), 1));
        assertThat(driver.mustNotify(events)).isTrue();
        device.disableNotifications();
        driver.add(readable(put("x"), 1));
        assertThat(driver.mustNotify(events)).isFalse();
        assertThat(driver.usedFlags()).isEqualTo(events ? 0 : 1);
        assertThat(device.enableNotifications()).isTrue();
        DescriptorChain chain = device.newChain();
        assertThat(device.pop(chain)).isTrue();
        device.push(chain);
        assertThat(device.pop(chain)).isTrue();
        device.push(chain);
        assertThat(device.enableNotifications()).isFalse();
        assertThat(driver.availEvent()).isEqualTo(events ? 2 : 0);
        driver.poll();
        driver.add(readable(put("x"), 1));
        assertThat(driver.mustNotify(events)).isTrue();
    }

    private void useOne(DriverQueue driver, VirtQueue device) {
        driver.add(readable(0x1000, 1));
        DescriptorChain chain = device.newChain();
        assertThat(device.pop(chain)).isTrue();
        device.push(chain);
        driver.poll();
    }

    static Stream<Arguments> misbehaviours() {
        long top = GuestRam.RAM_SIZE;
        return Stream.of(
                bad("head beyond the table", VirtioFault.Kind.HEAD_INDEX, ALL, q -> q.publish(8)),
                bad("head 65535", VirtioFault.Kind.HEAD_INDEX, ALL, q -> q.publish(0xffff)),
                bad("next beyond the table", VirtioFault.Kind.NEXT_INDEX, ALL, q -> {
                    q.descriptor(0, 0, 1, F_NEXT, 8);
                    q.publish(0);
                }),
                bad("avail.idx beyond the queue", VirtioFault.Kind.AVAILABLE_INDEX, ALL, q -> q.setAvailableIdx(9)),
                bad("avail.idx moved back", VirtioFault.Kind.AVAILABLE_INDEX, ALL, q -> q.setAvailableIdx(-1)),
                bad("a descriptor that is its own next", VirtioFault.Kind.CHAIN_LENGTH, ALL, q -> {
                    q.descriptor(0, 0, 1, F_NEXT, 0);
                    q.publish(0);
                }),
                bad("more than 4 GiB in a chain, all in memory", VirtioFault.Kind.BUFFER_ADDRESS, ALL, q -> {
                    q.descriptor(0, 0, 0xffff_ffffL, F_NEXT, 0);
                    q.publish(0);
                }),
                bad("an address above memory", VirtioFault.Kind.BUFFER_ADDRESS, ALL, q -> one(q, top, 1, 0)),
                bad("a length beyond memory", VirtioFault.Kind.BUFFER_ADDRESS, ALL, q -> one(q, top - 1, 2, 0)),
                bad("an address that wraps", VirtioFault.Kind.BUFFER_ADDRESS, ALL, q -> one(q, -1, 2, 0)),
                bad("a negative address", VirtioFault.Kind.BUFFER_ADDRESS, ALL, q -> one(q, Long.MIN_VALUE, 1, 0)),
                bad(
                        "from one region into nothing",
                        VirtioFault.Kind.BUFFER_ADDRESS,
                        ALL,
                        q -> one(q, GuestRam.ROM + GuestRam.ROM_SIZE - 1, 2, 0)),
                bad(
                        "a writable buffer in read-only memory",
                        VirtioFault.Kind.BUFFER_READ_ONLY,
                        ALL,
                        q -> one(q, GuestRam.ROM, 1, F_WRITE)),
                bad("an empty buffer", VirtioFault.Kind.BUFFER_EMPTY, ALL, q -> one(q, 0, 0, 0)),
                bad("readable after writable", VirtioFault.Kind.READABLE_AFTER_WRITABLE, ALL, q -> {
                    q.descriptor(0, 0, 1, F_WRITE | F_NEXT, 1);
                    q.descriptor(1, 0, 1, 0, 0);
                    q.publish(0);
                }),
                bad(
                        "indirect, not negotiated",
                        VirtioFault.Kind.INDIRECT_NOT_NEGOTIATED,
                        0,
                        q -> one(q, 0, 16, F_INDIRECT)),
                bad("indirect in indirect", VirtioFault.Kind.INDIRECT_NESTED, ALL, q -> {
                    q.writeDescriptor(0x2000, 0x2000, 16, F_INDIRECT, 0);
                    one(q, 0x2000, 16, F_INDIRECT);
                }),
                bad(
                        "indirect and next",
                        VirtioFault.Kind.INDIRECT_WITH_NEXT,
                        ALL,
                        q -> one(q, 0, 16, F_INDIRECT | F_NEXT)),
                bad("empty indirect table", VirtioFault.Kind.INDIRECT_TABLE_SIZE, ALL, q -> one(q, 0, 0, F_INDIRECT)),
                bad("half a descriptor", VirtioFault.Kind.INDIRECT_TABLE_SIZE, ALL, q -> one(q, 0, 24, F_INDIRECT)),
                bad(
                        "indirect table outside of memory",
                        VirtioFault.Kind.INDIRECT_TABLE_ADDRESS,
                        ALL,
                        q -> one(q, top - 8, 16, F_INDIRECT)),
                bad("next beyond the indirect table", VirtioFault.Kind.NEXT_INDEX, ALL, q -> {
                    q.writeDescriptor(0x2000, 0, 1, F_NEXT, 1);
                    one(q, 0x2000, 16, F_INDIRECT);
                }),
                bad("loop in the indirect table", VirtioFault.Kind.CHAIN_LENGTH, ALL, q -> {
                    q.writeDescriptor(0x2000, 0, 1, F_NEXT, 0);
                    one(q, 0x2000, 16, F_INDIRECT);
                }),
                bad(
                        "readable in the table after writable before it",
                        VirtioFault.Kind.READABLE_AFTER_WRITABLE,
                        ALL,
                        q -> {
                            q.writeDescriptor(0x2000, 0, 1, 0, 0);
                            q.descriptor(0, 0, 1, F_WRITE | F_NEXT, 1);
                            q.descriptor(1, 0x2000, 16, F_INDIRECT, 0);
                            q.publish(0);
                        }));
    }

    private static void one(DriverQueue queue, long address, long length, int flags) {
        queue.descriptor(0, address, length, flags, 0);
        queue.publish(0);
    }

    private static Arguments bad(String what, VirtioFault.Kind kind, long features, Consumer<DriverQueue> misbehave) {
        return Arguments.of(what, kind, features, misbehave);
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("misbehaviours")
    void misbehaviourHasAName(String what, VirtioFault.Kind kind, long features, Consumer<DriverQueue> misbehave) {
        DriverQueue driver = new DriverQueue(ram, 8);
        VirtQueue device = device(driver, features);
        DescriptorChain chain = device.newChain();
        misbehave.accept(driver);
        assertFault(kind, () -> device.pop(chain));
        assertThat(driver.usedIdx()).isZero();
    }

    @Test
    void availableIndexMovedBackAfterRequestsWereTaken() {
        DriverQueue driver = new DriverQueue(ram, 8);
        VirtQueue device = device(driver, ALL);
        DescriptorChain first = device.newChain();
        driver.add(readable(0, 1));
        driver.add(readable(0, 1));
        device.pop(first);
        device.pop(device.newChain());
        driver.setAvailableIdx(1);
        assertFault(VirtioFault.Kind.AVAILABLE_INDEX, () -> device.pop(first));
    }

    @Test
    void moreRequestsThanEntriesWhileSomeAreInFlight() {
        DriverQueue driver = new DriverQueue(ram, 2);
        VirtQueue device = device(driver, ALL);
        DescriptorChain chain = device.newChain();
        driver.add(readable(0, 1));
        driver.add(readable(0, 1));
        device.pop(chain);
        device.pop(chain);
        driver.publish(0);
        assertFault(VirtioFault.Kind.AVAILABLE_INDEX, () -> device.pop(chain));
    }

    @Test
    void chainOfMoreThan4GiB() {
        // Real memory of that size is only reserved, not used.
        try (Arena arena = Arena.ofShared()) {
            io.vivarium.kvm.GuestMemory big =
                    io.vivarium.kvm.GuestMemory.map(arena, List.of(io.vivarium.kvm.RegionSpec.anonymous(0, 3L << 30)));
            DriverQueue driver = new DriverQueue(ram, 8);
            MemorySegment.copy(ram.ram(), 0, big.slice(0, GuestRam.RAM_SIZE), 0, GuestRam.RAM_SIZE);
            driver.descriptor(0, 0, 3L << 30, F_NEXT, 1);
            driver.descriptor(1, 0, (1L << 30) + 1, 0, 0);
            driver.publish(0);
            MemorySegment.copy(ram.ram(), 0, big.slice(0, GuestRam.RAM_SIZE), 0, GuestRam.RAM_SIZE);
            VirtQueue device = new VirtQueue(
                    0,
                    256,
                    driver.registers(),
                    big,
                    new GuestRegions(big),
                    DriverHarness.VERSION_1,
                    new QueueCounters());
            assertFault(VirtioFault.Kind.CHAIN_BYTES, () -> device.pop(device.newChain()));
        }
    }

    static Stream<Arguments> badQueues() {
        return Stream.of(
                badQueue("no entries", VirtioFault.Kind.QUEUE_SIZE, r -> r.size = 0),
                badQueue("no power of two", VirtioFault.Kind.QUEUE_SIZE, r -> r.size = 3),
                badQueue("more than the device has", VirtioFault.Kind.QUEUE_SIZE, r -> r.size = 512),
                badQueue("more than 2^31", VirtioFault.Kind.QUEUE_SIZE, r -> r.size = 0x8000_0000),
                badQueue("descriptors misaligned", VirtioFault.Kind.QUEUE_AREA_ALIGNMENT, r -> r.descriptorArea += 8),
                badQueue("available ring misaligned", VirtioFault.Kind.QUEUE_AREA_ALIGNMENT, r -> r.driverArea += 1),
                badQueue("used ring misaligned", VirtioFault.Kind.QUEUE_AREA_ALIGNMENT, r -> r.deviceArea += 2),
                badQueue(
                        "descriptors not in memory",
                        VirtioFault.Kind.QUEUE_AREA_ADDRESS,
                        r -> r.descriptorArea = GuestRam.RAM_SIZE - 16),
                badQueue("available ring not in memory", VirtioFault.Kind.QUEUE_AREA_ADDRESS, r -> r.driverArea = -2),
                badQueue(
                        "used ring not in memory",
                        VirtioFault.Kind.QUEUE_AREA_ADDRESS,
                        r -> r.deviceArea = 0x7fff_ffff_ffff_fff0L),
                badQueue(
                        "used ring in read-only memory",
                        VirtioFault.Kind.QUEUE_AREA_ADDRESS,
                        r -> r.deviceArea = GuestRam.ROM));
    }

    private static Arguments badQueue(String what, VirtioFault.Kind kind, Consumer<QueueRegisters> change) {
        return Arguments.of(what, kind, change);
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("badQueues")
    void badQueueHasAName(String what, VirtioFault.Kind kind, Consumer<QueueRegisters> change) {
        QueueRegisters registers = new DriverQueue(ram, 8).registers();
        change.accept(registers);
        GuestRegions regions = new GuestRegions(ram.memory());
        assertFault(kind, () -> new VirtQueue(0, 256, registers, ram.memory(), regions, ALL, new QueueCounters()));
    }

    private static void assertFault(VirtioFault.Kind kind, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        assertThatExceptionOfType(VirtioFault.class)
                .isThrownBy(call)
                .satisfies(fault -> assertThat(fault.kind()).isEqualTo(kind))
                .withMessageStartingWith(kind + ": ");
    }
}
