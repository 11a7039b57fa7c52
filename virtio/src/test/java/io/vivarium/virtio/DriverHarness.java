// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Semaphore;

/// Plays the driver of a guest against a device: real guest memory, real registers, no machine.
final class DriverHarness implements AutoCloseable {
    static final int MAGIC_VALUE = 0x000;
    static final int VERSION = 0x004;
    static final int DEVICE_ID = 0x008;
    static final int VENDOR = 0x00c;
    static final int DEVICE_FEATURES = 0x010;
    static final int DEVICE_FEATURES_SEL = 0x014;
    static final int DRIVER_FEATURES = 0x020;
    static final int DRIVER_FEATURES_SEL = 0x024;
    static final int QUEUE_SEL = 0x030;
    static final int QUEUE_NUM_MAX = 0x034;
    static final int QUEUE_NUM = 0x038;
    static final int QUEUE_READY = 0x044;
    static final int QUEUE_NOTIFY = 0x050;
    static final int INTERRUPT_STATUS = 0x060;
    static final int INTERRUPT_ACK = 0x064;
    static final int STATUS = 0x070;
    static final int QUEUE_DESC_LOW = 0x080;
    static final int QUEUE_DESC_HIGH = 0x084;
    static final int QUEUE_DRIVER_LOW = 0x090;
    static final int QUEUE_DRIVER_HIGH = 0x094;
    static final int QUEUE_DEVICE_LOW = 0x0a0;
    static final int QUEUE_DEVICE_HIGH = 0x0a4;
    static final int CONFIG_GENERATION = 0x0fc;
    static final int CONFIG = 0x100;

    static final int ACKNOWLEDGE = 1;
    static final int DRIVER = 2;
    static final int DRIVER_OK = 4;
    static final int FEATURES_OK = 8;
    static final int NEEDS_RESET = 64;
    static final int FAILED = 128;

    static final long VERSION_1 = 1L << 32;
    static final long EVENT_IDX = 1L << 29;
    static final long INDIRECT = 1L << 28;

    final GuestRam ram = new GuestRam();
    final Semaphore interrupts = new Semaphore(0);
    private final FaultPolicy policy;
    VirtioMmioTransport transport;
    private final Map<Integer, DriverQueue> queues = new HashMap<>();
    private long features;

    DriverHarness(VirtioDevice device) {
        this(device, FaultPolicy.NEEDS_RESET);
    }

    DriverHarness(VirtioDevice device, FaultPolicy policy) {
        this.policy = policy;
        transport = attach(device);
    }

    private VirtioMmioTransport attach(VirtioDevice device) {
        return new VirtioMmioTransport(device, ram.memory(), interrupts::release, policy);
    }

    /// Saves the device and goes on with another in its place, as the driver in a restored machine does.
    VirtioMmioState moveTo(VirtioDevice device) {
        VirtioMmioState state = transport.save();
        transport = attach(device);
        transport.restore(state);
        return state;
    }

    int read(int register) {
        return (int) transport.read(register, 4);
    }

    void write(int register, int value) {
        transport.write(register, 4, Integer.toUnsignedLong(value));
    }

    long offeredFeatures() {
        write(DEVICE_FEATURES_SEL, 1);
        long high = Integer.toUnsignedLong(read(DEVICE_FEATURES));
        write(DEVICE_FEATURES_SEL, 0);
        return high << 32 | Integer.toUnsignedLong(read(DEVICE_FEATURES));
    }

    /// Resets, and goes as far as `FEATURES_OK`.
    void negotiate(long accepted) {
        write(STATUS, 0);
        queues.clear();
        write(STATUS, ACKNOWLEDGE);
        write(STATUS, ACKNOWLEDGE | DRIVER);
        writeFeatures(accepted);
        write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    }

    void writeFeatures(long accepted) {
        features = accepted;
        write(DRIVER_FEATURES_SEL, 0);
        write(DRIVER_FEATURES, (int) accepted);
        write(DRIVER_FEATURES_SEL, 1);
        write(DRIVER_FEATURES, (int) (accepted >>> 32));
    }

    boolean eventIdx() {
        return (features & EVENT_IDX) != 0;
    }

    /// Sets a queue up and makes it ready.
    DriverQueue setUp(int index, int size) {
        DriverQueue queue = new DriverQueue(ram, size);
        writeQueue(index, queue.registers());
        write(QUEUE_READY, 1);
        queues.put(index, queue);
        return queue;
    }

    void writeQueue(int index, QueueRegisters registers) {
        write(QUEUE_SEL, index);
        write(QUEUE_NUM, registers.size);
        write(QUEUE_DESC_LOW, (int) registers.descriptorArea);
        write(QUEUE_DESC_HIGH, (int) (registers.descriptorArea >>> 32));
        write(QUEUE_DRIVER_LOW, (int) registers.driverArea);
        write(QUEUE_DRIVER_HIGH, (int) (registers.driverArea >>> 32));
        write(QUEUE_DEVICE_LOW, (int) registers.deviceArea);
        write(QUEUE_DEVICE_HIGH, (int) (registers.deviceArea >>> 32));
    }

    void driverOk() {
        write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    }

    DriverQueue queue(int index) {
        return Objects.requireNonNull(queues.get(index));
    }

    /// Notifies the device, whether it wants that or not.
    void kick(int index) {
        write(QUEUE_NOTIFY, index);
    }

    /// Notifies the device if it wants that, as a good driver does.
    boolean kickIfWanted(int index) {
        boolean wanted = queue(index).mustNotify(eventIdx());
        if (wanted) {
            kick(index);
        }
        return wanted;
    }

    /// Handles an interrupt as Linux does: reads why, acknowledges, and then looks at the queues.
    int acknowledge() {
        int status = read(INTERRUPT_STATUS);
        write(INTERRUPT_ACK, status);
        return status;
    }

    /// Copies text into guest memory.
    long put(String text) {
        return put(text.getBytes(StandardCharsets.UTF_8));
    }

    long put(byte[] bytes) {
        long address = ram.allocate(bytes.length);
        MemorySegment.copy(bytes, 0, ram.ram(), ValueLayout.JAVA_BYTE, address, bytes.length);
        return address;
    }

    byte[] bytes(long address, long length) {
        return ram.ram().asSlice(address, length).toArray(ValueLayout.JAVA_BYTE);
    }

    String text(long address, long length) {
        return new String(bytes(address, length), StandardCharsets.UTF_8);
    }

    int le16(long address) {
        return Short.toUnsignedInt(
                ram.ram().get(ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), address));
    }

    int le32(long address) {
        return ram.ram().get(ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), address);
    }

    @Override
    public void close() {
        ram.close();
    }
}
