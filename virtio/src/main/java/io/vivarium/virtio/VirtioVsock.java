// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A virtio socket device (virtio 1.2 §5.10): stream connections between programs in the guest and the host,
/// made from either side. Packet sockets (`VIRTIO_VSOCK_F_SEQPACKET`) are not offered.
///
/// Each device is a network of its own, of one guest and the host: context ids mean nothing beyond it.
///
/// Each direction can be [held to a rate][#limit]: packets of the guest, whatever they are, then wait in its queue,
/// and bytes for the guest with who writes them.
///
/// Thread-safe; one lock for the device and all of its connections. Bytes for the guest are copied while it is
/// held, about [#TURN] at a time, so that no connection keeps the others waiting.
public final class VirtioVsock implements VirtioDevice {
    /// `VMADDR_CID_HOST`: the host's context id.
    public static final long HOST_CID = 2;

    /// The least context id that a guest can have.
    public static final long FIRST_GUEST_CID = 3;

    /// Bytes that a guest may send on a new connection before the host has read.
    public static final int FIRST_WINDOW = 64 << 10;

    /// The same on one that has made use of that, as long as the device's share of memory allows it.
    public static final int MAX_WINDOW = 1 << 20;

    /// Bytes for one connection after which the lock is given up; the receive buffer that reaches it is filled.
    static final int TURN = 256 << 10;

    /// The most that one packet carries.
    private static final int MAX_PAYLOAD = 64 << 10;

    /// `VMADDR_PORT_ANY`.
    private static final int PORT_ANY = -1;

    /// Below are those that only root may use (vsock(7)).
    private static final int FIRST_FREE_PORT = 1024;

    private static final int DEVICE_ID = 19;
    private static final long F_STREAM = 1;
    private static final int CONFIG_LENGTH = 8;

    private static final int RECEIVE = 0;
    private static final int TRANSMIT = 1;
    private static final int EVENT = 2;
    private static final int QUEUES = 3;
    private static final int QUEUE_SIZE = 256;
    private static final int EVENT_QUEUE_SIZE = 16;
    private static final int EVENT_LENGTH = 4;
    private static final byte[] TRANSPORT_RESET = new byte[EVENT_LENGTH];

    private final long guestCid;
    private final int maxConnections;
    private final Timer timer;
    private final DeviceLock lock = new DeviceLock(_ -> {});

    // All that changes, guarded by the lock, beside that of the connections.
    private final VsockConnections connections = new VsockConnections();
    private final Map<Integer, VsockAcceptor> acceptors = new HashMap<>();
    private final VsockRefusals refusals = new VsockRefusals();
    private final VsockHeader header = new VsockHeader();
    private @Nullable VsockConnection firstDue;
    private @Nullable VsockConnection lastDue;
    private @Nullable VsockConnection firstWaiting;
    private @Nullable VsockConnection lastWaiting;
    private @Nullable DescriptorChain sending;
    private @Nullable DescriptorChain receiving;
    private @Nullable VirtioTransport transport;
    private @Nullable VirtioFault fault;
    private RateLimiter fromGuest = RateLimiter.unlimited();
    private RateLimiter toGuest = RateLimiter.unlimited();
    private int nextPort = FIRST_FREE_PORT;
    private long widened;
    private boolean resetDue;
    private boolean transmitPaused;
    private boolean closed;

    /// @param guestCid the guest's context id, from [#FIRST_GUEST_CID] to 2^32 - 2
    /// @param maxConnections how many there may be at a time; the guest can have the host hold [#FIRST_WINDOW]
    ///     bytes for each
    /// @param timer by whose time limits are kept
    public VirtioVsock(long guestCid, int maxConnections, Timer timer) {
        if (guestCid < FIRST_GUEST_CID || guestCid >= 0xffff_ffffL) {
            throw new IllegalArgumentException("context id %d is reserved".formatted(guestCid));
        }
        if (maxConnections < 1) {
            throw new IllegalArgumentException(maxConnections + " connections");
        }
        this.guestCid = guestCid;
        this.maxConnections = maxConnections;
        this.timer = timer;
    }

