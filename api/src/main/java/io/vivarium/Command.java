// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.internal.CommandLimits;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A program to run, with its arguments and surroundings. Immutable; each `with…` gives a changed copy.
///
/// There is no shell: `argv` goes to the program as it is. Text becomes UTF-8.
public final class Command {
    /// How much of each output stream [Sandbox#exec] keeps unless told otherwise: 1 MiB.
    public static final int DEFAULT_OUTPUT_LIMIT = 1 << 20;

    private final List<String> argv;
    private final Map<String, String> env;
    private final @Nullable String workingDirectory;
    private final @Nullable User user;
    private final Stdin stdin;
    private final @Nullable Duration timeout;
    private final int outputLimit;
    private final boolean mergedStderr;
    private final @Nullable TerminalSize terminal;
    private final @Nullable Consumer<String> onSystemCall;
    private final @Nullable Consumer<String> onStdout;
    private final @Nullable Consumer<String> onStderr;

    private Command(Draft draft) {
        this.argv = draft.argv;
        this.env = draft.env;
        this.workingDirectory = draft.workingDirectory;
        this.user = draft.user;
        this.stdin = draft.stdin;
        this.timeout = draft.timeout;
        this.outputLimit = draft.outputLimit;
        this.mergedStderr = draft.mergedStderr;
        this.terminal = draft.terminal;
        this.onSystemCall = draft.onSystemCall;
        this.onStdout = draft.onStdout;
        this.onStderr = draft.onStderr;
    }

    /// The fields of a copy that is being made.
    private static final class Draft {
        private List<String> argv;
        private Map<String, String> env = Map.of();
        private @Nullable String workingDirectory;
        private @Nullable User user;
        private Stdin stdin = Stdin.none();
        private @Nullable Duration timeout;
        private int outputLimit = DEFAULT_OUTPUT_LIMIT;
        private boolean mergedStderr;
        private @Nullable TerminalSize terminal;
        private @Nullable Consumer<String> onSystemCall;
        private @Nullable Consumer<String> onStdout;
        private @Nullable Consumer<String> onStderr;

        private Draft(List<String> argv) {
            this.argv = argv;
        }
    }

    private Command with(Consumer<Draft> change) {
        Draft draft = new Draft(argv);
        draft.env = env;
        draft.workingDirectory = workingDirectory;
        draft.user = user;
        draft.stdin = stdin;
        draft.timeout = timeout;
        draft.outputLimit = outputLimit;
        draft.mergedStderr = mergedStderr;
        draft.terminal = terminal;
        draft.onSystemCall = onSystemCall;
        draft.onStdout = onStdout;
        draft.onStderr = onStderr;
        change.accept(draft);
        return new Command(draft);
    }

    /// A command without standard input, timeout, or anything else that can be set.
    ///
    /// @param argv the program, as a path or as a name to be found through `PATH`, and its arguments
    /// @throws IllegalArgumentException if there is no program, or an argument has a NUL in it
    public static Command of(String... argv) {
        return of(Arrays.asList(argv));
    }

    /// A command without standard input, timeout, or anything else that can be set.
    ///
    /// @param argv the program, as a path or as a name to be found through `PATH`, and its arguments
    /// @throws IllegalArgumentException if there is no program, or an argument has a NUL in it
    public static Command of(List<String> argv) {
        List<String> copy = List.copyOf(argv);
        if (copy.isEmpty() || copy.getFirst().isEmpty()) {
            throw new IllegalArgumentException("a command needs a program: argv is empty, or its first element is");
        }
        copy.forEach(argument -> CommandLimits.checkNoNul("argument", argument));
        return new Command(new Draft(copy));
    }

    /// What an image is made to run: its entrypoint with the arguments given, or with its own when none are.
    ///
    /// @throws IllegalArgumentException if the image says nothing of what to run, or an argument has a NUL in it
    public static Command ofImage(Image image, String... arguments) {
        List<String> argv = new ArrayList<>(image.config().entrypoint());
        argv.addAll(
                arguments.length > 0 ? Arrays.asList(arguments) : image.config().cmd());
        if (argv.isEmpty()) {
            throw new IllegalArgumentException(
                    image + " does not say what to run: it has neither an entrypoint nor a command");
        }
        return of(argv);
    }

    /// Adds to the environment, over what the sandbox gives to all its programs, or replaces what has that name.
    ///
    /// @param name not empty, without `=` and NUL
    /// @param value without NUL
    public Command withEnv(String name, String value) {
        return withEnv(Map.of(name, value));
    }

    /// As [#withEnv(String, String)], for several.
    public Command withEnv(Map<String, String> variables) {
        return with(draft -> draft.env = CommandLimits.merge(env, variables));
    }

    /// Where it starts, instead of the sandbox's default.
    ///
    /// @param directory in the guest, absolute
    public Command withWorkingDirectory(String directory) {
        CommandLimits.checkDirectory(directory);
        return with(draft -> draft.workingDirectory = directory);
    }

    /// Whom it runs as, instead of the sandbox's default.
    public Command withUser(long uid, long gid) {
        return with(draft -> draft.user = new User(uid, gid));
    }

    /// Where standard input comes from; [Stdin#none] unless told otherwise.
    public Command withStdin(Stdin source) {
        return with(draft -> draft.stdin = source);
    }

    /// Kills the program, and every process that descends from it, when it runs longer. If the guest does not end it
    /// within a quarter of a second more, the sandbox is stopped.
    ///
    /// @param limit more than zero
    public Command withTimeout(Duration limit) {
        if (limit.isNegative() || limit.isZero()) {
            throw new IllegalArgumentException("a timeout must be more than zero: " + limit);
        }
        return with(draft -> draft.timeout = limit);
    }

