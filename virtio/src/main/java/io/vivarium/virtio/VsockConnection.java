// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A stream connection between a program in the guest and the host (virtio 1.2 §5.10.6.5), seen from the host:
/// a stream of bytes each way, with back-pressure each way, and no method that waits.
///
/// What the guest sends lies in a buffer of the host until it is read, as much as the guest was given credit
/// for. What the host writes is copied straight into the guest's receive buffers.
///
/// Thread-safe; bytes that two threads write at the same time may mix, and so for reading.
public final class VsockConnection {
    /// How far a connection is.
    public enum Phase {
        /// The host has asked for it, the guest has not answered.
        CONNECTING,
        /// Bytes go both ways, as far as neither side has shut its direction.
        ESTABLISHED,
        /// The host has closed it, the guest has not confirmed that yet.
        CLOSING,
        /// The host closed it.
        CLOSED,
        /// The guest refused it: nobody listens there.
        REFUSED,
        /// The guest closed it, having said before that it would send no more: nothing is lost.
        FINISHED,
        /// The guest broke it off.
        RESET,
        /// The guest's driver or the device was reset, or failed, or the machine went away.
        LOST
    }

    /// `VIRTIO_VSOCK_SHUTDOWN_F_RECEIVE`, as a mask.
    static final int SHUTDOWN_RECEIVE = 1;

    /// `VIRTIO_VSOCK_SHUTDOWN_F_SEND`, as a mask.
    static final int SHUTDOWN_SEND = 2;

    static final int SHUTDOWN_BOTH = SHUTDOWN_RECEIVE | SHUTDOWN_SEND;

    // Packets that are due to the guest, in the order in which they are sent.
    static final int DUE_REQUEST = 1;
    static final int DUE_RESPONSE = 1 << 1;
    static final int DUE_SHUTDOWN = 1 << 2;
    static final int DUE_RST = 1 << 3;
    static final int DUE_CREDIT = 1 << 4;
    static final int DUE_ALL = (1 << 5) - 1;

    private final VirtioVsock device;
    private final int hostPort;
    private final int guestPort;
    private final VsockRing ring = new VsockRing();

    /// In the device's table.
    @Nullable
    VsockConnection nextInBucket;

    /// In the device's queue of those to which packets are due.
    @Nullable
    VsockConnection nextDue;

    /// Whether it is in that queue.
    boolean inDueQueue;

    /// In the device's list of those that wait for receive buffers.
    @Nullable
    VsockConnection nextWaiting;

    /// Whether it is in that list.
    boolean inWaitingList;

    // Guarded by the device's lock; the volatile ones are read without it too.
    private volatile Phase phase;
    private @Nullable VsockEnd end;
    private int due;
    private volatile int peerShutdown;
    private int shutdown;
    private int sent;
    private int peerBufAlloc;
    private int peerFwdCnt;
    private volatile int window;
    private volatile int toldBufAlloc;
    private volatile int toldFwdCnt;
    private boolean waitsForCredit;

    VsockConnection(VirtioVsock device, int hostPort, int guestPort, Phase phase, int window) {
        this.device = device;
        this.hostPort = hostPort;
        this.guestPort = guestPort;
        this.phase = phase;
        this.window = window;
    }

    /// The port of the host's end: an unsigned number of 32 bits.
    public int hostPort() {
        return hostPort;
    }

    /// The port of the guest's end: an unsigned number of 32 bits.
    public int guestPort() {
        return guestPort;
    }

    /// How far it is.
    public Phase phase() {
        return phase;
    }

    /// Takes the host's end over: from now on, it is told.
    public void attach(VsockEnd newEnd) {
        device.lock().acquire();
        try {
            end = newEnd;
        } finally {
            device.lock().release();
        }
    }