    /// Holds both directions to a rate from now on, each for itself; without this call there is no limit. Any thread.
    ///
    /// @param limit of the guest: packets, and their bytes with headers; of the host: packets with payload
    public void limit(RateLimit limit) {
        lock.acquire();
        try {
            fromGuest = new RateLimiter(limit, timer, this::resumeFromGuest);
            toGuest = new RateLimiter(limit, timer, this::resumeToGuest);
        } finally {
            lock.release();
        }
        // What waited for the old ones.
        resumeFromGuest();
        resumeToGuest();
    }

    private void resumeFromGuest() {
        lock.acquire();
        try {
            fromGuest.resumed();
            VirtioTransport current = transport;
            VirtQueue queue = queue(TRANSMIT);
            if (current != null && queue != null) {
                try {
                    transmitted(queue, current);
                } catch (VirtioFault e) {
                    current.fail(e);
                }
            }
        } finally {
            lock.release();
        }
    }

    private void resumeToGuest() {
        lock.acquire();
        try {
            toGuest.resumed();
            VirtQueue queue = queue(RECEIVE);
            if (queue != null) {
                tellWaiting(queue);
            }
        } finally {
            lock.release();
        }
    }

    /// The guest's context id.
    public long guestCid() {
        return guestCid;
    }

    /// Why the device failed; null while it works.
    public @Nullable VirtioFault fault() {
        lock.acquire();
        try {
            return fault;
        } finally {
            lock.release();
        }
    }

    /// Connections that are not over, in no order: after [#restore], those that wait for a host's end.
    public List<VsockConnection> connections() {
        lock.acquire();
        try {
            List<VsockConnection> all = new ArrayList<>();
            connections.forEach(all::add);
            return all;
        } finally {
            lock.release();
        }
    }

    /// Asks the guest for a connection. [VsockEnd#writable] is called when it has answered.
    ///
    /// @param guestPort an unsigned number of 32 bits
    /// @param end is told
    /// @return the connection, which is [VsockConnection.Phase#LOST] already if the guest's driver is not up;
    ///     null if there are too many
    public @Nullable VsockConnection connect(int guestPort, VsockEnd end) {
        lock.acquire();
        try {
            if (!hasRoom()) {
                return null;
            }
            VsockConnection connection = new VsockConnection(
                    this, freePort(guestPort), guestPort, VsockConnection.Phase.CONNECTING, FIRST_WINDOW);
            connection.attach(end);
            if (transport == null) {
                connection.over(VsockConnection.Phase.LOST);
                return connection;
            }
            connections.add(connection);
            due(connection, VsockConnection.DUE_REQUEST);
            return connection;
        } finally {
            lock.release();
        }
    }

    private int freePort(int guestPort) {
        while (nextPort == PORT_ANY
                || Integer.compareUnsigned(nextPort, FIRST_FREE_PORT) < 0
                || acceptors.containsKey(nextPort)
                || connections.find(nextPort, guestPort) != null) {
            nextPort++;
        }
        return nextPort++;
    }

    /// Has connections to a port of the host offered; without, they are refused.
    ///
    /// @param port an unsigned number of 32 bits, other than `VMADDR_PORT_ANY`
    /// @return whether nobody else has it
    public boolean listen(int port, VsockAcceptor acceptor) {
        if (port == PORT_ANY) {
            throw new IllegalArgumentException("VMADDR_PORT_ANY is no port");
        }
        lock.acquire();
        try {
            return acceptors.putIfAbsent(port, acceptor) == null;
        } finally {
            lock.release();
        }
    }

    /// Has connections to a port refused from now on; those that were offered go on.
    ///
    /// @param acceptor who had listened
    public void unlisten(int port, VsockAcceptor acceptor) {
        lock.acquire();
        try {
            acceptors.remove(port, acceptor);
        } finally {
            lock.release();
        }
    }

    /// Ends every connection, and has the driver told that it is so (`VIRTIO_VSOCK_EVENT_TRANSPORT_RESET`,
    /// §5.10.6.7): for a machine whose connections had their host's ends elsewhere. Listeners, on both sides,
    /// stay.
    public void resetTransport() {
        lock.acquire();
        try {
            dropAll();
            resetDue = true;
            tellReset();
        } finally {
            lock.release();
        }
    }

