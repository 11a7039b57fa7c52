// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.Command;
import io.vivarium.Image;
import io.vivarium.SandboxPool;
import io.vivarium.SandboxSpec;
import io.vivarium.Stdin;
import io.vivarium.Template;
import java.io.Closeable;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.NullMarked;

/// The same programs in pristine sandboxes of a pool, as processes of the host, and in the
/// containers that this host has, in turn in one run: `busybox echo`, and a Python that has to
/// answer a question.
///
/// Needs `/dev/kvm` and a static `/bin/busybox`. A peer that is not there is named and left out.
@NullMarked
public final class Pristine implements AutoCloseable {
    private static final String DEFAULT_ROUNDS = "20";
    private static final int QUICK_CALLS = 50;
    private static final int CALLS = 10;
    private static final int SLOW_CALLS = 2;

    /// Rounds that do not count.
    private static final int WARM_UP = 4;

    private static final List<String> ECHO = List.of(GuestFiles.BUSYBOX, "echo", "hi");
    private static final String ECHOED = "hi\n";
    private static final Path PYTHON = Path.of("/usr/bin/python3");

    /// Has loaded what it needs when it reads the question.
    private static final String PROGRAM = "import json, re; print(json.dumps(re.findall('[0-9]+', input())))";

    private static final String QUESTION = "6 and 7";
    private static final String ANSWER = "[\"6\", \"7\"]\n";

    private final List<Contender> contenders = new ArrayList<>();
    private final List<Closeable> open = new ArrayList<>();

    private Pristine() {}

    /// Prints the table.
    ///
    /// @param arguments the number of rounds; may be left out
    public static void main(String[] arguments) throws Exception {
        int rounds = Integer.parseInt(arguments.length > 0 ? arguments[0] : DEFAULT_ROUNDS);
        System.out.printf(
                "%d processors, load average before: %.1f%n",
                Runtime.getRuntime().availableProcessors(),
                ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage());
        try (Pristine pristine = new Pristine()) {
            pristine.addEcho();
            pristine.addPython();
            pristine.measure(rounds);
            System.out.println(Contender.header());
            pristine.contenders.forEach(contender -> System.out.println(contender.row()));
        }
    }

    private void add(String name, String expected, int calls, Callable<String> call) {
        contenders.add(new Contender(name, expected, calls, call));
    }

    private void addEcho() throws IOException, InterruptedException {
        GuestFiles files = GuestFiles.write();
        open.add(files::close);
        Image image = Image.erofs(files.root());
        open.add(image::close);
        SandboxPool pool = SandboxPool.of(SandboxSpec.of(image));
        open.add(pool::close);
        Command echo = Command.of(ECHO);
        add(
                "echo: pool, pristine",
                ECHOED,
                QUICK_CALLS,
                () -> pool.call(sandbox -> sandbox.exec(echo).stdout().text()));
        add("echo: ProcessBuilder", ECHOED, QUICK_CALLS, () -> HostCommand.output(ECHO, ""));
        addPeer(
                "bwrap",
                CALLS,
                List.of("bwrap", "--ro-bind", "/", "/", "--unshare-all", GuestFiles.BUSYBOX, "echo", "hi"));
        OciBundle bundle = OciBundle.of(GuestFiles.BUSYBOX, "echo", "hi");
        open.add(bundle::close);
        addPeer("crun", SLOW_CALLS, bundle.command("crun"));
        addPeer("runsc", SLOW_CALLS, bundle.command("runsc", "--network=none", "--ignore-cgroups"));
    }

    /// A container runtime, if it is there and runs the program.
    private void addPeer(String name, int calls, List<String> command) throws InterruptedException {
        try {
            String output = HostCommand.output(command, "");
            if (!output.equals(ECHOED)) {
                throw new IllegalStateException("it prints " + output.strip());
            }
        } catch (IOException | IllegalStateException e) {
            System.out.printf("left out: %s, which does not run here: %s%n", name, e.getMessage());
            return;
        }
        add("echo: " + name, ECHOED, calls, () -> HostCommand.output(command, ""));
    }

    private void addPython() throws IOException, InterruptedException {
        if (!Files.exists(PYTHON)) {
            System.out.println("left out: Python, which is not at " + PYTHON);
            return;
        }
        ProgramRoot root = ProgramRoot.create();
        open.add(root::close);
        root.copyPython(PYTHON);
        Image image = Image.directory(root.directory());
        open.add(image::close);
        List<String> python = List.of(PYTHON.toString(), "-I", "-c", PROGRAM);
        Template warm = Template.of(image).withProcess(Command.of(python).withStdin(Stdin.pipe()));
        open.add(warm::close);
        SandboxPool pool = SandboxPool.builder(warm).ready(2).build();
        open.add(pool::close);
        add(
                "python: pool, ready-made",
                ANSWER,
                CALLS,
                () -> pool.call(sandbox -> PoolBenchmark.ask(sandbox.readyMade().getFirst(), QUESTION) + "\n"));
        SandboxPool cold = SandboxPool.of(SandboxSpec.of(image));
        open.add(cold::close);
        Command asked = Command.of(python).withStdin(Stdin.of(QUESTION + "\n"));
        add(
                "python: pool, started",
                ANSWER,
                SLOW_CALLS,
                () -> cold.call(sandbox -> sandbox.exec(asked).stdout().text()));
        add("python: ProcessBuilder", ANSWER, SLOW_CALLS, () -> HostCommand.output(python, QUESTION + "\n"));
    }

    private void measure(int rounds) throws Exception {
        for (int round = -WARM_UP; round < rounds; round++) {
            if (round == 0) {
                contenders.forEach(Contender::forget);
            }
            for (Contender contender : contenders) {
                contender.run();
            }
        }
    }

    @Override
    public void close() throws IOException {
        for (Closeable each : open.reversed()) {
            each.close();
        }
    }
}
