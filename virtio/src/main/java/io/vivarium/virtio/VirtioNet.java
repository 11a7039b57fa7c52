// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A virtio network device (virtio 1.2 §5.1) with one pair of queues: Ethernet frames from and to a [NetBackend].
///
/// Offered: the address, the link's state, received frames in several buffers (`VIRTIO_NET_F_MRG_RXBUF`, with which
/// a driver need not keep the largest frame free in every buffer), and an MTU as built. No offload is: each frame is
/// complete, in both directions, and a driver that asks for one is at fault.
///
/// Thread-safe.
public final class VirtioNet implements VirtioDevice {
    /// Bytes of an Ethernet header: two addresses and a type.
    public static final int ETHERNET_HEADER = 14;

    /// The longest frame of a device that says nothing of the MTU: 65535 bytes, header, and a VLAN tag.
    public static final int MAX_FRAME = 65535 + ETHERNET_HEADER + 4;

    private static final int VLAN_TAG = 4;
    private static final int MIN_MTU = 68;
    private static final int MAX_MTU = 65535;

    private static final int DEVICE_ID = 1;
    private static final long F_MTU = 1 << 3;
    private static final long F_MAC = 1 << 5;
    private static final long F_MRG_RXBUF = 1 << 15;
    private static final long F_STATUS = 1 << 16;

    private static final int RECEIVEQ = 0;
    private static final int TRANSMITQ = 1;

    /// The most buffers that a frame is spread over; 17 pages hold the longest.
    private static final int MAX_MERGED = 64;

    /// struct virtio_net_config: u8 mac[6], le16 status, le16 max_virtqueue_pairs, le16 mtu
    private static final int CONFIG_LENGTH = 12;

    private static final int CONFIG_STATUS = 6;
    private static final int CONFIG_PAIRS = 8;
    private static final int CONFIG_MTU = 10;

    /// struct virtio_net_hdr: u8 flags, u8 gso_type, le16 hdr_len, gso_size, csum_start, csum_offset, num_buffers
    private static final int HEADER_SIZE = 12;

    private static final int HEADER_FLAGS = 0;
    private static final int HEADER_GSO_TYPE = 1;
    private static final int HEADER_NUM_BUFFERS = 10;
    private static final int HDR_F_NEEDS_CSUM = 1;
    private static final int HDR_GSO_NONE = 0;

    private static final int EVENT_TRANSMITTED = 0;
    private static final int EVENT_RECEIVABLE = 1;

    private static final ValueLayout.OfShort LE16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final DeviceLock lock = new DeviceLock(this::tellBackend);
    private final MacAddress mac;
    private final int mtu;
    private final int queueSize;
    private final QueueRound transmitting;
    private final RateLimiter receiveLimiter;
    private final MemorySegment header = Arena.ofAuto().allocate(HEADER_SIZE);
    private final @Nullable DescriptorChain[] receiving = new @Nullable DescriptorChain[MAX_MERGED];
    private volatile @Nullable NetBackend backend; // also read without the lock

    // All that changes, guarded by the lock.
    private boolean linkUp = true;
    private int configGeneration;
    private boolean receiverWaits;
    private long dropped;
    private @Nullable VirtioTransport transport;

    private VirtioNet(Builder builder) {
        mac = builder.mac;
        mtu = builder.mtu;
        queueSize = builder.queueSize;
        transmitting = new QueueRound(
                new RateLimiter(builder.transmitLimit, builder.timer, this::resumeTransmitting), this::transmit);
        receiveLimiter = new RateLimiter(builder.receiveLimit, builder.timer, this::resumeReceiving);
    }

    /// A device with an address.
    public static Builder builder(MacAddress mac) {
        return new Builder(mac);
    }

    /// What a network device is to have.
    public static final class Builder {
        private final MacAddress mac;
        private int mtu;
        private int queueSize = 256;
        private RateLimit transmitLimit = RateLimit.none();
        private RateLimit receiveLimit = RateLimit.none();
        private Timer timer = RateLimiter.NEVER_ASKED;

