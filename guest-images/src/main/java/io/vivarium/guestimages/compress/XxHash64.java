// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.compress;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// The checksum of zstd frames: XXH64 with seed 0 (the xxHash specification 0.1.1, "XXH64
/// algorithm").
final class XxHash64 {
    private static final long PRIME_1 = 0x9E3779B185EBCA87L;
    private static final long PRIME_2 = 0xC2B2AE3D27D4EB4FL;
    private static final long PRIME_3 = 0x165667B19E3779F9L;
    private static final long PRIME_4 = 0x85EBCA77C2B2AE63L;
    private static final long PRIME_5 = 0x27D4EB2F165667C5L;

    private static final int STRIPE_BYTES = 32;

    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    private final byte[] waiting = new byte[STRIPE_BYTES];
    private int waitingBytes;
    private long total;
    private long lane1 = Long.sum(PRIME_1, PRIME_2);
    private long lane2 = PRIME_2;
    private long lane3;
    private long lane4 = -PRIME_1;

    void update(byte[] bytes, int offset, int length) {
        total += length;
        int at = offset;
        int end = offset + length;
        if (waitingBytes > 0) {
            int taken = Math.min(STRIPE_BYTES - waitingBytes, length);
            System.arraycopy(bytes, at, waiting, waitingBytes, taken);
            waitingBytes += taken;
            at += taken;
            if (waitingBytes < STRIPE_BYTES) {
                return;
            }
            stripe(waiting, 0);
            waitingBytes = 0;
        }
        for (; end - at >= STRIPE_BYTES; at += STRIPE_BYTES) {
            stripe(bytes, at);
        }
        System.arraycopy(bytes, at, waiting, 0, end - at);
        waitingBytes = end - at;
    }

    private void stripe(byte[] bytes, int at) {
        lane1 = round(lane1, (long) LONG.get(bytes, at));
        lane2 = round(lane2, (long) LONG.get(bytes, at + 8));
        lane3 = round(lane3, (long) LONG.get(bytes, at + 16));
        lane4 = round(lane4, (long) LONG.get(bytes, at + 24));
    }

    private static long round(long lane, long input) {
        return Long.rotateLeft(lane + input * PRIME_2, 31) * PRIME_1;
    }

    private static long merge(long hash, long lane) {
        return (hash ^ round(0, lane)) * PRIME_1 + PRIME_4;
    }

    long digest() {
        long hash;
        if (total >= STRIPE_BYTES) {
            hash = Long.rotateLeft(lane1, 1)
                    + Long.rotateLeft(lane2, 7)
                    + Long.rotateLeft(lane3, 12)
                    + Long.rotateLeft(lane4, 18);
            hash = merge(merge(merge(merge(hash, lane1), lane2), lane3), lane4);
        } else {
            hash = PRIME_5;
        }
        hash += total;
        int at = 0;
        for (; waitingBytes - at >= 8; at += 8) {
            hash = Long.rotateLeft(hash ^ round(0, (long) LONG.get(waiting, at)), 27) * PRIME_1 + PRIME_4;
        }
        if (waitingBytes - at >= 4) {
            hash = Long.rotateLeft(hash ^ Integer.toUnsignedLong((int) INT.get(waiting, at)) * PRIME_1, 23) * PRIME_2
                    + PRIME_3;
            at += 4;
        }
        for (; at < waitingBytes; at++) {
            hash = Long.rotateLeft(hash ^ Byte.toUnsignedLong(waiting[at]) * PRIME_5, 11) * PRIME_1;
        }
        hash = (hash ^ (hash >>> 33)) * PRIME_2;
        hash = (hash ^ (hash >>> 29)) * PRIME_3;
        return hash ^ (hash >>> 32);
    }
}
