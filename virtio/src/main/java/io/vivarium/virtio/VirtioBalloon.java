// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import io.vivarium.kvm.RegionSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A traditional memory balloon (virtio 1.2 §5.5): the host asks the guest for pages, and the memory of those
/// that the guest gives up, or reports as free, goes back to the host at once.
///
/// A page of the balloon needs nothing to be used again: the host finds memory for it when the guest touches it.
/// So `VIRTIO_BALLOON_F_MUST_TELL_HOST` is not offered, and deflating is bookkeeping. What the guest reads in such
/// a page first is zeros, or in memory that it shares copy-on-write with other machines, what was there at their
/// common start ([io.vivarium.kvm.GuestMemory#release]). A driver that counts on the content of the free pages that
/// it reports (`VIRTIO_BALLOON_F_PAGE_POISON`) has them taken only where they then read as it expects: zeros, in
/// memory of its own.
///
/// Offered: statistics, page poison, free page reporting; deflating when the guest is out of memory as built. Free
/// page hinting, a means of live migration, is not.
///
/// The queue for reports is number 4 (§5.5.2). A driver that numbers the queues of the features it accepted without
/// gaps, as Linux does before 6.11, has it as 3 or 2, and is served there.
///
/// Thread-safe.
public final class VirtioBalloon implements VirtioDevice {
    /// Bytes of a page of a balloon, whatever the guest's pages are (§5.5.6).
    public static final int PAGE_SIZE = 4096;

    /// The most page numbers of one request; Linux sends 256.
    public static final int MAX_PAGES = 4096;

    private static final int DEVICE_ID = 5;
    private static final long F_STATS_VQ = 1 << 1;
    private static final long F_DEFLATE_ON_OOM = 1 << 2;
    private static final long F_PAGE_POISON = 1 << 4;
    private static final long F_PAGE_REPORTING = 1 << 5;

    private static final int INFLATEQ = 0;
    private static final int DEFLATEQ = 1;
    private static final int STATSQ = 2;
    private static final int QUEUES = 5;
    private static final int QUEUE_SIZE = 16;
    private static final int REPORTING_QUEUE_SIZE = 32;

    /// struct virtio_balloon_config: le32 num_pages, le32 actual, le32 free_page_hint_cmd_id, le32 poison_val
    private static final int CONFIG_LENGTH = 16;

    private static final int CONFIG_ACTUAL = 4;
    private static final int CONFIG_POISON = 12;

    /// struct virtio_balloon_stat: le16 tag, le64 val
    private static final int STATISTIC_SIZE = 10;

    private static final int MAX_STATISTICS = 64;
    private static final BalloonStatistics.Tag[] TAGS = BalloonStatistics.Tag.values();

    private static final int EVENT_ACTUAL = 0;
    private static final int EVENT_STATISTICS = 1;
    private static final int NO_HEAD = -1;

    private static final ValueLayout.OfShort LE16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt LE32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LE64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final DeviceLock lock = new DeviceLock(this::tellListener);
    private final BalloonListener listener;
    private final long features;
    private final QueueRound[] rounds = new QueueRound[QUEUES];
    private final MemorySegment scratch = Arena.ofAuto().allocate(1024);

    // All that changes, guarded by the lock.
    private int target;
    private int actual;
    private int poison;
    private int configGeneration;
    private @Nullable VirtioTransport transport;
    private @Nullable GuestRegions regions;
    private @Nullable DescriptorChain statisticsRequest;
    private boolean statisticsHeld;
    private BalloonStatistics statistics = new BalloonStatistics(Map.of());
    private long releasedPages;
    private boolean closed;

    // The run of adjacent pages that is released next, and the region they are in.
    private long runStart;
    private long runEnd;
    private int runRegion = GuestRegions.NONE;

