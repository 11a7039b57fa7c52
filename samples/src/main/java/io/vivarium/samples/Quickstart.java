// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples;

import io.vivarium.Command;
import io.vivarium.ExecResult;
import io.vivarium.Host;
import io.vivarium.Image;
import io.vivarium.Sandbox;
import io.vivarium.SandboxException;
import io.vivarium.Stdin;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// The main job, with times: a root file system, a microVM on it, three real programs in it.
public final class Quickstart {
    private static final int WARM_ROUNDS = 20;
    private static final int BAR_WIDTH = 40;

    private Quickstart() {}

    /// A step and what it took.
    private record Step(String name, long coldNanos, long warmNanos) {}

    /// One time through.
    private record Round(long launch, List<Long> execs, long close) {}

    /// Runs it.
    ///
    /// @param args the file `hello.c`, compiled when the host has no static busybox
    public static void main(String[] args) throws IOException, InterruptedException {
        try {
            if (args.length != 1) {
                throw new IllegalArgumentException("usage: Quickstart PATH-OF-hello.c");
            }
            run(Path.of(args[0]));
        } catch (SandboxException | IllegalArgumentException e) {
            System.err.println("quickstart: " + e.getMessage());
            System.exit(1);
        }
    }

    private static void run(Path helloSource) throws IOException, InterruptedException {
        switch (Host.probe()) {
            case Host.Ready ready ->
                System.out.println("KVM is " + Cli.describe(ready.kind()) + " (Linux " + ready.kernel() + ")");
            case Host.Unavailable unavailable ->
                throw new SandboxException(unavailable.reason() + ". " + unavailable.remedy());
        }
        try (TemporaryDirectory root = TemporaryDirectory.create()) {
            List<Command> commands = installPrograms(root.path(), helloSource);
            long start = System.nanoTime();
            try (Image image = Image.directory(root.path())) {
                long build = System.nanoTime() - start;
                System.out.printf(
                        "root file system: %s, %,d bytes%n%n",
                        image, image.size().bytes());
                measure(image, commands, build);
            }
        }
    }

    private static List<Command> installPrograms(Path root, Path helloSource) throws IOException, InterruptedException {
        Stdin fruit = Stdin.of("pear\napple\nquince\n");
        if (Busybox.isThere()) {
            Busybox.install(root);
            return List.of(
                    Command.of("uname", "-srm"),
                    Command.of("sha256sum", "/bin/busybox"),
                    Command.of("sort", "-r").withStdin(fruit));
        }
        System.out.println("no static /bin/busybox here: compiling " + helloSource + " with gcc -static");
        Path program = Files.createDirectories(root.resolve("bin")).resolve("hello");
        compile(helloSource, program);
        return List.of(
                Command.of("hello", "hello"),
                Command.of("hello", "primes"),
                Command.of("hello", "sort").withStdin(fruit));
    }

    private static void compile(Path source, Path program) throws InterruptedException {
        try {
            int code = new ProcessBuilder("gcc", "-O2", "-static", "-o", program.toString(), source.toString())
                    .inheritIO()
                    .start()
                    .waitFor();
            if (code != 0) {
                throw new SandboxException("gcc -static failed: it needs the packages gcc and libc6-dev");
            }
        } catch (IOException e) {
            throw new SandboxException("gcc does not start: install the packages gcc and libc6-dev", e);
        }
    }

    private static void measure(Image image, List<Command> commands, long buildNanos) {
        Round cold = round(image, commands, true);
        System.out.printf("%nAgain, %d times, each in a new microVM …%n%n", WARM_ROUNDS);
        List<Round> warm = new ArrayList<>();
        for (int i = 0; i < WARM_ROUNDS; i++) {
            warm.add(round(image, commands, false));
        }
        List<Step> steps = new ArrayList<>();
        steps.add(new Step("build the image", buildNanos, 0));
        steps.add(new Step(
                "launch",
                cold.launch,
                median(warm.stream().mapToLong(Round::launch).toArray())));
        for (int i = 0; i < commands.size(); i++) {
            int index = i;
            steps.add(new Step(
                    commands.get(i).toString(),
                    cold.execs.get(i),
                    median(warm.stream()
                            .mapToLong(round -> round.execs.get(index))
                            .toArray())));
        }
        steps.add(new Step(
                "close",
                cold.close,
                median(warm.stream().mapToLong(Round::close).toArray())));
        print(steps);
    }

    private static Round round(Image image, List<Command> commands, boolean show) {
        List<Long> execs = new ArrayList<>();
        long start = System.nanoTime();
        Sandbox sandbox = Sandbox.launch(image);
        long launch = System.nanoTime() - start;
        long closing;
        try (sandbox) {
            for (int i = 0; i < commands.size(); i++) {
                long before = System.nanoTime();
                ExecResult result = sandbox.exec(commands.get(i)).orThrow();
                execs.add(System.nanoTime() - before);
                if (show) {
                    System.out.println("$ " + commands.get(i));
                    result.stdout().text().lines().forEach(line -> System.out.println("  " + line));
                }
            }
            closing = System.nanoTime();
        }
        return new Round(launch, execs, System.nanoTime() - closing);
    }

    private static long median(long[] values) {
        long[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    private static void print(List<Step> steps) {
        int width = steps.stream().mapToInt(step -> step.name.length()).max().orElse(0);
        long longest = steps.stream().mapToLong(Step::warmNanos).max().orElse(1);
        System.out.printf("%-" + width + "s  %10s  %10s%n", "step", "first", "warm");
        for (Step step : steps) {
            String warm = step.warmNanos == 0 ? "" : "%.2f ms".formatted(step.warmNanos / 1e6);
            System.out.printf(
                    "%-" + width + "s  %10s  %10s  %s%n",
                    step.name,
                    "%.2f ms".formatted(step.coldNanos / 1e6),
                    warm,
                    "█".repeat((int) Math.ceilDiv(step.warmNanos * BAR_WIDTH, longest)));
        }
        System.out.printf(
                "%nfirst: in a JVM that has just started. warm: the median of %d times after that.%n", WARM_ROUNDS);
    }
}
