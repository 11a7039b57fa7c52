// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Processes that make processes: shells, `make`, and C programs that try what POSIX says of parents
/// and children. The same command runs on the host and in a sandbox, and must say the same.
@Tag("machine")
@EnabledIfKvm
@Timeout(180)
class ProcessesTest {
    private static final Path BASH = Path.of("/bin/bash-static");
    private static final Path DASH = Path.of("/bin/dash");
    private static final Path MAKE = Path.of("/usr/bin/make");

    /// More than any program here takes, less than the test's own limit.
    private static final Duration LIMIT = Duration.ofSeconds(60);

    @TempDir
    private static Path root;

    private static Image image;
    private static Sandbox sandbox;

    @BeforeAll
    static void make() throws IOException, InterruptedException {
        // The guest's / is for all its users.
        Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwxr-xr-x"));
        Path bin = Files.createDirectory(root.resolve("bin"));
        Files.setPosixFilePermissions(
                Files.createDirectory(root.resolve("tmp")), PosixFilePermissions.fromString("rwxrwxrwx"));
        // A guest has a /dev of its own; on the host an empty file does for a job's standard input.
        Files.createFile(Files.createDirectory(root.resolve("dev")).resolve("null"));
        Files.copy(Path.of("/bin/busybox"), bin.resolve("busybox"));
        Files.createSymbolicLink(bin.resolve("sh"), Path.of("busybox"));
        if (Files.exists(BASH)) {
            Files.copy(BASH, bin.resolve("bash"));
        }
        if (Files.exists(DASH)) {
            HostProgram.copy(DASH, root);
        }
        if (Files.exists(MAKE)) {
            HostProgram.copy(MAKE, root);
        }
        for (String name : List.of("pipelines.sh", "jobs.sh", "traps.sh", "Makefile.test")) {
            Files.writeString(root.resolve(name), resource(name));
        }
        StaticProgram.compile(resource("processes.c"), bin.resolve("processes"));
        image = Image.directory(root);
        sandbox = Sandbox.launch(image);
    }

    @AfterAll
    static void close() {
        sandbox.close();
        image.close();
    }

