// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.Command;
import io.vivarium.GuestProcess;
import io.vivarium.Image;
import io.vivarium.Sandbox;
import io.vivarium.SandboxPool;
import io.vivarium.SandboxSpec;
import io.vivarium.Stdin;
import io.vivarium.Template;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;

/// The same programs in pristine sandboxes of a pool, as processes of the host, and in the
/// containers that this host has, in turn in one run: `busybox echo`, and a Python that has to
/// answer a question.
///
/// Needs `/dev/kvm` and a static `/bin/busybox`. A peer that is not there is named and left out.
@NullMarked
public final class Pristine implements AutoCloseable {
    private static final String DEFAULT_ROUNDS = "20";
    private static final int CALLS = 50;
    private static final int SLOW_CALLS = 2;
    private static final int WARM_UP = 200;

    /// USER_HZ is 100 on x86.
    private static final long NANOS_PER_TICK = 10_000_000;

    private static final String ECHO = "hi\n";
    private static final Path PYTHON = Path.of("/usr/bin/python3");

    /// Has loaded what it needs when it reads the question.
    private static final String PROGRAM = "import json, re; print(json.dumps(re.findall('[0-9]+', input())))";

    private final GuestFiles files;
    private final Path bundle;
    private final Map<String, Contender> contenders = new LinkedHashMap<>();
    private final List<AutoCloseable> open = new ArrayList<>();

    /// One who runs the program once.
    ///
    /// @param expected its output
    /// @param calls in a round
    private record Contender(Callable<String> run, String expected, int calls, List<Long> nanos, LongAdder cpuNanos) {
        void forget() {
            nanos.clear();
            cpuNanos.reset();
        }
    }

    private Pristine() throws IOException {
        files = GuestFiles.write();
        bundle = Files.createTempDirectory("vivarium-bundle-");
    }

    /// Prints the table.
    ///
    /// @param arguments the number of rounds; may be left out
    public static void main(String[] arguments) throws Exception {
        int rounds = Integer.parseInt(arguments.length > 0 ? arguments[0] : DEFAULT_ROUNDS);
        System.out.printf(
                "%d processors, load average before: %.1f%n",
                Runtime.getRuntime().availableProcessors(),
                ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage());
        try (Pristine peers = new Pristine()) {
            peers.addEcho();
            peers.addPython();
            peers.measure(rounds);
            peers.print();
        }
    }

    private void add(String name, String expected, int calls, Callable<String> run) {
        contenders.put(name, new Contender(run, expected, calls, new ArrayList<>(), new LongAdder()));
    }

    private void addEcho() throws IOException, InterruptedException {
        Image image = keep(Image.erofs(files.root()));
        SandboxPool pool = keep(SandboxPool.of(SandboxSpec.of(image)));
        add(
                "echo: pool, pristine",
                ECHO,
                CALLS,
                () -> pool.call(sandbox ->
                        sandbox.exec(GuestFiles.BUSYBOX, "echo", "hi").stdout().text()));
        add("echo: ProcessBuilder", ECHO, CALLS, () -> output(GuestFiles.BUSYBOX, "echo", "hi"));
        addPeer("bwrap", CALLS / 5, "bwrap", "--ro-bind", "/", "/", "--unshare-all", GuestFiles.BUSYBOX, "echo", "hi");
        writeBundle();
        addPeer("crun", SLOW_CALLS, "crun", "run", "--bundle", bundle.toString(), "vivarium-peer");
        addPeer(
                "runsc",
                SLOW_CALLS,
                "runsc",
                "--network=none",
                "--ignore-cgroups",
                "run",
                "--bundle",
                bundle.toString(),
                "vivarium-peer");
    }

    /// A container runtime, if it is there and runs the program.
    private void addPeer(String name, int calls, String... command) throws InterruptedException {
        try {
            String output = output(command);
            if (!output.equals(ECHO)) {
                System.out.printf("left out: %s, which prints %s%n", name, output.strip());
                return;
            }
        } catch (IOException e) {
            System.out.printf("left out: %s, which does not run here: %s%n", name, e.getMessage());
            return;
        }
        add("echo: " + name, ECHO, calls, () -> output(command));
    }

    /// What OCI runtimes run (OCI runtime spec 1.0, config.json).
    private void writeBundle() throws IOException {
        Path bin = Files.createDirectories(bundle.resolve("rootfs/bin"));
        Files.copy(Path.of(GuestFiles.BUSYBOX), bin.resolve("busybox"));
        Files.createDirectories(bundle.resolve("rootfs/proc"));
        Files.writeString(bundle.resolve("config.json"), """
                {"ociVersion": "1.0.2", "root": {"path": "rootfs", "readonly": true},
                 "process": {"terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/",
                             "args": ["%s", "echo", "hi"], "env": ["PATH=/bin"]},
                 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
                 "linux": {"namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}]}}
                """.formatted(GuestFiles.BUSYBOX));
    }

