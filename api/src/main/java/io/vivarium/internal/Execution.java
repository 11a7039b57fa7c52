// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.CapturedOutput;
import io.vivarium.Command;
import io.vivarium.ExecInterruptedException;
import io.vivarium.ExecResult;
import io.vivarium.Exit;
import io.vivarium.SandboxException;
import io.vivarium.SandboxSpec;
import io.vivarium.Stdin;
import io.vivarium.TerminalSize;
import io.vivarium.User;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// One program in a guest, from the request to its end: its streams, its timeout, and whoever waits for it.
public final class Execution implements AutoCloseable {
    /// Bytes of an output stream that may be on their way or unread: 256 KiB.
    static final int WINDOW = 256 << 10;

    /// How long the guest has to end a killed program before it is taken for broken: what a good guest needs when the
    /// host is too busy to run it, which must not cost the other programs their sandbox.
    private static final Duration KILL_GRACE = Duration.ofSeconds(2);

    private static final int SIGKILL = 9;

    /// What nearly every terminal of today can do (terminfo(5)).
    private static final Map<String, String> TERMINAL_ENV = Map.of("TERM", "xterm");

    private static final Executor ON_VIRTUAL_THREADS =
            task -> Thread.ofVirtual().start(task);

    private final Guest guest;
    private final Command command;
    private final Program program;
    private final StdinSource stdinSource;
    private final @Nullable StdinStream stdin;
    private volatile @Nullable Future<?> timer;

    private Execution(Guest guest, Command command, Program program) {
        this.guest = guest;
        this.command = command;
        this.program = program;
        this.stdinSource = StdinSource.of(command.stdin());
        this.stdin = command.stdin() instanceof Stdin.Pipe ? new StdinStream(program, guest.agent()) : null;
    }

    /// Runs a program to its end.
    public static ExecResult run(Guest guest, SandboxSpec spec, Command command) {
        if (command.stdin() instanceof Stdin.Pipe) {
            throw new IllegalArgumentException(
                    "exec with standard input from a pipe: nobody could write to it; use start");
        }
        ExecEvent event = new ExecEvent();
        event.begin();
        int id = guest.agent().newId();
        Captured stdout = Captured.of(guest, id, Stream.STDOUT, command.stdoutConsumer(), command.outputLimit());
        Captured stderr = Captured.of(guest, id, Stream.STDERR, command.stderrConsumer(), command.outputLimit());
        try (Execution execution =
                new Execution(guest, command, new Program(id, stdout.sink, stderr.sink, trace(guest, id, command)))) {
            execution.spawn(spec);
            stdout.start();
            stderr.start();
            Exit exit = execution.await();
            stdout.finish();
            stderr.finish();
            event.report(command, exit);
            return new ExecResult(command, exit, stdout.output(), stderr.output());
        }
    }

    /// Starts a program, and waits until it is started.
    public static Execution start(Guest guest, SandboxSpec spec, Command command) {
        if (command.stdoutConsumer().isPresent() || command.stderrConsumer().isPresent()) {
            throw new IllegalArgumentException(
                    "start with a consumer of output: a started process has streams to read");
        }
        int id = guest.agent().newId();
        Program program = new Program(
                id, pipe(guest, id, Stream.STDOUT), pipe(guest, id, Stream.STDERR), trace(guest, id, command));
        Execution execution = new Execution(guest, command, program);
        try {
            execution.spawn(spec);
            execution.resultOf(program.spawned());
            return execution;
        } catch (RuntimeException | Error e) {
            execution.close();
            throw e;
        }
    }

    /// What runs a program that a saved guest has left running, in a guest that goes on from it.
    static Execution resume(Guest guest, SavedProcess saved) {
        Program program = new Program(
                saved.id(),
                new OutputPipe(WINDOW, creditLine(guest, saved.id(), Stream.STDOUT), saved.stdout()),
                new OutputPipe(WINDOW, creditLine(guest, saved.id(), Stream.STDERR), saved.stderr()));
        Execution execution = new Execution(guest, saved.command(), program);
        if (saved.stdinEnded() && execution.stdin != null) {
            execution.stdin.closedBefore();
        }
        program.onSpawned(saved.pid(), saved.stdinCredit());
        guest.agent().adopt(program);
        return execution;
    }

