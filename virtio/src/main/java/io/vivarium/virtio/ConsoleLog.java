// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.nio.charset.StandardCharsets;

/// The end of what a guest wrote to its console, for reports: it takes everything, keeps the last bytes, and
/// so never holds the guest up.
///
/// Thread-safe.
public final class ConsoleLog implements PortListener {
    private final byte[] ring;
    private long total;

    /// @param capacity how many bytes it keeps; at least 1
    public ConsoleLog(int capacity) {
        if (capacity < 1) {
            throw new IllegalArgumentException("a console log of " + capacity + " bytes");
        }
        ring = new byte[capacity];
    }

    @Override
    public synchronized void received(GuestBytes bytes) {
        total += bytes.skip(Math.max(0, bytes.remaining() - ring.length));
        while (bytes.remaining() > 0) {
            int at = (int) (total % ring.length);
            total += bytes.read(ring, at, ring.length - at);
        }
    }

    /// How many bytes the guest has written, those included that were dropped since.
    public synchronized long total() {
        return total;
    }

    /// What was kept, as UTF-8; what is no UTF-8 shows as U+FFFD.
    public String text() {
        return new String(bytes(), StandardCharsets.UTF_8);
    }

    /// What was kept.
    public synchronized byte[] bytes() {
        int kept = (int) Math.min(total, ring.length);
        int first = (int) ((total - kept) % ring.length);
        byte[] copy = new byte[kept];
        int toEnd = Math.min(kept, ring.length - first);
        System.arraycopy(ring, first, copy, 0, toEnd);
        System.arraycopy(ring, 0, copy, toEnd, kept - toEnd);
        return copy;
    }
}