    private static String resource(String name) throws IOException {
        try (InputStream in =
                Objects.requireNonNull(ProcessesTest.class.getResourceAsStream("processes/" + name), name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    // ---- the same as on the host ----

    static Stream<Arguments> scripts() {
        return Stream.of("pipelines.sh", "jobs.sh", "traps.sh")
                .flatMap(script -> Stream.of("busybox", "dash", "bash").map(shell -> Arguments.of(shell, script)));
    }

    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("scripts")
    void shellsRunScripts(String shell, String script) throws IOException, InterruptedException {
        Path program = Path.of("/bin", shell);
        assumeTrue(Files.exists(root.resolve("bin").resolve(shell)), () -> shell + " is not installed");
        List<String> argv = new ArrayList<>(List.of(program.toString()));
        if (shell.equals("busybox")) {
            argv.add("sh");
        }
        argv.add("/" + script);
        assertSameAsOnHost(argv);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "copy-on-write",
                "generations",
                "shared-memory",
                "memory-advice",
                "vfork",
                "clone",
                "spawn",
                "exec",
                "wait",
                "child-signals",
                "interrupted-wait",
                "groups",
                "orphans",
                "threads",
                "pipes",
                "offsets",
                "limits",
                "many"
            })
    void programsMakeProcesses(String name) throws IOException, InterruptedException {
        assertSameAsOnHost(List.of("/bin/processes", name));
    }

    @ParameterizedTest
    @ValueSource(strings = {"/tmp/make/all", "fail", "missing"})
    void makeRunsJobsInParallel(String target) throws IOException, InterruptedException {
        assumeTrue(Files.exists(MAKE), "make is not installed");
        assertSameAsOnHost(List.of(MAKE.toString(), "-j4", "-f", "/Makefile.test", target));
    }

    private static void assertSameAsOnHost(List<String> argv) throws IOException, InterruptedException {
        InChroot host = InChroot.run(root, argv);
        ExecResult guest = sandbox.exec(Command.of(argv).withTimeout(LIMIT));
        assertThat(new InChroot(
                        guest.stdout().text(), withoutPids(guest.stderr().text()), guest.exitCode()))
                .isEqualTo(new InChroot(host.stdout(), withoutPids(host.stderr()), host.exitCode()));
        assertThat(guest.unsupported()).isEmpty();
    }

    /// A shell that tells of the end of a job says which process it was.
    private static String withoutPids(String text) {
        return text.replaceAll("(line \\d+:) +\\d+ ", "$1 PID ");
    }

    // ---- what is left ----

    /// Ids of the processes that there are beside the one that looks.
    private static String otherProcesses() {
        return sandbox.exec("/bin/sh", "-c", "cd /proc; for p in [0-9]*; do [ $p = $$ ] || echo $p; done")
                .stdout()
                .text();
    }

    /// Who is killed is not gone at once: its end takes a turn on the processor.
    private static void assertThatAllOthersEnd() {
        String untilAlone = "cd /proc; while :; do n=0; for p in [0-9]*; do [ $p = $$ ] || n=1; done; "
                + "[ $n = 0 ] && exit 0; busybox usleep 1000; done";
        assertThat(sandbox.exec(Command.of("/bin/sh", "-c", untilAlone).withTimeout(LIMIT))
                        .termination())
                .isEqualTo(new Termination.Exited(0));
    }

    private static long freeKibibytes() {
        String line = sandbox.exec("/bin/busybox", "grep", "MemFree", "/proc/meminfo")
                .stdout()
                .text();
        return Long.parseLong(line.replaceAll("\\D", ""));
    }

    @Test
    void aThousandForksLeaveNothingBehind() {
        Command forks = Command.of("/bin/sh", "-c", "i=0; while [ $i -lt 1000 ]; do (: $i); i=$((i+1)); done; echo $i")
                .withTimeout(LIMIT);
        assertThat(sandbox.exec(forks).stdout()).hasToString("1000\n");
        long before = freeKibibytes();
        assertThat(sandbox.exec(forks).stdout()).hasToString("1000\n");
        // What caches keep differs by some pages; a page lost with each fork would be 4,000 KiB.
        assertThat(freeKibibytes()).isGreaterThan(before - 400);
        assertThatAllOthersEnd();
    }

    @Test
    void descendantsLiveOnAfterAnOrdinaryEnd() {
        ExecResult result = sandbox.exec(
                "/bin/sh",
                "-c",
                "(while ! [ -e /tmp/go ]; do busybox usleep 1000; done; echo done >/tmp/late) & echo main");
        assertThat(result.stdout()).hasToString("main\n");
        assertThat(result.exitCode()).isZero();
        assertThat(otherProcesses()).isNotEmpty();
        ExecResult late = sandbox.exec(Command.of(
                        "/bin/sh",
                        "-c",
                        "touch() { : >\"$1\"; }; touch /tmp/go; while ! [ -s /tmp/late ]; do busybox usleep 1000; done; "
                                + "busybox cat /tmp/late")
                .withTimeout(LIMIT));
        assertThat(late.stdout()).hasToString("done\n");
        assertThatAllOthersEnd();
    }

    private static final String TREE =
            "busybox setsid busybox sleep 1000 & (busybox sleep 1000 & busybox sleep 1000) & echo ready; wait";

    @Test
    void killEndsTheWholeTree() throws IOException {
        try (GuestProcess process = sandbox.start("/bin/sh", "-c", TREE)) {
            assertThat(process.stdout().readNBytes(6)).asString().isEqualTo("ready\n");
            process.kill();
            assertThat(process.waitFor().termination()).isInstanceOf(Termination.Killed.class);
        }
        assertThatAllOthersEnd();
    }

    @Test
    void aTimeoutEndsTheWholeTree() {
        Duration limit = Duration.ofMillis(200);
        ExecResult result = sandbox.exec(Command.of("/bin/sh", "-c", TREE).withTimeout(limit));
        assertThat(result.termination()).isEqualTo(new Termination.TimedOut(limit));
        assertThatAllOthersEnd();
    }

    @Test
    void otherSignalsAreForTheProgramAlone() throws IOException {
        String script = "(trap '' TERM; while :; do busybox usleep 1000; done) & child=$!; "
                + "trap 'kill -0 $child && echo alive; kill -9 $child; exit 3' TERM; echo ready; while :; do wait; done";
        try (GuestProcess process = sandbox.start("/bin/sh", "-c", script)) {
            assertThat(process.stdout().readNBytes(6)).asString().isEqualTo("ready\n");
            process.signal(15);
            assertThat(process.stdout().readAllBytes()).asString().isEqualTo("alive\n");
            assertThat(process.waitFor().termination()).isEqualTo(new Termination.Exited(3));
        }
        assertThatAllOthersEnd();
    }

    // ---- limits ----

    @Test
    void thereIsALimitOfProcesses() {
        try (Sandbox limited = Sandbox.launch(SandboxSpec.of(image).withMemory(Memory.mebibytes(128)))) {
            try (GuestProcess bomb = limited.start("/bin/processes", "bomb")) {
                assertThat(new String(bomb.stdout().readAllBytes(), StandardCharsets.UTF_8))
                        .matches("refused: (EAGAIN|ENOMEM)\nmany: 1\n");
                assertThat(bomb.waitFor().termination()).isEqualTo(new Termination.Exited(0));
            } catch (IOException e) {
                throw new AssertionError(e);
            }
            // Those that it made are still there, and others can work beside them.
            assertThat(limited.exec("/bin/busybox", "echo", "next").stdout()).hasToString("next\n");
        }
    }

    @Test
    void aForkBombIsStopped() {
        try (Sandbox limited = Sandbox.launch(SandboxSpec.of(image).withMemory(Memory.mebibytes(64)))) {
            Duration limit = Duration.ofSeconds(1);
            ExecResult result =
                    limited.exec(Command.of("/bin/processes", "explode").withTimeout(limit));
            // Out of memory, the kernel may have ended the first of them before.
            assertThat(result.termination())
                    .matches(end -> end.equals(new Termination.TimedOut(limit)) || end instanceof Termination.Killed);
            assertThat(limited.exec("/bin/sh", "-c", "echo still | busybox cat").stdout())
                    .hasToString("still\n");
        }
    }

    @Test
    void whatAChildMissesIsNamed() {
        ExecResult result = sandbox.exec("/bin/processes", "refused");
        assertThat(result.stdout()).hasToString("network: EINVAL\nchild: 0\n");
        assertThat(result.unsupported())
                .extracting(UnsupportedCall::name)
                .containsExactlyInAnyOrder("clone", "io_uring_setup");
    }
}
