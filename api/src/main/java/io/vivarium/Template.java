// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.internal.Checkpoint;
import io.vivarium.internal.Launcher;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A sandbox that was saved, and from which any number of sandboxes start: each with the files, the
/// memory and the background processes that it had, and with a clock and randomness of its own.
///
/// ```java
/// try (Template python = Template.of(image).warmUp(sandbox -> sandbox.exec("python3", "-c", "import json, re"))) {
///     try (Sandbox sandbox = python.launch()) { … }
/// }
/// ```
///
/// What a program of the saved sandbox has kept in memory, every sandbox has: a secret, or the
/// state of a random generator that the program seeded itself. Thread-safe.
public final class Template implements AutoCloseable {
    private final SandboxSpec spec;
    private final ReentrantLock lock = new ReentrantLock();

    // Guarded by the lock.
    private @Nullable Checkpoint checkpoint;
    private boolean closed;

    private Template(SandboxSpec spec, @Nullable Checkpoint checkpoint) {
        this.spec = spec;
        this.checkpoint = checkpoint;
    }

    /// A sandbox in which no program has run. Nothing is launched before it is needed.
    public static Template of(SandboxSpec spec) {
        return new Template(spec, null);
    }

    /// As [#of(SandboxSpec)], with the defaults of [SandboxSpec#of].
    public static Template of(Image image) {
        return of(SandboxSpec.of(image));
    }

    /// What a sandbox is now.
    static Template saved(Sandbox sandbox) {
        return new Template(sandbox.spec(), sandbox.checkpoint());
    }

    /// Has a sandbox that started from this template do some work, and makes a template of what
    /// that leaves. This one stays as it is.
    ///
    /// @param work runs programs to their end; what it throws, this throws
    /// @throws IllegalStateException if it has left a program that it started running, or ended one that was
    ///     ready-made; a descendant of one may run on
    /// @throws SandboxException if the sandbox cannot be launched or saved
    public Template warmUp(Consumer<Sandbox> work) {
        try (Sandbox sandbox = launch()) {
            work.accept(sandbox);
            return saved(sandbox);
        }
    }

    /// As [#withProcess(Command, Consumer)], for a program that says nothing when it is ready: it is when nothing in
    /// the sandbox runs any more.
    public Template withProcess(Command command) {
        return withProcess(command, _ -> {});
    }

    /// Starts a program in a sandbox of this template, lets it come to where it waits for work, and makes a template in
    /// which it waits there. In every sandbox of that it is [Sandbox#readyMade] and goes on from there at once: an
    /// interpreter that has loaded what it needs and reads a request, for instance, or a server that
    /// [listens][Sandbox#connect].
    ///
    /// ```java
    /// Template python = Template.of(image)
    ///         .withProcess(Command.of("python3", "-u", "worker.py").withStdin(Stdin.pipe()));
    /// try (Sandbox sandbox = python.launch()) {
    ///     GuestProcess worker = sandbox.readyMade().getFirst();
    ///     worker.stdin().write("6 * 7\n".getBytes(UTF_8));
    ///     …
    /// ```
    ///
    /// What it has written before and `untilReady` has not read, is read first in every sandbox. Its
    /// [duration][Exit#duration] is counted from when its sandbox was made, its [usage][Exit#usage] from its
    /// start. This template stays as it is; further work and further processes can be added to the new one.
    ///
    /// @param command with [Stdin#pipe] or without standard input, and without a timeout
    /// @param untilReady returns when the program is ready, as it may tell by its output; what it throws, this
    ///     throws. Its threads have let go of the streams then
    /// @throws IllegalArgumentException if the command is not such a one
    /// @throws IllegalStateException if the program has ended by then, or does not come to rest within the
    ///     [launch timeout][SandboxSpec#launchTimeout]
    /// @throws SandboxException if the program cannot be started, or the sandbox not be launched or saved
    public Template withProcess(Command command, Consumer<? super GuestProcess> untilReady) {
        if (!(command.stdin() instanceof Stdin.Pipe || command.stdin() instanceof Stdin.None)) {
            throw new IllegalArgumentException(
                    "a ready-made process with standard input from " + command.stdin() + ": that would be used up");
        }
        if (command.timeout().isPresent()) {
            throw new IllegalArgumentException(
                    "a ready-made process with a timeout: use waitFor(Duration) in each sandbox");
        }
        if (command.systemCallConsumer().isPresent()) {
            throw new IllegalArgumentException(
                    "a ready-made process whose system calls are traced: who is told of them is not saved");
        }
        try (Sandbox sandbox = launch();
                GuestProcess process = sandbox.start(command)) {
            untilReady.accept(process);
            return new Template(spec, sandbox.checkpoint(process));
        }
    }

