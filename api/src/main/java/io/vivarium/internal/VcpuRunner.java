// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.kvm.VcpuStop;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/// Runs a vCPU whenever it has something to do, on a thread that it has only meanwhile.
///
/// ```text
///          wake             thread takes it         halted, not woken meanwhile
///   idle ───────▶ carried ───────────────▶ runs ───────────────────────────────▶ idle
///                    ▲                      │
///                    └──────────────────────┘ halted, but woken: the wake may have come too late to be seen
/// ```
///
/// The machine's end leads from there to the runner's; while it is [paused][#pause], wakes are only remembered.
/// Thread-safe.
final class VcpuRunner {
    /// The end of a machine.
    interface End {
        /// The vCPU stopped for good.
        ///
        /// @param stop the last; [VcpuStop.Stopped], [VcpuStop.Shutdown], [VcpuStop.Failed] or a
        /// [VcpuStop.Halted] that
        ///     nothing can interrupt
        void stopped(VcpuStop stop);

        /// The vCPU cannot be run.
        ///
        /// @param thrown by what runs the vCPU
        void threw(Throwable thrown);
    }

    private final Supplier<VcpuStop> run;
    private final Executor carriers;
    private final End end;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition left = lock.newCondition();

    // Guarded by the lock.
    private boolean woken;
    private boolean carried;
    private boolean paused;
    private boolean ended;

    /// @param run enters the vCPU on the calling thread until it stops
    /// @param carriers threads to run it on
    VcpuRunner(Supplier<VcpuStop> run, Executor carriers, End end) {
        this.run = run;
        this.carriers = carriers;
        this.end = end;
    }

    /// Has the vCPU run, soon, if it does not; if it does, it runs once more after it has halted. Call it after having
    /// given the vCPU something to do: an interrupt, its first state.
    void wake() {
        lock.lock();
        try {
            woken = true;
            if (carried || paused || ended) {
                return;
            }
            carried = true;
        } finally {
            lock.unlock();
        }
        carriers.execute(this::carry);
    }

    /// Whether it neither runs nor is about to.
    boolean isIdle() {
        lock.lock();
        try {
            return !carried;
        } finally {
            lock.unlock();
        }
    }

    /// Whether, now that it is paused, the vCPU would not run either if it were not: it has halted, and nothing has
    /// woken it.
    boolean rests() {
        lock.lock();
        try {
            return !carried && !woken;
        } finally {
            lock.unlock();
        }
    }

    /// Waits until the vCPU halts, for some time.
    ///
    /// @return whether it has
    boolean awaitRest(long nanos) throws InterruptedException {
        long limit = nanos;
        lock.lockInterruptibly();
        try {
            while (carried && limit > 0) {
                limit = left.awaitNanos(limit);
            }
            return !carried;
        } finally {
            lock.unlock();
        }
    }

    /// Lets the vCPU run no more until [#resume], and waits until it does not. Not on a thread that runs it.
    ///
    /// @param kick makes the vCPU that runs return
    void pause(Runnable kick) {
        lock.lock();
        try {
            paused = true;
            if (!carried) {
                return;
            }
        } finally {
            lock.unlock();
        }
        kick.run();
        lock.lock();
        try {
            while (carried) {
                left.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    /// Has the vCPU run again after a [#pause], if it had not halted or was woken meanwhile.
    void resume() {
        boolean due;
        lock.lock();
        try {
            paused = false;
            due = woken;
        } finally {
            lock.unlock();
        }
        if (due) {
            wake();
        }
    }

    private void carry() {
        try {
            while (goesOn()) {
                switch (run.get()) {
                    case VcpuStop.Kicked _ -> again();
                    case VcpuStop.Halted(boolean interruptible) when interruptible -> {}
                    case VcpuStop last -> {
                        end.stopped(last);
                        leave(true);
                        return;
                    }
                }
            }
        } catch (RuntimeException | Error thrown) {
            try {
                end.threw(thrown);
            } finally {
                leave(true);
            }
        }
    }

    /// Whether there is a reason to run the vCPU; if not, this thread leaves it.
    private boolean goesOn() {
        lock.lock();
        try {
            if (!woken || paused || ended) {
                leave(ended);
                return false;
            }
            woken = false;
            return true;
        } finally {
            lock.unlock();
        }
    }

    /// It was interrupted in its work.
    private void again() {
        lock.lock();
        try {
            woken = true;
        } finally {
            lock.unlock();
        }
    }

    private void leave(boolean forGood) {
        lock.lock();
        try {
            ended = forGood;
            carried = false;
            left.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