    /// Ends every connection and leaves the guest's memory alone from now on, for good: the machine goes away.
    /// Idempotent.
    public void close() {
        lock.acquire();
        try {
            closed = true;
            transport = null;
            dropAll();
        } finally {
            lock.release();
        }
    }

    private void dropAll() {
        connections.forEach(connection -> {
            connections.remove(connection);
            connection.over(VsockConnection.Phase.LOST);
        });
        for (VsockConnection at = firstDue; at != null; ) {
            VsockConnection next = at.nextDue;
            at.nextDue = null;
            at.inDueQueue = false;
            at.due(0);
            at = next;
        }
        firstDue = null;
        lastDue = null;
        for (VsockConnection at = firstWaiting; at != null; ) {
            VsockConnection next = at.nextWaiting;
            at.nextWaiting = null;
            at.inWaitingList = false;
            at = next;
        }
        firstWaiting = null;
        lastWaiting = null;
        refusals.clear();
        widened = 0;
    }

    // ---- the device ----

    @Override
    public int deviceId() {
        return DEVICE_ID;
    }

    @Override
    public long features() {
        return F_STREAM;
    }

    @Override
    public int queueCount() {
        return QUEUES;
    }

    @Override
    public int maxQueueSize(int queue) {
        return queue == EVENT ? EVENT_QUEUE_SIZE : QUEUE_SIZE;
    }

    @Override
    public int configLength() {
        return CONFIG_LENGTH;
    }

    @Override
    public long readConfig(int offset, int size) {
        return ConfigSpace.read(guestCid, offset, size);
    }

    @Override
    public DeviceLock lock() {
        return lock;
    }

    @Override
    public void activate(VirtioTransport newTransport) {
        transport = closed ? null : newTransport;
    }

    @Override
    public void notified(VirtQueue queue) {
        VirtioTransport current = transport;
        if (current == null) {
            return;
        }
        switch (queue.index()) {
            case RECEIVE -> {
                pump();
                tellWaiting(queue);
                resumeTransmit(current);
            }
            case TRANSMIT -> transmitted(queue, current);
            default -> tellReset();
        }
    }

    @Override
    public void stopped(int queue) {
        if (queue == TRANSMIT) {
            sending = null;
        } else if (queue == RECEIVE) {
            receiving = null;
        }
    }

    @Override
    public void failed(VirtioFault newFault) {
        fault = newFault;
        dropAll();
    }

    @Override
    public void reset() {
        transport = null;
        fault = null;
        sending = null;
        receiving = null;
        resetDue = false;
        transmitPaused = false;
        dropAll();
    }

    @Override
    public VsockState save() {
        List<VsockState.Connection> saved = new ArrayList<>();
        connections.forEach(connection -> saved.add(connection.save()));
        // Those that are over but have a last word for the guest.
        for (VsockConnection at = firstDue; at != null; at = at.nextDue) {
            if (connections.find(at.hostPort(), at.guestPort()) != at) {
                saved.add(at.save());
            }
        }
        return new VsockState(guestCid, nextPort, resetDue, refusals.save(), saved);
    }

    @Override
    public void restore(DeviceState state, @Nullable VirtioTransport newTransport) {
        if (!(state instanceof VsockState saved)
                || saved.guestCid() != guestCid
                || saved.refusals().size() > VsockRefusals.CAPACITY) {
            throw new IllegalArgumentException(
                    "not the state of a socket device of guest %d: %s".formatted(guestCid, state));
        }
        transport = closed ? null : newTransport;
        nextPort = saved.nextPort();
        resetDue = saved.resetDue();
        for (VsockState.Refusal refusal : saved.refusals()) {
            refusals.add(refusal.cid(), refusal.port(), refusal.guestPort(), refusal.type());
        }
        for (VsockState.Connection one : saved.connections()) {
            restore(one);
        }
        transmitPaused = refusals.isFull();
        // What waited for a rate; those here begin anew.
        VirtQueue queue = queue(TRANSMIT);
        if (newTransport != null && queue != null && queue.isAvailable()) {
            transmitted(queue, newTransport);
        }
    }