        private Builder(MacAddress mac) {
            this.mac = mac;
        }

        /// Tells the driver the largest payload of a frame (`VIRTIO_NET_F_MTU`), and holds it to that.
        ///
        /// @param bytes 68 to 65535 (§5.1.4.1)
        public Builder mtu(int bytes) {
            if (bytes < MIN_MTU || bytes > MAX_MTU) {
                throw new IllegalArgumentException("an MTU of " + bytes + " bytes");
            }
            mtu = bytes;
            return this;
        }

        /// How many entries each queue may have; 256 if it is not given.
        ///
        /// @param size a power of two, at most [VirtQueue#MAX_SIZE]
        public Builder queueSize(int size) {
            if (Integer.bitCount(size) != 1 || size < 0 || size > VirtQueue.MAX_SIZE) {
                throw new IllegalArgumentException("not a queue size: " + size);
            }
            queueSize = size;
            return this;
        }

        /// Limits frames and their bytes, in each direction; there is no limit otherwise.
        ///
        /// @param transmitted by the guest
        /// @param received by the guest
        /// @param limitTimer by whose time the limits are kept
        public Builder limits(RateLimit transmitted, RateLimit received, Timer limitTimer) {
            transmitLimit = transmitted;
            receiveLimit = received;
            timer = limitTimer;
            return this;
        }

        /// The device; its frames are lost until it is [connected][VirtioNet#connect].
        public VirtioNet build() {
            return new VirtioNet(this);
        }
    }

    /// Plugs the cable in.
    ///
    /// @throws IllegalStateException if there is one
    public void connect(NetBackend newBackend) {
        lock.acquire();
        try {
            if (backend != null) {
                throw new IllegalStateException("the network device " + mac + " has a backend");
            }
            backend = newBackend;
        } finally {
            lock.release();
        }
    }

    /// Its address.
    public MacAddress mac() {
        return mac;
    }

    /// Changes the link's state (`VIRTIO_NET_S_LINK_UP`), and tells the guest. Frames in both directions are lost
    /// while it is down. Any thread.
    public void setLink(boolean up) {
        lock.acquire();
        try {
            linkUp = up;
            configGeneration++;
            if (transport != null) {
                transport.notifyConfigChange();
            }
        } finally {
            lock.release();
        }
    }

    /// How many frames were lost so far, of both directions: while there was no driver, no cable or no link, or
    /// because they were too long or too short for the guest's buffers. Any thread.
    public long dropped() {
        lock.acquire();
        try {
            return dropped;
        } finally {
            lock.release();
        }
    }

    /// Gives the guest a frame. Any thread. Makes no objects.
    ///
    /// @param frame Ethernet header and payload, without the checksum
    /// @param offset first byte of it
    /// @param length how many bytes
    /// @return false if the guest has no buffers for it now, or the rate limit is reached, and it may be given
    ///     again once [NetBackend#receivable] was called; true if it was taken, or is lost
    /// @throws IndexOutOfBoundsException if the memory has no such range
    public boolean receive(MemorySegment frame, long offset, long length) {
        Objects.checkFromIndexSize(offset, length, frame.byteSize());
        lock.acquire();
        try {
            VirtioTransport current = transport;
            VirtQueue queue = current == null ? null : current.queue(RECEIVEQ);
            if (current == null || queue == null || !linkUp || length < ETHERNET_HEADER || length > longestReceived()) {
                dropped++;
                return true;
            }
            if (!receiveLimiter.admits()) {
                receiverWaits = true;
                return false;
            }
            return place(queue, current, frame, offset, length);
        } finally {
            lock.release();
        }
    }

    /// With an MTU, what exceeds it must not be passed on (§5.1.4.1).
    private long longestReceived() {
        return negotiated(F_MTU) ? mtu + ETHERNET_HEADER : MAX_FRAME;
    }

    private boolean negotiated(long feature) {
        return transport != null && (transport.negotiatedFeatures() & feature) != 0;
    }

