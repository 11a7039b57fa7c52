// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;

/// A console under a hostile guest; the host writes to two ports, and takes what the guest writes when it likes.
final class HostileConsole implements HostileGuest.Host {
    /// u8 port, u8 length
    static final int HOST_WRITE = HostileGuest.HOST_0;
    /// u8 port, u16 room
    static final int HOST_RESUME = HostileGuest.HOST_1;
    /// u8 columns, u8 rows
    static final int HOST_RESIZE = HostileGuest.HOST_2;
    /// u8 as `INITIALIZE`, and then through the whole handshake, after which both ports are open
    static final int COME_UP = HostileGuest.HOST_3;

    private final VirtioConsole console =
            VirtioConsole.builder().port("one").queueSize(16).size(80, 25).build();
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

    HostileConsole() {
        console.port(0).connect(listener);
        console.port(1).connect(listener);
    }

    @Override
    public VirtioDevice device() {
        return console;
    }

    @Override
    public int operandBytes(int step) {
        return switch (step) {
            case HOST_WRITE, HOST_RESIZE -> 2;
            case HOST_RESUME -> 3;
            case COME_UP -> 1;
            default -> throw new AssertionError(step);
        };
    }

    @Override
    public void step(HostileGuest guest, int step, ByteBuffer operands) {
        switch (step) {
            case HOST_WRITE -> {
                ConsolePort port = console.port(HostileGuest.u8(operands) % 2);
                int length = HostileGuest.u8(operands);
                assertThat(port.write(hostBytes, 0, length)).isBetween(0L, (long) length);
            }
            case HOST_RESUME -> {
                ConsolePort port = console.port(HostileGuest.u8(operands) % 2);
                listener.room = HostileGuest.u16(operands);
                port.resume();
            }
            case HOST_RESIZE -> console.resize(HostileGuest.u8(operands) + 1, HostileGuest.u8(operands) + 1);
            case COME_UP -> comeUp(guest, HostileGuest.u8(operands));
            default -> throw new AssertionError(step);
        }
    }

    private void comeUp(HostileGuest guest, int features) {
        guest.initialize(features | 3);
        for (int i = 0; i < HostileGuest.QUEUE_SIZE; i++) {
            guest.addBuffer(ConsoleDriver.CONTROL_RX, DriverQueue.F_WRITE, 0xf000 + 64 * i, 64);
        }
        guest.driver.kick(ConsoleDriver.CONTROL_RX);
        int[][] messages = {
            {0, ConsoleDriver.DEVICE_READY},
            {0, ConsoleDriver.PORT_READY},
            {1, ConsoleDriver.PORT_READY},
            {0, ConsoleDriver.PORT_OPEN},
            {1, ConsoleDriver.PORT_OPEN}
        };
        for (int[] message : messages) {
            byte[] bytes = ConsoleDriver.control(message[0], message[1], 1);
            MemorySegment.copy(bytes, 0, guest.ram, ValueLayout.JAVA_BYTE, 0xe000, bytes.length);
            guest.addBuffer(ConsoleDriver.CONTROL_TX, 0, 0xe000, bytes.length);
            guest.driver.kick(ConsoleDriver.CONTROL_TX);
        }
        assertThat(console.ports()).allMatch(ConsolePort::isGuestOpen);
    }

    @Override
    public void check(boolean failed) {
        if (failed) {
            assertThat(console.ports()).noneMatch(ConsolePort::isGuestOpen);
        }
    }
}