    private void restore(VsockState.Connection state) {
        boolean over =
                switch (state.phase()) {
                    case CONNECTING, ESTABLISHED, CLOSING -> false;
                    case CLOSED, REFUSED, FINISHED, RESET, LOST -> true;
                };
        if (!over && (!hasRoom() || connections.find(state.hostPort(), state.guestPort()) != null)) {
            throw new IllegalArgumentException("one connection too many: " + state);
        }
        if (state.window() < 0 || state.window() > MAX_WINDOW) {
            throw new IllegalArgumentException("a connection with a window of %d bytes".formatted(state.window()));
        }
        VsockConnection connection =
                new VsockConnection(this, state.hostPort(), state.guestPort(), state.phase(), state.window());
        connection.restore(state);
        widened += Math.max(0, state.window() - FIRST_WINDOW);
        if (!over) {
            connections.add(connection);
        }
        if (connection.due() != 0) {
            enqueueDue(connection);
        }
    }

    private @Nullable VirtQueue queue(int index) {
        return transport == null ? null : transport.queue(index);
    }

    // ---- from the guest ----

    private void transmitted(VirtQueue queue, VirtioTransport current) {
        DescriptorChain chain = sending(queue);
        try {
            for (int budget = queue.size(); ; budget--) {
                // Each packet may ask for an answer that needs room outside of the receive queue.
                transmitPaused = refusals.isFull();
                if (transmitPaused) {
                    queue.disableNotifications();
                    break;
                }
                if (budget <= 0) {
                    if (queue.enableNotifications()) {
                        current.continueLater(queue);
                    }
                    break;
                }
                if (!queue.isAvailable() && !queue.enableNotifications()) {
                    break;
                }
                if (!fromGuest.admits()) {
                    queue.disableNotifications();
                    break;
                }
                queue.pop(chain);
                handle(queue, chain);
                fromGuest.charge(chain.wasRead() + chain.remaining());
                queue.push(chain);
            }
        } finally {
            current.notifyUsed(queue);
            pump();
        }
    }

    private static boolean take(VirtQueue queue, DescriptorChain chain) {
        return queue.pop(chain) || (queue.enableNotifications() && queue.pop(chain));
    }

    private void handle(VirtQueue queue, DescriptorChain chain) {
        if (chain.writable() != 0) {
            throw new VirtioFault(
                    VirtioFault.Kind.BUFFER_DIRECTION,
                    "device-writable bytes in a transmit queue, queue " + queue.index());
        }
        if (!header.readFrom(chain) || header.len() > chain.remaining()) {
            throw new VirtioFault(
                    VirtioFault.Kind.PACKET_LENGTH,
                    "a vsock packet of %d bytes".formatted(chain.wasRead() + chain.remaining()));
        }
        if (header.srcCid() != guestCid) {
            throw new VirtioFault(
                    VirtioFault.Kind.PACKET_SOURCE,
                    "a packet from context id 0x%x, the guest's is %d".formatted(header.srcCid(), guestCid));
        }
        VsockConnection connection = header.dstCid() == HOST_CID && header.type() == VsockHeader.TYPE_STREAM
                ? connections.find(header.dstPort(), header.srcPort())
                : null;
        if (connection != null) {
            connection.peerCredit(header.bufAlloc(), header.fwdCnt());
            handle(connection, chain);
        } else if (header.op() == VsockHeader.OP_REQUEST
                && header.dstCid() == HOST_CID
                && header.type() == VsockHeader.TYPE_STREAM) {
            requested();
        } else if (header.op() != VsockHeader.OP_RST) {
            refuse();
        }
    }

    private void refuse() {
        refusals.add(header.dstCid(), header.dstPort(), header.srcPort(), header.type());
    }

