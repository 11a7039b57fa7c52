// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import io.vivarium.kvm.GuestAddressException;
import io.vivarium.kvm.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// The device's side of a split virtqueue (virtio 1.2 §2.7).
///
/// A device takes requests with [#pop] and gives them back with [#push], in any order, and makes no object
/// doing so. The driver may write to all of the queue's memory at any time: every field is read once, into a
/// local, and checked before use; every loop is bounded by the queue's size. What the driver must not do is a
/// [VirtioFault].
///
/// Not thread-safe: the device's lock guards it. Against the driver, which runs in the guest, `avail.idx` is
/// read with acquire and `used.idx` written with release semantics, and a full fence separates publishing
/// from looking whether the other side wants to be notified (§2.7.7, §2.7.10).
public final class VirtQueue {
    /// The largest queue (§2.7).
    public static final int MAX_SIZE = 32768;

    private static final int DESCRIPTOR_SIZE = 16;
    private static final int F_NEXT = 1;
    private static final int F_WRITE = 2;
    private static final int F_INDIRECT = 4;
    private static final int AVAIL_F_NO_INTERRUPT = 1;
    private static final short USED_F_NO_NOTIFY = 1;
    private static final long MAX_CHAIN_BYTES = 1L << 32;

    // struct virtq_avail and virtq_used both begin with flags, idx, ring.
    private static final long FLAGS = 0;
    private static final long IDX = 2;
    private static final long RING = 4;

    private static final ValueLayout.OfShort LE16 = ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt LE32 = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    // No alignment is asked of an indirect table (§2.7.5.3).
    private static final ValueLayout.OfLong LE64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INDEX = LE16.varHandle();

    private final int index;
    private final int size;
    private final boolean eventIdx;
    private final boolean indirect;
    private final GuestRegions regions;
    private final QueueCounters counters;
    private final MemorySegment descriptors;
    private final MemorySegment available;
    private final MemorySegment used;

    // All that changes; each is a 16-bit counter that wraps.
    private int nextAvailable;
    private int availableSeen;
    private int nextUsed;
    private int usedNotified;

    /// Takes over the queue that the driver has set up.
    ///
    /// @param counters count what goes through it
    /// @throws VirtioFault if its size is none, or an area misaligned or not in memory
    VirtQueue(
            int index,
            int maxSize,
            QueueRegisters registers,
            GuestMemory memory,
            GuestRegions regions,
            long features,
            QueueCounters counters) {
        this.index = index;
        this.size = registers.size;
        this.regions = regions;
        this.counters = counters;
        this.eventIdx = VirtioFeature.EVENT_IDX.in(features);
        this.indirect = VirtioFeature.INDIRECT_DESC.in(features);
        if (size < 1 || size > maxSize || (size & (size - 1)) != 0) {
            throw new VirtioFault(
                    VirtioFault.Kind.QUEUE_SIZE,
                    "queue %d of %s entries, of at most %d".formatted(index, Integer.toUnsignedString(size), maxSize));
        }
        checkAlignment("descriptor area", registers.descriptorArea, DESCRIPTOR_SIZE);
        checkAlignment("driver area", registers.driverArea, Short.BYTES);
        checkAlignment("device area", registers.deviceArea, Integer.BYTES);
        try {
            descriptors = memory.slice(registers.descriptorArea, (long) DESCRIPTOR_SIZE * size);
            available = memory.slice(registers.driverArea, RING + 2L * size + Short.BYTES);
            used = memory.writableSlice(registers.deviceArea, RING + 8L * size + Short.BYTES);
        } catch (GuestAddressException e) {
            throw new VirtioFault(VirtioFault.Kind.QUEUE_AREA_ADDRESS, "queue " + index + ": " + e.getMessage());
        }
    }

    /// How far it is.
    QueueState.Progress progress() {
        return new QueueState.Progress(nextAvailable, nextUsed, usedNotified);
    }

    /// Goes on where another was, on the same memory.
    ///
    /// @throws IllegalArgumentException if more requests would be in flight than the queue has entries
    void resumeAt(QueueState.Progress progress) {
        if (progress.inFlight() > size) {
            throw new IllegalArgumentException(
                    "queue %d of %d entries with %d in flight".formatted(index, size, progress.inFlight()));
        }
        nextAvailable = progress.nextAvailable();
        availableSeen = nextAvailable;
        nextUsed = progress.nextUsed();
        usedNotified = progress.usedNotified();
    }

    /// Takes up again a request that was taken before a restore. Its descriptors are read and checked anew.
    ///
    /// @param chain receives it
    /// @throws IllegalArgumentException if no request is in flight, or there is no such descriptor
    /// @throws VirtioFault if the chain is not as it must be any more
    void takeUp(int head, DescriptorChain chain) {
        if (nextUsed == nextAvailable || head < 0 || head >= size) {
            throw new IllegalArgumentException("queue %d of %d entries: no request %d".formatted(index, size, head));
        }
        read(head, chain);
    }

