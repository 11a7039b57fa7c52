// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.util.ArrayList;
import java.util.List;

/// Packets of the guest that belong to no connection, each to be answered with `VIRTIO_VSOCK_OP_RST`: the room
/// outside of the receive queue that virtio 1.2 §5.10.6.1 speaks of. When it is full the device stops taking
/// packets, until the guest provides receive buffers.
///
/// Not thread-safe: the device's lock guards it. Makes no objects.
final class VsockRefusals {
    /// How many answers may wait.
    static final int CAPACITY = 128;

    // Of the answer: from where, to which port of the guest. Made when the first one is due.
    private long[] cids = new long[0];
    private int[] ports = new int[0];
    private int[] guestPorts = new int[0];
    private int[] types = new int[0];
    private int first;
    private int count;

    boolean isEmpty() {
        return count == 0;
    }

    boolean isFull() {
        return count == CAPACITY;
    }

    /// Notes the answer to a packet; there is room.
    void add(long cid, int port, int guestPort, int type) {
        if (cids.length == 0) {
            cids = new long[CAPACITY];
            ports = new int[CAPACITY];
            guestPorts = new int[CAPACITY];
            types = new int[CAPACITY];
        }
        int at = (first + count) % CAPACITY;
        cids[at] = cid;
        ports[at] = port;
        guestPorts[at] = guestPort;
        types[at] = type;
        count++;
    }

    /// Makes the oldest answer, and forgets it; there is one.
    void take(long guestCid, VsockHeader header) {
        header.addresses(cids[first], ports[first], guestCid, guestPorts[first]);
        header.packet(types[first], VsockHeader.OP_RST, 0, 0);
        header.credit(0, 0);
        first = (first + 1) % CAPACITY;
        count--;
    }

    void clear() {
        count = 0;
    }

    List<VsockState.Refusal> save() {
        List<VsockState.Refusal> saved = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int at = (first + i) % CAPACITY;
            saved.add(new VsockState.Refusal(cids[at], ports[at], guestPorts[at], types[at]));
        }
        return saved;
    }
}
