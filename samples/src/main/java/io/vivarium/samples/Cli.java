// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples;

import io.vivarium.Command;
import io.vivarium.DebianPackages;
import io.vivarium.ExecRefusedException;
import io.vivarium.Exit;
import io.vivarium.GuestProcess;
import io.vivarium.Host;
import io.vivarium.Image;
import io.vivarium.OciPull;
import io.vivarium.ProgramNotFoundException;
import io.vivarium.PullProgress;
import io.vivarium.Sandbox;
import io.vivarium.SandboxException;
import io.vivarium.SandboxSpec;
import io.vivarium.Stdin;
import io.vivarium.Termination;
import io.vivarium.UnsupportedCall;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/// The command `vivarium`: runs a program in a sandbox as if it ran here, or tells whether this host can.
public final class Cli {
    private static final int VIVARIUM_FAILED = 125;
    private static final int CANNOT_BE_RUN = 126;
    private static final int NOT_FOUND = 127;

    private Cli() {}

    /// Does what it is told, and ends the JVM with the exit code that says how it went.
    ///
    /// @param args `run …` or `doctor`
    public static void main(String[] args) {
        System.exit(run(Arrays.asList(args)));
    }

    private static int run(List<String> arguments) {
        String command = arguments.isEmpty() ? "" : arguments.getFirst();
        List<String> rest = arguments.isEmpty() ? arguments : arguments.subList(1, arguments.size());
        try {
            return switch (command) {
                case "run" -> run(RunOptions.parse(rest));
                case "doctor" -> doctor();
                case "help", "--help", "-h" -> {
                    System.out.print(RunOptions.USAGE);
                    yield 0;
                }
                default ->
                    throw new RunOptions.UsageException(
                            command.isEmpty() ? "what shall be done?" : "no command " + command);
            };
        } catch (RunOptions.UsageException e) {
            complain(e.getMessage() + "\n" + RunOptions.USAGE.stripTrailing());
            return VIVARIUM_FAILED;
        } catch (ProgramNotFoundException e) {
            complain(String.valueOf(e.getMessage()));
            return NOT_FOUND;
        } catch (ExecRefusedException e) {
            complain(String.valueOf(e.getMessage()));
            return CANNOT_BE_RUN;
        } catch (SandboxException | IllegalArgumentException | UncheckedIOException e) {
            complain(String.valueOf(e.getMessage()));
            return VIVARIUM_FAILED;
        } catch (IOException | InterruptedException e) {
            complain(e.toString());
            return VIVARIUM_FAILED;
        }
    }

    private static void complain(String message) {
        System.err.println("vivarium: " + message);
    }

    private static int doctor() {
        return switch (Host.probe()) {
            case Host.Ready ready -> {
                System.out.println("This host runs sandboxes.");
                System.out.println("  KVM       API version " + ready.apiVersion() + ", " + describe(ready.kind()));
                System.out.println("  host      Linux " + ready.kernel() + " on " + ready.architecture());
                System.out.println("  Java      " + Runtime.version());
                yield 0;
            }
            case Host.Unavailable unavailable -> {
                System.out.println("This host runs no sandboxes: " + unavailable.reason() + ".");
                System.out.println("  remedy    " + unavailable.remedy());
                yield 1;
            }
        };
    }

    static String describe(Host.Kind kind) {
        return switch (kind) {
            case NATIVE -> "native: guests run on the processor's virtualization extensions";
            case DEPRIVILEGING -> "de-privileging: programs run on the processor, guest kernels in user mode";
        };
    }

    private static int run(RunOptions options) throws IOException, InterruptedException {
        if (options.root().isPresent()) {
            try (Image image = Image.of(options.root().get())) {
                return run(options, image);
            }
        }
        if (options.image().isPresent()) {
            try (Image image = Image.oci(OciPull.of(options.image().get()).onProgress(Cli::show))) {
                return run(options, image);
            }
        }
        if (!options.debian().isEmpty()) {
            DebianPackages packages = DebianPackages.of(options.debian().toArray(String[]::new));
            try (Image image = Image.debian(packages.onProgress(Cli::show))) {
                return run(options, image);
            }
        }
        try (TemporaryDirectory root = busyboxRoot();
                Image image = Image.directory(root.path())) {
            return run(options, image);
        }
    }

    private static void show(PullProgress progress) {
        if (progress.isComplete() && !progress.cached()) {
            complain("%s: %d bytes".formatted(progress.item(), progress.total()));
        }
    }

