// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// The time, and somebody who calls back later: what a device needs to wait without a thread of its own.
///
/// Supplied by the owner of the machine, one for all of its devices. The owner sees to it that no task runs
/// any more, and none begins, once it closes the machine: a task reaches into the guest's memory.
public interface Timer {
    /// Nanoseconds since some moment, as [System#nanoTime]: never back, and only differences mean anything.
    /// Any thread; takes no lock.
    long nanoTime();

    /// Has a task run once, later, on a thread that holds no device's lock. Any thread, also one that holds a
    /// device's lock: it returns without running the task.
    ///
    /// @param nanos how much later, at least; above zero
    /// @param task returns soon, throws nothing, and copes with being run late or in vain
    void after(long nanos, Runnable task);
}