    private boolean place(VirtQueue queue, VirtioTransport current, MemorySegment frame, long offset, long length) {
        receiverWaits = false;
        try {
            int buffers = takeBuffers(queue, HEADER_SIZE + length);
            if (buffers < 0) {
                return false;
            }
            if (buffers > 0) {
                fill(queue, buffers, frame, offset, length);
                current.notifyUsed(queue);
                receiveLimiter.charge(length);
            }
        } catch (VirtioFault e) {
            dropped++;
            current.fail(e);
        }
        return true;
    }

    /// Takes as many receive buffers as a frame needs.
    ///
    /// @return how many; zero if what they hold is too little, and the frame is lost; negative if the driver has to
    ///     provide more
    private int takeBuffers(VirtQueue queue, long bytes) {
        int most = negotiated(F_MRG_RXBUF) ? MAX_MERGED : 1;
        long room = 0;
        int taken = 0;
        while (room < bytes) {
            if (taken == most) {
                queue.putBack(taken);
                queue.countError();
                dropped++;
                return 0;
            }
            DescriptorChain buffer = receiving(queue, taken);
            if (!queue.pop(buffer) && !(queue.enableNotifications() && queue.pop(buffer))) {
                queue.putBack(taken);
                receiverWaits = true;
                return -1;
            }
            taken++;
            if (buffer.remaining() != 0) {
                throw new VirtioFault(
                        VirtioFault.Kind.BUFFER_DIRECTION,
                        "net: device-readable bytes in a receive buffer, queue " + queue.index());
            }
            if (buffer.writable() < HEADER_SIZE) {
                throw new VirtioFault(
                        VirtioFault.Kind.NET_BUFFER,
                        "net: a receive buffer of %d bytes, queue %d".formatted(buffer.writable(), queue.index()));
            }
            room += buffer.writable();
        }
        return taken;
    }

    private void fill(VirtQueue queue, int buffers, MemorySegment frame, long offset, long length) {
        header.fill((byte) 0);
        header.set(LE16, HEADER_NUM_BUFFERS, (short) buffers);
        receiving(queue, 0).write(header, 0, HEADER_SIZE);
        long done = 0;
        for (int i = 0; i < buffers; i++) {
            DescriptorChain buffer = receiving(queue, i);
            done += buffer.write(frame, offset + done, length - done);
            queue.enter(buffer);
        }
        // All of them at once: the driver counts on seeing num_buffers of them (§5.1.6.4.1).
        queue.publish();
    }

    private DescriptorChain receiving(VirtQueue queue, int index) {
        DescriptorChain buffer = receiving[index];
        if (buffer == null) {
            buffer = queue.newChain();
            receiving[index] = buffer;
        }
        return buffer;
    }

    private void transmit(VirtQueue queue, DescriptorChain request) {
        if (request.writable() != 0) {
            throw new VirtioFault(
                    VirtioFault.Kind.BUFFER_DIRECTION,
                    "net: device-writable bytes in a frame to transmit, queue " + queue.index());
        }
        long length = request.remaining() - HEADER_SIZE;
        request.read(header, 0, HEADER_SIZE);
        int flags = header.get(ValueLayout.JAVA_BYTE, HEADER_FLAGS);
        int gsoType = header.get(ValueLayout.JAVA_BYTE, HEADER_GSO_TYPE);
        if (length < 0 || (flags & HDR_F_NEEDS_CSUM) != 0 || gsoType != HDR_GSO_NONE) {
            throw new VirtioFault(
                    VirtioFault.Kind.NET_HEADER,
                    "net: %d bytes, flags 0x%x, gso_type %d, queue %d"
                            .formatted(length + HEADER_SIZE, flags, gsoType, queue.index()));
        }
        long longest = negotiated(F_MTU) ? mtu + ETHERNET_HEADER + VLAN_TAG : MAX_FRAME;
        if (length < ETHERNET_HEADER || length > longest) {
            throw new VirtioFault(
                    VirtioFault.Kind.NET_FRAME_LENGTH,
                    "net: a frame of %d bytes, queue %d".formatted(length, queue.index()));
        }
        NetBackend current = backend;
        if (current == null || !linkUp) {
            dropped++;
        } else {
            current.transmit(request);
            lock.event(EVENT_TRANSMITTED);
        }
        request.skip(request.remaining());
    }