    /// @param listener hears of it
    /// @param deflateOnOutOfMemory whether the guest may take pages back by itself before it runs out of memory
    ///     (`VIRTIO_BALLOON_F_DEFLATE_ON_OOM`): then a balloon takes only what the guest can spare, and no limit
    ///     is enforced by it
    public VirtioBalloon(BalloonListener listener, boolean deflateOnOutOfMemory) {
        this.listener = listener;
        features = F_STATS_VQ | F_PAGE_POISON | F_PAGE_REPORTING | (deflateOnOutOfMemory ? F_DEFLATE_ON_OOM : 0);
        for (int i = 0; i < QUEUES; i++) {
            rounds[i] = new QueueRound(RateLimiter.unlimited(), this::serve);
        }
    }

    /// Asks the guest to give up so many pages in all, and to take others back. Any thread; takes effect when the
    /// guest likes: see [#actual].
    ///
    /// @param pages of 4096 bytes; 0 to 2^32 - 1
    public void setTarget(long pages) {
        if (pages < 0 || pages > 0xffff_ffffL) {
            throw new IllegalArgumentException("a balloon of " + pages + " pages");
        }
        lock.acquire();
        try {
            target = (int) pages;
            configGeneration++;
            if (transport != null) {
                transport.notifyConfigChange();
            }
        } finally {
            lock.release();
        }
    }

    /// How many pages the guest was asked for. Any thread.
    public long target() {
        lock.acquire();
        try {
            return Integer.toUnsignedLong(target);
        } finally {
            lock.release();
        }
    }

    /// How many pages the guest says it has given up. Any thread.
    public long actual() {
        lock.acquire();
        try {
            return Integer.toUnsignedLong(actual);
        } finally {
            lock.release();
        }
    }

    /// How many pages went back to the host so far, some perhaps several times. Any thread.
    public long releasedPages() {
        lock.acquire();
        try {
            return releasedPages;
        } finally {
            lock.release();
        }
    }

    /// What the guest said last; empty at first. Any thread.
    public BalloonStatistics statistics() {
        lock.acquire();
        try {
            return statistics;
        } finally {
            lock.release();
        }
    }

    /// Asks the guest for statistics; [BalloonListener#statisticsChanged] follows when they are there. Any thread.
    ///
    /// @return false if the guest cannot be asked now: it has no driver, or owes the answer to the last question
    public boolean requestStatistics() {
        lock.acquire();
        try {
            VirtQueue queue = transport == null ? null : transport.queue(STATSQ);
            if (!statisticsHeld || queue == null || statisticsRequest == null || transport == null) {
                return false;
            }
            statisticsHeld = false;
            queue.push(statisticsRequest);
            transport.notifyUsed(queue);
            return true;
        } finally {
            lock.release();
        }
    }