    /// Reads what the guest has sent, as much as there is and fits.
    ///
    /// @param target where to
    /// @param offset first index
    /// @param length at most so many, at least one
    /// @return how many bytes were read; zero when there are none yet; -1 when there will be none any more
    /// @throws IndexOutOfBoundsException if the array has no such range
    public int read(byte[] target, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, target.length);
        boolean ends = sendsNoMore();
        return wasRead(ring.take(target, offset, length), ends);
    }

    /// Reads into a buffer from its position, as [#read(byte[],int,int)] does; moves its position.
    public int read(ByteBuffer target) {
        boolean ends = sendsNoMore();
        return wasRead(ring.take(target), ends);
    }

    /// How many bytes can be read at once.
    public int available() {
        return ring.size();
    }

    /// Asked before the bytes are taken: none come after that.
    private boolean sendsNoMore() {
        return (peerShutdown & SHUTDOWN_SEND) != 0 || !isOpen();
    }

    private int wasRead(int count, boolean ends) {
        if (count == 0) {
            return ends ? -1 : 0;
        }
        if (creditIsWorthAPacket()) {
            device.creditFreed(this);
        }
        return count;
    }

    /// Whether bytes may still go some way: it is neither refused nor over.
    private boolean isOpen() {
        Phase now = phase;
        return now == Phase.CONNECTING || now == Phase.ESTABLISHED;
    }

    /// Whether the guest should be told of the room that reading has made: it is a good part of the buffer, and
    /// as far as the guest knows there is little. So a stream costs a few packets a window, and a guest that
    /// sends little, none.
    private boolean creditIsWorthAPacket() {
        int told = toldFwdCnt;
        int known = toldBufAlloc - (ring.received() - told);
        return known < toldBufAlloc / 2 && ring.taken() - told >= toldBufAlloc / 4;
    }

    /// Writes to the guest, as much as its credit and its receive buffers allow.
    ///
    /// @param source where from
    /// @param offset first byte of it
    /// @param length how many bytes
    /// @return how many of the first bytes were copied; when less than `length`, [VsockEnd#writable] is called
    ///     once it is worth trying again; -1 when the guest takes none any more, or the host has said that it
    ///     sends none
    /// @throws IndexOutOfBoundsException if the memory has no such range
    public long write(MemorySegment source, long offset, long length) {
        Objects.checkFromIndexSize(offset, length, source.byteSize());
        long written = 0;
        while (written < length) {
            long placed = device.place(this, source, offset + written, length - written);
            if (placed <= 0) {
                return written == 0 ? placed : written;
            }
            written += placed;
        }
        return written;
    }

    /// Writes a buffer from its position, as [#write(MemorySegment,long,long)] does; moves its position.
    public int write(ByteBuffer source) {
        int written = (int) write(MemorySegment.ofBuffer(source), 0, source.remaining());
        source.position(source.position() + Math.max(written, 0));
        return written;
    }

    /// Tells the guest that the host sends no more: programs there read the end of the stream. Idempotent.
    public void shutdownOutput() {
        shutdown(SHUTDOWN_SEND);
    }

    /// Tells the guest that the host reads no more, and drops what was not read. Idempotent.
    public void shutdownInput() {
        shutdown(SHUTDOWN_RECEIVE);
    }

    private void shutdown(int flags) {
        device.lock().acquire();
        try {
            if ((flags & SHUTDOWN_RECEIVE) != 0) {
                ring.discard();
            }
            if (phase == Phase.ESTABLISHED && (shutdown & flags) != flags) {
                shutdown |= flags;
                signal();
                device.due(this, DUE_SHUTDOWN);
            }
        } finally {
            device.lock().release();
        }
    }

    /// Closes it, in both directions: programs in the guest read the end of the stream, and cannot write. What
    /// was not read is dropped. Idempotent; does not wait.
    public void close() {
        device.lock().acquire();
        try {
            ring.discard();
            switch (phase) {
                case CONNECTING -> {
                    over(Phase.CLOSED);
                    device.forget(this, DUE_RST);
                }
                case ESTABLISHED -> {
                    phase = Phase.CLOSING;
                    shutdown = SHUTDOWN_BOTH;
                    signal();
                    device.due(this, DUE_SHUTDOWN);
                }
                case CLOSING, CLOSED, REFUSED, FINISHED, RESET, LOST -> {}
            }
        } finally {
            device.lock().release();
        }
    }

    @Override
    public String toString() {
        return "vsock connection of the guest's port %s and the host's %s"
                .formatted(Integer.toUnsignedString(guestPort), Integer.toUnsignedString(hostPort));
    }

    // ---- for the device, with its lock held ----

    private void signal() {
        VsockEnd told = end;
        if (told != null) {
            told.readable();
            told.writable();
        }
    }

    /// It has ended.
    void over(Phase how) {
        phase = how;
        waitsForCredit = false;
        signal();
    }

    /// The guest closed it, or broke it off.
    Phase endedByGuest() {
        return switch (phase) {
            case CONNECTING -> Phase.REFUSED;
            case CLOSING -> Phase.CLOSED;
            default -> (peerShutdown & SHUTDOWN_SEND) != 0 ? Phase.FINISHED : Phase.RESET;
        };
    }

    /// The guest has accepted.
    void established() {
        phase = Phase.ESTABLISHED;
        signal();
    }

    /// Takes what a packet says of the guest's buffer.
    ///
    /// @throws VirtioFault if more has left it than was sent
    void peerCredit(int bufAlloc, int fwdCnt) {
        int advance = fwdCnt - peerFwdCnt;
        // A driver may fill two packets in one order and send them in the other: the newer one counts.
        if (advance > 0) {
            if (Integer.compareUnsigned(advance, sent - peerFwdCnt) > 0) {
                throw new VirtioFault(
                        VirtioFault.Kind.PACKET_CREDIT,
                        "%s: fwd_cnt %s of %s bytes sent"
                                .formatted(this, Integer.toUnsignedString(fwdCnt), Integer.toUnsignedString(sent)));
            }
            peerFwdCnt = fwdCnt;
        }
        peerBufAlloc = bufAlloc;
        if (waitsForCredit && peerFree() > 0) {
            waitsForCredit = false;
            writable();
        }
    }

    /// How many bytes the guest has room for.
    long peerFree() {
        return Math.max(0, Integer.toUnsignedLong(peerBufAlloc) - Integer.toUnsignedLong(sent - peerFwdCnt));
    }

    void writable() {
        VsockEnd told = end;
        if (told != null) {
            told.writable();
        }
    }

    /// Takes a packet's payload.
    ///
    /// @return whether nobody reads it, and the guest should know of the room that is left
    /// @throws VirtioFault if the guest has no credit for it
    boolean receive(DescriptorChain chain, long length) {
        if (length > toldBufAlloc - Integer.toUnsignedLong(ring.received() - toldFwdCnt)) {
            throw new VirtioFault(
                    VirtioFault.Kind.PACKET_CREDIT,
                    "%s: a packet of %d bytes, %d are on their way, and there is room for %d"
                            .formatted(
                                    this, length, Integer.toUnsignedLong(ring.received() - toldFwdCnt), toldBufAlloc));
        }
        ring.put(chain, (int) length);
        VsockEnd told = end;
        if (told != null) {
            told.readable();
        }
        return (shutdown & SHUTDOWN_RECEIVE) != 0 && creditFreed();
    }

    /// The guest has shut something down.
    ///
    /// @return whether all of it is shut now
    boolean peerShutdown(int flags) {
        peerShutdown = peerShutdown | (flags & SHUTDOWN_BOTH);
        signal();
        return peerShutdown == SHUTDOWN_BOTH;
    }

    /// Whether the host may send bytes, if there is room.
    boolean maySend() {
        return phase == Phase.ESTABLISHED && (shutdown & SHUTDOWN_SEND) == 0 && (peerShutdown & SHUTDOWN_RECEIVE) == 0;
    }

    boolean hasPeerShutDownSending() {
        return (peerShutdown & SHUTDOWN_SEND) != 0;
    }

    void waitForCredit() {
        waitsForCredit = true;
    }

    void wasSent(int bytes) {
        sent += bytes;
    }

    /// @return whether a packet about the host's buffer became due
    boolean creditFreed() {
        if (!creditIsWorthAPacket()) {
            return false;
        }
        // The guest used up what it had: it could use more.
        window = device.widen(window);
        return true;
    }

    int window() {
        return window;
    }

    int shutdownFlags() {
        return shutdown;
    }

    int due() {
        return due;
    }

    void due(int newDue) {
        due = newDue;
    }

    /// Fills in a header's fields about the host's buffer, which the guest knows from then on.
    void tellCredit(VsockHeader header) {
        int taken = ring.taken();
        header.credit(window, taken);
        toldBufAlloc = window;
        toldFwdCnt = taken;
    }

    VsockState.Connection save() {
        // The ring first: what is read meanwhile is then saved as neither buffered nor lost.
        ByteBuffer buffered = ring.content();
        return new VsockState.Connection(
                hostPort,
                guestPort,
                phase,
                due,
                peerShutdown,
                shutdown,
                sent,
                peerBufAlloc,
                peerFwdCnt,
                window,
                toldBufAlloc,
                ring.received() - buffered.remaining(),
                toldFwdCnt,
                buffered);
    }

    /// @throws IllegalArgumentException if no connection can be like this
    void restore(VsockState.Connection state) {
        int size = state.buffered().remaining();
        int unknown = state.taken() - state.toldFwdCnt();
        if (state.toldBufAlloc() > state.window() || unknown < 0 || size > state.toldBufAlloc() - unknown) {
            throw new IllegalArgumentException("no state of a connection: " + state);
        }
        due = state.due() & DUE_ALL;
        peerShutdown = state.peerShutdown() & SHUTDOWN_BOTH;
        shutdown = state.shutdown() & SHUTDOWN_BOTH;
        sent = state.sent();
        peerBufAlloc = state.peerBufAlloc();
        peerFwdCnt = state.peerFwdCnt();
        toldBufAlloc = state.toldBufAlloc();
        toldFwdCnt = state.toldFwdCnt();
        ring.resumeAt(state.buffered(), state.taken());
        if ((shutdown & SHUTDOWN_RECEIVE) != 0) {
            ring.discard();
        }
    }
}
