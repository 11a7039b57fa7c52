// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.internal.FakeAgent;
import io.vivarium.internal.FakeAgent.Vice;
import io.vivarium.internal.FakeGuests;
import io.vivarium.internal.FakeProcess;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What sandboxes do with programs, with an agent in Java in place of a guest.
@Timeout(60)
class SandboxSessionTest {
    private final FakeAgent agent = new FakeAgent(Vice.NONE);
    private Sandbox sandbox;

    @BeforeEach
    void launch() {
        sandbox = launch(agent);
    }

    private static Sandbox launch(FakeAgent agent) {
        SandboxSpec spec = SandboxSpec.of(FakeGuests.image());
        return new Sandbox(spec, FakeGuests.launch(agent, spec));
    }

    @AfterEach
    void hostKeptToTheProtocol() {
        sandbox.close();
        assertThat(agent.complaints()).isEmpty();
        assertThat(agent.isClosed()).isTrue();
    }

    private static int cat(FakeProcess process) throws InterruptedException {
        for (byte[] read = process.read(); read.length > 0; read = process.read()) {
            process.write(1, read);
        }
        return 0;
    }

    private static byte[] random(int length) {
        byte[] bytes = new byte[length];
        new Random(length).nextBytes(bytes);
        return bytes;
    }

    @Test
    void outputAndExitCodeComeBack() {
        agent.program("greet", process -> {
            process.write(1, ("hello " + process.argv().get(1)).getBytes(UTF_8));
            process.write(2, "grüße".getBytes(UTF_8));
            return 3;
        });
        ExecResult result = sandbox.exec("greet", "world");
        assertThat(result.stdout()).hasToString("hello world");
        assertThat(result.stderr().text()).isEqualTo("grüße");
        assertThat(result.exitCode()).isEqualTo(3);
        assertThat(result.termination()).isEqualTo(new Termination.Exited(3));
        assertThat(result.usage()).isEqualTo(new Usage(Duration.ofNanos(1000), Duration.ofNanos(2000), 4096));
        assertThat(result.stdout().truncated()).isFalse();
        assertThat(result.succeeded()).isFalse();
        assertThatThrownBy(result::orThrow)
                .isInstanceOf(ExecFailedException.class)
                .hasMessage("greet world ended with exit code 3\ngrüße");
    }

    @Test
    void programThatIsNotThere() {
        assertThatThrownBy(() -> sandbox.exec("/bin/nothing"))
                .isInstanceOf(ProgramNotFoundException.class)
                .hasMessage("no such file: /bin/nothing (ENOENT)");
        assertThatThrownBy(() -> sandbox.start("/bin/nothing")).isInstanceOf(ProgramNotFoundException.class);
        assertThat(sandbox.isAlive()).isTrue();
    }

    @Test
    void environmentOfCommandGoesOverThatOfSandbox() {
        SandboxSpec spec =
                SandboxSpec.of(FakeGuests.image()).withEnv("A", "sandbox").withEnv("B", "sandbox");
        FakeAgent other = new FakeAgent(Vice.NONE).program("env", _ -> 0);
        try (Sandbox with = new Sandbox(spec, FakeGuests.launch(other, spec))) {
            with.exec(Command.of("env").withEnv("B", "command").withEnv("C", ""));
        }
        assertThat(other.environments().getFirst())
                .containsExactlyInAnyOrder(
                        "PATH=" + SandboxSpec.DEFAULT_ENV.get("PATH"), "A=sandbox", "B=command", "C=");
    }

    @Test
    void outputBeyondTheLimitIsCountedAndDropped() {
        byte[] output = random(3 << 20);
        agent.program("chatter", process -> {
            process.write(1, output);
            process.write(2, output);
            return 0;
        });
        ExecResult result = sandbox.exec(Command.of("chatter").withOutputLimit(1000));
        assertThat(result.stdout().bytes()).isEqualTo(Arrays.copyOf(output, 1000));
        assertThat(result.stdout().written()).isEqualTo(output.length);
        assertThat(result.stdout().truncated()).isTrue();
        assertThat(result.stderr().truncated()).isTrue();
        assertThat(sandbox.exec(Command.of("chatter").withOutputLimit(0))
                        .stdout()
                        .bytes())
                .isEmpty();
        assertThat(sandbox.exec(Command.of("chatter")).stdout().bytes()).hasSize(Command.DEFAULT_OUTPUT_LIMIT);
    }

