// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Programs that want more than their share, or out: each comes to a typed end, its sandbox goes on, and
/// the sandbox beside it notices nothing.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class HostileProgramsTest {
    private static final Memory MEMORY = Memory.mebibytes(64);

    private static Image image;
    private static Sandbox neighbour;

    @BeforeAll
    static void make(@TempDir Path root) throws IOException, InterruptedException {
        // The guest's / is for all its users.
        Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwxr-xr-x"));
        Files.createDirectory(root.resolve("tmp"));
        try (InputStream in = HostileProgramsTest.class.getResourceAsStream("hostile/hostile.c")) {
            String source = new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
            StaticProgram.compile(source, root.resolve("hostile"));
        }
        image = Image.directory(root);
        neighbour = Sandbox.launch(SandboxSpec.of(image).withMemory(MEMORY));
    }

    @AfterAll
    static void close() {
        neighbour.close();
        image.close();
    }

    /// Runs one case in a sandbox of its own; afterwards that and the one beside it run programs as before.
    private static ExecResult run(String name, Duration limit) {
        try (Sandbox sandbox = Sandbox.launch(SandboxSpec.of(image).withMemory(MEMORY))) {
            ExecResult result = sandbox.exec(Command.of("/hostile", name).withTimeout(limit));
            assertThat(sandbox.exec("/hostile").exitCode()).isZero();
            assertThat(neighbour.exec("/hostile").exitCode()).isZero();
            return result;
        }
    }

    /// What runs out is refused to the program or, where nothing can be refused any more, ends it.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "descriptors",
                "pipes",
                "sockets-in-flight",
                "timers",
                "signals",
                "areas",
                "tables",
                "threads",
                "files",
                "directories"
            })
    void whatRunsOutIsRefused(String name) {
        ExecResult result = run(name, Duration.ofMinutes(2));
        switch (result.termination()) {
            case Termination.Exited _ ->
                assertThat(result.stdout().text())
                        .matches("1 (EMFILE|ENFILE|ENOMEM|EAGAIN|ENOSPC|ETOOMANYREFS|EFBIG)\n");
            case Termination.Killed killed -> assertThat(killed.detail()).contains("memory");
            case Termination.TimedOut timedOut -> throw new AssertionError(name + " " + timedOut);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "overflow, SIGSEGV",
        "handler-faults, SIGSEGV",
        "in, SIGSEGV",
        "out, SIGSEGV",
        "cli, SIGSEGV",
        "hlt, SIGSEGV",
        "wrmsr, SIGSEGV",
        "cr3, SIGSEGV",
        "lidt, SIGSEGV",
        "iopl, SIGSEGV"
    })
    void whatIsNotAllowedEndsTheProgram(String name, String signal) {
        assertThat(run(name, Duration.ofMinutes(2)).termination())
                .isInstanceOfSatisfying(Termination.Killed.class, killed -> assertThat(killed.signalName())
                        .isEqualTo(signal));
    }

    @ParameterizedTest
    @ValueSource(strings = {"handlers", "handler-returns", "overflow-in-handler"})
    void whatNeverEndsIsStopped(String name) {
        Duration limit = Duration.ofMillis(300);
        assertThat(run(name, limit).termination()).isEqualTo(new Termination.TimedOut(limit));
    }

    @Test
    void nobodyLooksIntoAnother() {
        ExecResult result = run("ptrace", Duration.ofMinutes(1));
        assertThat(result.stdout()).hasToString("-1 ENOSYS\n-1 ENOSYS\n");
        assertThat(result.unsupported()).extracting(UnsupportedCall::name).containsExactly("ptrace");
    }
}
