// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.kvm.VcpuStop;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

/// Runs a vCPU whenever it has something to do, on a thread that it has only meanwhile.
///
/// ```text
///          wake             thread takes it         halted
///   IDLE ───────▶ SCHEDULED ───────────────▶ RUNNING ──────▶ IDLE
///                                             │   ▲
///                                        wake │   │ halted: run once more, the wake may have come too late to be seen
///                                             ▼   │
///                                            WOKEN
/// ```
///
/// From RUNNING and WOKEN the machine's end leads to ENDED. Thread-safe.
final class VcpuRunner {
    private enum State {
        IDLE,
        SCHEDULED,
        RUNNING,
        WOKEN,
        ENDED
    }

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
    private final AtomicReference<State> state = new AtomicReference<>(State.IDLE);

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
        while (true) {
            switch (state.get()) {
                case IDLE -> {
                    if (state.compareAndSet(State.IDLE, State.SCHEDULED)) {
                        carriers.execute(this::carry);
                        return;
                    }
                }
                case RUNNING -> {
                    if (state.compareAndSet(State.RUNNING, State.WOKEN)) {
                        return;
                    }
                }
                case SCHEDULED, WOKEN, ENDED -> {
                    return;
                }
            }
        }
    }

    /// Whether it neither runs nor is about to.
    boolean isIdle() {
        State now = state.get();
        return now == State.IDLE || now == State.ENDED;
    }

    private void carry() {
        try {
            while (true) {
                state.set(State.RUNNING);
                switch (run.get()) {
                    case VcpuStop.Kicked _ -> {}
                    case VcpuStop.Halted(boolean interruptible)
                    when interruptible -> {
                        if (state.compareAndSet(State.RUNNING, State.IDLE)) {
                            return;
                        }
                    }
                    case VcpuStop last -> {
                        state.set(State.ENDED);
                        end.stopped(last);
                        return;
                    }
                }
            }
        } catch (RuntimeException | Error thrown) {
            state.set(State.ENDED);
            end.threw(thrown);
        }
    }
}