    @Test
    void writerWaitsForReader() throws Exception {
        byte[] output = random(1 << 20);
        CompletableFuture<FakeProcess> writer = new CompletableFuture<>();
        agent.program("chatter", process -> {
            writer.complete(process);
            process.write(1, output);
            return 0;
        });
        try (GuestProcess process = sandbox.start("chatter")) {
            writer.get().awaitNoCredit(1);
            assertThat(process.isAlive()).isTrue();
            assertThat(process.stdout().readAllBytes()).isEqualTo(output);
            assertThat(process.waitFor().exitCode()).isZero();
            assertThat(process.pid()).isEqualTo(101);
            assertThat(process.stdout().read()).isEqualTo(-1);
        }
    }

    @Test
    void aClosedStreamMakesNobodyWait() throws Exception {
        agent.program("chatter", process -> {
            process.write(1, random(1 << 20));
            return 0;
        });
        try (GuestProcess process = sandbox.start("chatter")) {
            process.stdout().close();
            assertThat(process.waitFor().exitCode()).isZero();
            assertThatThrownBy(() -> process.stdout().read()).isInstanceOf(IOException.class);
        }
    }

    @Test
    void standardInputFromEverywhere(@TempDir Path directory) throws Exception {
        agent.program("cat", SandboxSessionTest::cat);
        byte[] input = random(300_000);
        Path file = Files.write(directory.resolve("input"), input);
        Command cat = Command.of("cat").withOutputLimit(1 << 20);
        assertThat(sandbox.exec(cat).stdout().bytes()).isEmpty();
        assertThat(sandbox.exec(cat.withStdin(Stdin.of(new byte[0]))).stdout().bytes())
                .isEmpty();
        assertThat(sandbox.exec(cat.withStdin(Stdin.of(input))).stdout().bytes())
                .isEqualTo(input);
        assertThat(sandbox.exec(cat.withStdin(Stdin.of("grüße"))).stdout()).hasToString("grüße");
        assertThat(sandbox.exec(cat.withStdin(Stdin.of(new ByteArrayInputStream(input))))
                        .stdout()
                        .bytes())
                .isEqualTo(input);
        assertThat(sandbox.exec(cat.withStdin(Stdin.of(file))).stdout().bytes()).isEqualTo(input);
        assertThatThrownBy(() -> sandbox.exec(cat.withStdin(Stdin.of(directory.resolve("missing")))))
                .hasMessageContaining("missing");
        assertThatThrownBy(() -> sandbox.exec(cat.withStdin(Stdin.pipe())))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aStreamThatBlocksHoldsUpNoVirtualThreads() {
        agent.program("cat", SandboxSessionTest::cat);
        AtomicBoolean virtual = new AtomicBoolean(true);
        InputStream stream = new InputStream() {
            @Override
            public int read() {
                virtual.set(Thread.currentThread().isVirtual());
                return -1;
            }

            @Override
            public int read(byte[] bytes, int offset, int length) {
                return read();
            }
        };
        // Its end may come before the program does.
        for (int i = 0; i < 100; i++) {
            sandbox.exec(Command.of("cat").withStdin(Stdin.of(stream)));
        }

        assertThat(virtual).isFalse();
    }

    @Test
    void standardInputAsAPipe() throws Exception {
        agent.program("cat", SandboxSessionTest::cat);
        byte[] input = random(500_000);
        try (GuestProcess process = sandbox.start(Command.of("cat").withStdin(Stdin.pipe()))) {
            Thread writer = Thread.ofVirtual().start(() -> {
                try (OutputStream stdin = process.stdin()) {
                    stdin.write(input[0]);
                    stdin.write(input, 1, input.length - 1);
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            });
            assertThat(process.stdout().readAllBytes()).isEqualTo(input);
            writer.join();
            process.waitFor();
            assertThatThrownBy(() -> process.stdin().write(1)).isInstanceOf(IOException.class);
        }
        try (GuestProcess process = sandbox.start("cat")) {
            assertThatThrownBy(process::stdin).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void writingToAProgramThatHasEnded() {
        agent.program("true", _ -> 0);
        try (GuestProcess process = sandbox.start(Command.of("true").withStdin(Stdin.pipe()))) {
            process.waitFor();
            assertThatThrownBy(() -> process.stdin().write(new byte[100_000]))
                    .isInstanceOf(IOException.class)
                    .hasMessage("the program has ended");
        }
    }

    @Test
    void linesGoToConsumersAsWellAsIntoTheResult() {
        agent.program("lines", process -> {
            process.write(1, "one\ntw".getBytes(UTF_8));
            process.write(1, "o\n\nlast".getBytes(UTF_8));
            process.write(2, "x".repeat(70_000).getBytes(UTF_8));
            return 0;
        });
        List<String> lines = Collections.synchronizedList(new ArrayList<>());
        List<String> errors = Collections.synchronizedList(new ArrayList<>());
        ExecResult result =
                sandbox.exec(Command.of("lines").onStdout(lines::add).onStderr(errors::add));
        assertThat(lines).containsExactly("one", "two", "", "last");
        assertThat(errors).containsExactly("x".repeat(65_536), "x".repeat(70_000 - 65_536));
        assertThat(result.stdout()).hasToString("one\ntwo\n\nlast");
    }

    @Test
    void aConsumerThatThrowsEndsTheProgram() {
        agent.program("lines", process -> {
            process.write(1, "one\n".getBytes(UTF_8));
            return process.forever();
        });
        Command command = Command.of("lines").onStdout(line -> {
            throw new IllegalStateException("no " + line);
        });
        assertThatThrownBy(() -> sandbox.exec(command)).hasMessage("no one");
        assertThat(sandbox.isAlive()).isTrue();
        assertThatThrownBy(() -> sandbox.start(command)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aProgramThatRunsTooLongIsKilled() {
        agent.program("loop", process -> {
            process.write(1, "so far".getBytes(UTF_8));
            return process.forever();
        });
        Duration limit = Duration.ofSeconds(1);
        ExecResult result = sandbox.exec(Command.of("loop").withTimeout(limit));
        assertThat(result.termination()).isEqualTo(new Termination.TimedOut(limit));
        assertThat(result.exitCode()).isEqualTo(124);
        assertThat(result.stdout()).hasToString("so far");
        assertThat(sandbox.isAlive()).isTrue();
        agent.program("true", _ -> 0);
        assertThat(sandbox.exec(Command.of("true").withTimeout(Duration.ofDays(400_000)))
                        .exitCode())
                .isZero();
    }

    @Test
    void aGuestThatDoesNotKillIsStopped() {
        FakeAgent deaf = new FakeAgent(Vice.DEAF_TO_SIGNALS).program("loop", FakeProcess::forever);
        try (Sandbox stuck = launch(deaf)) {
            assertThatThrownBy(() -> stuck.exec(Command.of("loop").withTimeout(Duration.ofMillis(20))))
                    .isInstanceOf(GuestCrashedException.class)
                    .hasMessageContaining("did not end a killed program within 2 s: loop")
                    .hasMessageContaining("fake console");
            assertThat(stuck.isAlive()).isFalse();
            assertThat(deaf.isStopped()).isTrue();
            assertThatThrownBy(() -> stuck.exec("true")).isInstanceOf(GuestCrashedException.class);
        }
    }

    @Test
    void signalsAndCrashesAreResults() {
        agent.program("loop", FakeProcess::forever);
        try (GuestProcess process = sandbox.start("loop")) {
            assertThat(process.waitFor(Duration.ofMillis(1))).isEmpty();
            process.signal(15);
            Exit exit = process.waitFor();
            assertThat(exit.exitCode()).isEqualTo(143);
            assertThat(exit.termination())
                    .isEqualTo(new Termination.Killed(15, 0, 0, 0x401000, 0x7ffe0000, "signal 15"));
            assertThat(((Termination.Killed) exit.termination()).signalName()).isEqualTo("SIGTERM");
            assertThat(process.waitFor(Duration.ofDays(1))).contains(exit);
            assertThatThrownBy(() -> process.signal(65)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void closingAProcessKillsIt() throws Exception {
        CountDownLatch killed = new CountDownLatch(1);
        agent.program("loop", process -> {
            try {
                return process.forever();
            } finally {
                killed.countDown();
            }
        });
        GuestProcess process = sandbox.start("loop");
        process.close();
        process.close();
        killed.await();
        assertThat(process.waitFor().exitCode()).isEqualTo(137);
    }

    @Test
    void whatDependsOnTheEndRunsElsewhere() throws Exception {
        agent.program("loop", FakeProcess::forever);
        GuestProcess process = sandbox.start("loop");
        CompletableFuture<Thread> ranOn = process.onExit().thenApply((Exit exit) -> Thread.currentThread());
        process.kill();
        assertThat(ranOn.get().isVirtual()).isTrue();
        assertThat(ranOn.get().getName()).isNotEqualTo("fake-agent");
        GuestProcess second = sandbox.start("loop");
        CompletableFuture<Exit> never = second.onExit();
        sandbox.close();
        assertThatThrownBy(never::get)
                .isInstanceOf(ExecutionException.class)
                .hasCauseInstanceOf(SandboxClosedException.class);
    }

    @Test
    void manyProgramsAtOnce() throws Exception {
        agent.program("cat", SandboxSessionTest::cat);
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<ExecResult>> results = new ArrayList<>();
            for (int i = 0; i < 50; i++) {
                byte[] input = random(20_000 + i);
                results.add(executor.submit(() -> sandbox.exec(Command.of("cat").withStdin(Stdin.of(input)))));
            }
            for (int i = 0; i < 50; i++) {
                assertThat(results.get(i).get().stdout().bytes()).isEqualTo(random(20_000 + i));
            }
        }
    }

    @Test
    void interruptingTheCallerKillsTheProgram() throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch killed = new CountDownLatch(1);
        agent.program("loop", process -> {
            running.countDown();
            try {
                return process.forever();
            } finally {
                killed.countDown();
            }
        });
        CompletableFuture<Boolean> interruptedStatus = new CompletableFuture<>();
        Thread caller = Thread.ofVirtual().start(() -> {
            try {
                sandbox.exec("loop");
            } catch (ExecInterruptedException e) {
                interruptedStatus.complete(Thread.currentThread().isInterrupted());
            }
        });
        running.await();
        caller.interrupt();
        assertThat(interruptedStatus.get()).isTrue();
        killed.await();
        assertThat(sandbox.isAlive()).isTrue();
    }

    @Test
    void closingFromAnotherThreadEndsWhoeverWaits() throws Exception {
        CountDownLatch running = new CountDownLatch(2);
        agent.program("loop", process -> {
            running.countDown();
            return process.forever();
        });
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            Future<ExecResult> exec = executor.submit(() -> sandbox.exec("loop"));
            GuestProcess process = sandbox.start("loop");
            InputStream stdout = process.stdout();
            Future<Integer> read = executor.submit(() -> stdout.read());
            running.await();
            sandbox.close();
            sandbox.close();
            assertThatThrownBy(exec::get).hasCauseInstanceOf(SandboxClosedException.class);
            assertThatThrownBy(read::get).hasCauseInstanceOf(IOException.class).hasStackTraceContaining("was closed");
            assertThatThrownBy(process::waitFor).isInstanceOf(SandboxClosedException.class);
            assertThatThrownBy(() -> sandbox.exec("loop")).isInstanceOf(SandboxClosedException.class);
            assertThatThrownBy(() -> sandbox.start("loop")).isInstanceOf(SandboxClosedException.class);
        }
        assertThat(sandbox.isAlive()).isFalse();
        assertThat(sandbox.console()).isEqualTo("fake console\n");
    }

    @Test
    void aSandboxHasALifetime() {
        SandboxSpec spec = SandboxSpec.of(FakeGuests.image()).withMaxLifetime(Duration.ofMillis(30));
        FakeAgent other = new FakeAgent(Vice.NONE).program("loop", FakeProcess::forever);
        try (Sandbox shortLived = new Sandbox(spec, FakeGuests.launch(other, spec))) {
            assertThatThrownBy(() -> shortLived.exec("loop")).isInstanceOf(LifetimeExceededException.class);
            assertThat(shortLived.isAlive()).isFalse();
        }
    }

    @Test
    void anAgentThatDoesNotAnswer() {
        SandboxSpec spec = SandboxSpec.of(FakeGuests.image()).withLaunchTimeout(Duration.ofMillis(20));
        FakeAgent mute = new FakeAgent(Vice.MUTE);
        assertThatThrownBy(() -> FakeGuests.launch(mute, spec))
                .isInstanceOf(LaunchFailedException.class)
                .hasMessageContaining("not ready within PT0.02S")
                .hasMessageContaining("fake console");
        assertThat(mute.isClosed()).isTrue();
    }

    @Test
    void anAgentOfAnotherVersion() {
        SandboxSpec spec = SandboxSpec.of(FakeGuests.image());
        assertThatThrownBy(() -> FakeGuests.launch(new FakeAgent(Vice.WRONG_VERSION), spec))
                .isInstanceOf(LaunchFailedException.class)
                .hasMessageContaining("the agent speaks version 2 of the protocol, the host 1");
    }

    @Test
    void tooManyArguments() {
        agent.program("echo", _ -> 0);
        String half = "x".repeat(100 << 10);
        assertThatThrownBy(() -> sandbox.exec("echo", half, half))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("larger than the 204800 bytes");
        assertThatThrownBy(() -> sandbox.exec(Command.of("echo", half).withEnv("A", half)))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(sandbox.exec("echo", half).exitCode()).isZero();
    }

    @Test
    void unreadStreamsDoNotHoldUpTheEnd() throws Exception {
        agent.program("greet", process -> {
            process.write(1, "hello".getBytes(UTF_8));
            return 0;
        });
        GuestProcess process = sandbox.start("greet");
        assertThat(process.onExit().get(30, TimeUnit.SECONDS).exitCode()).isZero();
        assertThat(new String(process.stdout().readAllBytes(), UTF_8)).isEqualTo("hello");
    }
}
