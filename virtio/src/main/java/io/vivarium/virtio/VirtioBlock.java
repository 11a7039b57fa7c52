// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A virtio block device (virtio 1.2 §5.2) with one queue, in front of a [BlockBackend].
///
/// Requests are done in their order on the thread that brings them, the vCPU's that rang the doorbell, and are
/// done when it goes on: for what the host has in its page cache, handing them to another thread and being
/// interrupted by it costs more than the request. So nothing is in flight between two calls, and the guest's
/// memory is never touched by a thread that the machine's end does not wait for. What the [RateLimiter] holds
/// back stays in the queue; the driver is interrupted when its time has come, and its acknowledgement brings
/// the device back to the queue.
///
/// What the storage fails at, the guest sees as an I/O error of the request, and the host as a
/// [BlockException]; the device goes on.
///
/// Thread-safe: one lock for all of it, which is held while the storage is waited for.
public final class VirtioBlock implements VirtioDevice, AutoCloseable {
    /// Bytes of a sector, the unit of the protocol (§5.2.4).
    public static final int SECTOR = 512;

    /// The most bytes that a serial number can have.
    public static final int MAX_SERIAL = BlockCommand.ID_BYTES;

    /// Entries of its queue.
    public static final int QUEUE_SIZE = 256;

    private static final int DEVICE_ID = 2;

    private static final long F_SIZE_MAX = 1L << 1;
    private static final long F_SEG_MAX = 1L << 2;
    private static final long F_RO = 1L << 5;
    private static final long F_BLK_SIZE = 1L << 6;
    private static final long F_FLUSH = 1L << 9;
    private static final long F_DISCARD = 1L << 13;
    private static final long F_WRITE_ZEROES = 1L << 14;

    /// struct virtio_blk_config, up to what belongs to `VIRTIO_BLK_F_WRITE_ZEROES` (§5.2.4).
    private static final int CONFIG_LENGTH = 60;

    /// Bytes of a segment of data (`size_max`).
    private static final int MAX_SEGMENT_BYTES = 1 << 20;

    /// What one notification may move, so that it takes a bounded time.
    private static final long ROUND_BYTES = 4 << 20;

    /// Clusters of an overlay, and blocks of the usual file systems: 4 KiB.
    private static final int DISCARD_ALIGNMENT = 8;

    private static final ValueLayout.OfShort LE16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt LE32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LE64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int FAILED = 0;

    private final DeviceLock lock = new DeviceLock(this::tell);
    private final BlockBackend backend;
    private final BlockCommand command;
    private final Consumer<BlockException> errors;
    private final RateLimiter limiter;
    private final MemorySegment config;

    // All that changes, guarded by the lock.
    private @Nullable VirtioTransport transport;
    private @Nullable DescriptorChain chain;
    private @Nullable BlockException lastError;

    /// @param backend closed with it
    /// @param serial what the guest is told as its serial number; ASCII, at most [#MAX_SERIAL] characters
    /// @param errors hears of what the backend failed at, on the thread on which it did and without the lock;
    ///     of failures inside one call of the driver only the last
    /// @param limit requests, and bytes read and written
    /// @param timer by whose time
    public VirtioBlock(
            BlockBackend backend, String serial, Consumer<BlockException> errors, RateLimit limit, Timer timer) {
        if (serial.length() > MAX_SERIAL
                || !StandardCharsets.US_ASCII.newEncoder().canEncode(serial)) {
            throw new IllegalArgumentException(
                    "not a serial number of at most %d ASCII characters: %s".formatted(MAX_SERIAL, serial));
        }
        this.backend = backend;
        this.errors = errors;
        this.command = new BlockCommand(backend, serial, this::failed);
        this.limiter = new RateLimiter(limit, timer, this::resume);
        this.config = config(backend);
    }

    private static MemorySegment config(BlockBackend backend) {
        MemorySegment config = MemorySegment.ofArray(new byte[CONFIG_LENGTH]);
        config.set(LE64, 0, backend.capacity() / SECTOR);
        config.set(LE32, 8, MAX_SEGMENT_BYTES); // size_max
        config.set(LE32, 12, QUEUE_SIZE - 2); // seg_max: all but header and status
        config.set(LE32, 20, SECTOR); // blk_size
        if (!backend.isReadOnly()) {
            config.set(LE32, 36, BlockCommand.MAX_SEGMENT_SECTORS); // max_discard_sectors
            config.set(LE32, 40, BlockCommand.MAX_SEGMENTS); // max_discard_seg
            config.set(LE32, 44, DISCARD_ALIGNMENT); // discard_sector_alignment
            config.set(LE32, 48, BlockCommand.MAX_SEGMENT_SECTORS); // max_write_zeroes_sectors
            config.set(LE32, 52, BlockCommand.MAX_SEGMENTS); // max_write_zeroes_seg
            config.set(ValueLayout.JAVA_BYTE, 56, (byte) 1); // write_zeroes_may_unmap
        }
        return config.asReadOnly();
    }

