// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// A guest that does what bytes say: writes to registers and to memory, in any order, while the host goes on
/// using its ports. A program of it is a list of steps, each a byte that says which, and its operands,
/// little-endian.
///
/// Whatever it does, nothing may be thrown, and the device either works or says under which name it does not.
final class HostileGuest {
    /// u16 offset, u8 size, u64 value
    static final int WRITE_REGISTER = 0;
    /// u16 offset, u8 size
    static final int READ_REGISTER = 1;
    /// u16 address, u64 value
    static final int POKE = 2;
    /// u8 accepted features of the device's and (bits 6 and 7) of the queues: resets, and goes as far as
    /// `DRIVER_OK`
    static final int INITIALIZE = 3;
    /// u8 queue
    static final int NOTIFY = 4;
    /// u8 port, u8 length
    static final int HOST_WRITE = 5;
    /// u8 port, u16 room
    static final int HOST_RESUME = 6;
    /// u8 queue, u8 flags, u16 address, u16 length: makes a buffer available
    static final int ADD_BUFFER = 7;
    /// u8 columns, u8 rows
    static final int HOST_RESIZE = 8;

    /// u8 as `INITIALIZE`, and then through the whole handshake, after which both ports are open
    static final int COME_UP = 9;

    static final int STEPS = 10;

    /// Each queue has its three areas in a page of its own, from here.
    static final int QUEUES = 0x1000;

    static final int QUEUE_SIZE = 8;
    static final int DRIVER_AREA = 0x400;
    static final int DEVICE_AREA = 0x800;

    private final VirtioConsole console;
    private final DriverHarness driver;
    private final MemorySegment ram;
    private final Listener listener = new Listener();
    private final MemorySegment hostBytes = MemorySegment.ofArray(new byte[256]);

    private static final class Listener implements PortListener {
        private final byte[] buffer = new byte[0x1_0000];
        private int room = 100;

        @Override
        public void received(GuestBytes bytes) {
            assertThat(bytes.remaining()).isPositive();
            room -= bytes.read(buffer, 0, room);
        }
    }

    private HostileGuest(VirtioConsole console, DriverHarness driver) {
        this.console = console;
        this.driver = driver;
        ram = driver.ram.ram();
    }

    /// Runs a program.
    static void run(byte[] program) {
        VirtioConsole console =
                VirtioConsole.builder().port("one").queueSize(16).size(80, 25).build();
        try (DriverHarness driver = new DriverHarness(console)) {
            HostileGuest guest = new HostileGuest(console, driver);
            console.port(0).connect(guest.listener);
            console.port(1).connect(guest.listener);
            ByteBuffer steps = ByteBuffer.wrap(program).order(ByteOrder.LITTLE_ENDIAN);
            while (steps.hasRemaining()) {
                guest.step(Byte.toUnsignedInt(steps.get()) % STEPS, steps);
                guest.check();
            }
        }
    }

    private void step(int step, ByteBuffer operands) {
        if (operands.remaining() < operandBytes(step)) {
            operands.position(operands.limit());
            return;
        }
        switch (step) {
            case WRITE_REGISTER -> {
                int offset = u16(operands) % 0x220;
                driver.transport.write(offset, size(operands), operands.getLong());
            }
            case READ_REGISTER -> {
                int offset = u16(operands) % 0x220;
                driver.transport.read(offset, size(operands));
            }
            case POKE -> ram.set(ValueLayout.JAVA_LONG_UNALIGNED, u16(operands), operands.getLong());
            case INITIALIZE -> initialize(u8(operands));
            case NOTIFY -> driver.kick(u8(operands) % 8);
            case HOST_WRITE -> {
                ConsolePort port = console.port(u8(operands) % 2);
                int length = u8(operands);
                assertThat(port.write(hostBytes, 0, length)).isBetween(0L, (long) length);
            }
            case HOST_RESUME -> {
                ConsolePort port = console.port(u8(operands) % 2);
                listener.room = u16(operands);
                port.resume();
            }
            case ADD_BUFFER -> addBuffer(u8(operands) % 6, u8(operands), u16(operands), u16(operands));
            case COME_UP -> comeUp(u8(operands));
            case HOST_RESIZE -> console.resize(u8(operands) + 1, u8(operands) + 1);
            default -> throw new AssertionError(step);
        }
    }

