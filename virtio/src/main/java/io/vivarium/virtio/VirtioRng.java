// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// A virtio entropy device (virtio 1.2 §5.4): fills the driver's buffers with random bytes.
///
/// A request is served on the thread that notified of it, with at most [#MAX_BYTES]; the driver asks again for
/// more, as it has to (§5.4.6). Thread-safe.
public final class VirtioRng implements VirtioDevice {
    /// The most bytes that one request is given, so that one buffer of gigabytes holds up no thread.
    public static final int MAX_BYTES = 64 << 10;

    private static final int DEVICE_ID = 4;
    private static final int REQUESTQ = 0;
    private static final int QUEUE_SIZE = 64;

    private final DeviceLock lock = new DeviceLock(events -> {});
    private final RandomGenerator source;
    private final byte[] drawn = new byte[256];
    private final MemorySegment drawnBytes = MemorySegment.ofArray(drawn);
    private final QueueRound round;

    // Guarded by the lock.
    private @Nullable VirtioTransport transport;

    /// @param source where the bytes come from; for guests a [java.security.SecureRandom]. Called with
    /// the device's lock held
    /// @param limit bytes and requests that the guest may ask for
    /// @param timer by whose time the limit is kept
    public VirtioRng(RandomGenerator source, RateLimit limit, Timer timer) {
        this.source = source;
        round = new QueueRound(new RateLimiter(limit, timer, this::resume), this::fill);
    }

    private void fill(VirtQueue queue, DescriptorChain request) {
        if (request.remaining() != 0) {
            throw new VirtioFault(
                    VirtioFault.Kind.BUFFER_DIRECTION, "rng: device-readable bytes, queue " + queue.index());
        }
        for (long left = Math.min(request.writable(), MAX_BYTES); left > 0; left -= drawn.length) {
            source.nextBytes(drawn);
            request.write(drawnBytes, 0, Math.min(left, drawn.length));
        }
    }

    private void resume() {
        lock.acquire();
        try {
            round.resume(transport == null ? null : transport.queue(REQUESTQ), transport);
        } finally {
            lock.release();
        }
    }

    @Override
    public int deviceId() {
        return DEVICE_ID;
    }

    @Override
    public long features() {
        return 0;
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
        return 0;
    }

    @Override
    public long readConfig(int offset, int size) {
        throw new AssertionError("an entropy device has no configuration space");
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
        if (transport != null) {
            round.run(queue, transport);
        }
    }

    @Override
    public void stopped(int queue) {
        round.stopped();
    }

    @Override
    public void failed(VirtioFault fault) {
        round.stopped();
    }

    @Override
    public RngState save() {
        return new RngState(round.isWaiting());
    }

    @Override
    public void restore(DeviceState state, @Nullable VirtioTransport newTransport) {
        if (!(state instanceof RngState saved)) {
            throw new IllegalArgumentException("not the state of an entropy device: " + state);
        }
        transport = newTransport;
        round.restore(saved.waiting(), newTransport == null ? null : newTransport.queue(REQUESTQ), newTransport);
    }

    @Override
    public void reset() {
        transport = null;
        round.stopped();
    }
}
