// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A virtio console with several ports (virtio 1.2 §5.3): port 0 is the console, the others are streams of
/// bytes with a name.
///
/// A driver that does not accept `VIRTIO_CONSOLE_F_MULTIPORT` has port 0 alone.
///
/// Thread-safe: one lock for the device and all of its ports. Bytes are copied between the guest's memory and
/// the host's while it is held, one round of a queue at a time.
public final class VirtioConsole implements VirtioDevice {
    /// The most ports a console can have: two of the lock's events each.
    public static final int MAX_PORTS = DeviceLock.EVENTS / 2 - 1;

    private static final int DEVICE_ID = 3;
    private static final long F_SIZE = 1;
    private static final long F_MULTIPORT = 1 << 1;

    /// struct virtio_console_config: le16 cols, le16 rows, le32 max_nr_ports, le32 emerg_wr
    private static final int CONFIG_LENGTH = 12;

    private static final int CONTROL_RECEIVE = 2;
    private static final int CONTROL_TRANSMIT = 3;
    private static final int CONTROL_QUEUE_SIZE = 64;

    private final DeviceLock lock = new DeviceLock(this::tellListeners);
    private final List<ConsolePort> ports;
    private final ControlChannel control;
    private final int queueSize;
    private final boolean hasSize;

    // All that changes, guarded by the lock, beside that of the ports and of the control channel.
    private int columns;
    private int rows;
    private int configGeneration;
    private @Nullable VirtioTransport transport;
    private @Nullable VirtioFault fault;

    private VirtioConsole(Builder builder) {
        List<ConsolePort> created = new ArrayList<>();
        created.add(new ConsolePort(this, 0, ""));
        for (String name : builder.names) {
            created.add(new ConsolePort(this, created.size(), name));
        }
        ports = List.copyOf(created);
        control = new ControlChannel(ports);
        queueSize = builder.queueSize;
        hasSize = builder.columns != 0;
        columns = builder.columns;
        rows = builder.rows;
        control.resized(columns, rows);
    }

    /// A console with port 0, to which more can be added.
    public static Builder builder() {
        return new Builder();
    }

    /// What a console is to have.
    public static final class Builder {
        private final List<String> names = new ArrayList<>();
        private int queueSize = 256;
        private int columns;
        private int rows;

        private Builder() {}

        /// Adds a port; the first is port 1.
        ///
        /// @param name by which the guest finds it; 1 to 128 bytes of UTF-8
        /// @throws IllegalArgumentException if there is such a port, or there are too many
        public Builder port(String name) {
            int length = name.getBytes(StandardCharsets.UTF_8).length;
            if (length == 0 || length > 128) {
                throw new IllegalArgumentException("a port's name has 1 to 128 bytes: " + name);
            }
            if (names.contains(name)) {
                throw new IllegalArgumentException("two ports with the name " + name);
            }
            if (names.size() + 1 == MAX_PORTS) {
                throw new IllegalArgumentException("more than " + MAX_PORTS + " ports");
            }
            names.add(name);
            return this;
        }

        /// How many entries the queues of a port may have; 256 if it is not given.
        ///
        /// @param size a power of two, at most [VirtQueue#MAX_SIZE]
        public Builder queueSize(int size) {
            if (Integer.bitCount(size) != 1 || size < 0 || size > VirtQueue.MAX_SIZE) {
                throw new IllegalArgumentException("not a queue size: " + size);
            }
            queueSize = size;
            return this;
        }

        /// Gives the console a size (`VIRTIO_CONSOLE_F_SIZE`); it has none otherwise.
        ///
        /// @param newColumns 1 to 65535
        /// @param newRows 1 to 65535
        public Builder size(int newColumns, int newRows) {
            checkSize(newColumns, newRows);
            columns = newColumns;
            rows = newRows;
            return this;
        }

        /// The console.
        public VirtioConsole build() {
            return new VirtioConsole(this);
        }
    }

