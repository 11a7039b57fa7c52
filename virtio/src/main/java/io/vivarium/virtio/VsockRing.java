// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.nio.ByteBuffer;
import java.util.concurrent.locks.ReentrantLock;

/// Bytes of a connection that the guest has sent and the host has not read.
///
/// One thread at a time puts (it holds the device's lock), another takes meanwhile: what the guest sends is not
/// held up by who reads. Only growing, which happens a few times in the life of a busy connection, has the one
/// wait for the other. How much is in it is bounded by the credit that the guest was given.
final class VsockRing {
    private static final int FIRST_CAPACITY = 4096;
    private static final byte[] NOTHING = new byte[0];

    /// Held by who takes, and by who replaces or empties the array.
    private final ReentrantLock taking = new ReentrantLock();

    /// A power of two of them, once there are any. Replaced only with `taking` held, by the one who puts.
    private byte[] bytes = NOTHING;

    private boolean discards;

    // Free-running counters, which wrap as those of the guest do. Each is written by one side.
    private volatile int put;
    private volatile int taken;

    /// Free-running count of the bytes that left it.
    int taken() {
        return taken;
    }

    /// Free-running count of the bytes that came into it. Who takes bytes finds them counted here.
    int received() {
        return put;
    }

    /// How many bytes are in it.
    int size() {
        return put - taken;
    }

    /// Puts bytes that the guest sent. The device's lock is held.
    ///
    /// @param length at most what is left of them, and no more than the guest has credit for
    void put(DescriptorChain chain, int length) {
        if ((discards || length > bytes.length - size()) && makeRoom(length)) {
            chain.skip(length);
            return;
        }
        int from = put;
        int at = from & (bytes.length - 1);
        int toEnd = Math.min(length, bytes.length - at);
        chain.read(bytes, at, toEnd);
        chain.read(bytes, 0, length - toEnd);
        put = from + length;
    }

    /// @return whether the bytes are not wanted, and have been counted as taken
    private boolean makeRoom(int length) {
        taking.lock();
        try {
            if (discards) {
                int end = put + length;
                put = end;
                taken = end;
                return true;
            }
            int needed = size() + length;
            if (needed > bytes.length) {
                grow(Math.max(FIRST_CAPACITY, Integer.highestOneBit(needed - 1) << 1));
            }
            return false;
        } finally {
            taking.unlock();
        }
    }

    private void grow(int capacity) {
        byte[] larger = new byte[capacity];
        int from = taken;
        for (int left = size(); left > 0; ) {
            int at = from & (bytes.length - 1);
            int to = from & (capacity - 1);
            int part = Math.min(left, Math.min(bytes.length - at, capacity - to));
            System.arraycopy(bytes, at, larger, to, part);
            from += part;
            left -= part;
        }
        bytes = larger;
    }

    /// Takes bytes into an array, as many as there are and fit.
    int take(byte[] target, int offset, int length) {
        taking.lock();
        try {
            int count = Math.min(length, size());
            int from = taken;
            for (int done = 0; done < count; ) {
                int at = (from + done) & (bytes.length - 1);
                int part = Math.min(count - done, bytes.length - at);
                System.arraycopy(bytes, at, target, offset + done, part);
                done += part;
            }
            taken = from + count;
            return count;
        } finally {
            taking.unlock();
        }
    }

    /// Takes bytes into a buffer, as many as there are and fit.
    int take(ByteBuffer target) {
        taking.lock();
        try {
            int count = Math.min(target.remaining(), size());
            int from = taken;
            for (int done = 0; done < count; ) {
                int at = (from + done) & (bytes.length - 1);
                int part = Math.min(count - done, bytes.length - at);
                target.put(bytes, at, part);
                done += part;
            }
            taken = from + count;
            return count;
        } finally {
            taking.unlock();
        }
    }

    /// Nobody reads any more: what is there and what comes is dropped, and counts as taken. The device's lock is
    /// held.
    void discard() {
        taking.lock();
        try {
            discards = true;
            taken = put;
            bytes = NOTHING;
        } finally {
            taking.unlock();
        }
    }

    /// What is in it, without taking it. The device's lock is held.
    ByteBuffer content() {
        taking.lock();
        try {
            ByteBuffer content = ByteBuffer.allocate(size());
            for (int from = taken; content.hasRemaining(); ) {
                int at = from & (bytes.length - 1);
                int part = Math.min(content.remaining(), bytes.length - at);
                content.put(bytes, at, part);
                from += part;
            }
            return content.flip();
        } finally {
            taking.unlock();
        }
    }

    /// Goes on where another was. The device's lock is held; nothing was put yet.
    ///
    /// @param content what is in it
    /// @param count free-running count of the bytes that left it
    void resumeAt(ByteBuffer content, int count) {
        taking.lock();
        try {
            taken = count;
            put = count;
            int length = content.remaining();
            if (length > 0) {
                grow(Math.max(FIRST_CAPACITY, length == 1 ? 1 : Integer.highestOneBit(length - 1) << 1));
                for (int i = 0; i < length; i++) {
                    bytes[(count + i) & (bytes.length - 1)] = content.get(content.position() + i);
                }
                put = count + length;
            }
        } finally {
            taking.unlock();
        }
    }
}