    /// What it is at in a guest that does not run, and to which no frames are sent meanwhile; it was [#start]ed, or
    /// [#resume]d.
    ///
    /// @return empty if the application is just about to send it something
    /// @throws IllegalStateException if it has ended
    Optional<SavedProcess> save() {
        if (!program.isAlive()) {
            throw new IllegalStateException("a ready-made process has ended: " + command
                    + (program.ended().isCompletedExceptionally()
                            ? ""
                            : ", " + program.ended().join()));
        }
        OptionalLong stdinCredit = program.stdin().settled();
        if (stdinCredit.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(new SavedProcess(
                command,
                program.id(),
                pid(),
                stdinCredit.getAsLong(),
                stdin == null || stdin.isClosed(),
                ((OutputPipe) program.stdout()).save(),
                ((OutputPipe) program.stderr()).save()));
    }

    /// An output stream's number in the agent protocol.
    private enum Stream {
        STDOUT(1),
        STDERR(2),
        TRACE(3);

        private final int number;

        Stream(int number) {
            this.number = number;
        }
    }

    private static OutputPipe pipe(Guest guest, int id, Stream stream) {
        return new OutputPipe(WINDOW, creditLine(guest, id, stream));
    }

    private static OutputSink.CreditLine creditLine(Guest guest, int id, Stream stream) {
        return credit -> guest.agent().window(id, stream.number, credit);
    }

    private static @Nullable TraceFeed trace(Guest guest, int id, Command command) {
        return command.systemCallConsumer()
                .map(consumer -> new TraceFeed(
                        pipe(guest, id, Stream.TRACE),
                        consumer,
                        () -> guest.agent().signal(id, SIGKILL),
                        guest::crash))
                .orElse(null);
    }

    /// An output stream that is kept, and handed on where the command wants it.
    private record Captured(
            OutputSink sink,
            OutputCollector collector,
            @Nullable LineFeed feed) {
        static Captured of(Guest guest, int id, Stream stream, Optional<Consumer<String>> consumer, int limit) {
            OutputCollector collector = new OutputCollector(WINDOW, limit);
            if (consumer.isEmpty()) {
                return new Captured(collector, collector, null);
            }
            OutputPipe pipe = pipe(guest, id, stream);
            Runnable kill = () -> guest.agent().signal(id, SIGKILL);
            return new Captured(pipe, collector, new LineFeed(pipe.stream(), consumer.get(), collector, kill));
        }

        void start() {
            if (feed != null) {
                feed.start();
            }
        }

        void finish() {
            if (feed != null) {
                feed.finish();
            }
        }

        CapturedOutput output() {
            return new CapturedOutput(collector.kept(), collector.written());
        }
    }

    private void spawn(SandboxSpec spec) {
        try {
            SpawnRequest request = request(spec);
            command.timeout().ifPresent(limit -> timer = Timers.after(limit, () -> timeOut(limit)));
            stdinSource.feed(program, guest.agent());
            if (program.trace() != null) {
                program.trace().start();
            }
            guest.agent().spawn(program, request);
        } catch (RuntimeException | Error e) {
            cancelTimer();
            stdinSource.stop();
            throw e;
        }
    }

    private SpawnRequest request(SandboxSpec spec) {
        List<byte[]> argv = command.argv().stream().map(CommandLimits::utf8).toList();
        Map<String, String> surroundings =
                command.terminal().isPresent() ? CommandLimits.merge(TERMINAL_ENV, spec.env()) : spec.env();
        Map<String, String> variables = CommandLimits.merge(surroundings, command.env());
        List<byte[]> env = new ArrayList<>(variables.size());
        variables.forEach((String name, String value) -> env.add(CommandLimits.utf8(name + "=" + value)));
        CommandLimits.checkSize(argv, env);
        User user = command.user().orElse(spec.user());
        return new SpawnRequest(
                argv,
                env,
                command.workingDirectory().orElse(spec.workingDirectory()),
                user,
                stdinSource.connected(),
                command.mergedStderr(),
                command.terminal(),
                program.trace() == null ? 0 : program.trace().sink().window());
    }

    private void timeOut(Duration limit) {
        program.timedOut(limit);
        kill();
    }

    /// Kills the program, and stops the whole guest if that does not help.
    private void kill() {
        if (program.isAlive()) {
            guest.agent().signal(program.id(), SIGKILL);
            Future<?> grace = Timers.after(KILL_GRACE, () -> {
                if (program.isAlive()) {
                    guest.crash("the guest did not end a killed program within " + KILL_GRACE.toSeconds() + " s: "
                            + command);
                }
            });
            CompletableFuture<Exit> _ = program.ended().whenComplete((_, _) -> grace.cancel(false));
        }
    }

    private void cancelTimer() {
        Future<?> running = timer;
        if (running != null) {
            running.cancel(false);
        }
    }

    /// What was started.
    public Command command() {
        return command;
    }

    /// Its process id in the guest.
    public int pid() {
        return program.spawned().resultNow();
    }

    /// Its standard output.
    public InputStream stdout() {
        return ((OutputPipe) program.stdout()).stream();
    }

    /// Its standard error.
    public InputStream stderr() {
        return ((OutputPipe) program.stderr()).stream();
    }

    /// Its standard input.
    public OutputStream stdin() {
        if (stdin == null) {
            throw new IllegalStateException("standard input comes from " + command.stdin() + ", not from Stdin.pipe()");
        }
        return stdin;
    }

    /// Whether it has not ended.
    public boolean isAlive() {
        return program.isAlive();
    }

    /// Sends it a signal.
    public void signal(int signal) {
        if (program.isAlive()) {
            guest.agent().signal(program.id(), signal);
        }
    }

    /// Changes what its terminal shows.
    public void resize(TerminalSize size) {
        if (command.terminal().isEmpty()) {
            throw new IllegalStateException("a program without a terminal: " + command);
        }
        if (program.isAlive()) {
            guest.agent().resize(program.id(), size);
        }
    }

    /// Waits for its end.
    public Exit await() {
        Exit exit = resultOf(program.ended());
        finishTrace();
        return exit;
    }

    private void finishTrace() {
        if (program.trace() != null) {
            program.trace().finish();
        }
    }

    /// Waits for its end, for some time.
    public Optional<Exit> await(Duration limit) {
        try {
            Exit exit = program.ended().get(Timers.nanos(limit), TimeUnit.NANOSECONDS);
            finishTrace();
            return Optional.of(exit);
        } catch (TimeoutException e) {
            return Optional.empty();
        } catch (InterruptedException e) {
            throw interrupted(e);
        } catch (ExecutionException e) {
            throw exception(e.getCause());
        }
    }

    private <T> T resultOf(Future<T> future) {
        try {
            return future.get();
        } catch (InterruptedException e) {
            throw interrupted(e);
        } catch (ExecutionException e) {
            throw exception(e.getCause());
        }
    }

    private ExecInterruptedException interrupted(InterruptedException e) {
        kill();
        Thread.currentThread().interrupt();
        return new ExecInterruptedException("interrupted while waiting for " + command + ", which was killed", e);
    }

    private static SandboxException exception(@Nullable Throwable cause) {
        if (cause instanceof EarlyEnd early) {
            return early.exception();
        }
        throw new IllegalStateException("a program's future ended in an unforeseen way", cause);
    }

    /// Completes with its end.
    public CompletableFuture<Exit> onExit() {
        CompletableFuture<Exit> forApplication = new CompletableFuture<>();
        CompletableFuture<Exit> _ = program.ended()
                .whenCompleteAsync(
                        (Exit exit, Throwable thrown) -> {
                            if (thrown == null) {
                                forApplication.complete(exit);
                            } else {
                                forApplication.completeExceptionally(exception(thrown));
                            }
                        },
                        ON_VIRTUAL_THREADS);
        return forApplication;
    }

    /// Kills it if it has not ended, and closes its streams.
    @Override
    public void close() {
        cancelTimer();
        stdinSource.stop();
        kill();
        program.stdin().close(() -> "the process was closed");
        if (program.stdout() instanceof OutputPipe pipe) {
            pipe.closeReader();
        }
        if (program.stderr() instanceof OutputPipe pipe) {
            pipe.closeReader();
        }
        if (program.trace() != null) {
            program.trace().close();
        }
    }
}
