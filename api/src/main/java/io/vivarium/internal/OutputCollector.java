// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.util.Arrays;
import java.util.function.Supplier;

/// Keeps the first bytes of a stream, counts the rest, and never makes the program wait.
final class OutputCollector implements OutputSink {
    private static final int FIRST_CAPACITY = 512;

    private final ReceiveWindow window;
    private final int limit;
    private byte[] kept = new byte[0];
    private int length;
    private long written;

    /// @param limit most bytes to keep
    OutputCollector(int window, int limit) {
        this.window = new ReceiveWindow(window);
        this.limit = limit;
    }

    @Override
    public int window() {
        return window.size();
    }

    @Override
    public int received(byte[] bytes, int offset, int count) {
        window.received(count);
        append(bytes, offset, count);
        return window.taken(count);
    }

    synchronized void append(byte[] bytes, int offset, int count) {
        written += count;
        int room = Math.min(count, limit - length);
        if (room > kept.length - length) {
            long doubled = Math.max(FIRST_CAPACITY, 2L * kept.length);
            kept = Arrays.copyOf(kept, (int) Math.min(limit, Math.max(doubled, (long) length + room)));
        }
        System.arraycopy(bytes, offset, kept, length, room);
        length += room;
    }

    @Override
    public void ended() {}

    @Override
    public void failed(Supplier<? extends RuntimeException> cause) {}

    /// A copy of what was kept.
    synchronized byte[] kept() {
        return Arrays.copyOf(kept, length);
    }

    /// How many bytes came in all.
    synchronized long written() {
        return written;
    }
}
