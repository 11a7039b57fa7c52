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
        this(size, size, 0);
    }

    private ReceiveWindow(int size, int credit, int consumed) {
        this.size = size;
        this.credit = credit;
        this.consumed = consumed;
    }

    /// One that goes on where another was.
    ///
    /// @param credit what the guest may still send
    /// @param untaken bytes that it has sent and nobody has taken
    static ReceiveWindow goingOn(int size, int credit, int untaken) {
        return new ReceiveWindow(size, credit, size - credit - untaken);
    }

    int size() {
        return size;
    }

    /// What the guest may still send.
    synchronized int credit() {
        return credit;
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
