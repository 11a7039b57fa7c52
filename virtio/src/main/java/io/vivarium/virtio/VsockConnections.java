// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The connections of a device, by their ports. To look one up makes no object, which a map of the JDK would.
///
/// Not thread-safe: the device's lock guards it.
final class VsockConnections {
    private @Nullable VsockConnection[] buckets = new @Nullable VsockConnection[16];
    private int size;

    int size() {
        return size;
    }

    private static int hash(int hostPort, int guestPort) {
        int mixed = (hostPort * 31 + guestPort) * 0x9e37_79b9;
        return mixed ^ (mixed >>> 16);
    }

    @Nullable
    VsockConnection find(int hostPort, int guestPort) {
        VsockConnection at = buckets[hash(hostPort, guestPort) & (buckets.length - 1)];
        while (at != null && (at.hostPort() != hostPort || at.guestPort() != guestPort)) {
            at = at.nextInBucket;
        }
        return at;
    }

    /// Adds one whose ports no other has.
    void add(VsockConnection connection) {
        if (size == buckets.length) {
            @Nullable VsockConnection[] old = buckets;
            buckets = new @Nullable VsockConnection[2 * old.length];
            for (VsockConnection first : old) {
                VsockConnection next;
                for (VsockConnection at = first; at != null; at = next) {
                    next = at.nextInBucket;
                    put(at);
                }
            }
        }
        put(connection);
        size++;
    }

    private void put(VsockConnection connection) {
        int bucket = hash(connection.hostPort(), connection.guestPort()) & (buckets.length - 1);
        connection.nextInBucket = buckets[bucket];
        buckets[bucket] = connection;
    }

    /// Removes one, if it is there.
    void remove(VsockConnection connection) {
        int bucket = hash(connection.hostPort(), connection.guestPort()) & (buckets.length - 1);
        VsockConnection before = null;
        for (VsockConnection at = buckets[bucket]; at != null; at = at.nextInBucket) {
            if (at == connection) {
                if (before == null) {
                    buckets[bucket] = at.nextInBucket;
                } else {
                    before.nextInBucket = at.nextInBucket;
                }
                at.nextInBucket = null;
                size--;
                return;
            }
            before = at;
        }
    }

    /// Hands over each; what it does to the table must not be more than to remove that one.
    void forEach(Consumer<VsockConnection> action) {
        for (VsockConnection first : buckets) {
            VsockConnection next;
            for (VsockConnection at = first; at != null; at = next) {
                next = at.nextInBucket;
                action.accept(at);
            }
        }
    }
}