    private void requested() {
        VsockAcceptor acceptor = acceptors.get(header.dstPort());
        if (acceptor == null || header.srcPort() == PORT_ANY || !hasRoom()) {
            refuse();
            return;
        }
        VsockConnection connection = new VsockConnection(
                this, header.dstPort(), header.srcPort(), VsockConnection.Phase.ESTABLISHED, FIRST_WINDOW);
        connection.peerCredit(header.bufAlloc(), 0);
        if (!acceptor.offer(connection)) {
            refuse();
            return;
        }
        connections.add(connection);
        enqueue(connection, VsockConnection.DUE_RESPONSE);
    }

    private void handle(VsockConnection connection, DescriptorChain chain) {
        boolean connecting = connection.phase() == VsockConnection.Phase.CONNECTING;
        switch (header.op()) {
            case VsockHeader.OP_RST -> {
                connection.over(connection.endedByGuest());
                forget(connection, 0);
            }
            case VsockHeader.OP_RESPONSE -> {
                if (connecting && (connection.due() & VsockConnection.DUE_REQUEST) == 0) {
                    connection.established();
                } else {
                    breakOff(connection);
                }
            }
            case VsockHeader.OP_SHUTDOWN -> {
                if (connecting) {
                    breakOff(connection);
                } else if (connection.peerShutdown(header.flags())) {
                    connection.over(connection.endedByGuest());
                    forget(connection, VsockConnection.DUE_RST);
                }
            }
            case VsockHeader.OP_RW -> {
                if (connecting || connection.hasPeerShutDownSending()) {
                    breakOff(connection);
                } else if (connection.receive(chain, header.len())) {
                    enqueue(connection, VsockConnection.DUE_CREDIT);
                }
            }
            case VsockHeader.OP_CREDIT_UPDATE -> {}
            case VsockHeader.OP_CREDIT_REQUEST -> enqueue(connection, VsockConnection.DUE_CREDIT);
            default -> breakOff(connection);
        }
    }

    /// The guest sent what is not its turn: the connection ends on both sides.
    private void breakOff(VsockConnection connection) {
        connection.over(VsockConnection.Phase.RESET);
        forget(connection, VsockConnection.DUE_RST);
    }

    /// Whether there may be one more connection. If not, the oldest that the host has closed and the guest does
    /// not confirm gives way: that is how long such a one is waited for.
    private boolean hasRoom() {
        if (connections.size() < maxConnections) {
            return true;
        }
        boolean[] found = new boolean[1];
        connections.forEach(connection -> {
            if (!found[0] && connection.phase() == VsockConnection.Phase.CLOSING) {
                found[0] = true;
                connection.over(VsockConnection.Phase.CLOSED);
                connections.remove(connection);
                narrow(connection);
                enqueueLast(connection);
            }
        });
        return found[0];
    }

    private void enqueueLast(VsockConnection connection) {
        connection.due(0);
        enqueue(connection, VsockConnection.DUE_RST);
    }

    private DescriptorChain sending(VirtQueue queue) {
        if (sending == null) {
            sending = queue.newChain();
        }
        return sending;
    }

    private DescriptorChain receiving(VirtQueue queue) {
        if (receiving == null) {
            receiving = queue.newChain();
        }
        return receiving;
    }

    // ---- to the guest; all with the lock held ----

    /// A connection is over: nothing that the guest sends finds it any more.
    ///
    /// @param lastWord the packet that is still due to the guest; 0 for none
    void forget(VsockConnection connection, int lastWord) {
        connections.remove(connection);
        narrow(connection);
        boolean guestKnows = (connection.due() & VsockConnection.DUE_REQUEST) == 0;
        connection.due(0);
        if (lastWord != 0 && guestKnows) {
            due(connection, lastWord);
        }
    }

    private void narrow(VsockConnection connection) {
        widened -= Math.max(0, connection.window() - FIRST_WINDOW);
    }

    /// The window of a connection that could use more: at most as much again for all connections as the first
    /// windows are.
    int widen(int window) {
        int wider = Math.min(2 * window, MAX_WINDOW);
        if (widened + wider - window > (long) maxConnections * FIRST_WINDOW) {
            return window;
        }
        widened += wider - window;
        return wider;
    }

    /// A packet is due to the guest, which gets it now or when it has room.
    void due(VsockConnection connection, int packet) {
        enqueue(connection, packet);
        pumpFromHost();
    }

