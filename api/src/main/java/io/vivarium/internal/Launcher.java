// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.ExecInterruptedException;
import io.vivarium.LaunchFailedException;
import io.vivarium.SandboxException;
import io.vivarium.SandboxSpec;
import java.time.Instant;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/// Launches guests.
public final class Launcher {
    private Launcher() {}

    /// Launches one; returns when its agent is ready.
    public static Guest launch(SandboxSpec spec, RootFile root) {
        return launch(spec, () -> MicroVm.assemble(spec, root));
    }

    /// Launches one that goes on from a checkpoint; returns when its agent is ready.
    public static Guest launch(SandboxSpec spec, Checkpoint checkpoint) {
        return launch(spec, () -> MicroVm.in(checkpoint, MicroVm.CLOSE));
    }

    private static Guest launch(SandboxSpec spec, Supplier<MicroVm> assemble) {
        LaunchEvent event = new LaunchEvent();
        event.begin();
        MicroVm vm = assemble.get();
        Guest guest = vm.guest();
        try {
            awaitReady(guest, spec, () -> vm.start(Instant.now()));
        } catch (RuntimeException | Error e) {
            guest.close();
            throw e;
        }
        spec.maxLifetime().ifPresent(guest::limitLifetime);
        event.report(spec);
        return guest;
    }

    /// Starts a guest's agent.
    @FunctionalInterface
    interface Boot {
        Future<AgentSession.GuestHello> boot();
    }

    static void awaitReady(Guest guest, SandboxSpec spec, Boot boot) {
        try {
            boot.boot().get(Timers.nanos(spec.launchTimeout()), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ExecInterruptedException("interrupted while launching a sandbox", e);
        } catch (TimeoutException e) {
            throw new LaunchFailedException(
                    "the guest was not ready within %s; its console:\n%s"
                            .formatted(spec.launchTimeout(), guest.console().stripTrailing()),
                    e);
        } catch (ExecutionException e) {
            SandboxException why = e.getCause() instanceof EarlyEnd early
                    ? early.exception()
                    : new LaunchFailedException("unforeseen: " + e.getCause(), e);
            throw new LaunchFailedException("the guest ended before it was ready: " + why.getMessage(), why);
        }
    }
}
