// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Plays the socket driver of a guest: packets both ways, without any notion of what they mean.
final class VsockDriver implements AutoCloseable {
    static final int RX = 0;
    static final int TX = 1;
    static final int EVENT = 2;

    static final int REQUEST = 1;
    static final int RESPONSE = 2;
    static final int RST = 3;
    static final int SHUTDOWN = 4;
    static final int RW = 5;
    static final int CREDIT_UPDATE = 6;
    static final int CREDIT_REQUEST = 7;

    static final long GUEST_CID = 3;
    static final long HOST_CID = 2;
    static final int HEADER = 44;

    final DriverHarness driver;
    private final long[] receiveBuffers = new long[256];
    private final int bufferLength;

    /// A packet, of whatever content.
    record Packet(
            long srcCid,
            int srcPort,
            long dstCid,
            int dstPort,
            int len,
            int type,
            int op,
            int flags,
            int bufAlloc,
            int fwdCnt,
            String payload) {
        /// Of the guest, on a connection of its port with the host's; buffer space of 64 KiB.
        static Packet of(int op, int guestPort, int hostPort) {
            return new Packet(GUEST_CID, guestPort, HOST_CID, hostPort, 0, 1, op, 0, 65536, 0, "");
        }

        Packet with(String text) {
            return new Packet(srcCid, srcPort, dstCid, dstPort, text.length(), type, op, flags, bufAlloc, fwdCnt, text);
        }

        Packet withFlags(int value) {
            return new Packet(srcCid, srcPort, dstCid, dstPort, len, type, op, value, bufAlloc, fwdCnt, payload);
        }

        Packet withLen(int value) {
            return new Packet(srcCid, srcPort, dstCid, dstPort, value, type, op, flags, bufAlloc, fwdCnt, payload);
        }

        Packet withType(int value) {
            return new Packet(srcCid, srcPort, dstCid, dstPort, len, value, op, flags, bufAlloc, fwdCnt, payload);
        }

        Packet withCredit(int alloc, int count) {
            return new Packet(srcCid, srcPort, dstCid, dstPort, len, type, op, flags, alloc, count, payload);
        }

        Packet from(long cid) {
            return new Packet(cid, srcPort, dstCid, dstPort, len, type, op, flags, bufAlloc, fwdCnt, payload);
        }

        Packet to(long cid) {
            return new Packet(srcCid, srcPort, cid, dstPort, len, type, op, flags, bufAlloc, fwdCnt, payload);
        }

        byte[] bytes() {
            byte[] content = payload.getBytes(StandardCharsets.ISO_8859_1);
            ByteBuffer bytes = ByteBuffer.allocate(HEADER + content.length).order(ByteOrder.LITTLE_ENDIAN);
            bytes.putLong(srcCid)
                    .putLong(dstCid)
                    .putInt(srcPort)
                    .putInt(dstPort)
                    .putInt(len);
            bytes.putShort((short) type)
                    .putShort((short) op)
                    .putInt(flags)
                    .putInt(bufAlloc)
                    .putInt(fwdCnt);
            return bytes.put(content).array();
        }

        static Packet of(byte[] packet) {
            ByteBuffer bytes = ByteBuffer.wrap(packet).order(ByteOrder.LITTLE_ENDIAN);
            long src = bytes.getLong();
            long dst = bytes.getLong();
            int srcPort = bytes.getInt();
            int dstPort = bytes.getInt();
            int len = bytes.getInt();
            return new Packet(
                    src,
                    srcPort,
                    dst,
                    dstPort,
                    len,
                    Short.toUnsignedInt(bytes.getShort()),
                    Short.toUnsignedInt(bytes.getShort()),
                    bytes.getInt(),
                    bytes.getInt(),
                    bytes.getInt(),
                    new String(Arrays.copyOfRange(packet, HEADER, packet.length), StandardCharsets.ISO_8859_1));
        }
    }

    VsockDriver(VirtioVsock device, int bufferLength) {
        this.driver = new DriverHarness(device);
        this.bufferLength = bufferLength;
    }

    /// Negotiates, sets up all queues, and is up.
    void start(int queueSize, long features) {
        driver.negotiate(DriverHarness.VERSION_1 | 1 | features);
        driver.setUp(RX, queueSize);
        driver.setUp(TX, queueSize);
        driver.setUp(EVENT, 4);
        driver.driverOk();
    }

    /// Makes receive buffers available to the device; it is notified if it wants to be.
    void provide(int count) {
        for (int i = 0; i < count; i++) {
            provideAt(driver.ram.allocate(bufferLength));
        }
        driver.kickIfWanted(RX);
    }

    private void provideAt(long address) {
        // Header and payload apart, as some drivers have them.
        int head = driver.queue(RX)
                .add(
                        DriverQueue.Buffer.writable(address, HEADER),
                        DriverQueue.Buffer.writable(address + HEADER, bufferLength - HEADER));
        receiveBuffers[head] = address;
    }

    /// Sends a packet; the device has taken it when this returns, unless it waits for receive buffers.
    void send(Packet packet) {
        sendBytes(packet.bytes());
    }

    void sendBytes(byte[] bytes) {
        long address = driver.put(bytes);
        driver.queue(TX).add(DriverQueue.Buffer.readable(address, bytes.length));
        driver.kick(TX);
        while (driver.queue(TX).poll() != null) {}
    }

    /// The packets that have come; their buffers are made available again.
    List<Packet> received() {
        List<Packet> packets = new ArrayList<>();
        List<Long> free = new ArrayList<>();
        DriverQueue queue = driver.queue(RX);
        for (DriverQueue.Used used = queue.poll(); used != null; used = queue.poll()) {
            long at = receiveBuffers[used.head()];
            packets.add(Packet.of(driver.bytes(at, used.written())));
            free.add(at);
        }
        free.forEach(this::provideAt);
        driver.kickIfWanted(RX);
        return packets;
    }

    @Override
    public void close() {
        driver.close();
    }
}
