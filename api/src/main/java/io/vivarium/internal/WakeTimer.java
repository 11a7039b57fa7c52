// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.kvm.DeviceFault;
import io.vivarium.kvm.MmioDevice;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/// A one-shot timer for a guest that has no interrupt controller and wants to sleep: one 64-bit register at offset 0.
///
/// Writing n > 0 arms it: it interrupts the guest n nanoseconds later, once. Writing 0 disarms it; writing again starts
/// it anew. Reading gives 1 while it is armed, else 0.
final class WakeTimer implements MmioDevice {
    /// Size of the register window: one page, as it is mapped.
    static final long WINDOW_SIZE = 0x1000;

    private final Runnable interrupt;
    private @Nullable Future<?> armed;
    private long deadline;
    private boolean stopped;

    /// @param interrupt raises the timer's interrupt; called by the timer thread, must not block
    WakeTimer(Runnable interrupt) {
        this.interrupt = interrupt;
    }

    @Override
    public synchronized long read(long offset, int size) {
        checkRegister("read of", offset, size);
        return isArmed() ? 1 : 0;
    }

    /// Whether it is going to interrupt the guest.
    synchronized boolean isArmed() {
        return armed != null && !armed.isDone();
    }

    @Override
    public synchronized void write(long offset, int size, long nanos) {
        checkRegister("write to", offset, size);
        disarm();
        if (nanos != 0) {
            // An unsigned number: what looks negative is 292 years and more away.
            arm(nanos < 0 ? Long.MAX_VALUE / 2 : Math.min(nanos, Long.MAX_VALUE / 2));
        }
    }

    private void arm(long nanos) {
        if (!stopped) {
            deadline = System.nanoTime() + nanos;
            armed = Timers.after(nanos, interrupt);
        }
    }

    /// What is left until it interrupts the guest; empty if it is not armed.
    synchronized Optional<Duration> remaining() {
        return isArmed() ? Optional.of(Duration.ofNanos(Math.max(0, deadline - System.nanoTime()))) : Optional.empty();
    }

    /// Goes on where another was.
    ///
    /// @param remaining of that
    synchronized void restore(Optional<Duration> remaining) {
        disarm();
        remaining.ifPresent(left -> arm(left.toNanos()));
    }

    /// Disarms it for good.
    synchronized void stop() {
        stopped = true;
        disarm();
    }

    private void disarm() {
        if (armed != null) {
            armed.cancel(false);
            armed = null;
        }
    }

    private static void checkRegister(String access, long offset, int size) {
        if (offset != 0 || size != Long.BYTES) {
            throw new DeviceFault("wake timer: %s %d bytes at offset 0x%x: its only register has 8 bytes at offset 0"
                    .formatted(access, size, offset));
        }
    }
}
