// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The two control queues of a multiport console (virtio 1.2 §5.3.6.2).
///
/// What is to be told to the driver is kept as a set of messages per port, and not as a list: at most one of
/// each kind is pending, and it is put together from the port's state when the driver has a buffer for it.
///
/// Guarded by the console's lock.
final class ControlChannel {
    private static final int DEVICE_READY = 0;
    private static final int DEVICE_ADD = 1;
    private static final int PORT_READY = 3;
    private static final int CONSOLE_PORT = 4;
    private static final int RESIZE = 5;
    private static final int PORT_OPEN = 6;
    private static final int PORT_NAME = 7;

    /// struct virtio_console_control: le32 id, le16 event, le16 value
    private static final int HEADER_SIZE = 8;

    private static final ValueLayout.OfInt LE32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort LE16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// The order in which a port's messages go out.
    private static final int[] ORDER = {DEVICE_ADD, CONSOLE_PORT, RESIZE, PORT_NAME, PORT_OPEN};

    /// A bit for each of them.
    private static final int MESSAGES =
            1 << DEVICE_ADD | 1 << CONSOLE_PORT | 1 << RESIZE | 1 << PORT_NAME | 1 << PORT_OPEN;

    private final List<ConsolePort> ports;
    private final MemorySegment header = Arena.ofAuto().allocate(HEADER_SIZE);
    private final MemorySegment message;

    private final boolean[] added;
    private final boolean[] ready;
    /// What the driver was told last of the host's side of each port.
    private final boolean[] toldOpen;

    private final int[] pending;
    private boolean driverReady;
    private int columns;
    private int rows;
    private @Nullable DescriptorChain sent;
    private @Nullable DescriptorChain receiving;

    ControlChannel(List<ConsolePort> ports) {
        this.ports = ports;
        int longestName = 0;
        for (ConsolePort port : ports) {
            longestName = Math.max(longestName, port.name().getBytes(StandardCharsets.UTF_8).length);
        }
        message = Arena.ofAuto().allocate(HEADER_SIZE + Math.max(longestName, 2 * Short.BYTES));
        added = new boolean[ports.size()];
        ready = new boolean[ports.size()];
        toldOpen = new boolean[ports.size()];
        pending = new int[ports.size()];
    }

    boolean isDriverReady() {
        return driverReady;
    }

    boolean isAdded(int port) {
        return added[port];
    }

    boolean isReady(int port) {
        return ready[port];
    }

    boolean toldOpen(int port) {
        return toldOpen[port];
    }

    /// The messages that are pending for a port, a bit each.
    int messages(int port) {
        return pending[port];
    }

    /// Remembers what another channel did.
    void restore(ConsoleState state) {
        columns = state.columns();
        rows = state.rows();
        driverReady = state.driverReady();
        for (int i = 0; i < ports.size(); i++) {
            ConsoleState.Port port = state.ports().get(i);
            added[i] = port.added();
            ready[i] = port.ready();
            toldOpen[i] = port.toldOpen();
            pending[i] = port.messages() & MESSAGES;
        }
    }

    /// Forgets the driver.
    void reset() {
        for (int i = 0; i < ports.size(); i++) {
            added[i] = false;
            ready[i] = false;
            toldOpen[i] = false;
            pending[i] = 0;
        }
        driverReady = false;
        sendQueueStopped();
        receiveQueueStopped();
    }

    /// The driver has taken back the queue that it sends messages with.
    void sendQueueStopped() {
        sent = null;
    }

    /// The driver has taken back the queue that it receives messages with.
    void receiveQueueStopped() {
        receiving = null;
    }

    /// The host has opened or closed a port.
    void hostSideChanged(ConsolePort port) {
        if (ready[port.id()]) {
            if (toldOpen[port.id()] == port.isHostOpen()) {
                pending[port.id()] &= ~(1 << PORT_OPEN);
            } else {
                want(port.id(), PORT_OPEN);
            }
        }
    }

    /// The console has a new size.
    void resized(int newColumns, int newRows) {
        columns = newColumns;
        rows = newRows;
        if (ready[0]) {
            want(0, RESIZE);
        }
    }

    private void want(int port, int event) {
        pending[port] |= 1 << event;
    }

    /// Takes the driver's messages; at most one round of its queue.
    ///
    /// @param answer sends what is pending; called after each message, because a driver may send its half of the
    /// handshake
    ///     at one go: it counts on the ports being announced before the device looks at what follows DEVICE_READY
    void receive(VirtQueue queue, VirtioTransport transport, Runnable answer) {
        if (sent == null) {
            sent = queue.newChain();
        }
        DescriptorChain chain = sent;
        boolean more = true;
        for (int budget = queue.size(); more && budget > 0; budget--) {
            more = queue.pop(chain) || (queue.enableNotifications() && queue.pop(chain));
            if (more) {
                take(queue, chain);
                queue.push(chain);
                answer.run();
            }
        }
        if (more && queue.enableNotifications()) {
            transport.continueLater(queue);
        }
        transport.notifyUsed(queue);
    }

