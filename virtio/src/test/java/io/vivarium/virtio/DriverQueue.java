// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The driver's side of a split virtqueue, as a guest has it (virtio 1.2 §2.7.13, §2.7.14). Not thread-safe.
final class DriverQueue {
    static final int F_NEXT = 1;
    static final int F_WRITE = 2;
    static final int F_INDIRECT = 4;

    private static final ValueLayout.OfShort LE16 = ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt LE32 = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LE64 = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INDEX = LE16.varHandle();

    final int size;
    final long descriptorArea;
    final long driverArea;
    final long deviceArea;
    private final MemorySegment ram;
    private final ArrayDeque<Integer> free = new ArrayDeque<>();
    private final int[] chainLength;
    private int availableIdx;
    private int usedSeen;
    private int notifiedIdx;

    /// A buffer of a chain.
    record Buffer(long address, long length, boolean deviceWrites) {
        static Buffer readable(long address, long length) {
            return new Buffer(address, length, false);
        }

        static Buffer writable(long address, long length) {
            return new Buffer(address, length, true);
        }
    }

    /// What the device gave back.
    record Used(int head, long written) {}

    DriverQueue(GuestRam ram, int size) {
        this.size = size;
        this.ram = ram.ram();
        descriptorArea = ram.allocate(16L * size);
        driverArea = ram.allocate(6 + 2L * size);
        deviceArea = ram.allocate(6 + 8L * size);
        chainLength = new int[size];
        for (int i = 0; i < size; i++) {
            free.add(i);
        }
    }

    QueueRegisters registers() {
        QueueRegisters registers = new QueueRegisters();
        registers.size = size;
        registers.descriptorArea = descriptorArea;
        registers.driverArea = driverArea;
        registers.deviceArea = deviceArea;
        return registers;
    }

    int freeDescriptors() {
        return free.size();
    }

    /// The head of the chain that is added next.
    int nextFree() {
        return free.element();
    }

    /// Makes a chain available; the device is not notified.
    int add(Buffer... buffers) {
        return add(List.of(buffers));
    }

    int add(List<Buffer> buffers) {
        int head = free.element();
        for (int i = 0; i < buffers.size(); i++) {
            int index = free.remove();
            Buffer buffer = buffers.get(i);
            boolean last = i == buffers.size() - 1;
            int flags = (buffer.deviceWrites ? F_WRITE : 0) | (last ? 0 : F_NEXT);
            descriptor(index, buffer.address, buffer.length, flags, last ? 0 : free.element());
        }
        chainLength[head] = buffers.size();
        publish(head);
        return head;
    }

    /// Writes a descriptor, whatever it says.
    void descriptor(int index, long address, long length, int flags, int next) {
        writeDescriptor(descriptorArea + 16L * index, address, length, flags, next);
    }

    /// Writes a descriptor anywhere, as into an indirect table.
    void writeDescriptor(long at, long address, long length, int flags, int next) {
        ram.set(LE64, at, address);
        ram.set(LE32, at + 8, (int) length);
        ram.set(LE16, at + 12, (short) flags);
        ram.set(LE16, at + 14, (short) next);
    }

    /// Puts a head into the available ring.
    void publish(int head) {
        ram.set(LE16, driverArea + 4 + 2L * (availableIdx & (size - 1)), (short) head);
        setAvailableIdx(availableIdx + 1);
    }

    void setAvailableIdx(int idx) {
        availableIdx = idx & 0xffff;
        INDEX.setRelease(ram, driverArea + 2, (short) availableIdx);
    }

    int availableIdx() {
        return availableIdx;
    }

    /// Whether the device wants to be notified of what was added since this was last asked.
    boolean mustNotify(boolean eventIdx) {
        VarHandle.fullFence();
        int before = notifiedIdx;
        notifiedIdx = availableIdx;
        if (!eventIdx) {
            return (ram.get(LE16, deviceArea) & 1) == 0;
        }
        int event = Short.toUnsignedInt(ram.get(LE16, deviceArea + 4 + 8L * size));
        return ((availableIdx - event - 1) & 0xffff) < ((availableIdx - before) & 0xffff);
    }

    int usedFlags() {
        return Short.toUnsignedInt(ram.get(LE16, deviceArea));
    }

    int usedIdx() {
        return Short.toUnsignedInt((short) INDEX.getAcquire(ram, deviceArea + 2));
    }

    int availEvent() {
        return Short.toUnsignedInt(ram.get(LE16, deviceArea + 4 + 8L * size));
    }

    void setNoInterrupt(boolean noInterrupt) {
        ram.set(LE16, driverArea, (short) (noInterrupt ? 1 : 0));
    }

    void setUsedEvent(int event) {
        ram.set(LE16, driverArea + 4 + 2L * size, (short) event);
    }

    /// Asks to be notified of the next used buffer; whether there is one by now.
    boolean enableInterrupts(boolean eventIdx) {
        if (eventIdx) {
            setUsedEvent(usedSeen);
        } else {
            setNoInterrupt(false);
        }
        VarHandle.fullFence();
        return usedIdx() != usedSeen;
    }

    /// Takes the next used buffer, and frees its descriptors.
    @Nullable
    Used poll() {
        if (usedIdx() == usedSeen) {
            return null;
        }
        long at = deviceArea + 4 + 8L * (usedSeen & (size - 1));
        Used used = new Used(ram.get(LE32, at), Integer.toUnsignedLong(ram.get(LE32, at + 4)));
        usedSeen = (usedSeen + 1) & 0xffff;
        int index = used.head;
        for (int i = chainLength[used.head]; i > 0; i--) {
            free.add(index);
            index = Short.toUnsignedInt(ram.get(LE16, descriptorArea + 16L * index + 14));
        }
        chainLength[used.head] = 0;
        return used;
    }
}
