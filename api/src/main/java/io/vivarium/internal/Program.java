// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.Exit;
import io.vivarium.SandboxException;
import io.vivarium.Termination;
import io.vivarium.UnsupportedCall;
import io.vivarium.Usage;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A program in the guest, as the host knows it from the agent's frames.
///
/// The futures complete on the thread that runs the guest: nothing that blocks, and nothing of the application's, may
/// depend on them directly.
final class Program {
    private static final int SIGKILL = 9;

    private final int id;
    private final OutputSink stdout;
    private final OutputSink stderr;
    private final @Nullable TraceFeed trace;
    private final StdinWindow stdin = new StdinWindow();
    private final long startNanos = System.nanoTime();
    private final CompletableFuture<Integer> spawned = new CompletableFuture<>();
    private final CompletableFuture<Exit> ended = new CompletableFuture<>();
    private volatile Runnable stdinGranted = () -> {};
    private volatile @Nullable Duration killedAfter;
    private List<UnsupportedCall> unsupported = List.of();

    Program(int id, OutputSink stdout, OutputSink stderr) {
        this(id, stdout, stderr, null);
    }

    /// @param trace what takes its trace records; null when they are not asked for
    Program(int id, OutputSink stdout, OutputSink stderr, @Nullable TraceFeed trace) {
        this.id = id;
        this.stdout = stdout;
        this.stderr = stderr;
        this.trace = trace;
    }

    /// Its number on the connection.
    int id() {
        return id;
    }

    OutputSink stdout() {
        return stdout;
    }

    OutputSink stderr() {
        return stderr;
    }

    @Nullable
    TraceFeed trace() {
        return trace;
    }

    StdinWindow stdin() {
        return stdin;
    }

    /// Completes with its process id inside the guest, or with [EarlyEnd].
    CompletableFuture<Integer> spawned() {
        return spawned;
    }

    /// Completes with how it ended, or with [EarlyEnd].
    CompletableFuture<Exit> ended() {
        return ended;
    }

    boolean isAlive() {
        return !ended.isDone();
    }

    /// Has something called when there is new credit for standard input, on the thread that runs the guest.
    void onStdinGranted(Runnable listener) {
        stdinGranted = listener;
    }

    /// Its timeout has passed: when it ends by `SIGKILL`, that is why.
    void timedOut(Duration limit) {
        killedAfter = limit;
    }

    /// It runs.
    ///
    /// @throws ProtocolBreach if it did before
    void onSpawned(int pid, long stdinWindow) {
        if (!spawned.complete(pid)) {
            throw new ProtocolBreach("SPAWNED twice for process " + id);
        }
        onStdinWindow(stdinWindow);
    }

    /// It can take more standard input.
    void onStdinWindow(long bytes) {
        stdin.granted(bytes);
        stdinGranted.run();
    }

    /// It made system calls that the guest kernel does not have.
    void onUnsupported(List<UnsupportedCall> calls) {
        unsupported = calls;
    }

    /// It ended.
    ///
    /// @throws ProtocolBreach if it never ran
    void onEnded(Termination termination, Usage usage) {
        if (!spawned.isDone()) {
            throw new ProtocolBreach("process " + id + " ended before it was SPAWNED");
        }
        Duration duration = Duration.ofNanos(System.nanoTime() - startNanos);
        Duration limit = killedAfter;
        Termination how =
                limit != null && termination instanceof Termination.Killed killed && killed.signal() == SIGKILL
                        ? new Termination.TimedOut(limit)
                        : termination;
        closeStreams();
        ended.complete(new Exit(how, duration, usage, unsupported));
    }

    private void closeStreams() {
        stdin.close(() -> "the program has ended");
        stdout.ended();
        stderr.ended();
        if (trace != null) {
            trace.sink().ended();
        }
    }

    /// It was not started, or the sandbox ended.
    void fail(Supplier<? extends SandboxException> why) {
        stdin.close(() -> String.valueOf(why.get().getMessage()));
        stdout.failed(why);
        stderr.failed(why);
        if (trace != null) {
            trace.sink().failed(why);
        }
        EarlyEnd end = new EarlyEnd(why);
        spawned.completeExceptionally(end);
        ended.completeExceptionally(end);
    }
}