    private void addPython() throws IOException, InterruptedException {
        Optional<Image> image = pythonImage();
        if (image.isEmpty()) {
            System.out.println("left out: Python, which is not at " + PYTHON);
            return;
        }
        String answer = "[\"6\", \"7\"]\n";
        Template warm = keep(Template.of(keep(image.get()))
                .withProcess(Command.of(PYTHON.toString(), "-c", PROGRAM).withStdin(Stdin.pipe())));
        SandboxPool pool = keep(SandboxPool.builder(warm).ready(2).build());
        add("python: pool, ready-made", answer, SLOW_CALLS * 5, () -> pool.call(Pristine::ask));
        SandboxPool cold = keep(SandboxPool.of(SandboxSpec.of(image.get())));
        add(
                "python: pool, started",
                answer,
                SLOW_CALLS,
                () -> cold.call(sandbox -> sandbox.exec(
                                Command.of(PYTHON.toString(), "-c", PROGRAM).withStdin(Stdin.of("6 and 7\n")))
                        .stdout()
                        .text()));
        add("python: ProcessBuilder", answer, SLOW_CALLS, () -> {
            Process process = new ProcessBuilder(PYTHON.toString(), "-I", "-c", PROGRAM).start();
            process.getOutputStream().write("6 and 7\n".getBytes(StandardCharsets.UTF_8));
            process.getOutputStream().close();
            return output(process);
        });
    }

    private static String ask(Sandbox sandbox) {
        GuestProcess worker = sandbox.readyMade().getFirst();
        return PoolBenchmark.ask(worker, "6 and 7") + "\n";
    }

    /// The host's Python with its library.
    private Optional<Image> pythonImage() throws IOException, InterruptedException {
        if (!Files.exists(PYTHON)) {
            return Optional.empty();
        }
        Path tar = Files.createTempFile("vivarium-python-", ".tar");
        try {
            // Library folders of Debian and of Fedora; what is not there tar passes over.
            output("sh", "-c", """
                    library=$(%1$s -Ic 'import os; print(os.path.dirname(os.__file__))')
                    tar -chf %2$s --exclude=__pycache__ --exclude=test --exclude=dist-packages --exclude=site-packages \
                      --exclude='config-3*' -C / "${library#/}" $(ldd %1$s "$library"/lib-dynload/*.so \
                      | grep -o '/[^ ]*' | grep -v : | sort -u | sed 's,^/,,') usr/bin/python3
                    """.formatted(PYTHON, tar));
            return Optional.of(Image.tar(tar));
        } finally {
            Files.delete(tar);
        }
    }

    private <T extends AutoCloseable> T keep(T resource) {
        open.add(resource);
        return resource;
    }

    private static String output(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        return output(process);
    }

    private static String output(Process process) throws IOException, InterruptedException {
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException("exit code " + process.exitValue());
        }
        return output;
    }

    private void measure(int rounds) throws Exception {
        for (Contender contender : contenders.values()) {
            run(contender, Math.max(2, WARM_UP * contender.calls / CALLS));
            contender.forget();
        }
        for (int round = 0; round < rounds; round++) {
            for (Contender contender : contenders.values()) {
                run(contender, contender.calls);
            }
        }
    }

    private static void run(Contender contender, int calls) throws Exception {
        long cpuStart = cpuNanos();
        for (int i = 0; i < calls; i++) {
            long start = System.nanoTime();
            String output = contender.run.call();
            contender.nanos.add(System.nanoTime() - start);
            if (!output.equals(contender.expected)) {
                throw new IllegalStateException("unexpected output: " + output);
            }
        }
        contender.cpuNanos.add(cpuNanos() - cpuStart);
    }

    /// Of this process, and of its children that have ended and been waited for (proc_pid_stat(5), fields 14 … 17).
    private static long cpuNanos() throws IOException {
        String stat = Files.readString(Path.of("/proc/self/stat"));
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        return Stream.of(fields[11], fields[12], fields[13], fields[14])
                        .mapToLong(Long::parseLong)
                        .sum()
                * NANOS_PER_TICK;
    }

    private void print() {
        System.out.printf(
                "%-28s %8s %12s %12s %12s %12s%n",
                "one after the other", "calls", "p50 us", "p90 us", "p99 us", "CPU us");
        contenders.forEach((name, contender) -> {
            long[] sorted = contender.nanos.stream().mapToLong(Long::longValue).toArray();
            Arrays.sort(sorted);
            System.out.printf(
                    "%-28s %8d %12.0f %12.0f %12.0f %12.0f%n",
                    name,
                    sorted.length,
                    at(sorted, 0.5),
                    at(sorted, 0.9),
                    at(sorted, 0.99),
                    contender.cpuNanos.sum() / 1e3 / sorted.length);
        });
    }

    private static double at(long[] sorted, double part) {
        return sorted[(int) Math.ceil(part * sorted.length) - 1] / 1e3;
    }

    @Override
    public void close() throws IOException {
        for (AutoCloseable each : open.reversed()) {
            try {
                each.close();
            } catch (IOException | RuntimeException e) {
                throw e;
            } catch (Exception e) {
                throw new IllegalStateException("it could not be closed: " + each, e);
            }
        }
        files.close();
        Files.deleteIfExists(bundle.resolve("config.json"));
        Files.deleteIfExists(bundle.resolve("rootfs/bin/busybox"));
        for (String folder : List.of("rootfs/bin", "rootfs/proc", "rootfs", "")) {
            Files.deleteIfExists(bundle.resolve(folder));
        }
    }
}
