// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

/// How much the guest may still send on one stream, and when to allow it more. Thread-safe; holds no lock while it
/// calls anybody.
final class ReceiveWindow {
    private final int size;
    private int credit;
    private int consumed;

    /// @param size bytes that the guest may send before anybody has taken one; more than zero
    ReceiveWindow(int size) {
        this.size = size;
        this.credit = size;
    }

    int size() {
        return size;
    }

    /// @throws ProtocolBreach if the guest had no credit for them
    synchronized void received(int bytes) {
        if (bytes > credit) {
            throw new ProtocolBreach("%d bytes of output for a credit of %d".formatted(bytes, credit));
        }
        credit -= bytes;
    }

    /// Bytes were taken and have room again.
    ///
    /// @return credit to send now: 0, or what has gathered once it is worth a frame (half the window)
    synchronized int taken(int bytes) {
        consumed += bytes;
        if (consumed < size / 2) {
            return 0;
        }
        int grant = consumed;
        consumed = 0;
        credit += grant;
        return grant;
    }
}