    private void resumeTransmitting() {
        lock.acquire();
        try {
            transmitting.resume(transport == null ? null : transport.queue(TRANSMITQ), transport);
        } finally {
            lock.release();
        }
    }

    private void resumeReceiving() {
        lock.acquire();
        try {
            receiveLimiter.resumed();
            tellReceivable();
        } finally {
            lock.release();
        }
    }

    private void tellReceivable() {
        if (receiverWaits) {
            receiverWaits = false;
            lock.event(EVENT_RECEIVABLE);
        }
    }

    @Override
    public int deviceId() {
        return DEVICE_ID;
    }

    @Override
    public long features() {
        return F_MAC | F_MRG_RXBUF | F_STATUS | (mtu == 0 ? 0 : F_MTU);
    }

    @Override
    public int queueCount() {
        return 2;
    }

    @Override
    public int maxQueueSize(int queue) {
        return queueSize;
    }

    @Override
    public int configLength() {
        return CONFIG_LENGTH;
    }

    @Override
    public long readConfig(int offset, int size) {
        return ConfigSpace.read(this::configByte, offset, size);
    }

    private int configByte(int offset) {
        return switch (offset) {
            case CONFIG_STATUS -> linkUp ? 1 : 0;
            case CONFIG_STATUS + 1, CONFIG_PAIRS + 1 -> 0;
            case CONFIG_PAIRS -> 1;
            case CONFIG_MTU -> mtu & 0xff;
            case CONFIG_MTU + 1 -> mtu >>> Byte.SIZE;
            default -> mac.octet(offset);
        };
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
    }

    @Override
    public void notified(VirtQueue queue) {
        VirtioTransport current = transport;
        if (current == null) {
            return;
        }
        if (queue.index() == TRANSMITQ) {
            transmitting.run(queue, current);
        } else if (receiverWaits && queue.enableNotifications()) {
            tellReceivable();
        } else if (!receiverWaits) {
            queue.disableNotifications();
        }
    }

    @Override
    public void stopped(int queue) {
        if (queue == TRANSMITQ) {
            transmitting.stopped();
        } else {
            Arrays.fill(receiving, null);
            // Without buffers frames are lost, and the backend need not wait with the next.
            tellReceivable();
        }
    }

    @Override
    public void failed(VirtioFault fault) {
        stopped(RECEIVEQ);
        stopped(TRANSMITQ);
    }

    @Override
    public NetState save() {
        return new NetState(mac, mtu, linkUp, configGeneration, transmitting.isWaiting());
    }

    @Override
    public void restore(DeviceState state, @Nullable VirtioTransport newTransport) {
        if (!(state instanceof NetState saved) || !saved.mac().equals(mac) || saved.mtu() != mtu) {
            throw new IllegalArgumentException(
                    "not the state of the network device %s with an MTU of %d: %s".formatted(mac, mtu, state));
        }
        transport = newTransport;
        linkUp = saved.linkUp();
        configGeneration = saved.configGeneration();
        transmitting.restore(
                saved.transmitWaiting(), newTransport == null ? null : newTransport.queue(TRANSMITQ), newTransport);
    }

    @Override
    public void reset() {
        transport = null;
        stopped(RECEIVEQ);
        stopped(TRANSMITQ);
    }

    private void tellBackend(long events) {
        NetBackend current = backend;
        if (current != null) {
            if ((events & (1 << EVENT_TRANSMITTED)) != 0) {
                current.transmitted();
            }
            if ((events & (1 << EVENT_RECEIVABLE)) != 0) {
                current.receivable();
            }
        }
    }
}