    private void checkAlignment(String area, long address, int alignment) {
        if ((address & (alignment - 1)) != 0) {
            throw new VirtioFault(
                    VirtioFault.Kind.QUEUE_AREA_ALIGNMENT,
                    "queue %d: %s at 0x%x, not a multiple of %d".formatted(index, area, address, alignment));
        }
    }

    /// Its index in the device.
    public int index() {
        return index;
    }

    /// Its number of entries: a power of two.
    public int size() {
        return size;
    }

    /// A chain that [#pop] can fill.
    public DescriptorChain newChain() {
        return new DescriptorChain(size);
    }

    /// Takes the next request.
    ///
    /// @param chain receives it; when there is none it is as before
    /// @return whether there was one
    /// @throws VirtioFault if the available ring or the chain is not as it must be
    public boolean pop(DescriptorChain chain) {
        if (!isAvailable()) {
            return false;
        }
        long slot = RING + 2L * (nextAvailable & (size - 1));
        int head = Short.toUnsignedInt(available.get(LE16, slot));
        if (head >= size) {
            throw new VirtioFault(
                    VirtioFault.Kind.HEAD_INDEX, "queue %d: head %d of %d descriptors".formatted(index, head, size));
        }
        read(head, chain);
        nextAvailable = (nextAvailable + 1) & 0xffff;
        counters.requests++;
        return true;
    }

    /// Whether [#pop] would find a request.
    ///
    /// @throws VirtioFault if the available ring's index is not as it must be
    public boolean isAvailable() {
        return nextAvailable != availableSeen || refresh();
    }

    private boolean refresh() {
        int idx = Short.toUnsignedInt((short) INDEX.getAcquire(available, IDX));
        int pending = (idx - nextAvailable) & 0xffff;
        int inFlight = (nextAvailable - nextUsed) & 0xffff;
        // What is in flight still occupies its entries; an index that moved back looks like a huge step forward.
        if (pending > size - inFlight) {
            throw new VirtioFault(
                    VirtioFault.Kind.AVAILABLE_INDEX,
                    "queue %d of %d entries: avail.idx %d, %d taken and %d of them not yet used"
                            .formatted(index, size, idx, nextAvailable, inFlight));
        }
        availableSeen = idx;
        return pending != 0;
    }

    private void read(int head, DescriptorChain chain) {
        chain.begin(head);
        MemorySegment table = descriptors;
        long tableOffset = 0;
        int tableSize = size;
        boolean inIndirect = false;
        boolean sawWritable = false;
        int descriptor = head;
        int count = 0;
        long bytes = 0;
        while (true) {
            long at = tableOffset + (long) descriptor * DESCRIPTOR_SIZE;
            long address = table.get(LE64, at);
            long second = table.get(LE64, at + 8);
            long length = second & 0xffff_ffffL;
            int flags = (int) (second >>> 32) & 0xffff;
            int next = (int) (second >>> 48);

            if ((flags & F_INDIRECT) != 0) {
                checkIndirect(flags, inIndirect, length);
                int region = regions.find(address, length);
                if (region == GuestRegions.NONE) {
                    throw fault(VirtioFault.Kind.INDIRECT_TABLE_ADDRESS, head, address, length);
                }
                table = regions.segment(region);
                tableOffset = regions.offset(region, address);
                tableSize = (int) (length / DESCRIPTOR_SIZE);
                inIndirect = true;
                descriptor = 0;
                continue;
            }
            if (count == size) {
                throw new VirtioFault(
                        VirtioFault.Kind.CHAIN_LENGTH,
                        "queue %d, head %d: more than %d descriptors".formatted(index, head, size));
            }
            boolean write = (flags & F_WRITE) != 0;
            if (sawWritable && !write) {
                throw fault(VirtioFault.Kind.READABLE_AFTER_WRITABLE, head, address, length);
            }
            if (length == 0) {
                throw fault(VirtioFault.Kind.BUFFER_EMPTY, head, address, length);
            }
            bytes += length;
            if (bytes > MAX_CHAIN_BYTES) {
                throw fault(VirtioFault.Kind.CHAIN_BYTES, head, address, length);
            }
            addBuffer(chain, head, address, length, write);
            sawWritable = write;
            count++;
            if ((flags & F_NEXT) == 0) {
                return;
            }
            if (next >= tableSize) {
                throw new VirtioFault(
                        VirtioFault.Kind.NEXT_INDEX,
                        "queue %d, head %d: next %d of %d descriptors".formatted(index, head, next, tableSize));
            }
            descriptor = next;
        }
    }

    private void checkIndirect(int flags, boolean inIndirect, long length) {
        if (!indirect) {
            throw new VirtioFault(VirtioFault.Kind.INDIRECT_NOT_NEGOTIATED, "queue " + index);
        }
        if (inIndirect) {
            throw new VirtioFault(VirtioFault.Kind.INDIRECT_NESTED, "queue " + index);
        }
        if ((flags & F_NEXT) != 0) {
            throw new VirtioFault(VirtioFault.Kind.INDIRECT_WITH_NEXT, "queue " + index);
        }
        if (length == 0 || length % DESCRIPTOR_SIZE != 0) {
            throw new VirtioFault(VirtioFault.Kind.INDIRECT_TABLE_SIZE, "queue %d: %d bytes".formatted(index, length));
        }
    }