    /// Opens what [#writeTo(Path)] has written, in this process or another one, on this host or one like it.
    ///
    /// All of the file is read, and compared with its digests; it may be changed or deleted
    /// afterwards. Digests tell damage, and not who wrote it: a file has the sandbox that it holds
    /// do whatever that does, as an image would.
    ///
    /// @param spec with the same image, memory and disks; the rest may differ
    /// @throws InvalidSnapshotException if sandboxes cannot go on from it, and why
    /// @throws IOException if it cannot be read
    /// @throws HostUnavailableException if this host runs no sandboxes
    public static Template open(Path file, SandboxSpec spec) throws IOException {
        return new Template(spec, Checkpoint.open(file, spec, spec.image().root(), Optional.empty()));
    }

    /// As [#open(Path, SandboxSpec)], for a sandbox with the defaults of [SandboxSpec#of].
    ///
    /// @throws InvalidSnapshotException if sandboxes cannot go on from it, and why
    /// @throws IOException if it cannot be read
    /// @throws HostUnavailableException if this host runs no sandboxes
    public static Template open(Path file, Image image) throws IOException {
        return open(file, SandboxSpec.of(image));
    }

    /// As [#open(Path, SandboxSpec)], for what [#writeTo(Path, Template)] has written.
    ///
    /// @param parent the one that it was written with, opened from its file
    /// @throws InvalidSnapshotException if sandboxes cannot go on from it, and why
    /// @throws IOException if it cannot be read
    /// @throws IllegalStateException if the parent is closed, or in no file
    public static Template open(Path file, SandboxSpec spec, Template parent) throws IOException {
        return new Template(spec, Checkpoint.open(file, spec, spec.image().root(), Optional.of(parent.checkpoint())));
    }

    /// Writes it to a file, from which any process of this host, or of one with the same CPU and the same kind of KVM,
    /// can [open][#open(Path, SandboxSpec)] it.
    ///
    /// The file holds all that the sandbox had in memory, whoever may read it has that: only its
    /// owner may. It takes the place of one that is there at once, when all of it is on stable
    /// storage; if this process ends before, or the host does, nothing has changed but that a file
    /// beside it may be left, whose name begins with a dot.
    ///
    /// @throws IOException if it cannot be written
    /// @throws IllegalStateException if this template was closed
    /// @throws SandboxException if nothing was saved yet, and a sandbox cannot be launched for it
    public void writeTo(Path file) throws IOException {
        checkpoint().writeTo(file, Optional.empty());
    }

    /// As [#writeTo(Path)], without the memory that another template has as well: to be opened [with it][#open(Path,
    /// SandboxSpec, Template)].
    ///
    /// @param parent written to a file, or opened from one, best the one that this was warmed up from
    /// @throws IOException if it cannot be written
    /// @throws IllegalStateException if one of both was closed, or the parent is in no file
    public void writeTo(Path file, Template parent) throws IOException {
        checkpoint().writeTo(file, Optional.of(parent.checkpoint()));
    }

    /// Launches a sandbox that starts from it.
    ///
    /// @throws IllegalStateException if it was closed
    /// @throws HostUnavailableException if this host runs no sandboxes
    /// @throws LaunchFailedException if the guest does not come up
    /// @throws ExecInterruptedException if this thread is interrupted
    public Sandbox launch() {
        Checkpoint saved;
        lock.lock();
        try {
            requireOpen();
            saved = checkpoint;
        } finally {
            lock.unlock();
        }
        return saved == null ? Sandbox.launch(spec) : new Sandbox(spec, Launcher.launch(spec, saved));
    }

    /// What is saved; made now, if nothing was.
    Checkpoint checkpoint() {
        lock.lock();
        try {
            requireOpen();
            Checkpoint saved = checkpoint;
            if (saved == null) {
                try (Sandbox sandbox = Sandbox.launch(spec)) {
                    saved = sandbox.checkpoint();
                }
                checkpoint = saved;
            }
            return saved;
        } finally {
            lock.unlock();
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the template was closed: " + spec);
        }
    }

    /// What its sandboxes are.
    public SandboxSpec spec() {
        return spec;
    }

    /// How much memory it reaches over; pages in which nothing was written take none. Zero before
    /// anything was saved.
    public Memory size() {
        lock.lock();
        try {
            Checkpoint saved = checkpoint;
            return new Memory(saved == null ? 0 : saved.size());
        } finally {
            lock.unlock();
        }
    }

    /// Lets go of what is saved: no more sandboxes start from it, those that have go on, and pools
    /// of it can make no more. Idempotent.
    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            if (checkpoint != null) {
                checkpoint.close();
            }
        } finally {
            lock.unlock();
        }
    }

    @Override
    public String toString() {
        return "template of " + spec;
    }
}
