// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.internal.Execution;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/// A program that runs in a sandbox, from [Sandbox#start] or [Sandbox#readyMade].
///
/// Its streams are its own: it waits when it has written some 256 KiB that nobody has read, so both have to be read or
/// closed (or merged, [Command#withMergedStderr]). Thread-safe; a stream may be used by one thread at a time.
///
/// Processes that it started and that outlive it run on until they end or the sandbox is closed, with nobody to hear
/// them: its streams end with it. If it is killed, by [#kill], [#close] or a timeout, they are killed with it.
public final class GuestProcess implements AutoCloseable {
    private final Execution execution;

    GuestProcess(Execution execution) {
        this.execution = execution;
    }

    Execution execution() {
        return execution;
    }

    /// What runs.
    public Command command() {
        return execution.command();
    }

    /// Its process id inside the guest.
    public int pid() {
        return execution.pid();
    }

    /// What it writes to standard output. Reading waits until there is something and returns -1 after the program's
    /// end. Closing drops the rest, without the program's notice. A read fails with an
    /// [java.io.IOException] when the sandbox ends.
    public InputStream stdout() {
        return execution.stdout();
    }

    /// What it writes to standard error, as [#stdout]; nothing at all with [Command#withMergedStderr].
    public InputStream stderr() {
        return execution.stderr();
    }

    /// Its standard input, for [Stdin#pipe]: writing waits until the guest takes the bytes, closing makes the program
    /// find the end. Nothing is held back, [OutputStream#flush] does nothing. A write fails with an
    /// [java.io.IOException] after the program's end.
    ///
    /// @throws IllegalStateException if the command has another source of standard input
    public OutputStream stdin() {
        return execution.stdin();
    }

    /// Changes what its terminal shows; its foreground processes get `SIGWINCH`. Nothing happens when it has ended.
    ///
    /// @throws IllegalStateException if it has none, [Command#withTerminal]
    public void resize(TerminalSize size) {
        execution.resize(size);
    }

    /// Waits for its end.
    ///
    /// @throws ExecInterruptedException if this thread is interrupted; the program is killed
    /// @throws SandboxException if the sandbox ends first
    public Exit waitFor() {
        return execution.await();
    }

    /// Waits for its end, for some time.
    ///
    /// @return empty when the program has not ended by then; it goes on
    /// @throws ExecInterruptedException if this thread is interrupted; the program is killed
    /// @throws SandboxException if the sandbox ends first
    public Optional<Exit> waitFor(Duration limit) {
        return execution.await(limit);
    }

    /// Completes with its end, or with a [SandboxException] when the sandbox ends first. What depends on it runs on a
    /// virtual thread of its own; to complete or cancel it changes nothing for the program.
    public CompletableFuture<Exit> onExit() {
        return execution.onExit();
    }

    /// Whether it has not ended.
    public boolean isAlive() {
        return execution.isAlive();
    }

    /// Sends it a signal; nothing happens when it has ended. `SIGKILL` is [#kill]; others are for it alone.
    ///
    /// @param signal number, 1 … 64
    public void signal(int signal) {
        if (signal < 1 || signal > Signals.MAX) {
            throw new IllegalArgumentException("signal " + signal + " is not in 1 … " + Signals.MAX);
        }
        execution.signal(signal);
    }

    /// Sends `SIGKILL` to it and to every process that descends from it, whatever its process group or session.
    public void kill() {
        execution.signal(Signals.SIGKILL);
    }

    /// Kills it ([#kill]) if it has not ended, and closes its streams. Does not wait. Idempotent.
    @Override
    public void close() {
        execution.close();
    }

    @Override
    public String toString() {
        return "process " + pid() + ": " + command();
    }
}
