// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.HostFile;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.virtio.FileBackend;
import io.vivarium.virtio.RateLimit;
import io.vivarium.virtio.Timer;
import io.vivarium.virtio.VirtioBlock;
import io.vivarium.virtio.VirtioMmioTransport;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.NullMarked;

/// The driver of a disk without a guest: what a request costs from the doorbell on, without the
/// exit. It reads one range at a time, by the same three descriptors.
@NullMarked
final class BlockGuest implements AutoCloseable {
    private static final long RAM = 4 << 20;
    private static final int QUEUE_SIZE = 128;
    private static final long DESCRIPTORS = 0x1000;
    private static final long AVAILABLE = 0x2000;
    private static final long USED = 0x3000;
    private static final long HEADER = 0x4000;
    private static final long STATUS = 0x4010;
    private static final long DATA = 0x10_0000;

    // virtio 1.2 §4.2.2
    private static final int DRIVER_FEATURES = 0x020;
    private static final int DRIVER_FEATURES_SEL = 0x024;
    private static final int QUEUE_NUM = 0x038;
    private static final int QUEUE_READY = 0x044;
    private static final int QUEUE_NOTIFY = 0x050;
    private static final int STATUS_REGISTER = 0x070;
    private static final int QUEUE_DESC = 0x080;
    private static final int QUEUE_DRIVER = 0x090;
    private static final int QUEUE_DEVICE = 0x0a0;

    private static final long F_FLUSH = 1 << 9;
    private static final long F_EVENT_IDX = 1 << 29;

    private final Arena arena = Arena.ofShared();
    private final VirtioBlock device;
    private final VirtioMmioTransport transport;
    private final MemorySegment ram;
    private int available;

    /// @param file read-only
    BlockGuest(Path file) {
        GuestMemory memory = GuestMemory.map(arena, List.of(RegionSpec.anonymous(0, RAM)));
        ram = memory.writableSlice(0, RAM);
        device = new VirtioBlock(
                new FileBackend(HostFile.open(file, false), true),
                "",
                BlockGuest::failed,
                RateLimit.none(),
                new NoTimer());
        transport = new VirtioMmioTransport(device, memory, () -> {});
        write(STATUS_REGISTER, 1);
        write(STATUS_REGISTER, 3);
        write(DRIVER_FEATURES, F_FLUSH | F_EVENT_IDX);
        write(DRIVER_FEATURES_SEL, 1);
        write(DRIVER_FEATURES, 1);
        write(STATUS_REGISTER, 11);
        write(QUEUE_NUM, QUEUE_SIZE);
        write(QUEUE_DESC, DESCRIPTORS);
        write(QUEUE_DRIVER, AVAILABLE);
        write(QUEUE_DEVICE, USED);
        write(QUEUE_READY, 1);
        write(STATUS_REGISTER, 15);
    }

    private static void failed(Exception error) {
        throw new IllegalStateException(error);
    }

    private void write(int register, long value) {
        transport.write(register, Integer.BYTES, value);
    }

    /// Reads.
    ///
    /// @param position a multiple of 512
    /// @param length a multiple of 512, at most 1 MiB
    /// @return a byte of what was read
    byte read(long position, int length) {
        ram.set(ValueLayout.JAVA_INT, HEADER, 0);
        ram.set(ValueLayout.JAVA_LONG, HEADER + 8, position / VirtioBlock.SECTOR);
        ram.set(ValueLayout.JAVA_BYTE, STATUS, (byte) -1);
        descriptor(0, HEADER, 16, 1);
        descriptor(1, DATA, length, 3);
        descriptor(2, STATUS, 1, 2);
        ram.set(ValueLayout.JAVA_SHORT, AVAILABLE + 4 + 2L * (available % QUEUE_SIZE), (short) 0);
        // No interrupt: half the index space away (§2.7.10).
        ram.set(ValueLayout.JAVA_SHORT, AVAILABLE + 4 + 2L * QUEUE_SIZE, (short) (available + 0x8000));
        available++;
        ram.set(ValueLayout.JAVA_SHORT, AVAILABLE + 2, (short) available);
        write(QUEUE_NOTIFY, 0);
        if (ram.get(ValueLayout.JAVA_BYTE, STATUS) != 0) {
            throw new IllegalStateException("status " + ram.get(ValueLayout.JAVA_BYTE, STATUS));
        }
        return ram.get(ValueLayout.JAVA_BYTE, DATA);
    }

    private void descriptor(int index, long address, int length, int flags) {
        long at = DESCRIPTORS + 16L * index;
        ram.set(ValueLayout.JAVA_LONG, at, address);
        ram.set(ValueLayout.JAVA_INT, at + 8, length);
        ram.set(ValueLayout.JAVA_SHORT, at + 12, (short) flags);
        ram.set(ValueLayout.JAVA_SHORT, at + 14, (short) (index + 1));
    }

    @Override
    public void close() {
        device.close();
        arena.close();
    }

    /// Nothing is limited.
    private static final class NoTimer implements Timer {
        @Override
        public long nanoTime() {
            return System.nanoTime();
        }

        @Override
        public void after(long nanos, Runnable task) {
            throw new IllegalStateException("nothing is limited");
        }
    }
}
