// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A port of a [VirtioConsole]: a stream of bytes each way, with back-pressure each way and no buffer on the
/// host.
///
/// The guest sees the port as open on the host's side once a listener is [connected][#connect], until
/// [#close]. What the guest sends before that waits in its buffers; what it sends after `close` is dropped.
///
/// Thread-safe.
public final class ConsolePort {
    private enum HostSide {
        UNCONNECTED,
        OPEN,
        CLOSED
    }

    private final VirtioConsole console;
    private final int id;
    private final String name;

    // All that changes, guarded by the console's lock.
    private HostSide hostSide = HostSide.UNCONNECTED;
    private volatile @Nullable PortListener listener; // also read without the lock
    private boolean guestOpen;
    private boolean blocked;
    private boolean delivering;
    private boolean writerWaits;
    private @Nullable DescriptorChain sent;
    private boolean sentPending;
    private @Nullable DescriptorChain receiving;
    private long bytesFromGuest;
    private long bytesToGuest;

    ConsolePort(VirtioConsole console, int id, String name) {
        this.console = console;
        this.id = id;
        this.name = name;
    }

    /// Its number; 0 is the console itself.
    public int id() {
        return id;
    }

    /// Its name, by which the guest finds it; empty for port 0.
    public String name() {
        return name;
    }

    /// Opens the host's side of the port; bytes that the guest has already sent are delivered at once, on
    /// this thread.
    ///
    /// @param newListener hears what the guest sends
    /// @throws IllegalStateException if there was a listener before
    public void connect(PortListener newListener) {
        console.lock().acquire();
        try {
            if (hostSide != HostSide.UNCONNECTED) {
                throw new IllegalStateException(this + " has had a listener");
            }
            listener = newListener;
            hostSide = HostSide.OPEN;
            blocked = false;
            console.hostSideChanged(this);
            console.deliver(this);
        } finally {
            console.lock().release();
        }
    }

    /// Closes the host's side, for good: the listener hears no more bytes, and what the guest still sends is
    /// dropped. Idempotent.
    ///
    /// @throws IllegalStateException from within [PortListener#received]
    public void close() {
        console.lock().acquire();
        try {
            refuseWhileDelivering("close");
            if (hostSide != HostSide.CLOSED) {
                hostSide = HostSide.CLOSED;
                blocked = false;
                writerWaits = false;
                console.hostSideChanged(this);
                console.deliver(this);
            }
        } finally {
            console.lock().release();
        }
    }

    /// Whether a program in the guest, or its driver, has the port open, so that it will read what is
    /// written.
    public boolean isGuestOpen() {
        console.lock().acquire();
        try {
            return guestOpen;
        } finally {
            console.lock().release();
        }
    }

    /// Why the device failed; null while it works. It works again when the driver has reset it.
    public @Nullable VirtioFault fault() {
        return console.fault();
    }

    /// How many bytes the guest has sent that were read by the listener, or dropped.
    public long bytesFromGuest() {
        console.lock().acquire();
        try {
            return bytesFromGuest;
        } finally {
            console.lock().release();
        }
    }

    /// How many bytes were written into the guest's buffers.
    public long bytesToGuest() {
        console.lock().acquire();
        try {
            return bytesToGuest;
        } finally {
            console.lock().release();
        }
    }

    /// Writes to the guest: copies into the buffers that the guest has provided. Makes no objects. What two
    /// threads write at the same time may mix.
    ///
    /// @param source where from
    /// @param offset first byte of it
    /// @param length how many bytes
    /// @return how many of the first bytes the guest's buffers took; when less than `length`,
    ///     [PortListener#writable] is called once it is worth trying again: when there are buffers, and the
    ///     guest has the port open
    /// @throws IndexOutOfBoundsException if the memory has no such range
    /// @throws IllegalStateException if the host's side is not open
    public long write(MemorySegment source, long offset, long length) {
        Objects.checkFromIndexSize(offset, length, source.byteSize());
        long written = 0;
        boolean more = true;
        while (more && written < length) {
            console.lock().acquire();
            try {
                if (hostSide != HostSide.OPEN) {
                    throw new IllegalStateException(this + " is not open");
                }
                written += console.place(this, source, offset + written, length - written);
                more = !writerWaits;
            } finally {
                console.lock().release();
            }
        }
        return written;
    }

    /// Writes an array, as [#write(MemorySegment,long,long)] does.
    public int write(byte[] source, int offset, int length) {
        return (int) write(MemorySegment.ofArray(source), offset, length);
    }

    /// Writes a buffer from its position, as [#write(MemorySegment,long,long)] does; moves its position.
    public int write(ByteBuffer source) {
        int written = (int) write(MemorySegment.ofBuffer(source), 0, source.remaining());
        source.position(source.position() + written);
        return written;
    }

    /// Delivers, on this thread, what the listener left unread, and what follows it. Does nothing when there
    /// is nothing.
    ///
    /// @throws IllegalStateException from within [PortListener#received]
    public void resume() {
        console.lock().acquire();
        try {
            refuseWhileDelivering("resume");
            if (hostSide == HostSide.OPEN) {
                blocked = false;
                console.deliver(this);
            }
        } finally {
            console.lock().release();
        }
    }

    private void refuseWhileDelivering(String method) {
        if (delivering) {
            throw new IllegalStateException(method + " of " + this + " from within received");
        }
    }

    @Override
    public String toString() {
        return name.isEmpty() ? "console port " + id : "console port " + id + " (" + name + ")";
    }

    @Nullable
    PortListener listener() {
        return listener;
    }

    boolean isHostOpen() {
        return hostSide == HostSide.OPEN;
    }

