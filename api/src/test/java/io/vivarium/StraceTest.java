// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// [Command#onSystemCall] against strace(1) of the same program on the host.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class StraceTest {
    /// Where the program's own calls begin; what the C library does before depends on the processor.
    private static final String FIRST = "openat(AT_FDCWD, \"calls.txt\"";

    private static final Pattern THREAD = Pattern.compile("^\\[pid +(\\d+)] (.*)$");
    private static final Pattern UNFINISHED = Pattern.compile("^(.*?) <unfinished \\.\\.\\.>$");
    private static final Pattern RESUMED = Pattern.compile("^<\\.\\.\\. \\w+ resumed>(.*)$");

    @TempDir
    private static Path root;

    private static Image image;
    private static Sandbox sandbox;

    @BeforeAll
    static void launch() throws IOException, InterruptedException {
        Files.createDirectories(root.resolve("work"));
        String source = new String(
                StraceTest.class.getResourceAsStream("strace/calls.c").readAllBytes(), StandardCharsets.UTF_8);
        new CompiledProgram(List.of("gcc", "-O1", "-static", "-w", "-o", "PROGRAM", "SOURCE"), "calls.c", source)
                .make(root.resolve("calls"));
        image = Image.directory(root);
        sandbox = Sandbox.launch(SandboxSpec.of(image));
    }

    @AfterAll
    static void close() {
        sandbox.close();
        image.close();
    }

    @Test
    void everyLineIsAsStraceWritesIt() throws IOException, InterruptedException {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/strace")), "strace is not installed, which is compared with");
        List<String> inGuest = new ArrayList<>();
        ExecResult result =
                sandbox.exec(Command.of("/calls").withWorkingDirectory("/work").onSystemCall(inGuest::add));
        Path traces = Files.createTempDirectory("vivarium-test-");
        Path directory = Files.createTempDirectory("vivarium-test-");
        try {
            Process host = new ProcessBuilder(HostSignals.byDefault(
                            "/usr/bin/strace",
                            "-ff",
                            "-o",
                            traces.resolve("of").toString(),
                            root.resolve("calls").toString()))
                    .directory(directory.toFile())
                    .redirectInput(Path.of("/dev/null").toFile())
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            assertThat(host.waitFor()).isEqualTo(5);
            assertThat(result.exitCode()).isEqualTo(5);
            assertThat(byThread(inGuest)).isEqualTo(ofFiles(traces));
        } finally {
            for (Path file : files(traces)) {
                Files.delete(file);
            }
            Files.delete(traces);
            Files.delete(directory);
        }
    }

    /// Those of strace: one for each thread, whose number ends its name, in the order of the numbers.
    private static List<Path> files(Path traces) throws IOException {
        try (Stream<Path> files = Files.list(traces)) {
            return files.sorted(Comparator.comparing((Path file) ->
                            Integer.valueOf(file.getFileName().toString().substring("of.".length()))))
                    .toList();
        }
    }

    private static List<List<String>> ofFiles(Path traces) throws IOException {
        SortedMap<Integer, List<String>> threads = new TreeMap<>();
        int id = 0;
        for (Path file : files(traces)) {
            boolean started = id > 0;
            for (String line : Files.readAllLines(file)) {
                started |= line.startsWith(FIRST);
                if (started) {
                    add(threads, id, line);
                }
            }
            id++;
        }
        return List.copyOf(threads.values());
    }

    /// Signals of ended children are lines of their own: whether a child ends before its parent waits is theirs.
    private static void add(SortedMap<Integer, List<String>> threads, int id, String line) {
        int kind = line.startsWith("--- SIGCHLD") ? Integer.MAX_VALUE - id : id;
        threads.computeIfAbsent(kind, _ -> new ArrayList<>()).add(masked(line));
    }

    /// The lines of each thread, in the order in which threads came; calls that another thread's line
    /// cut in two put together.
    private static List<List<String>> byThread(List<String> lines) {
        SortedMap<Integer, List<String>> threads = new TreeMap<>();
        Map<Integer, String> begun = new TreeMap<>();
        boolean started = false;
        for (String line : lines) {
            started |= line.startsWith(FIRST);
            // That a child is on its way strace says too, but not where each has a file of its own.
            if (!started || line.startsWith("strace: Process")) {
                continue;
            }
            Matcher thread = THREAD.matcher(line);
            int id = thread.matches() ? Integer.parseInt(thread.group(1)) : 0;
            String text = thread.matches() ? thread.group(2) : line;
            Matcher unfinished = UNFINISHED.matcher(text);
            Matcher resumed = RESUMED.matcher(text);
            if (unfinished.matches()) {
                begun.put(id, unfinished.group(1));
                begun.put(-id, unfinished.group(1));
                continue;
            }
            if (resumed.matches()) {
                String before = begun.remove(id);
                // Alone again, the parent has no prefix any more.
                text = (before != null ? before : begun.values().iterator().next()) + resumed.group(1);
            }
            add(threads, id, text);
        }
        return List.copyOf(threads.values());
    }

    /// What differs: addresses, process IDs, and how far the results are from the calls.
    private static String masked(String line) {
        return line.replaceAll("0x[0-9a-f]{6,}", "ADDRESS")
                .replaceAll(" += ", " = ")
                .replaceAll(" /\\* \\d+ vars? \\*/", " VARS")
                .replaceAll(" /\\* 1970-[^*]*\\*/", "")
                .replaceAll("si_pid=\\d+", "si_pid=N")
                .replaceAll("si_[us]time=\\d+", "si_time=N")
                .replaceAll("(getpid|gettid)\\(\\) = \\d+", "$1() = N")
                .replaceAll("(fork|child_tidptr=ADDRESS)\\) = \\d+", "$1) = N")
                .replaceAll("wait4\\(\\d+, (.*) = \\d+$", "wait4(N, $1 = N")
                .replaceAll("^kill\\(\\d+", "kill(N")
                .replaceAll("^tgkill\\(\\d+, \\d+", "tgkill(N, N")
                .replaceAll("(tgkill\\(N, N, SIGKILL\\)) = .*", "$1 = ?");
    }

    @Test
    void aFaultIsToldWithItsAddress() {
        List<String> lines = new ArrayList<>();
        sandbox.exec(Command.of("/calls", "fault").onSystemCall(lines::add));
        assertThat(lines)
                .endsWith(
                        "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10} ---",
                        "+++ killed by SIGSEGV +++");
    }

    @Test
    void aSlowReaderMissesNothing() throws IOException, InterruptedException {
        String loop = "int main(void) { for (int i = 0; i < 20000; i++) syscall(SYS_lseek, i, 0, 0); }";
        Path directory = Files.createTempDirectory("vivarium-test-");
        try {
            new CompiledProgram(
                            List.of("gcc", "-static", "-w", "-o", "PROGRAM", "SOURCE"),
                            "loop.c",
                            "#include <sys/syscall.h>\n" + loop)
                    .make(directory.resolve("loop"));
            try (Image looping = Image.directory(directory);
                    Sandbox other = Sandbox.launch(SandboxSpec.of(looping))) {
                AtomicInteger next = new AtomicInteger();
                ExecResult result = other.exec(Command.of("/loop").onSystemCall(line -> {
                    if (line.startsWith("lseek(")) {
                        assertThat(line).startsWith("lseek(" + next.getAndIncrement() + ",");
                        // A reader that takes its time, on the same processor.
                        LockSupport.parkNanos(1);
                    }
                }));
                assertThat(result.exit().termination()).isInstanceOf(Termination.Exited.class);
                assertThat(next).hasValue(20_000);
            }
        } finally {
            Files.delete(directory.resolve("loop"));
            Files.delete(directory);
        }
    }

    @Test
    void whatTheConsumerThrowsKillsTheProgram() {
        IllegalStateException reason = new IllegalStateException("enough");
        assertThatThrownBy(() -> sandbox.exec(Command.of("/calls").onSystemCall(_ -> {
                    throw reason;
                })))
                .isSameAs(reason);
    }

    @Test
    void aStartedProcessIsTracedToo() {
        List<String> lines = new ArrayList<>();
        try (GuestProcess process =
                sandbox.start(Command.of("/calls").withWorkingDirectory("/work").onSystemCall(lines::add))) {
            process.waitFor();
        }
        assertThat(lines).last().isEqualTo("+++ exited with 5 +++");
    }
}
