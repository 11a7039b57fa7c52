// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// `struct virtio_vsock_hdr` (virtio 1.2 §5.10.6), copied out of the guest's memory before it is looked at, or
/// made here before it is copied there. Filled again and again. Not thread-safe.
final class VsockHeader {
    /// Bytes.
    static final int LENGTH = 44;

    static final int TYPE_STREAM = 1;

    static final int OP_REQUEST = 1;
    static final int OP_RESPONSE = 2;
    static final int OP_RST = 3;
    static final int OP_SHUTDOWN = 4;
    static final int OP_RW = 5;
    static final int OP_CREDIT_UPDATE = 6;
    static final int OP_CREDIT_REQUEST = 7;

    private static final VarHandle LE64 = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LE32 = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LE16 = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);

    private static final int SRC_CID = 0;
    private static final int DST_CID = 8;
    private static final int SRC_PORT = 16;
    private static final int DST_PORT = 20;
    private static final int LEN = 24;
    private static final int TYPE = 28;
    private static final int OP = 30;
    private static final int FLAGS = 32;
    private static final int BUF_ALLOC = 36;
    private static final int FWD_CNT = 40;

    private final byte[] bytes = new byte[LENGTH];

    /// Copies it out of a request.
    ///
    /// @return whether the request was long enough
    boolean readFrom(DescriptorChain chain) {
        return chain.read(bytes, 0, LENGTH) == LENGTH;
    }

    /// Copies it into a request, which has room.
    void writeTo(DescriptorChain chain) {
        chain.write(bytes, 0, LENGTH);
    }

    void addresses(long srcCid, int srcPort, long dstCid, int dstPort) {
        LE64.set(bytes, SRC_CID, srcCid);
        LE32.set(bytes, SRC_PORT, srcPort);
        LE64.set(bytes, DST_CID, dstCid);
        LE32.set(bytes, DST_PORT, dstPort);
    }

    void packet(int type, int op, int flags, int len) {
        LE16.set(bytes, TYPE, (short) type);
        LE16.set(bytes, OP, (short) op);
        LE32.set(bytes, FLAGS, flags);
        LE32.set(bytes, LEN, len);
    }

    void credit(int bufAlloc, int fwdCnt) {
        LE32.set(bytes, BUF_ALLOC, bufAlloc);
        LE32.set(bytes, FWD_CNT, fwdCnt);
    }

    long srcCid() {
        return (long) LE64.get(bytes, SRC_CID);
    }

    long dstCid() {
        return (long) LE64.get(bytes, DST_CID);
    }

    int srcPort() {
        return (int) LE32.get(bytes, SRC_PORT);
    }

    int dstPort() {
        return (int) LE32.get(bytes, DST_PORT);
    }

    /// Bytes after the header: an unsigned number.
    long len() {
        return Integer.toUnsignedLong((int) LE32.get(bytes, LEN));
    }

    int type() {
        return Short.toUnsignedInt((short) LE16.get(bytes, TYPE));
    }

    int op() {
        return Short.toUnsignedInt((short) LE16.get(bytes, OP));
    }

    int flags() {
        return (int) LE32.get(bytes, FLAGS);
    }

    int bufAlloc() {
        return (int) LE32.get(bytes, BUF_ALLOC);
    }

    int fwdCnt() {
        return (int) LE32.get(bytes, FWD_CNT);
    }
}