    /// The guest opens or closes its side. The lock is held.
    void guestOpen(boolean open) {
        if (guestOpen != open) {
            guestOpen = open;
            console.stateChanged(this);
        }
    }

    /// The driver has provided buffers for what the host writes, or opened the port. The lock is held.
    void buffersProvided(VirtQueue queue) {
        if (writerWaits) {
            if (!guestOpen || !queue.enableNotifications()) {
                return;
            }
            writerWaits = false;
            console.writable(this);
        }
        queue.disableNotifications();
    }

    /// Copies bytes into the driver's buffers; at most one round of its queue. The lock is held.
    ///
    /// @param queue null when there is none to use
    /// @return how many bytes were copied
    long place(@Nullable VirtQueue queue, VirtioTransport transport, MemorySegment source, long offset, long length) {
        if (queue == null || !guestOpen) {
            return noRoom();
        }
        writerWaits = false;
        DescriptorChain chain = receiving(queue);
        long done = 0;
        for (int budget = queue.size(); budget > 0 && done < length; budget--) {
            if (!queue.pop(chain) && !(queue.enableNotifications() && queue.pop(chain))) {
                writerWaits = true;
                break;
            }
            if (chain.remaining() != 0) {
                throw direction(queue, "device-readable bytes in a receive queue");
            }
            done += chain.write(source, offset + done, length - done);
            queue.push(chain);
        }
        bytesToGuest += done;
        transport.notifyUsed(queue);
        return done;
    }

    /// There is nowhere to copy bytes to. The lock is held.
    long noRoom() {
        writerWaits = true;
        return 0;
    }

    /// Hands what the driver has sent to the listener; at most one round of its queue. The lock is held.
    void deliver(VirtQueue queue, VirtioTransport transport) {
        if (delivering) {
            return;
        }
        delivering = true;
        try {
            deliverRound(queue, transport);
        } finally {
            delivering = false;
            transport.notifyUsed(queue);
        }
    }

    private void deliverRound(VirtQueue queue, VirtioTransport transport) {
        DescriptorChain chain = sent(queue);
        for (int budget = queue.size(); !blocked; budget--) {
            if (!sentPending) {
                if (budget <= 0) {
                    if (queue.enableNotifications()) {
                        transport.continueLater(queue);
                    }
                    return;
                }
                if (!queue.pop(chain) && !(queue.enableNotifications() && queue.pop(chain))) {
                    return;
                }
                sentPending = true;
                if (chain.writable() != 0) {
                    throw direction(queue, "device-writable bytes in a transmit queue");
                }
            }
            offer(chain);
            if (transport.queue(queue.index()) != queue) {
                return; // The device failed while the listener was writing.
            }
            if (chain.remaining() != 0) {
                blocked = true;
            } else {
                queue.push(chain);
                sentPending = false;
            }
        }
        queue.disableNotifications();
    }

    private void offer(DescriptorChain chain) {
        long before = chain.remaining();
        try {
            switch (hostSide) {
                case UNCONNECTED -> {}
                case OPEN -> Objects.requireNonNull(listener).received(chain);
                case CLOSED -> chain.skip(before);
            }
        } finally {
            bytesFromGuest += before - chain.remaining();
        }
    }

    private DescriptorChain sent(VirtQueue queue) {
        if (sent == null) {
            sent = queue.newChain();
        }
        return sent;
    }

    private DescriptorChain receiving(VirtQueue queue) {
        if (receiving == null) {
            receiving = queue.newChain();
        }
        return receiving;
    }

    private VirtioFault direction(VirtQueue queue, String what) {
        return new VirtioFault(
                VirtioFault.Kind.BUFFER_DIRECTION, "%s: %s, queue %d".formatted(this, what, queue.index()));
    }

    /// What it remembers. The lock is held.
    ConsoleState.Port save(ControlChannel control) {
        ConsoleState.PartlyRead partlyRead =
                sent == null || !sentPending ? null : new ConsoleState.PartlyRead(sent.head(), sent.wasRead());
        return new ConsoleState.Port(
                name,
                control.isAdded(id),
                control.isReady(id),
                control.toldOpen(id),
                control.messages(id),
                guestOpen,
                partlyRead,
                bytesFromGuest,
                bytesToGuest);
    }

    /// Remembers what another port did. The lock is held.
    ///
    /// @param queue that the driver sends with; null if there is none
    void restore(ConsoleState.Port state, @Nullable VirtQueue queue) {
        if (!state.name().equals(name) || (state.sent() != null && queue == null)) {
            throw new IllegalArgumentException("not the state of %s: %s".formatted(this, state));
        }
        guestOpen = state.guestOpen();
        bytesFromGuest = state.bytesFromGuest();
        bytesToGuest = state.bytesToGuest();
        ConsoleState.PartlyRead partlyRead = state.sent();
        if (partlyRead != null && queue != null) {
            DescriptorChain chain = sent(queue);
            queue.takeUp(partlyRead.head(), chain);
            chain.skip(partlyRead.read());
            sentPending = true;
            blocked = true;
        }
    }

    /// The driver has taken back the queue that it sends with. The lock is held.
    void sendQueueStopped() {
        sent = null;
        sentPending = false;
        blocked = hostSide == HostSide.UNCONNECTED;
    }

    /// The driver has taken back the queue that it receives with. The lock is held.
    void receiveQueueStopped() {
        receiving = null;
    }

    /// Nothing of the driver is left; the host's side stays as it is. The lock is held.
    void reset() {
        sendQueueStopped();
        receiveQueueStopped();
        guestOpen(false);
    }
}
