// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.ExecInterruptedException;
import io.vivarium.GuestCrashedException;
import io.vivarium.LifetimeExceededException;
import io.vivarium.SandboxClosedException;
import io.vivarium.SandboxException;
import io.vivarium.SandboxSpec;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A guest from launch to end: its agent, what it runs on, and when and why it ended.
///
/// Thread-safe.
public final class Guest implements AutoCloseable {
    private final GuestHost host;
    private final AgentSession agent;
    private final VsockHost vsock;
    private final BalloonHost balloon;
    private final AtomicReference<@Nullable Supplier<? extends SandboxException>> ended = new AtomicReference<>();
    private volatile List<Execution> readyMade = List.of();
    private volatile @Nullable Future<?> lifetime;

    Guest(GuestHost host, AgentSession agent, VsockHost vsock, BalloonHost balloon) {
        this.host = host;
        this.agent = agent;
        this.vsock = vsock;
        this.balloon = balloon;
    }

    /// The host's side of its sockets.
    public VsockHost vsock() {
        return vsock;
    }

    /// The host's side of its memory balloon.
    public BalloonHost balloon() {
        return balloon;
    }

    AgentSession agent() {
        return agent;
    }

    /// Takes over the programs that run in it since it was saved; called before it goes on.
    void adopt(List<SavedProcess> processes) {
        readyMade =
                processes.stream().map(saved -> Execution.resume(this, saved)).toList();
    }

    /// The programs that ran in the saved guest that it has gone on from.
    public List<Execution> readyMade() {
        return readyMade;
    }

    /// Stops the guest when it has lived so long.
    public void limitLifetime(Duration limit) {
        lifetime = Timers.after(limit, () -> end(() -> new LifetimeExceededException(limit)));
        if (ended.get() != null) {
            cancelLifetime();
        }
    }

    /// Saves it, when none of its programs runs but those that are to go on; it goes on after that.
    ///
    /// @param spec of its sandbox
    /// @param root its root file system
    /// @param goOn programs that [Execution#start] has started, or that are [#readyMade]
    /// @throws IllegalStateException if others run in it, one of these has ended, or they do not come to rest
    /// @throws ExecInterruptedException if this thread is interrupted
    /// @throws SandboxException if it has ended, or the host has no memory for it
    public Checkpoint save(SandboxSpec spec, RootFile root, List<Execution> goOn) {
        requireAlive();
        return host.save(spec, root, goOn);
    }

    /// @throws SandboxException why it has ended, if it has
    void requireAlive() {
        Supplier<? extends SandboxException> why = ended.get();
        if (why != null) {
            throw why.get();
        }
    }

    /// Whether it runs programs.
    public boolean isAlive() {
        return ended.get() == null;
    }

    /// Stops the guest; whoever waits for it, or uses it later, gets the exception. Only the first reason counts. Does
    /// not wait.
    void end(Supplier<? extends SandboxException> why) {
        if (ended.compareAndSet(null, why)) {
            cancelLifetime();
            host.stop();
            agent.fail(why);
            vsock.fail(why);
            balloon.fail(why);
        }
    }

    /// As [#end], for a guest that did what it must not.
    void crash(String reason) {
        crash(reason, "");
    }

    /// As [#end], for a guest that did what it must not.
    ///
    /// @param report the state of its machine
    void crash(String reason, String report) {
        end(() -> new GuestCrashedException(reason, report, host.console()));
    }

    private void cancelLifetime() {
        Future<?> timer = lifetime;
        if (timer != null) {
            timer.cancel(false);
        }
    }

    /// The end of the console text.
    public String console() {
        return host.console();
    }

    @Override
    public void close() {
        end(() -> new SandboxClosedException("the sandbox was closed"));
        host.close();
    }
}