    private static TemporaryDirectory busyboxRoot() throws IOException, InterruptedException {
        if (!Busybox.isThere()) {
            throw new SandboxException(
                    "without --root the host's busybox is run, but /bin/busybox is not a static program: "
                            + "install the package busybox-static, or give --root");
        }
        TemporaryDirectory root = TemporaryDirectory.create();
        Busybox.install(root.path());
        return root;
    }

    private static int run(RunOptions options, Image image) throws IOException, InterruptedException {
        SandboxSpec spec = SandboxSpec.of(image).withMemory(options.memory());
        Command command = command(options, image);
        try (Sandbox sandbox = Sandbox.launch(spec)) {
            Exit exit = options.terminal() ? runAtTerminal(sandbox, command) : run(sandbox, command);
            return report(options, command.argv().getFirst(), exit);
        }
    }

    private static Exit run(Sandbox sandbox, Command command) throws InterruptedException {
        try (GuestProcess process = sandbox.start(command)) {
            return showUntilItsEnd(process);
        }
    }

    private static Exit runAtTerminal(Sandbox sandbox, Command command) throws IOException, InterruptedException {
        String kind = System.getenv("TERM");
        Command there = kind == null ? command : command.withEnv("TERM", kind);
        try (LocalTerminal terminal = LocalTerminal.take();
                GuestProcess process = sandbox.start(there.withTerminal(terminal.size()))) {
            terminal.follow(process);
            return showUntilItsEnd(process);
        }
    }

    private static Exit showUntilItsEnd(GuestProcess process) throws InterruptedException {
        Thread stdout = copy(process, process.stdout(), FileDescriptor.out);
        Thread stderr = copy(process, process.stderr(), FileDescriptor.err);
        Exit exit = process.waitFor();
        stdout.join();
        stderr.join();
        return exit;
    }

    private static Command program(RunOptions options, Image image) {
        return options.image().isPresent()
                ? Command.ofImage(image, options.argv().toArray(String[]::new))
                : Command.of(options.argv());
    }

    private static Command command(RunOptions options, Image image) {
        Command command = program(options, image)
                .withEnv(options.env())
                .withStdin(Stdin.of(new FileInputStream(FileDescriptor.in)));
        if (options.timeout().isPresent()) {
            command = command.withTimeout(options.timeout().get());
        }
        if (options.workdir().isPresent()) {
            command = command.withWorkingDirectory(options.workdir().get());
        }
        if (options.user().isPresent()) {
            command = command.withUser(
                    options.user().get().uid(), options.user().get().gid());
        }
        return options.trace() ? command.onSystemCall(System.err::println) : command;
    }

    private static Thread copy(GuestProcess process, InputStream from, FileDescriptor to) {
        return Thread.ofPlatform().daemon().start(() -> {
            // Not closed: what there is to say of the program's end comes on the same descriptor.
            OutputStream out = new FileOutputStream(to);
            try {
                from.transferTo(out);
            } catch (IOException e) {
                // Nobody wants to see more of it, as in a pipe into head(1); or the sandbox ended, which waitFor tells.
                process.close();
            }
        });
    }

    private static int report(RunOptions options, String program, Exit exit) {
        switch (exit.termination()) {
            case Termination.Exited _ -> {}
            case Termination.Killed killed ->
                complain("%s: %s (rip 0x%x, rsp 0x%x)"
                        .formatted(program, killed.detail(), killed.instructionPointer(), killed.stackPointer()));
            case Termination.TimedOut timedOut ->
                complain("%s: killed after %d ms"
                        .formatted(program, timedOut.limit().toMillis()));
        }
        if (options.report()) {
            complain("%s: %.1f ms, user %.1f ms, system %.1f ms, memory %d KiB%s"
                    .formatted(
                            program,
                            exit.duration().toNanos() / 1e6,
                            exit.usage().user().toNanos() / 1e6,
                            exit.usage().system().toNanos() / 1e6,
                            exit.usage().maxResidentBytes() >> 10,
                            unsupported(exit.unsupported())));
        }
        return exit.exitCode();
    }

    private static String unsupported(List<UnsupportedCall> calls) {
        return calls.isEmpty()
                ? ""
                : calls.stream()
                        .map(call -> call.name() + " (" + call.times() + ")")
                        .collect(Collectors.joining(", ", "; system calls not there: ", ""));
    }
}
