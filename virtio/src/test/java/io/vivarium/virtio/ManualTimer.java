// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.util.Comparator;
import java.util.PriorityQueue;

/// Time that passes when the test says so. Not thread-safe.
final class ManualTimer implements Timer {
    private record Task(long at, long order, Runnable action) {}

    private final PriorityQueue<Task> tasks =
            new PriorityQueue<>(Comparator.comparingLong(Task::at).thenComparingLong(Task::order));
    private long now;
    private long added;

    /// @param now where it begins; it may wrap
    ManualTimer(long now) {
        this.now = now;
    }

    ManualTimer() {
        this(0);
    }

    @Override
    public long nanoTime() {
        return now;
    }

    @Override
    public void after(long nanos, Runnable task) {
        if (nanos <= 0) {
            throw new IllegalArgumentException("after " + nanos + " ns");
        }
        tasks.add(new Task(now + nanos, added++, task));
    }

    /// How many tasks wait for their time.
    int pending() {
        return tasks.size();
    }

    /// Lets time pass, and runs what becomes due, each task at its time.
    void advance(long nanos) {
        long until = now + nanos;
        for (Task next = tasks.peek(); next != null && next.at <= until; next = tasks.peek()) {
            tasks.remove();
            now = next.at;
            next.action.run();
        }
        now = until;
    }

    /// Lets time pass until the next task is due, and runs it.
    void advanceToNext() {
        Task next = tasks.remove();
        now = next.at;
        next.action.run();
    }
}