    /// How much of each output stream [Sandbox#exec] keeps. The program can write more: the rest is counted and
    /// dropped, and the result says so.
    ///
    /// @param bytes 0 … 2³¹−9 (the longest array)
    public Command withOutputLimit(int bytes) {
        if (bytes < 0 || bytes > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("output limit " + bytes + " is not in 0 … " + (Integer.MAX_VALUE - 8));
        }
        return with(draft -> draft.outputLimit = bytes);
    }

    /// Sends standard error where standard output goes, in the order written.
    public Command withMergedStderr() {
        return with(draft -> draft.mergedStderr = true);
    }

    /// Gives it a terminal (pty(7)), which is the controlling one of its session: what shells,
    /// editors and interpreters need to talk to a person.
    ///
    /// Its standard input, output and error are that terminal. All that it shows is standard
    /// output, with `\r\n` at the ends of lines and the echo of what was typed; there is no
    /// standard error. What is written to standard input is typed: `\r` is Enter, byte 3 is Ctrl-C
    /// and sends `SIGINT`, as long as the program leaves it at that. The end of standard input types
    /// Ctrl-D. Where `TERM` is not in the environment it is `xterm`. When the program ends, what it
    /// started and what still has the terminal gets `SIGHUP` and finds the terminal's end.
    ///
    /// @param size what it shows at first, [GuestProcess#resize] changes it
    public Command withTerminal(TerminalSize size) {
        return with(draft -> draft.terminal = size);
    }

    /// Hands on each system call and each signal of the program and its descendants, as lines that
    /// `strace -f` prints. The consumer is called from a thread of its own, one line after the other; a
    /// call and its result are one line unless another thread's comes in between, so a call that waits
    /// is shown when it returns or another comes. While the consumer works, the program can make some
    /// thousand calls more and then waits: nothing is left out. When [Sandbox#exec] or
    /// [GuestProcess#waitFor()] returns, the consumer has had every line. What it throws kills the
    /// program and leaves them. Costs nothing when it is not used.
    ///
    /// @param consumer of lines, without their end
    public Command onSystemCall(Consumer<String> consumer) {
        return with(draft -> draft.onSystemCall = consumer);
    }

    /// Hands on each line of standard output while [Sandbox#exec] runs, besides keeping it for the result. The consumer
    /// is called from a thread of its own, one line after the other; while it works, the program can
    /// write some 256 KiB more and then waits. What it throws kills the program and leaves `exec`.
    ///
    /// @param consumer of lines, decoded as UTF-8, without their end; a line of more than 64 KiB comes in pieces
    public Command onStdout(Consumer<String> consumer) {
        return with(draft -> draft.onStdout = consumer);
    }

    /// As [#onStdout], for standard error. The two consumers may be called at the same time.
    public Command onStderr(Consumer<String> consumer) {
        return with(draft -> draft.onStderr = consumer);
    }

    /// Program and arguments; at least one.
    public List<String> argv() {
        return argv;
    }

    /// What the command adds to the environment.
    public Map<String, String> env() {
        return env;
    }

    /// Where it starts; empty for the sandbox's default.
    public Optional<String> workingDirectory() {
        return Optional.ofNullable(workingDirectory);
    }

    /// Whom it runs as; empty for the sandbox's default.
    public Optional<User> user() {
        return Optional.ofNullable(user);
    }

    /// Where standard input comes from.
    public Stdin stdin() {
        return stdin;
    }

    /// How long it may run; empty for as long as it likes.
    public Optional<Duration> timeout() {
        return Optional.ofNullable(timeout);
    }

    /// How many bytes of each output stream are kept.
    public int outputLimit() {
        return outputLimit;
    }

    /// Whether standard error goes where standard output goes.
    public boolean mergedStderr() {
        return mergedStderr;
    }

    /// Its terminal's size at first; empty if it has none.
    public Optional<TerminalSize> terminal() {
        return Optional.ofNullable(terminal);
    }

    /// See [#onSystemCall(Consumer)].
    public Optional<Consumer<String>> systemCallConsumer() {
        return Optional.ofNullable(onSystemCall);
    }

    /// See [#onStdout(Consumer)].
    public Optional<Consumer<String>> stdoutConsumer() {
        return Optional.ofNullable(onStdout);
    }

    /// See [#onStderr(Consumer)].
    public Optional<Consumer<String>> stderrConsumer() {
        return Optional.ofNullable(onStderr);
    }

    /// The same program, arguments and surroundings; consumers and streams compare by identity.
    @Override
    public boolean equals(Object other) {
        return other instanceof Command that && fields().equals(that.fields());
    }

    @Override
    public int hashCode() {
        return fields().hashCode();
    }

    private List<Object> fields() {
        return Arrays.asList(
                argv,
                env,
                workingDirectory(),
                user(),
                stdin,
                timeout(),
                outputLimit,
                mergedStderr,
                terminal(),
                systemCallConsumer(),
                stdoutConsumer(),
                stderrConsumer());
    }

    /// The program and its arguments, as one would type them.
    @Override
    public String toString() {
        return String.join(" ", argv.stream().map(Command::quote).toList());
    }

    private static String quote(String argument) {
        return argument.matches("[A-Za-z0-9_@%+=:,./-]+") ? argument : "'" + argument.replace("'", "'\\''") + "'";
    }
}