    private VirtioFault fault(VirtioFault.Kind kind, int head, long address, long length) {
        return new VirtioFault(kind, "queue %d, head %d: %d bytes at 0x%x".formatted(index, head, length, address));
    }

    /// Puts back what was taken last and not yet given back, so that it is taken again, and read anew.
    ///
    /// @param count how many requests
    /// @throws IllegalStateException if fewer are in flight
    void putBack(int count) {
        if (count > ((nextAvailable - nextUsed) & 0xffff)) {
            throw new IllegalStateException("queue %d: %d requests are not in flight".formatted(index, count));
        }
        nextAvailable = (nextAvailable - count) & 0xffff;
        counters.requests -= count;
    }

    /// Gives a request back to the driver.
    ///
    /// @param chain what [#pop] of this queue filled, once
    /// @throws IllegalStateException if no request is in flight
    public void push(DescriptorChain chain) {
        enter(chain);
        publish();
    }

    /// Writes a request into the used ring, where the driver does not see it before [#publish]: so it sees
    /// several at once.
    ///
    /// @param chain what [#pop] of this queue filled, once
    /// @throws IllegalStateException if no request is in flight
    void enter(DescriptorChain chain) {
        if (nextUsed == nextAvailable) {
            throw new IllegalStateException("queue " + index + ": no request is in flight");
        }
        long slot = RING + 8L * (nextUsed & (size - 1));
        used.set(LE32, slot, chain.head());
        // le32: of 2^32 bytes one less is told, which the driver is to expect (§2.7.8.2).
        used.set(LE32, slot + 4, (int) Math.min(chain.written(), 0xffff_ffffL));
        counters.bytesFromGuest += chain.wasRead();
        counters.bytesToGuest += chain.written();
        nextUsed = (nextUsed + 1) & 0xffff;
    }

    /// Shows the driver what was [entered][#enter].
    void publish() {
        INDEX.setRelease(used, IDX, (short) nextUsed);
    }

    /// Whether the driver wants to be notified of what was pushed since this was last asked (§2.7.7.2).
    public boolean needsNotification() {
        // The driver writes its wish, fences, and looks at used.idx: with the order turned round here, one sees the
        // other.
        VarHandle.fullFence();
        int before = usedNotified;
        usedNotified = nextUsed;
        if (before == nextUsed) {
            return false;
        }
        boolean wanted = isWanted(before);
        if (wanted) {
            counters.notificationsSent++;
        } else {
            counters.notificationsSuppressed++;
        }
        return wanted;
    }

    private boolean isWanted(int before) {
        if (!eventIdx) {
            return (available.get(LE16, FLAGS) & AVAIL_F_NO_INTERRUPT) == 0;
        }
        int usedEvent = Short.toUnsignedInt(available.get(LE16, RING + 2L * size));
        return ((nextUsed - usedEvent - 1) & 0xffff) < ((nextUsed - before) & 0xffff);
    }

    /// A buffer may begin in one region of memory and go on in the next: to the guest they are one memory.
    private void addBuffer(DescriptorChain chain, int head, long address, long length, boolean write) {
        for (long done = 0; done < length; ) {
            int region = regions.find(address + done, 1);
            if (region == GuestRegions.NONE) {
                throw fault(VirtioFault.Kind.BUFFER_ADDRESS, head, address, length);
            }
            if (write && regions.readOnly(region)) {
                throw fault(VirtioFault.Kind.BUFFER_READ_ONLY, head, address, length);
            }
            long offset = regions.offset(region, address + done);
            long part = Math.min(length - done, regions.length(region) - offset);
            chain.add(regions.segment(region), address + done, offset, part, write);
            done += part;
        }
    }

    /// Counts a request that failed, which the driver is told in the way of the device.
    public void countError() {
        counters.errors++;
    }

    /// Asks the driver to notify the device of the next request.
    ///
    /// @return whether a request came before the driver could have seen that: it may not notify of it
    /// @throws VirtioFault if the available ring's index is not as it must be
    public boolean enableNotifications() {
        if (eventIdx) {
            used.set(LE16, RING + 8L * size, (short) nextAvailable);
        } else {
            used.set(LE16, FLAGS, (short) 0);
        }
        VarHandle.fullFence();
        return isAvailable();
    }

    /// Tells the driver that the device does not need to be notified. It may notify nevertheless.
    public void disableNotifications() {
        // With EVENT_IDX the flags stay 0 (§2.7.10.2), and avail_event, left behind, suppresses by itself.
        if (!eventIdx) {
            used.set(LE16, FLAGS, USED_F_NO_NOTIFY);
        }
    }
}
