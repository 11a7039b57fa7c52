// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// Plays the driver of a block device: one request at a time, unless the test adds them itself.
final class BlockDriver implements AutoCloseable {
    static final int IN = 0;
    static final int OUT = 1;
    static final int FLUSH = 4;
    static final int GET_ID = 8;
    static final int DISCARD = 11;
    static final int WRITE_ZEROES = 13;

    static final int OK = 0;
    static final int IOERR = 1;
    static final int UNSUPP = 2;

    /// What the status byte is before the device has written it.
    static final int NONE = 0xee;

    static final long F_FLUSH = 1L << 9;

    final DriverHarness driver;
    private final long header;
    private final long status;

    /// A request that the device has given back.
    record Done(int status, long written) {}

    /// A part of a discard or write-zeroes request.
    record Segment(long sector, int sectors, int flags) {}

    BlockDriver(VirtioDevice device) {
        this(device, DriverHarness.VERSION_1 | F_FLUSH | DriverHarness.EVENT_IDX | DriverHarness.INDIRECT);
    }

    BlockDriver(VirtioDevice device, long features) {
        driver = new DriverHarness(device);
        driver.negotiate(features);
        driver.setUp(0, 64);
        driver.driverOk();
        header = driver.ram.allocate(16);
        status = driver.ram.allocate(1);
    }

    DriverQueue queue() {
        return driver.queue(0);
    }

    /// Adds a request; the device is not notified.
    ///
    /// @return where its status will be
    long add(int type, long sector, DriverQueue.Buffer... data) {
        long at = driver.ram.allocate(32);
        addAt(at, at + 16, type, sector, data);
        return at + 16;
    }

    private void addAt(long headerAt, long statusAt, int type, long sector, DriverQueue.Buffer... data) {
        driver.ram.ram().asSlice(headerAt, 16).copyFrom(MemorySegment.ofArray(header(type, sector)));
        driver.ram.ram().set(ValueLayout.JAVA_BYTE, statusAt, (byte) NONE);
        List<DriverQueue.Buffer> chain = new ArrayList<>();
        chain.add(DriverQueue.Buffer.readable(headerAt, 16));
        chain.addAll(List.of(data));
        chain.add(DriverQueue.Buffer.writable(statusAt, 1));
        queue().add(chain);
    }

    static byte[] header(int type, long sector) {
        return ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(type)
                .putInt(0)
                .putLong(sector)
                .array();
    }

    int status(long at) {
        return Byte.toUnsignedInt(driver.ram.ram().get(ValueLayout.JAVA_BYTE, at));
    }

    /// Has a request done.
    Done request(int type, long sector, DriverQueue.Buffer... data) {
        addAt(header, status, type, sector, data);
        driver.kick(0);
        DriverQueue.Used used = queue().poll();
        assertThat(used).as("the device gave the request back").isNotNull();
        return new Done(status(status), used.written());
    }

    /// Reads, and expects that to work.
    byte[] read(long sector, int length) {
        long at = driver.ram.allocate(length);
        Done done = request(IN, sector, DriverQueue.Buffer.writable(at, length));
        assertThat(done).isEqualTo(new Done(OK, length + 1L));
        return driver.bytes(at, length);
    }

    Done write(long sector, byte[] bytes) {
        return request(OUT, sector, DriverQueue.Buffer.readable(driver.put(bytes), bytes.length));
    }

    Done segments(int type, Segment... segments) {
        ByteBuffer data = ByteBuffer.allocate(16 * segments.length).order(ByteOrder.LITTLE_ENDIAN);
        for (Segment segment : segments) {
            data.putLong(segment.sector).putInt(segment.sectors).putInt(segment.flags);
        }
        return request(type, 0, DriverQueue.Buffer.readable(driver.put(data.array()), data.capacity()));
    }

    @Override
    public void close() {
        driver.close();
    }
}
