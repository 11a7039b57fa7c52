// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.HostFile;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// A small overlay behind a block device, for a [HostileGuest] to play against.
final class HostileBlock implements HostileGuest.Host {
    /// u8 type, u16 sector, u8 flags, u16 length: a request that is almost right
    static final int REQUEST = HostileGuest.HOST_0;
    /// u8 milliseconds
    static final int WAIT = HostileGuest.HOST_1;
    /// u8 type, u16 sector, u16 sectors, u8 flags: a discard or write zeroes
    static final int SEGMENT = HostileGuest.HOST_2;

    private static final int CAPACITY = 64 * VirtioBlock.SECTOR;
    private static final long HEADER = 0x4000;
    private static final long DATA = 0x8000;

    private static final ValueLayout.OfShort LE16 = ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt LE32 = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LE64 = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final ManualTimer timer = new ManualTimer();
    private final OverlayBackend backend =
            new OverlayBackend(new FileBackend(HostFile.inMemory("base", CAPACITY), false), 4 * OverlayBackend.CLUSTER);
    private final VirtioBlock device = new VirtioBlock(
            backend,
            "hostile",
            _ -> {},
            RateLimit.none().withBytes(1 << 16, 1 << 20).withOperations(8, 1000),
            timer);

    @Override
    public VirtioDevice device() {
        return device;
    }

    @Override
    public int operandBytes(int step) {
        return switch (step) {
            case REQUEST, SEGMENT -> 6;
            case WAIT -> 1;
            default -> 0;
        };
    }

    @Override
    public void step(HostileGuest guest, int step, ByteBuffer operands) {
        switch (step) {
            case REQUEST -> {
                int type = HostileGuest.u8(operands);
                int sector = HostileGuest.u16(operands);
                int flags = HostileGuest.u8(operands);
                request(guest, type, sector, flags, HostileGuest.u16(operands));
            }
            case SEGMENT -> {
                int type = HostileGuest.u8(operands);
                guest.ram.set(LE64, DATA, HostileGuest.u16(operands));
                guest.ram.set(LE32, DATA + 8, HostileGuest.u16(operands));
                guest.ram.set(LE32, DATA + 12, HostileGuest.u8(operands));
                request(guest, type, 0, DriverQueue.F_NEXT, 16);
            }
            case WAIT -> {
                timer.advance(HostileGuest.u8(operands) * 1_000_000L);
                guest.driver.acknowledge();
            }
            default -> device.save();
        }
    }

    /// A chain of three: header, data, status.
    private static void request(HostileGuest guest, int type, int sector, int flags, int length) {
        guest.ram.set(LE32, HEADER, type);
        guest.ram.set(LE64, HEADER + 8, sector);
        descriptor(guest, 0, HEADER, 16, DriverQueue.F_NEXT);
        descriptor(guest, 1, DATA, length, (flags & DriverQueue.F_WRITE) | DriverQueue.F_NEXT);
        descriptor(guest, 2, HEADER + 16, 1, DriverQueue.F_WRITE);
        long available = HostileGuest.QUEUES + HostileGuest.DRIVER_AREA;
        int idx = Short.toUnsignedInt(guest.ram.get(LE16, available + 2));
        guest.ram.set(LE16, available + 4 + 2L * (idx % HostileGuest.QUEUE_SIZE), (short) 0);
        guest.ram.set(LE16, available + 2, (short) (idx + 1));
        guest.driver.kick(0);
    }

    private static void descriptor(HostileGuest guest, int index, long address, int length, int flags) {
        long at = HostileGuest.QUEUES + 16L * index;
        guest.ram.set(LE64, at, address);
        guest.ram.set(LE32, at + 8, length);
        guest.ram.set(LE16, at + 12, (short) flags);
        guest.ram.set(LE16, at + 14, (short) (index + 1));
    }

    @Override
    public void check(boolean failed) {
        assertThat(backend.heldMemory()).isLessThanOrEqualTo(4 * OverlayBackend.CLUSTER);
    }

    @Override
    public void close() {
        device.close();
    }
}
