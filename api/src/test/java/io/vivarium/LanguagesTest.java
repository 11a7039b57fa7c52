// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Programs in several languages behave in a sandbox as on the host: threads, timers, signals, files,
/// memory, and how they end. The same binary runs on both; the guest must not miss a system call.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class LanguagesTest {
    private static final Map<String, String> ENVIRONMENT = Map.of("GREETING", "hello");
    private static final String INPUT = "first line\nsecond, the last";

    @TempDir
    private static Path root;

    private static Image image;
    private static Sandbox sandbox;

    @BeforeAll
    static void make() throws IOException, InterruptedException {
        // The guest's / is for all its users.
        Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwxr-xr-x"));
        Files.createDirectory(root.resolve("tmp"));
        Path data = Files.createDirectory(root.resolve("data"));
        Files.writeString(data.resolve("text"), "one two\nthree two\n");
        LanguageProgram.copySource("script.lua", data.resolve("script.lua"));
        Path bin = Files.createDirectory(root.resolve("bin"));
        for (LanguageProgram program : LanguageProgram.values()) {
            if (program.canBeMade()) {
                program.make(bin);
            }
        }
        image = Image.directory(root);
        sandbox = Sandbox.launch(image);
    }

    @AfterAll
    static void close() {
        sandbox.close();
        image.close();
    }

    /// @param arguments files are named from the root, where the program starts
    /// @param exitCode as the program's source has it, or its language
    record Case(LanguageProgram program, List<String> arguments, int exitCode) {
        static Case of(LanguageProgram program, int exitCode, String... arguments) {
            return new Case(program, List.of(arguments), exitCode);
        }

        /// @param path of the program
        List<String> argv(String path) {
            List<String> argv = new ArrayList<>(List.of(path));
            argv.addAll(arguments);
            return argv;
        }

        @Override
        public String toString() {
            return program + " " + String.join(" ", arguments);
        }
    }

    static Stream<Case> cases() {
        return Stream.of(
                Case.of(LanguageProgram.LUA, 3, "data/script.lua", "exit"),
                Case.of(LanguageProgram.LUA, 1, "data/script.lua", "fail"),
                Case.of(LanguageProgram.GO, 4, "exit", "data/text"),
                Case.of(LanguageProgram.GO, 2, "panic", "data/text"),
                Case.of(LanguageProgram.RUST, 5, "exit"),
                Case.of(LanguageProgram.RUST, 101, "panic"),
                Case.of(LanguageProgram.GLIBC, 6, "exit", "data/text"),
                Case.of(LanguageProgram.GLIBC, 134, "abort", "data/text"),
                Case.of(LanguageProgram.GLIBC_PIE, 6, "exit", "data/text"),
                Case.of(LanguageProgram.MUSL, 6, "exit", "data/text"),
                Case.of(LanguageProgram.CPP, 7, "exit", "data/text"),
                Case.of(LanguageProgram.CPP, 134, "throw", "data/text"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void sameAsOnTheHost(Case test, @TempDir Path scratch) throws IOException, InterruptedException {
        LanguageProgram program = test.program;
        assumeTrue(program.canBeMade(), () -> program.debianPackage() + " is not installed, which makes " + program);
        ExecResult guest = sandbox.exec(Command.of(test.argv("/bin/" + program.fileName()))
                .withEnv(ENVIRONMENT)
                .withStdin(Stdin.of(INPUT))
                .withTimeout(Duration.ofMinutes(2)));
        Path binary = root.resolve("bin").resolve(program.fileName());
        OnHost host = OnHost.run(test.argv(binary.toString()), root, ENVIRONMENT, INPUT, scratch);
        assertThat(guest.stdout().text()).isEqualTo(host.stdout());
        assertThat(withoutThreadNumbers(guest.stderr().text())).isEqualTo(withoutThreadNumbers(host.stderr()));
        assertThat(guest.exitCode()).isEqualTo(host.exitCode()).isEqualTo(test.exitCode);
        assertThat(guest.unsupported()).isEmpty();
    }

    /// Rust tells which thread panics with the number that the kernel gave it.
    private static String withoutThreadNumbers(String stderr) {
        return stderr.replaceAll("(thread '[^']*') \\(\\d+\\)", "$1");
    }
}
