// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.testing.Effort;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Bad input, hostile programs, and what is left afterwards.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class HardCasesTest {
    @ParameterizedTest
    @CsvSource({
        "/bin/nothing, ENOENT",
        "nothing, ENOENT",
        "/data, EACCES",
        "/bad/text, ENOEXEC",
        "/bad/empty, ENOEXEC",
        "/bad/header-only, ENOEXEC",
        "/bad/arm, ENOEXEC",
        "/bad/not-executable, EACCES",
        "/data/words/x, ENOTDIR"
    })
    void whatIsNoProgramIsRefused(String path, String errno) {
        try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE)) {
            assertThatThrownBy(() -> sandbox.exec(path))
                    .isInstanceOfSatisfying(ExecRefusedException.class, e -> assertThat(e.errno())
                            .isEqualTo(errno))
                    .hasMessageContaining(path);
            assertThat(sandbox.exec("/bin/busybox", "true").exitCode()).isZero();
        }
    }

    /// What Linux refuses, or kills: either way the sandbox tells, and goes on.
    @ParameterizedTest
    @CsvSource({"/bad/truncated", "/bad/low", "/bad/kernel", "/bad/huge"})
    void programsThatCannotBeLoadedHarmNobody(String path) {
        try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE)) {
            try {
                assertThat(sandbox.exec(path).termination()).isInstanceOf(Termination.Killed.class);
            } catch (ExecRefusedException e) {
                assertThat(e.errno()).isIn("ENOEXEC", "ENOMEM", "EINVAL", "EPERM");
            }
            assertThat(sandbox.exec("/bin/busybox", "true").exitCode()).isZero();
        }
    }

    @Test
    void imagesThatAreNone(@TempDir Path directory) throws IOException {
        Path text = Files.writeString(directory.resolve("text"), "no image");
        Path empty = Files.createFile(directory.resolve("empty"));
        Path image = directory.resolve("image.erofs");
        assertThatThrownBy(() -> Image.erofs(text)).isInstanceOf(InvalidImageException.class);
        assertThatThrownBy(() -> Image.erofs(empty)).isInstanceOf(InvalidImageException.class);
        assertThatThrownBy(() -> Image.erofs(image)).isInstanceOf(InvalidImageException.class);
        assertThatThrownBy(() -> Image.tar(text)).isInstanceOf(InvalidImageException.class);
        assertThatThrownBy(() -> Image.directory(text)).isInstanceOf(InvalidImageException.class);
        assertThatThrownBy(() -> Image.of(directory.resolve("nothing"))).isInstanceOf(InvalidImageException.class);
    }

    @Test
    void aClosedImageLaunchesNothing() {
        Image image = Image.directory(RealPrograms.ROOT);
        try (Sandbox sandbox = Sandbox.launch(image)) {
            image.close();
            assertThat(sandbox.exec("/bin/busybox", "true").exitCode()).isZero();
        }
        assertThatThrownBy(() -> Sandbox.launch(image)).isInstanceOf(LaunchFailedException.class);
    }

    @Test
    void theLeastMemoryIsEnough() {
        SandboxSpec spec = SandboxSpec.of(RealPrograms.IMAGE).withMemory(SandboxSpec.MIN_MEMORY);
        try (Sandbox sandbox = Sandbox.launch(spec)) {
            assertThat(sandbox.exec("/bin/busybox", "echo", "hi").stdout()).hasToString("hi\n");
        }
        assertThatThrownBy(() -> spec.withMemory(Memory.mebibytes(8))).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> spec.withMemory(new Memory((64 << 20) + 1)))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> spec.withVcpus(2)).hasMessageContaining("Substrate");
    }

    @Test
    void memoryBeyondTheDeviceWindows() {
        SandboxSpec spec = SandboxSpec.of(RealPrograms.IMAGE).withMemory(Memory.gibibytes(5));
        try (Sandbox sandbox = Sandbox.launch(spec)) {
            assertThat(sandbox.exec("/bin/busybox", "echo", "hi").stdout()).hasToString("hi\n");
        }
    }

    @Test
    void anEndlessLoopIsStopped() {
        try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE)) {
            ExecResult result = sandbox.exec(Command.of("/bin/endless").withTimeout(Duration.ofMillis(100)));
            assertThat(result.termination()).isEqualTo(new Termination.TimedOut(Duration.ofMillis(100)));
            assertThat(sandbox.isAlive()).isTrue();
            assertThat(sandbox.exec("/bin/busybox", "echo", "next").stdout()).hasToString("next\n");
        }
    }

    @Test
    void anEndlessLoopDiesWithItsSandbox() throws Exception {
        Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE);
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            CountDownLatch started = new CountDownLatch(1);
            Future<Exit> end = executor.submit(() -> {
                try (GuestProcess process = sandbox.start("/bin/endless")) {
                    started.countDown();
                    return process.waitFor();
                }
            });
            started.await();
            sandbox.close();
            assertThatThrownBy(end::get).hasCauseInstanceOf(SandboxClosedException.class);
        }
    }

    @Test
    void aProgramThatFillsMemoryHitsItsLimit() {
        SandboxSpec spec = SandboxSpec.of(RealPrograms.IMAGE).withMemory(Memory.mebibytes(32));
        try (Sandbox sandbox = Sandbox.launch(spec)) {
            ExecResult result = sandbox.exec(Command.of("/bin/hog").withTimeout(Duration.ofSeconds(60)));
            switch (result.termination()) {
                case Termination.Exited exited -> assertThat(exited.code()).isEqualTo(7);
                case Termination.Killed killed -> assertThat(killed.detail()).contains("memory");
                case Termination.TimedOut timedOut -> throw new AssertionError(timedOut);
            }
            assertThat(sandbox.exec("/bin/busybox", "echo", "still here").stdout())
                    .hasToString("still here\n");
        }
    }

    @Test
    void aCrashIsAResult() {
        try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE)) {
            ExecResult fault = sandbox.exec("/bin/crash");
            assertThat(fault.termination()).isInstanceOfSatisfying(Termination.Killed.class, killed -> {
                assertThat(killed.signalName()).isEqualTo("SIGSEGV");
                assertThat(killed.address()).isEqualTo(0x123000);
                assertThat(killed.instructionPointer()).isNotZero();
            });
            assertThat(fault.exitCode()).isEqualTo(139);
            ExecResult abort = sandbox.exec("/bin/crash", "abort");
            assertThat(abort.exitCode()).isEqualTo(134);
        }
    }

    @Test
    void forkWorks() {
        try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE)) {
            ExecResult result = sandbox.exec("/bin/forks");
            assertThat(result.stdout()).hasToString("child ended with 5\n");
            assertThat(result.exitCode()).isZero();
            assertThat(result.unsupported()).isEmpty();
        }
    }

    @Test
    void whatTheGuestDoesNotHaveIsNamed() {
        try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE)) {
            ExecResult result = sandbox.exec("/bin/uring");
            assertThat(result.stderr()).hasToString("io_uring_setup: Function not implemented\n");
            assertThat(result.unsupported()).contains(new UnsupportedCall(425, "io_uring_setup", 3));
        }
    }

    @Test
    void manyMebibytesArriveInOrder() throws Exception {
        long bytes = (long) Effort.times(64) << 20;
        Process host =
                new ProcessBuilder(RealPrograms.ROOT.resolve("bin/chatter").toString(), Long.toString(bytes)).start();
        String expected = sha256(host.getInputStream());
        try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE);
                GuestProcess process = sandbox.start("/bin/chatter", Long.toString(bytes))) {
            assertThat(sha256(process.stdout())).isEqualTo(expected);
            assertThat(process.waitFor().exitCode()).isZero();
            ExecResult limited = sandbox.exec(
                    Command.of("/bin/chatter", Long.toString(bytes)).withOutputLimit(10));
            assertThat(limited.stdout().written()).isEqualTo(bytes);
            assertThat(limited.stdout().bytes()).hasSize(10);
        }
    }

    private static String sha256(InputStream in) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        byte[] chunk = new byte[50_000];
        for (int length = in.read(chunk); length >= 0; length = in.read(chunk)) {
            digest.update(chunk, 0, length);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    @Test
    void standardInputGoesThroughInOrder() throws Exception {
        byte[] input = new byte[5 << 20];
        new Random(3).nextBytes(input);
        try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE)) {
            Command cat = Command.of("/bin/busybox", "cat").withOutputLimit(input.length);
            assertThat(Arrays.equals(
                            sandbox.exec(cat.withStdin(Stdin.of(input)))
                                    .stdout()
                                    .bytes(),
                            input))
                    .isTrue();
            try (GuestProcess process = sandbox.start(cat.withStdin(Stdin.pipe()))) {
                Thread writer = Thread.ofVirtual().start(() -> {
                    try (OutputStream stdin = process.stdin()) {
                        stdin.write(input);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                });
                assertThat(Arrays.equals(process.stdout().readAllBytes(), input))
                        .isTrue();
                writer.join();
            }
        }
    }

    @Test
    void aReaderOfInputThatNobodyWritesWaitsAndCanBeEnded() {
        try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE);
                GuestProcess process =
                        sandbox.start(Command.of("/bin/busybox", "cat").withStdin(Stdin.pipe()))) {
            assertThat(process.waitFor(Duration.ofMillis(50))).isEmpty();
            process.kill();
            assertThat(process.waitFor().exitCode()).isEqualTo(137);
        }
    }

    @Test
    void sleepingTakesItsTime() {
        try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE)) {
            ExecResult result = sandbox.exec("/bin/busybox", "sleep", "0.1");
            assertThat(result.exitCode()).isZero();
            assertThat(result.duration()).isGreaterThanOrEqualTo(Duration.ofMillis(100));
        }
    }

    @Test
    void changesStayInTheSandbox() {
        try (Sandbox first = Sandbox.launch(RealPrograms.IMAGE);
                Sandbox second = Sandbox.launch(RealPrograms.IMAGE)) {
            assertThat(first.exec("/bin/busybox", "sh", "-c", "echo changed > /data/words; echo new > /tmp/new")
                            .exitCode())
                    .isZero();
            assertThat(first.exec("/bin/busybox", "cat", "/data/words", "/tmp/new")
                            .stdout())
                    .hasToString("changed\nnew\n");
            assertThat(second.exec("/bin/busybox", "cat", "/tmp/new").exitCode())
                    .isEqualTo(1);
            assertThat(second.exec("/bin/busybox", "wc", "-l", "/data/words").stdout())
                    .hasToString("2000 /data/words\n");
        }
    }

    @Test
    void theLargestArgumentsArrive() {
        try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE)) {
            String large = "x".repeat(60_000);
            ExecResult result = sandbox.exec("/bin/busybox", "echo", large, large, large);
            assertThat(result.stdout().written()).isEqualTo(180_003);
        }
    }

    @Test
    void aThousandLaunchesLeaveNothingBehind() throws IOException {
        for (int i = 0; i < Effort.times(50); i++) {
            launchAndClose();
        }
        System.gc();
        Left before = Left.now();
        for (int i = 0; i < Effort.times(1000); i++) {
            launchAndClose();
        }
        System.gc();
        Left after = Left.now();
        assertThat(after.files).isLessThanOrEqualTo(before.files + 2);
        assertThat(after.guestMappings).isLessThanOrEqualTo(before.guestMappings);
        assertThat(after.threads).isLessThanOrEqualTo(before.threads + 4);
    }

    private static void launchAndClose() {
        try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE)) {
            assertThat(sandbox.isAlive()).isTrue();
        }
    }

    /// What this process holds of the host.
    private record Left(long files, long guestMappings, int threads) {
        static Left now() throws IOException {
            try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"));
                    Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
                return new Left(
                        files.count(),
                        maps.filter(line -> line.contains("vivarium") || line.contains("kvm"))
                                .count(),
                        (int) Thread.getAllStackTraces().keySet().stream()
                                .filter(thread -> thread.getName().startsWith("vivarium"))
                                .count());
            }
        }
    }
}