    /// Leaves the guest and its memory alone from now on, for good: the machine goes away. Idempotent.
    public void close() {
        lock.acquire();
        try {
            closed = true;
            transport = null;
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
        return features;
    }

    @Override
    public int queueCount() {
        return QUEUES;
    }

    @Override
    public int maxQueueSize(int queue) {
        return queue > STATSQ ? REPORTING_QUEUE_SIZE : QUEUE_SIZE;
    }

    @Override
    public int configLength() {
        return CONFIG_LENGTH;
    }

    @Override
    public long readConfig(int offset, int size) {
        return ConfigSpace.read(this::configByte, offset, size);
    }

    private int configByte(int offset) {
        return (configWord(offset / Integer.BYTES) >>> (Byte.SIZE * (offset % Integer.BYTES))) & 0xff;
    }

    private int configWord(int index) {
        return switch (index) {
            case 0 -> target;
            case 1 -> actual;
            case 2 -> 0; // free_page_hint_cmd_id: VIRTIO_BALLOON_CMD_ID_STOP
            default -> poison;
        };
    }

    @Override
    public boolean writeConfig(int offset, int size, long value) {
        if (size != Integer.BYTES || (offset != CONFIG_ACTUAL && offset != CONFIG_POISON)) {
            return false;
        }
        if (offset == CONFIG_ACTUAL) {
            actual = (int) value;
            lock.event(EVENT_ACTUAL);
        } else {
            poison = (int) value;
        }
        return true;
    }

    @Override
    public int configGeneration() {
        return configGeneration;
    }

    @Override
    public DeviceLock lock() {
        return lock;
    }

    @Override
    public void activate(VirtioTransport newTransport) {
        transport = closed ? null : newTransport;
        regions = new GuestRegions(newTransport.memory());
    }

    private boolean negotiated(long feature) {
        return transport != null && (transport.negotiatedFeatures() & feature) != 0;
    }

    @Override
    public void notified(VirtQueue queue) {
        VirtioTransport current = transport;
        if (current == null) {
            return;
        }
        if (queue.index() == STATSQ && negotiated(F_STATS_VQ)) {
            takeStatistics(queue);
        } else if (queue.index() < STATSQ || negotiated(F_PAGE_REPORTING)) {
            rounds[queue.index()].run(queue, current);
        }
    }

    private void serve(VirtQueue queue, DescriptorChain request) {
        switch (queue.index()) {
            case INFLATEQ -> takePages(queue, request, true);
            case DEFLATEQ -> takePages(queue, request, false);
            default -> takeReport(queue, request);
        }
    }

    /// Reads page numbers, and gives the pages back to the host.
    ///
    /// @param release false for pages that leave the balloon, of which nothing is to be done
    private void takePages(VirtQueue queue, DescriptorChain request, boolean release) {
        requireReadable(queue, request);
        long bytes = request.remaining();
        if (bytes % Integer.BYTES != 0 || bytes > (long) Integer.BYTES * MAX_PAGES) {
            throw new VirtioFault(
                    VirtioFault.Kind.BALLOON_REQUEST_SIZE,
                    "balloon: %d bytes of page numbers, queue %d".formatted(bytes, queue.index()));
        }
        runRegion = GuestRegions.NONE;
        while (request.remaining() > 0) {
            long read = request.read(scratch, 0, scratch.byteSize());
            for (long at = 0; at < read; at += Integer.BYTES) {
                takePage(queue, Integer.toUnsignedLong(scratch.get(LE32, at)) * PAGE_SIZE, release);
            }
        }
        releaseRun();
    }

    private void takePage(VirtQueue queue, long address, boolean release) {
        GuestRegions current = regions();
        int region = current.find(address, PAGE_SIZE);
        if (region == GuestRegions.NONE || current.readOnly(region)) {
            throw new VirtioFault(
                    VirtioFault.Kind.BALLOON_PAGE,
                    "balloon: page 0x%x is %s, queue %d"
                            .formatted(
                                    address / PAGE_SIZE,
                                    region == GuestRegions.NONE ? "not in memory" : "read-only",
                                    queue.index()));
        }
        if (!release) {
            return;
        }
        // Linux hands out pages in ascending or in descending order: adjacent ones are released in one go.
        if (region == runRegion && address == runEnd) {
            runEnd += PAGE_SIZE;
        } else if (region == runRegion && address == runStart - PAGE_SIZE) {
            runStart = address;
        } else {
            releaseRun();
            runRegion = region;
            runStart = address;
            runEnd = address + PAGE_SIZE;
        }
    }

    private void releaseRun() {
        if (runRegion != GuestRegions.NONE) {
            release(runStart, runEnd - runStart);
            runRegion = GuestRegions.NONE;
        }
    }

    private void release(long address, long length) {
        if (transport != null) {
            transport.memory().release(address, length);
            releasedPages += length / PAGE_SIZE;
        }
    }

    /// Each buffer is free memory, whose content nobody needs.
    private void takeReport(VirtQueue queue, DescriptorChain request) {
        if (request.remaining() != 0) {
            throw new VirtioFault(
                    VirtioFault.Kind.BUFFER_DIRECTION,
                    "balloon: device-readable bytes in a report, queue " + queue.index());
        }
        boolean contentMatters = negotiated(F_PAGE_POISON);
        if (contentMatters && poison != 0) {
            return; // The host has no pages filled with anything but zeros.
        }
        GuestRegions current = regions();
        for (int buffer = 0; buffer < request.buffers(); buffer++) {
            long address = request.address(buffer);
            long first = address + PAGE_SIZE - 1 & -PAGE_SIZE;
            long end = address + request.length(buffer) & -PAGE_SIZE;
            boolean readsAsZeros =
                    current.spec(current.find(address, request.length(buffer))) instanceof RegionSpec.Anonymous;
            if (first < end && (readsAsZeros || !contentMatters)) {
                release(first, end - first);
            }
        }
    }

    private void takeStatistics(VirtQueue queue) {
        if (statisticsHeld) {
            return; // The driver is to make one buffer available at a time (§5.5.6.3.1).
        }
        DescriptorChain request = statisticsRequest;
        if (request == null) {
            request = queue.newChain();
            statisticsRequest = request;
        }
        if (!queue.pop(request) && !(queue.enableNotifications() && queue.pop(request))) {
            return;
        }
        statisticsHeld = true;
        // The next one comes when this one is given back; a second one now is against the rules and waits.
        queue.enableNotifications();
        requireReadable(queue, request);
        EnumMap<BalloonStatistics.Tag, Long> values = new EnumMap<>(BalloonStatistics.Tag.class);
        for (int i = 0; i < MAX_STATISTICS && request.remaining() >= STATISTIC_SIZE; i++) {
            request.read(scratch, 0, STATISTIC_SIZE);
            int tag = Short.toUnsignedInt(scratch.get(LE16, 0));
            if (tag < TAGS.length) {
                values.put(TAGS[tag], scratch.get(LE64, Short.BYTES));
            }
        }
        statistics = new BalloonStatistics(values);
        lock.event(EVENT_STATISTICS);
    }

    private static void requireReadable(VirtQueue queue, DescriptorChain request) {
        if (request.writable() != 0) {
            throw new VirtioFault(
                    VirtioFault.Kind.BUFFER_DIRECTION, "balloon: device-writable bytes, queue " + queue.index());
        }
    }

    private GuestRegions regions() {
        GuestRegions current = regions;
        if (current == null) {
            throw new IllegalStateException("the balloon has no driver");
        }
        return current;
    }

    @Override
    public void stopped(int queue) {
        rounds[queue].stopped();
        if (queue == STATSQ) {
            statisticsRequest = null;
            statisticsHeld = false;
        }
    }

    @Override
    public void failed(VirtioFault fault) {
        forgetRequests();
    }

    private void forgetRequests() {
        for (int queue = 0; queue < QUEUES; queue++) {
            stopped(queue);
        }
    }

    @Override
    public BalloonState save() {
        int head = statisticsHeld && statisticsRequest != null ? statisticsRequest.head() : NO_HEAD;
        return new BalloonState(target, actual, poison, configGeneration, head);
    }

    @Override
    public void restore(DeviceState state, @Nullable VirtioTransport newTransport) {
        VirtQueue queue = newTransport == null ? null : newTransport.queue(STATSQ);
        if (!(state instanceof BalloonState saved) || (saved.statisticsHead() != NO_HEAD && queue == null)) {
            throw new IllegalArgumentException("not the state of a balloon: " + state);
        }
        target = saved.target();
        actual = saved.actual();
        poison = saved.poison();
        configGeneration = saved.configGeneration();
        if (newTransport != null) {
            activate(newTransport);
        }
        if (saved.statisticsHead() != NO_HEAD && queue != null) {
            DescriptorChain request = queue.newChain();
            queue.takeUp(saved.statisticsHead(), request);
            statisticsRequest = request;
            statisticsHeld = true;
        }
    }

    /// The guest has all of its pages; what the host asked for stays.
    @Override
    public void reset() {
        transport = null;
        regions = null;
        forgetRequests();
        actual = 0;
        poison = 0;
        lock.event(EVENT_ACTUAL);
    }

    private void tellListener(long events) {
        if ((events & 1 << EVENT_ACTUAL) != 0) {
            listener.actualChanged();
        }
        if ((events & 1 << EVENT_STATISTICS) != 0) {
            listener.statisticsChanged();
        }
    }
}