    /// What the backend has.
    public long capacity() {
        return backend.capacity();
    }

    @Override
    public int deviceId() {
        return DEVICE_ID;
    }

    @Override
    public long features() {
        long always = F_SIZE_MAX | F_SEG_MAX | F_BLK_SIZE | F_FLUSH;
        return always | (backend.isReadOnly() ? F_RO : F_DISCARD | F_WRITE_ZEROES);
    }

    @Override
    public int queueCount() {
        return 1;
    }

    @Override
    public int maxQueueSize(int queue) {
        return QUEUE_SIZE;
    }

    @Override
    public int configLength() {
        return CONFIG_LENGTH;
    }

    @Override
    public long readConfig(int offset, int size) {
        return switch (size) {
            case Byte.BYTES -> Byte.toUnsignedLong(config.get(ValueLayout.JAVA_BYTE, offset));
            case Short.BYTES -> Short.toUnsignedLong(config.get(LE16, offset));
            case Integer.BYTES -> Integer.toUnsignedLong(config.get(LE32, offset));
            default -> config.get(LE64, offset);
        };
    }

    @Override
    public DeviceLock lock() {
        return lock;
    }

    @Override
    public void activate(VirtioTransport newTransport) {
        transport = newTransport;
    }

    @Override
    public void notified(VirtQueue queue) {
        VirtioTransport current = transport;
        if (current == null) {
            return;
        }
        try {
            serve(queue, current);
        } finally {
            current.notifyUsed(queue);
        }
    }

    private void serve(VirtQueue queue, VirtioTransport current) {
        DescriptorChain request = chain(queue);
        boolean writeThrough = (current.negotiatedFeatures() & F_FLUSH) == 0; // §5.2.6.2
        long bytesLeft = ROUND_BYTES;
        for (int left = queue.size(); queue.isAvailable() || queue.enableNotifications(); left--) {
            if (!limiter.admits()) {
                queue.disableNotifications();
                return;
            }
            if (left == 0 || bytesLeft <= 0) {
                queue.disableNotifications();
                current.continueLater(queue);
                return;
            }
            queue.pop(request);
            if (command.execute(request, writeThrough) != BlockCommand.OK) {
                queue.countError();
            }
            long bytes = request.wasRead() + request.written();
            limiter.charge(bytes);
            bytesLeft -= bytes;
            queue.push(request);
        }
    }

    private DescriptorChain chain(VirtQueue queue) {
        if (chain == null) {
            chain = queue.newChain();
        }
        return chain;
    }

    /// Called by the timer: the driver's answer to the interrupt brings the device back to its queue.
    private void resume() {
        lock.acquire();
        try {
            limiter.resumed();
            lookAgain();
        } finally {
            lock.release();
        }
    }

    private void lookAgain() {
        VirtQueue queue = transport == null ? null : transport.queue(0);
        if (transport != null && queue != null) {
            transport.continueLater(queue);
        }
    }

    @Override
    public void stopped(int queue) {
        chain = null;
    }

    @Override
    public void failed(VirtioFault fault) {
        // There is nothing to forget: no request is in flight.
    }

    @Override
    public void reset() {
        transport = null;
        chain = null;
    }

    @Override
    public BlockState save() {
        return new BlockState(backend.capacity(), backend.isReadOnly());
    }

    @Override
    public void restore(DeviceState state, @Nullable VirtioTransport newTransport) {
        if (!state.equals(save())) {
            throw new IllegalArgumentException("not the state of a disk like %s: %s".formatted(save(), state));
        }
        transport = newTransport;
        VirtQueue queue = newTransport == null ? null : newTransport.queue(0);
        if (queue != null && queue.isAvailable()) {
            lookAgain();
        }
    }

    /// The backend failed. The lock is held.
    private void failed(BlockException error) {
        lastError = error;
        lock.event(FAILED);
    }

    private void tell(long events) {
        BlockException error;
        lock.acquire();
        try {
            error = lastError;
            lastError = null;
        } finally {
            lock.release();
        }
        if (error != null) {
            errors.accept(error);
        }
    }

    /// Has all requests fail from now on, soon also the one that is under way. Does not wait; any thread.
    public void stop() {
        command.stop();
    }

    /// Stops it, waits for the request that is under way, and closes the backend. Idempotent; any thread.
    @Override
    public void close() {
        stop();
        lock.acquire();
        try {
            backend.close();
        } finally {
            lock.release();
        }
    }
}
