// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// Plays the console driver of a guest: the handshake on the control queues, and streams on ports.
final class ConsoleDriver implements AutoCloseable {
    static final long F_SIZE = 1;
    static final long F_MULTIPORT = 2;

    static final int DEVICE_READY = 0;
    static final int DEVICE_ADD = 1;
    static final int PORT_READY = 3;
    static final int CONSOLE_PORT = 4;
    static final int RESIZE = 5;
    static final int PORT_OPEN = 6;
    static final int PORT_NAME = 7;

    static final int CONTROL_RX = 2;
    static final int CONTROL_TX = 3;
    static final int CONTROL_BUFFER = 256;

    final DriverHarness driver;
    private final long[] controlBuffers = new long[64];

    /// A control message from the device.
    record Control(int port, int event, int value, String text) {}

    ConsoleDriver(VirtioConsole console) {
        this(new DriverHarness(console));
    }

    ConsoleDriver(DriverHarness driver) {
        this.driver = driver;
    }

    static int rx(int port) {
        return port == 0 ? 0 : 2 * port + 2;
    }

    static int tx(int port) {
        return rx(port) + 1;
    }

    /// Negotiates, sets up all queues, and is up; the control receive queue has its buffers.
    void start(int ports, int queueSize, long features) {
        driver.negotiate(DriverHarness.VERSION_1 | F_MULTIPORT | features);
        driver.setUp(CONTROL_RX, 16);
        driver.setUp(CONTROL_TX, 16);
        for (int port = 0; port < ports; port++) {
            driver.setUp(rx(port), queueSize);
            driver.setUp(tx(port), queueSize);
        }
        driver.driverOk();
        for (int i = 0; i < 16; i++) {
            addControlBuffer(CONTROL_BUFFER);
        }
        driver.kick(CONTROL_RX);
    }

    void addControlBuffer(int length) {
        long address = driver.ram.allocate(length);
        int head = driver.queue(CONTROL_RX).add(DriverQueue.Buffer.writable(address, length));
        controlBuffers[head] = address;
    }

    /// Sends a control message; the device has taken it when this returns.
    void send(int port, int event, int value) {
        driver.queue(CONTROL_TX).add(DriverQueue.Buffer.readable(driver.put(control(port, event, value)), 8));
        driver.kick(CONTROL_TX);
        driver.queue(CONTROL_TX).poll();
    }

    static byte[] control(int port, int event, int value) {
        ByteBuffer message = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
        message.putInt(port).putShort((short) event).putShort((short) value);
        return message.array();
    }

    /// The messages that have come; their buffers are made available again.
    List<Control> received() {
        List<Control> messages = new ArrayList<>();
        DriverQueue queue = driver.queue(CONTROL_RX);
        for (DriverQueue.Used used = queue.poll(); used != null; used = queue.poll()) {
            long at = controlBuffers[used.head()];
            int event = driver.le16(at + 4);
            String text =
                    switch (event) {
                        case PORT_NAME -> driver.text(at + 8, used.written() - 8);
                        case RESIZE -> driver.le16(at + 8) + "x" + driver.le16(at + 10);
                        default -> "";
                    };
            messages.add(new Control(driver.le32(at), event, driver.le16(at + 6), text));
            int head = queue.add(DriverQueue.Buffer.writable(at, CONTROL_BUFFER));
            controlBuffers[head] = at;
        }
        driver.kickIfWanted(CONTROL_RX);
        return messages;
    }

    /// Goes through the whole handshake, and opens every port.
    void handshake(int ports) {
        send(-1, DEVICE_READY, 1);
        for (int port = 0; port < ports; port++) {
            send(port, PORT_READY, 1);
        }
        received();
        for (int port = 0; port < ports; port++) {
            send(port, PORT_OPEN, 1);
        }
    }

    /// Makes bytes available to the device; it is notified.
    void transmit(int port, String text) {
        driver.queue(tx(port)).add(DriverQueue.Buffer.readable(driver.put(text), text.length()));
        driver.kick(tx(port));
    }

    /// Makes a buffer available to the device; it is notified if it wants to be.
    long provide(int port, int length) {
        long address = driver.ram.allocate(length);
        driver.queue(rx(port)).add(DriverQueue.Buffer.writable(address, length));
        driver.kickIfWanted(rx(port));
        return address;
    }

    void fill(long address, byte[] bytes) {
        MemorySegment.copy(bytes, 0, driver.ram.ram(), ValueLayout.JAVA_BYTE, address, bytes.length);
    }

    @Override
    public void close() {
        driver.close();
    }
}
