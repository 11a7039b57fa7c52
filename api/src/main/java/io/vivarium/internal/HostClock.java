// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.virtio.Timer;
import java.util.concurrent.Future;

/// The host's clock, for devices. A task that comes too late for its machine only notes an interrupt that nobody gets.
enum HostClock implements Timer {
    INSTANCE;

    @Override
    public long nanoTime() {
        return System.nanoTime();
    }

    @Override
    public void after(long nanos, Runnable task) {
        // The task takes the device's lock, which somebody may hold who waits for a slow disk.
        Future<?> _ = Timers.after(nanos, () -> Carriers.execute(task));
    }
}