    private void take(VirtQueue queue, DescriptorChain chain) {
        if (chain.writable() != 0) {
            throw new VirtioFault(
                    VirtioFault.Kind.BUFFER_DIRECTION,
                    "console: device-writable bytes in the control transmit queue, queue " + queue.index());
        }
        if (chain.remaining() != HEADER_SIZE) {
            throw new VirtioFault(
                    VirtioFault.Kind.CONTROL_LENGTH, "console: %d bytes, not 8".formatted(chain.remaining()));
        }
        chain.read(header, 0, HEADER_SIZE);
        int port = header.get(LE32, 0);
        int event = Short.toUnsignedInt(header.get(LE16, 4));
        int value = Short.toUnsignedInt(header.get(LE16, 6));
        switch (event) {
            case DEVICE_READY -> deviceReady(value);
            case PORT_READY -> portReady(checkAdded(port, event), value);
            case PORT_OPEN -> ports.get(checkReady(port, event)).guestOpen(value != 0);
            default ->
                throw new VirtioFault(
                        VirtioFault.Kind.CONTROL_EVENT,
                        "console: event %d, port %s".formatted(event, Integer.toUnsignedString(port)));
        }
    }

    private void deviceReady(int value) {
        if (driverReady) {
            throw new VirtioFault(VirtioFault.Kind.CONTROL_ORDER, "console: DEVICE_READY a second time");
        }
        // With the value 0 the driver says that it cannot have ports: so it is told of none.
        if (value != 0) {
            driverReady = true;
            for (int i = 0; i < ports.size(); i++) {
                want(i, DEVICE_ADD);
            }
        }
    }

    private void portReady(int port, int value) {
        if (ready[port]) {
            throw new VirtioFault(VirtioFault.Kind.CONTROL_ORDER, "console: PORT_READY a second time, port " + port);
        }
        // With the value 0 the driver says that it could not add the port: it stays unused.
        if (value == 0) {
            return;
        }
        ready[port] = true;
        if (port == 0) {
            want(port, CONSOLE_PORT);
            if (columns != 0) {
                want(port, RESIZE);
            }
        } else {
            want(port, PORT_NAME);
        }
        if (ports.get(port).isHostOpen()) {
            want(port, PORT_OPEN);
        }
    }

    private int checkAdded(int port, int event) {
        if (port < 0 || port >= ports.size()) {
            throw new VirtioFault(
                    VirtioFault.Kind.CONTROL_PORT,
                    "console: event %d, port %s of %d".formatted(event, Integer.toUnsignedString(port), ports.size()));
        }
        if (!added[port]) {
            throw new VirtioFault(
                    VirtioFault.Kind.CONTROL_ORDER,
                    "console: event %d, port %d, before it was added".formatted(event, port));
        }
        return port;
    }

    private int checkReady(int port, int event) {
        checkAdded(port, event);
        if (!ready[port]) {
            throw new VirtioFault(
                    VirtioFault.Kind.CONTROL_ORDER,
                    "console: event %d, port %d, before PORT_READY".formatted(event, port));
        }
        return port;
    }

    /// Sends what is pending, as far as the driver has buffers.
    void send(VirtQueue queue, VirtioTransport transport) {
        if (receiving == null) {
            receiving = queue.newChain();
        }
        boolean room = true;
        for (int port = 0; room && port < pending.length; port++) {
            for (int i = 0; room && i < ORDER.length; i++) {
                if ((pending[port] & (1 << ORDER[i])) != 0) {
                    room = send(queue, receiving, port, ORDER[i]);
                }
            }
        }
        if (room) {
            queue.disableNotifications();
        }
        transport.notifyUsed(queue);
    }

    private boolean send(VirtQueue queue, DescriptorChain chain, int port, int event) {
        if (!queue.pop(chain) && !(queue.enableNotifications() && queue.pop(chain))) {
            return false;
        }
        if (chain.remaining() != 0) {
            throw new VirtioFault(
                    VirtioFault.Kind.BUFFER_DIRECTION,
                    "console: device-readable bytes in the control receive queue, queue " + queue.index());
        }
        int length = compose(port, event);
        if (chain.writable() < length) {
            throw new VirtioFault(
                    VirtioFault.Kind.CONTROL_BUFFER,
                    "console: a buffer of %d bytes for a message of %d".formatted(chain.writable(), length));
        }
        chain.write(message, 0, length);
        queue.push(chain);
        pending[port] &= ~(1 << event);
        switch (event) {
            case DEVICE_ADD -> added[port] = true;
            case PORT_OPEN -> toldOpen[port] = ports.get(port).isHostOpen();
            default -> {}
        }
        return true;
    }

    private int compose(int port, int event) {
        int value = 0;
        int length = HEADER_SIZE;
        switch (event) {
            case CONSOLE_PORT -> value = 1;
            case PORT_OPEN -> value = ports.get(port).isHostOpen() ? 1 : 0;
            case RESIZE -> {
                message.set(LE16, HEADER_SIZE, (short) columns);
                message.set(LE16, HEADER_SIZE + 2, (short) rows);
                length += 4;
            }
            case PORT_NAME -> {
                byte[] name = ports.get(port).name().getBytes(StandardCharsets.UTF_8);
                MemorySegment.copy(name, 0, message, ValueLayout.JAVA_BYTE, HEADER_SIZE, name.length);
                length += name.length;
                value = 1;
            }
            default -> {} // DEVICE_ADD says nothing more.
        }
        message.set(LE32, 0, port);
        message.set(LE16, 4, (short) event);
        message.set(LE16, 6, (short) value);
        return length;
    }
}
