// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;

/// A cable between two network devices in this process: what one transmits, the other receives.
///
/// Each direction holds some frames until the receiver has buffers for them; what is more is lost, as in any
/// Ethernet switch. It has no thread: the sender's vCPU thread hands frames over. Thread-safe.
public final class NetLink {
    private final Direction leftToRight;
    private final Direction rightToLeft;

    private NetLink(VirtioNet left, VirtioNet right, int capacity) {
        leftToRight = new Direction(right, capacity);
        rightToLeft = new Direction(left, capacity);
    }

    /// Connects two devices.
    ///
    /// @param capacity how many frames each direction holds; at least 1
    /// @throws IllegalStateException if one of them is connected
    public static NetLink connect(VirtioNet left, VirtioNet right, int capacity) {
        if (capacity < 1) {
            throw new IllegalArgumentException("a link that holds " + capacity + " frames");
        }
        NetLink link = new NetLink(left, right, capacity);
        left.connect(new End(link.leftToRight, link.rightToLeft));
        right.connect(new End(link.rightToLeft, link.leftToRight));
        return link;
    }

    /// How many frames were lost because a direction was full.
    public long dropped() {
        return leftToRight.dropped() + rightToLeft.dropped();
    }

    private record End(Direction outgoing, Direction incoming) implements NetBackend {
        @Override
        public void transmit(GuestBytes frame) {
            outgoing.add(frame);
        }

        @Override
        public void transmitted() {
            outgoing.deliver();
        }

        @Override
        public void receivable() {
            incoming.deliver();
        }
    }

    /// The frames under way to one device.
    private static final class Direction {
        private final VirtioNet receiver;
        private final byte[][] frames;
        private final int[] lengths;
        private int first;
        private int count;
        private long dropped;

        /// A thread is giving frames to the receiver, in order; it looks again if another wanted to.
        private boolean delivering;

        private boolean again;

        Direction(VirtioNet receiver, int capacity) {
            this.receiver = receiver;
            frames = new byte[capacity][];
            lengths = new int[capacity];
        }

        /// Called with the sender's lock held: never calls the receiver.
        synchronized void add(GuestBytes frame) {
            if (count == frames.length) {
                dropped++;
                return;
            }
            int slot = (first + count) % frames.length;
            int length = (int) frame.remaining();
            byte[] place = frames[slot];
            if (place == null || place.length < length) {
                place = new byte[length];
                frames[slot] = place;
            }
            frame.read(place, 0, length);
            lengths[slot] = length;
            count++;
        }

        synchronized long dropped() {
            return dropped;
        }

        private synchronized boolean begin() {
            again = delivering;
            if (delivering || count == 0) {
                return false;
            }
            delivering = true;
            return true;
        }

        /// @return whether to go on
        private synchronized boolean end(boolean taken) {
            if (taken) {
                first = (first + 1) % frames.length;
                count--;
            }
            boolean more = count > 0 && (taken || again);
            again = false;
            delivering = more;
            return more;
        }

        void deliver() {
            boolean more = begin();
            while (more) {
                // The slot stays as it is until `end`: frames are added behind it.
                more = end(receiver.receive(MemorySegment.ofArray(frames[first]), 0, lengths[first]));
            }
        }
    }
}