    private static void checkSize(int columns, int rows) {
        if (columns < 1 || columns > 0xffff || rows < 1 || rows > 0xffff) {
            throw new IllegalArgumentException("not a console's size: %d x %d".formatted(columns, rows));
        }
    }

    /// Its ports; 0 is the console itself.
    public List<ConsolePort> ports() {
        return ports;
    }

    /// A port.
    ///
    /// @param id from 0
    public ConsolePort port(int id) {
        return ports.get(id);
    }

    /// The port with a name.
    ///
    /// @throws IllegalArgumentException if there is none
    public ConsolePort port(String name) {
        return ports.stream()
                .filter(port -> port.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no console port " + name));
    }

    /// Changes the console's size, and tells the guest. Any thread.
    ///
    /// @param newColumns 1 to 65535
    /// @param newRows 1 to 65535
    /// @throws IllegalStateException if the console was built without a size
    public void resize(int newColumns, int newRows) {
        checkSize(newColumns, newRows);
        if (!hasSize) {
            throw new IllegalStateException("the console was built without a size");
        }
        lock.acquire();
        try {
            columns = newColumns;
            rows = newRows;
            control.resized(columns, rows);
            configGeneration++;
            VirtioTransport current = transport;
            if (current != null && (current.negotiatedFeatures() & F_SIZE) != 0) {
                current.notifyConfigChange();
            }
            sendControlFromHost();
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
        return hasSize ? F_MULTIPORT | F_SIZE : F_MULTIPORT;
    }

    @Override
    public int queueCount() {
        return 2 * (ports.size() + 1);
    }

    @Override
    public int maxQueueSize(int queue) {
        return isControl(queue) ? CONTROL_QUEUE_SIZE : queueSize;
    }

    @Override
    public int configLength() {
        return CONFIG_LENGTH;
    }

    @Override
    public long readConfig(int offset, int size) {
        if (offset >= Long.BYTES) {
            return 0; // emerg_wr, which can only be written, and is not offered.
        }
        long config = columns | ((long) rows << 16) | ((long) ports.size() << 32);
        return ConfigSpace.read(config, offset, size);
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
        transport = newTransport;
        if (!isMultiport()) {
            ports.getFirst().guestOpen(true);
        }
    }

    private boolean isMultiport() {
        return transport != null && (transport.negotiatedFeatures() & F_MULTIPORT) != 0;
    }

    private static boolean isControl(int queue) {
        return queue == CONTROL_RECEIVE || queue == CONTROL_TRANSMIT;
    }

    /// Queues 0 and 1 are port 0's, 4 and 5 port 1's, and so on (§5.3.2).
    private ConsolePort portOf(int queue) {
        return ports.get(queue < CONTROL_RECEIVE ? 0 : queue / 2 - 1);
    }

    private static int receiveQueue(ConsolePort port) {
        return port.id() == 0 ? 0 : 2 * port.id() + 2;
    }

    private static int transmitQueue(ConsolePort port) {
        return receiveQueue(port) + 1;
    }

    private static boolean isTransmit(int queue) {
        return queue % 2 == 1;
    }

    @Override
    public void notified(VirtQueue queue) {
        VirtioTransport current = transport;
        int index = queue.index();
        if (current == null || (index >= CONTROL_RECEIVE && !isMultiport())) {
            return; // Without MULTIPORT there are no such queues (§5.3.2).
        }
        switch (index) {
            case CONTROL_RECEIVE -> control.send(queue, current);
            case CONTROL_TRANSMIT -> {
                control.receive(queue, current, this::sendControl);
                // A port that was opened has room.
                for (ConsolePort port : ports) {
                    buffersProvided(port);
                }
            }
            default -> {
                if (isTransmit(index)) {
                    portOf(index).deliver(queue, current);
                } else {
                    portOf(index).buffersProvided(queue);
                }
            }
        }
    }

    private void buffersProvided(ConsolePort port) {
        VirtQueue queue = queue(receiveQueue(port));
        if (queue != null) {
            port.buffersProvided(queue);
        }
    }

    private void sendControl() {
        VirtQueue queue = queue(CONTROL_RECEIVE);
        if (queue != null && transport != null && isMultiport()) {
            control.send(queue, transport);
        }
    }

    private void sendControlFromHost() {
        try {
            sendControl();
        } catch (VirtioFault e) {
            if (transport != null) {
                transport.fail(e);
            }
        }
    }

    private @Nullable VirtQueue queue(int index) {
        return transport == null ? null : transport.queue(index);
    }

    @Override
    public void stopped(int queue) {
        switch (queue) {
            case CONTROL_RECEIVE -> control.receiveQueueStopped();
            case CONTROL_TRANSMIT -> control.sendQueueStopped();
            default -> {
                if (isTransmit(queue)) {
                    portOf(queue).sendQueueStopped();
                } else {
                    portOf(queue).receiveQueueStopped();
                }
            }
        }
    }

    @Override
    public void failed(VirtioFault newFault) {
        fault = newFault;
        for (ConsolePort port : ports) {
            port.reset();
            stateChanged(port);
        }
    }

    @Override
    public void reset() {
        transport = null;
        fault = null;
        control.reset();
        for (ConsolePort port : ports) {
            port.reset();
            stateChanged(port);
        }
    }

    @Override
    public ConsoleState save() {
        return new ConsoleState(
                columns,
                rows,
                configGeneration,
                control.isDriverReady(),
                ports.stream().map(port -> port.save(control)).toList());
    }

    @Override
    public void restore(DeviceState state, @Nullable VirtioTransport newTransport) {
        if (!(state instanceof ConsoleState saved)
                || saved.ports().size() != ports.size()
                || hasSize != (saved.columns() != 0)) {
            throw new IllegalArgumentException("not the state of a console of %s: %s".formatted(ports, state));
        }
        transport = newTransport;
        columns = saved.columns();
        rows = saved.rows();
        configGeneration = saved.configGeneration();
        control.restore(saved);
        for (ConsolePort port : ports) {
            port.restore(saved.ports().get(port.id()), queue(transmitQueue(port)));
        }
    }

    @Nullable
    VirtioFault fault() {
        lock.acquire();
        try {
            return fault;
        } finally {
            lock.release();
        }
    }

    /// The host has opened or closed its side of a port. The lock is held.
    void hostSideChanged(ConsolePort port) {
        control.hostSideChanged(port);
        sendControlFromHost();
    }

    /// Hands what waits in a port's queue to its listener. The lock is held.
    void deliver(ConsolePort port) {
        VirtioTransport current = transport;
        VirtQueue queue = queue(transmitQueue(port));
        if (current == null || queue == null || (port.id() != 0 && !isMultiport())) {
            return;
        }
        try {
            port.deliver(queue, current);
        } catch (VirtioFault e) {
            current.fail(e);
        }
    }

    /// Copies bytes into a port's buffers. The lock is held.
    long place(ConsolePort port, MemorySegment source, long offset, long length) {
        VirtioTransport current = transport;
        if (current == null) {
            return port.noRoom();
        }
        try {
            return port.place(queue(receiveQueue(port)), current, source, offset, length);
        } catch (VirtioFault e) {
            current.fail(e);
            return port.noRoom();
        }
    }

    /// Has a port's listener told, later, that there is room. The lock is held.
    void writable(ConsolePort port) {
        lock.event(2 * port.id());
    }

    /// Has a port's listener told, later, of a new state. The lock is held.
    void stateChanged(ConsolePort port) {
        lock.event(2 * port.id() + 1);
    }

    private void tellListeners(long events) {
        for (int id = 0; id < ports.size(); id++) {
            PortListener listener = ports.get(id).listener();
            if (listener != null) {
                long due = events >>> (2 * id);
                if ((due & 1) != 0) {
                    listener.writable();
                }
                if ((due & 2) != 0) {
                    listener.stateChanged();
                }
            }
        }
    }
}
