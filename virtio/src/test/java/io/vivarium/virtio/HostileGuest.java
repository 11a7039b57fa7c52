// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.Supplier;

/// A guest that does what bytes say: writes to registers and to memory, in any order, while the host goes on
/// using the device. A program of it is a list of steps, each a byte that says which, and its operands,
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
    /// u8 accepted features: a bit for each of the device's, from the lowest that it offers, and (bits 6 and
    /// 7) of the queues: resets, and goes as far as `DRIVER_OK`
    static final int INITIALIZE = 3;
    /// u8 queue
    static final int NOTIFY = 4;

    static final int HOST_0 = 5;
    static final int HOST_1 = 6;
    /// u8 queue, u8 flags, u16 address, u16 length: makes a buffer available
    static final int ADD_BUFFER = 7;

    static final int HOST_2 = 8;
    static final int HOST_3 = 9;

    static final int STEPS = 10;

    /// Each queue has its three areas in a page of its own, from here.
    static final int QUEUES = 0x1000;

    static final int QUEUE_SIZE = 8;
    static final int DRIVER_AREA = 0x400;
    static final int DEVICE_AREA = 0x800;

    /// A device and what the host does with it meanwhile: the four steps `HOST_0` to `HOST_3`.
    interface Host extends AutoCloseable {
        VirtioDevice device();

        /// How many bytes of operands one of its steps has.
        int operandBytes(int step);

        void step(HostileGuest guest, int step, ByteBuffer operands);

        /// Checks what must hold after every step.
        ///
        /// @param failed whether the device needs a reset
        void check(boolean failed);

        /// Lets go of what the host has of its own.
        @Override
        default void close() {}
    }

    final DriverHarness driver;
    final MemorySegment ram;
    private final Host host;

    private HostileGuest(Host host, DriverHarness driver) {
        this.host = host;
        this.driver = driver;
        ram = driver.ram.ram();
    }

    /// Runs a program.
    static void run(Supplier<? extends Host> newHost, byte[] program) {
        try (Host host = newHost.get();
                DriverHarness driver = new DriverHarness(host.device())) {
            HostileGuest guest = new HostileGuest(host, driver);
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
            case ADD_BUFFER ->
                addBuffer(u8(operands) % host.device().queueCount(), u8(operands), u16(operands), u16(operands));
            default -> host.step(this, step, operands);
        }
    }

    private int operandBytes(int step) {
        return switch (step) {
            case WRITE_REGISTER -> 11;
            case READ_REGISTER -> 3;
            case POKE -> 10;
            case INITIALIZE, NOTIFY -> 1;
            case ADD_BUFFER -> 6;
            default -> host.operandBytes(step);
        };
    }

    static int u8(ByteBuffer operands) {
        return Byte.toUnsignedInt(operands.get());
    }

    static int u16(ByteBuffer operands) {
        return Short.toUnsignedInt(operands.getShort());
    }

    private static int size(ByteBuffer operands) {
        return 1 << (u8(operands) & 3);
    }

    void initialize(int features) {
        VirtioDevice device = host.device();
        long accepted = 0;
        long offered = device.features();
        for (int bit = 0; bit < 6 && offered != 0; bit++) {
            if ((features >>> bit & 1) != 0) {
                accepted |= Long.lowestOneBit(offered);
            }
            offered &= offered - 1;
        }
        driver.negotiate(DriverHarness.VERSION_1
                | accepted
                | ((features & 0x40) != 0 ? DriverHarness.EVENT_IDX : 0)
                | ((features & 0x80) != 0 ? DriverHarness.INDIRECT : 0));
        for (int i = 0; i < device.queueCount(); i++) {
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

    void addBuffer(int index, int flags, int address, int length) {
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
        host.check(needsReset);
    }
}
