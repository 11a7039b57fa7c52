// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.vivarium.kvm.testing.Effort;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Processes that were started before their sandbox was saved, and wait for work in every one made from it.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class ReadyMadeTest {
    private static final SandboxSpec SPEC = SandboxSpec.of(RealPrograms.IMAGE).withMemory(Memory.mebibytes(64));

    /// Answers each line with how many it has read, and the line.
    private static final Command COUNTER = sh("n=0; while read -r line; do n=$((n+1)); echo $n $line; done; exit 7");

    private static final Command CAT = Command.of("/bin/busybox", "cat").withStdin(Stdin.pipe());

    private static Command sh(String script) {
        return Command.of("/bin/busybox", "sh", "-c", script).withStdin(Stdin.pipe());
    }

    private static BufferedReader lines(GuestProcess process) {
        return new BufferedReader(new InputStreamReader(process.stdout(), UTF_8));
    }

    private static void say(GuestProcess process, String line) {
        try {
            process.stdin().write((line + "\n").getBytes(UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String ask(GuestProcess process, String line) {
        try {
            say(process, line);
            return Objects.requireNonNull(lines(process).readLine(), "the end");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void eachSandboxGoesOnFromTheWait() throws IOException {
        try (Template template = Template.of(SPEC).withProcess(COUNTER, process -> assertThat(ask(process, "warm"))
                .isEqualTo("1 warm"))) {
            List<Sandbox> sandboxes = new ArrayList<>();
            for (int i = 0; i < Effort.times(20); i++) {
                sandboxes.add(template.launch());
            }
            for (Sandbox sandbox : sandboxes) {
                GuestProcess process = sandbox.readyMade().getFirst();
                assertThat(process.command()).isEqualTo(COUNTER);
                assertThat(process.isAlive()).isTrue();
                say(process, "from " + sandboxes.indexOf(sandbox));
            }
            for (Sandbox sandbox : sandboxes) {
                GuestProcess process = sandbox.readyMade().getFirst();
                BufferedReader out = lines(process);
                assertThat(out.readLine()).isEqualTo("2 from " + sandboxes.indexOf(sandbox));
                assertThat(sandbox.exec("/bin/busybox", "echo", "beside")
                                .stdout()
                                .text())
                        .isEqualTo("beside\n");
                process.stdin().close();
                assertThat(out.readLine()).isNull();
                assertThat(process.waitFor().exitCode()).isEqualTo(7);
                sandbox.close();
            }
        }
    }

    @Test
    void eachSandboxOfAFileGoesOnFromTheWait(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("template");
        Command named =
                COUNTER.withEnv("NAME", "Jo").withWorkingDirectory("/tmp").withUser(0, 0);
        try (Template template = Template.of(SPEC).withProcess(named, process -> ask(process, "warm"))) {
            template.writeTo(file);
        }
        try (Template template = Template.open(file, SPEC);
                Sandbox one = template.launch();
                Sandbox two = template.launch()) {
            for (Sandbox sandbox : List.of(one, two)) {
                GuestProcess process = sandbox.readyMade().getFirst();
                assertThat(process.command()).isEqualTo(named);
                assertThat(ask(process, "again")).isEqualTo("2 again");
                assertThat(sandbox.exec("/bin/busybox", "echo", "beside")
                                .stdout()
                                .text())
                        .isEqualTo("beside\n");
                process.stdin().close();
                assertThat(process.waitFor().exitCode()).isEqualTo(7);
            }
        }
    }

    @Test
    void aProgramIsReadyWhenNothingRunsAnyMore() {
        Command slow = sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; read line; echo $i $line");
        try (Template template = Template.of(SPEC).withProcess(slow);
                Sandbox sandbox = template.launch()) {
            assertThat(ask(sandbox.readyMade().getFirst(), "x")).isEqualTo("20000 x");
        }
    }

    @Test
    void aPoolPutsItBackToItsWait() throws IOException {
        try (Template template = Template.of(SPEC).withProcess(COUNTER);
                SandboxPool pool = SandboxPool.builder(template).most(1).build()) {
            for (int i = 0; i < Effort.times(40); i++) {
                try (Sandbox sandbox = pool.take()) {
                    GuestProcess process = sandbox.readyMade().getFirst();
                    assertThat(ask(process, "call " + i)).isEqualTo("1 call " + i);
                    switch (i % 4) {
                        case 0 -> process.kill();
                        case 1 -> process.stdin().close();
                        case 2 -> say(process, "unanswered");
                        default -> assertThat(ask(process, "again")).isEqualTo("2 again");
                    }
                }
            }
            assertThat(pool.statistics().launches()).isEqualTo(1);
            assertThat(pool.statistics().failures()).isZero();
        }
    }

    @Test
    void itsEndIsReported() {
        try (Template template = Template.of(SPEC).withProcess(COUNTER);
                Sandbox sandbox = template.launch()) {
            GuestProcess process = sandbox.readyMade().getFirst();
            process.kill();
            assertThat(process.waitFor().termination()).isInstanceOf(Termination.Killed.class);
            assertThat(process.isAlive()).isFalse();
            assertThat(sandbox.exec("/bin/busybox", "echo", "on").stdout().text())
                    .isEqualTo("on\n");
        }
    }

    @Test
    void whatNobodyHasReadIsReadFirst() throws IOException {
        Command talker = sh("echo hello; echo from >&2; cat");
        try (Template template = Template.of(SPEC).withProcess(talker, process -> say(process, "so far"))) {
            for (int i = 0; i < 3; i++) {
                try (Sandbox sandbox = template.launch()) {
                    GuestProcess process = sandbox.readyMade().getFirst();
                    say(process, "now");
                    process.stdin().close();
                    assertThat(new String(process.stdout().readAllBytes(), UTF_8))
                            .isEqualTo("hello\nso far\nnow\n");
                    assertThat(new String(process.stderr().readAllBytes(), UTF_8))
                            .isEqualTo("from\n");
                    assertThat(process.waitFor().exitCode()).isZero();
                }
            }
        }
    }

    /// More than the windows of the streams hold goes through them before and after.
    @Test
    void creditGoesOnFromWhereItWas() throws Exception {
        byte[] before = new byte[700_000];
        byte[] after = new byte[Effort.times(3_000_000)];
        new Random(1).nextBytes(before);
        new Random(2).nextBytes(after);
        int unread = 190_000;
        try (Template template = Template.of(SPEC).withProcess(CAT, process -> {
                    Thread writer = write(process, before);
                    assertThat(read(process, before.length - unread))
                            .isEqualTo(slice(before, 0, before.length - unread));
                    join(writer);
                });
                Template again = template.warmUp(
                        sandbox -> assertThat(read(sandbox.readyMade().getFirst(), unread - 1000))
                                .isEqualTo(slice(before, before.length - unread, before.length - 1000)))) {
            for (int i = 0; i < 2; i++) {
                try (Sandbox sandbox = again.launch()) {
                    GuestProcess process = sandbox.readyMade().getFirst();
                    Thread writer = write(process, after);
                    assertThat(read(process, 1000)).isEqualTo(slice(before, before.length - 1000, before.length));
                    assertThat(read(process, after.length)).isEqualTo(after);
                    join(writer);
                }
            }
        }
    }

    private static byte[] slice(byte[] bytes, int from, int to) {
        return Arrays.copyOfRange(bytes, from, to);
    }

    private static Thread write(GuestProcess process, byte[] bytes) {
        return Thread.ofVirtual().start(() -> {
            try {
                process.stdin().write(bytes);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    private static byte[] read(GuestProcess process, int length) {
        try {
            return process.stdout().readNBytes(length);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void severalWaitSideBySide() {
        try (Template one = Template.of(SPEC).withProcess(COUNTER);
                Template two = one.withProcess(CAT);
                Template warmer = two.warmUp(sandbox -> {
                    assertThat(ask(sandbox.readyMade().getFirst(), "a")).isEqualTo("1 a");
                    sandbox.exec("/bin/busybox", "touch", "/warm");
                });
                Sandbox sandbox = warmer.launch()) {
            assertThat(sandbox.readyMade()).hasSize(2);
            assertThat(ask(sandbox.readyMade().get(1), "b")).isEqualTo("b");
            assertThat(ask(sandbox.readyMade().get(0), "c")).isEqualTo("2 c");
            assertThat(sandbox.exec("/bin/busybox", "test", "-e", "/warm").exitCode())
                    .isZero();
        }
    }

    @Test
    void aServerIsConnectedToAtOnce(@TempDir Path root) throws Exception {
        StaticProgram.compile("#define _GNU_SOURCE\n" + VsockTest.source("vsock.c"), root.resolve("vsock"));
        try (Image image = Image.directory(root);
                Template template = Template.of(image).withProcess(Command.of("/vsock", "echo-server", "5000", "2"));
                SandboxPool pool = SandboxPool.builder(template).most(2).build()) {
            for (int i = 0; i < Effort.times(10); i++) {
                try (Sandbox sandbox = pool.take();
                        Sandbox other = template.launch()) {
                    assertThat(echo(sandbox, "hello " + i)).isEqualTo("hello " + i);
                    assertThat(echo(other, "there")).isEqualTo("there");
                    if (i % 2 == 0) {
                        assertThat(echo(sandbox, "bye")).isEqualTo("bye");
                        assertThat(sandbox.readyMade().getFirst().waitFor().exitCode())
                                .isZero();
                    }
                }
            }
        }
    }

    private static String echo(Sandbox sandbox, String text) throws IOException {
        try (VsockChannel channel = sandbox.connect(5000)) {
            assertThat(channel.write(ByteBuffer.wrap(text.getBytes(UTF_8)))).isEqualTo(text.length());
            channel.shutdownOutput();
            return new String(channel.inputStream().readAllBytes(), UTF_8);
        }
    }

    private static final String PYTHON_WORKER = """
            import json, re, sys
            n = 0
            while line := sys.stdin.readline():
                n += 1
                print(json.dumps([n, re.sub("[aeiou]", "*", json.loads(line)["text"])]), flush=True)
            """;

    @Test
    @Tag("long")
    void anInterpreterIsWarm(@TempDir Path root) throws Exception {
        List<String> packages = List.of("python3-minimal", "libpython3-stdlib");
        assumeThat(DebianRoot.missing(packages))
                .as("Python is not installed here, whose packages are copied")
                .isEmpty();
        DebianRoot debian = new DebianRoot(root);
        debian.add(packages);
        Files.writeString(root.resolve("worker.py"), PYTHON_WORKER);
        Command worker = Command.of("python3", "/worker.py").withStdin(Stdin.pipe());
        try (Image image = Image.directory(root);
                Template template = Template.of(image).withProcess(worker);
                SandboxPool pool =
                        SandboxPool.builder(template).most(3).ready(3).build()) {
            List<FutureTask<String>> calls = new ArrayList<>();
            for (int i = 0; i < Effort.times(60); i++) {
                String request = "{\"text\": \"caller %d\"}".formatted(i);
                FutureTask<String> call = new FutureTask<>(
                        () -> pool.call(sandbox -> ask(sandbox.readyMade().getFirst(), request)));
                calls.add(call);
                Thread.startVirtualThread(call);
            }
            for (int i = 0; i < calls.size(); i++) {
                assertThat(calls.get(i).get()).isEqualTo("[1, \"c*ll*r %d\"]", i);
            }
        }
    }

    @Test
    void whatCannotWaitIsRefused() {
        Template template = Template.of(SPEC);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> template.withProcess(CAT.withStdin(Stdin.of("used up"))))
                .withMessageContaining("used up");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> template.withProcess(CAT.withTimeout(Duration.ofSeconds(1))))
                .withMessageContaining("timeout");
        assertThatThrownBy(() -> template.withProcess(Command.of("/bin/busybox", "true"), GuestProcess::waitFor))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("busybox true")
                .hasMessageContaining("has ended");
        assertThatThrownBy(() -> template.withProcess(CAT, _ -> {
                    throw new IllegalArgumentException("mine");
                }))
                .hasMessage("mine");
        try (Template cat = template.withProcess(CAT)) {
            assertThatThrownBy(() -> cat.warmUp(sandbox -> sandbox.start("/bin/busybox", "sleep", "1000")))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("1 of it run");
            assertThatThrownBy(() -> cat.warmUp(sandbox -> {
                        sandbox.readyMade().getFirst().kill();
                        sandbox.readyMade().getFirst().waitFor();
                    }))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("has ended");
        }
    }

    @Test
    void whatNeverWaitsIsNotSaved() {
        SandboxSpec hasty = SPEC.withLaunchTimeout(Duration.ofSeconds(5));
        Sandbox.launch(SPEC).close(); // From here on the machine that it boots is there.
        assertThatThrownBy(() -> Template.of(hasty).withProcess(Command.of("/bin/endless")))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("/bin/endless")
                .hasMessageContaining("did not within PT5S");
    }
}