    private static int operandBytes(int step) {
        return switch (step) {
            case WRITE_REGISTER -> 11;
            case READ_REGISTER, HOST_RESUME -> 3;
            case POKE -> 10;
            case INITIALIZE, COME_UP, NOTIFY -> 1;
            case HOST_WRITE, HOST_RESIZE -> 2;
            case ADD_BUFFER -> 6;
            default -> throw new AssertionError(step);
        };
    }

    private static int u8(ByteBuffer operands) {
        return Byte.toUnsignedInt(operands.get());
    }

    private static int u16(ByteBuffer operands) {
        return Short.toUnsignedInt(operands.getShort());
    }

    private static int size(ByteBuffer operands) {
        return 1 << (u8(operands) & 3);
    }

    private void initialize(int features) {
        driver.negotiate(DriverHarness.VERSION_1
                | (features & 3)
                | ((features & 0x40) != 0 ? DriverHarness.EVENT_IDX : 0)
                | ((features & 0x80) != 0 ? DriverHarness.INDIRECT : 0));
        for (int i = 0; i < console.queueCount(); i++) {
            QueueRegisters registers = new QueueRegisters();
            registers.size = QUEUE_SIZE;
            registers.descriptorArea = QUEUES + 0x1000L * i;
            registers.driverArea = registers.descriptorArea + DRIVER_AREA;
            registers.deviceArea = registers.descriptorArea + DEVICE_AREA;
            ram.asSlice(registers.descriptorArea, 0x1000).fill((byte) 0);
            driver.writeQueue(i, registers);
            driver.write(DriverHarness.QUEUE_READY, 1);
        }
        driver.driverOk();
    }

    private void comeUp(int features) {
        initialize(features | 3);
        for (int i = 0; i < QUEUE_SIZE; i++) {
            addBuffer(ConsoleDriver.CONTROL_RX, DriverQueue.F_WRITE, 0xf000 + 64 * i, 64);
        }
        driver.kick(ConsoleDriver.CONTROL_RX);
        int[][] messages = {
            {0, ConsoleDriver.DEVICE_READY},
            {0, ConsoleDriver.PORT_READY},
            {1, ConsoleDriver.PORT_READY},
            {0, ConsoleDriver.PORT_OPEN},
            {1, ConsoleDriver.PORT_OPEN}
        };
        for (int[] message : messages) {
            byte[] bytes = ConsoleDriver.control(message[0], message[1], 1);
            MemorySegment.copy(bytes, 0, ram, ValueLayout.JAVA_BYTE, 0xe000, bytes.length);
            addBuffer(ConsoleDriver.CONTROL_TX, 0, 0xe000, bytes.length);
            driver.kick(ConsoleDriver.CONTROL_TX);
        }
        assertThat(console.ports()).allMatch(ConsolePort::isGuestOpen);
    }

    private void addBuffer(int index, int flags, int address, int length) {
        long queue = QUEUES + 0x1000L * index;
        int idx = Short.toUnsignedInt(ram.get(ValueLayout.JAVA_SHORT, queue + DRIVER_AREA + 2));
        int slot = idx % QUEUE_SIZE;
        ram.set(ValueLayout.JAVA_LONG, queue + 16L * slot, address);
        ram.set(ValueLayout.JAVA_INT, queue + 16L * slot + 8, length);
        ram.set(ValueLayout.JAVA_SHORT, queue + 16L * slot + 12, (short) flags);
        ram.set(ValueLayout.JAVA_SHORT, queue + 16L * slot + 14, (short) ((slot + 1) % QUEUE_SIZE));
        ram.set(ValueLayout.JAVA_SHORT, queue + DRIVER_AREA + 4 + 2L * slot, (short) slot);
        ram.set(ValueLayout.JAVA_SHORT, queue + DRIVER_AREA + 2, (short) (idx + 1));
    }

    private void check() {
        boolean needsReset = (driver.read(DriverHarness.STATUS) & DriverHarness.NEEDS_RESET) != 0;
        VirtioFault fault = driver.transport.fault();
        assertThat(fault != null).isEqualTo(needsReset);
        if (needsReset) {
            assertThat(console.port(0).isGuestOpen()).isFalse();
            assertThat(console.port(1).isGuestOpen()).isFalse();
        }
    }
}