    /// The host has read so much that the guest should know. Without the lock.
    void creditFreed(VsockConnection connection) {
        lock.acquire();
        try {
            VsockConnection.Phase phase = connection.phase();
            if (phase == VsockConnection.Phase.ESTABLISHED && connection.creditFreed()) {
                due(connection, VsockConnection.DUE_CREDIT);
            }
        } finally {
            lock.release();
        }
    }

    private void enqueue(VsockConnection connection, int packet) {
        connection.due(connection.due() | packet);
        if (!connection.inDueQueue) {
            enqueueDue(connection);
        }
    }

    private void enqueueDue(VsockConnection connection) {
        connection.inDueQueue = true;
        if (lastDue == null) {
            firstDue = connection;
        } else {
            lastDue.nextDue = connection;
        }
        lastDue = connection;
    }

    private void pumpFromHost() {
        VirtioTransport current = transport;
        try {
            pump();
        } catch (VirtioFault e) {
            if (current != null) {
                current.fail(e);
            }
        }
    }

    private boolean hasDue() {
        // The last word to a connection may have become needless in the meantime.
        while (firstDue != null && firstDue.due() == 0) {
            dequeueDue(firstDue);
        }
        return firstDue != null || !refusals.isEmpty();
    }

    private void dequeueDue(VsockConnection first) {
        firstDue = first.nextDue;
        if (firstDue == null) {
            lastDue = null;
        }
        first.nextDue = null;
        first.inDueQueue = false;
    }

    /// Sends what is due, as far as there are receive buffers.
    private void pump() {
        VirtQueue queue = queue(RECEIVE);
        VirtioTransport current = transport;
        if (queue == null || current == null) {
            return;
        }
        if (!hasDue()) {
            if (firstWaiting == null) {
                queue.disableNotifications();
            }
            return;
        }
        DescriptorChain chain = receiving(queue);
        try {
            while (hasDue() && takeReceiveBuffer(queue, chain)) {
                if (refusals.isEmpty()) {
                    nextPacketDue();
                } else {
                    refusals.take(guestCid, header);
                }
                header.writeTo(chain);
                queue.push(chain);
            }
        } finally {
            current.notifyUsed(queue);
        }
    }

    private boolean takeReceiveBuffer(VirtQueue queue, DescriptorChain chain) {
        if (!take(queue, chain)) {
            return false;
        }
        if (chain.remaining() != 0) {
            throw new VirtioFault(
                    VirtioFault.Kind.BUFFER_DIRECTION,
                    "device-readable bytes in a receive queue, queue " + queue.index());
        }
        if (chain.writable() <= VsockHeader.LENGTH) {
            throw new VirtioFault(
                    VirtioFault.Kind.PACKET_BUFFER, "a receive buffer of %d bytes".formatted(chain.writable()));
        }
        return true;
    }

    /// Makes the header of the next packet that is due to the first connection in the queue; there is one.
    private void nextPacketDue() {
        VsockConnection connection = Objects.requireNonNull(firstDue);
        int packet = Integer.lowestOneBit(connection.due());
        // Every header tells of the host's buffer.
        connection.due(connection.due() & ~(packet | VsockConnection.DUE_CREDIT));
        if (connection.due() == 0) {
            dequeueDue(connection);
        }
        switch (packet) {
            case VsockConnection.DUE_REQUEST -> header(connection, VsockHeader.OP_REQUEST, 0, 0);
            case VsockConnection.DUE_RESPONSE -> header(connection, VsockHeader.OP_RESPONSE, 0, 0);
            case VsockConnection.DUE_SHUTDOWN ->
                header(connection, VsockHeader.OP_SHUTDOWN, connection.shutdownFlags(), 0);
            case VsockConnection.DUE_CREDIT -> header(connection, VsockHeader.OP_CREDIT_UPDATE, 0, 0);
            default -> header(connection, VsockHeader.OP_RST, 0, 0);
        }
    }

    private void header(VsockConnection connection, int op, int flags, int len) {
        header.addresses(HOST_CID, connection.hostPort(), guestCid, connection.guestPort());
        header.packet(VsockHeader.TYPE_STREAM, op, flags, len);
        connection.tellCredit(header);
    }

    /// Copies bytes for the guest into its receive buffers, at most a turn's. Without the lock.
    ///
    /// @return how many; zero when there is no room; -1 when the connection takes none any more
    long place(VsockConnection connection, MemorySegment source, long offset, long length) {
        lock.acquire();
        try {
            if (!connection.maySend()) {
                return -1;
            }
            VirtioTransport current = transport;
            VirtQueue queue = queue(RECEIVE);
            if (current == null || queue == null) {
                wait(connection);
                return 0;
            }
            try {
                return place(connection, queue, current, source, offset, length);
            } catch (VirtioFault e) {
                current.fail(e);
                return -1;
            }
        } finally {
            lock.release();
        }
    }

    private long place(
            VsockConnection connection,
            VirtQueue queue,
            VirtioTransport current,
            MemorySegment source,
            long offset,
            long length) {
        pump();
        if (hasDue()) {
            wait(connection);
            return 0;
        }
        DescriptorChain chain = receiving(queue);
        long free = Math.min(length, connection.peerFree());
        long done = 0;
        try {
            while (done < free && done < TURN) {
                if (!toGuest.admits() || !takeReceiveBuffer(queue, chain)) {
                    wait(connection);
                    break;
                }
                long room = Math.min(chain.writable() - VsockHeader.LENGTH, MAX_PAYLOAD);
                int part = (int) Math.min(free - done, room);
                header(connection, VsockHeader.OP_RW, 0, part);
                header.writeTo(chain);
                chain.write(source, offset + done, part);
                connection.wasSent(part);
                toGuest.charge(VsockHeader.LENGTH + (long) part);
                queue.push(chain);
                done += part;
            }
        } finally {
            current.notifyUsed(queue);
        }
        if (free == 0) {
            connection.waitForCredit();
        }
        return done;
    }

    /// Has the connection's end told when there are receive buffers again.
    private void wait(VsockConnection connection) {
        if (connection.inWaitingList) {
            return;
        }
        connection.inWaitingList = true;
        if (lastWaiting == null) {
            firstWaiting = connection;
        } else {
            lastWaiting.nextWaiting = connection;
        }
        lastWaiting = connection;
    }

    /// Tells those that wait for receive buffers, in the order in which they began to, if there are any.
    private void tellWaiting(VirtQueue queue) {
        if (firstWaiting == null || hasDue() || !(queue.isAvailable() || queue.enableNotifications())) {
            return;
        }
        VsockConnection first = firstWaiting;
        firstWaiting = null;
        lastWaiting = null;
        VsockConnection next;
        for (VsockConnection at = first; at != null; at = next) {
            next = at.nextWaiting;
            at.nextWaiting = null;
            at.inWaitingList = false;
            at.writable();
        }
        queue.disableNotifications();
    }

    private void resumeTransmit(VirtioTransport current) {
        VirtQueue queue = transmitPaused && !refusals.isFull() ? queue(TRANSMIT) : null;
        if (queue != null) {
            transmitted(queue, current);
        }
    }

    /// Tells the driver of a transport reset, if that is due and there is a buffer for it.
    private void tellReset() {
        VirtQueue queue = queue(EVENT);
        VirtioTransport current = transport;
        if (queue == null || current == null) {
            return;
        }
        if (!resetDue) {
            queue.disableNotifications();
            return;
        }
        try {
            DescriptorChain chain = queue.newChain();
            if (!take(queue, chain)) {
                return;
            }
            if (chain.remaining() != 0 || chain.writable() < EVENT_LENGTH) {
                throw new VirtioFault(
                        chain.remaining() != 0 ? VirtioFault.Kind.BUFFER_DIRECTION : VirtioFault.Kind.PACKET_BUFFER,
                        "an event buffer of %d readable and %d writable bytes"
                                .formatted(chain.remaining(), chain.writable()));
            }
            chain.write(TRANSPORT_RESET, 0, EVENT_LENGTH);
            queue.push(chain);
            resetDue = false;
            current.notifyUsed(queue);
        } catch (VirtioFault e) {
            current.fail(e);
        }
    }
}
