// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Programs with a terminal whose other end is the application, compared with script(1) on the host.
@Tag("machine")
@EnabledIfKvm
@Timeout(120)
class CommandTerminalTest {
    private static final TerminalSize SIZE = new TerminalSize(80, 24);
    private static final String BASH = "/bin/bash-static";
    private static final String SCRIPT = "/usr/bin/script";
    private static final Map<String, String> ENV = Map.of("PS1", "$ ", "HOME", "/", "TERM", "xterm", "HISTFILE", "");
    private static final List<String> SHELL = List.of(BASH, "--norc", "--noprofile", "--noediting", "-i");

    @TempDir
    private static Path root;

    private static Image image;
    private static Sandbox sandbox;

    @BeforeAll
    static void launch() throws IOException {
        Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwxr-xr-x"));
        HostProgram.copyFile(Path.of(BASH), root);
        HostProgram.copyFile(Path.of("/bin/busybox"), root);
        image = Image.directory(root);
        sandbox = Sandbox.launch(image);
    }

    @AfterAll
    static void close() {
        sandbox.close();
        image.close();
    }

    private static Command sh(String script) {
        return Command.of("/bin/busybox", "sh", "-c", script).withTerminal(SIZE);
    }

    @Test
    void isATerminalOfThatSize() {
        ExecResult result = sandbox.exec(
                sh(
                        "tty; stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all >&2; echo $TERM; readlink /proc/self/fd/1"));

        assertThat(result.stdout().text()).matches("(/dev/pts/\\d+)\r\n24 80\r\nall\r\nxterm\r\n\\1\r\n");
        assertThat(result.stderr().text()).isEmpty();
        assertThat(result.exitCode()).isZero();
    }

    @Test
    void belongsToTheUserAndControlsTheSession() {
        ExecResult result = sandbox.exec(
                sh("stat -c %u:%t $(tty); echo hi >/dev/tty; read -r _ _ _ _ pgrp sid tty fore _ </proc/self/stat;"
                                + " echo $((sid == $$)) $((tty == 136 << 8 | $(tty | sed s,.*/,,))) $((fore == pgrp))")
                        .withUser(1000, 1000));

        assertThat(result.stdout().text()).isEqualTo("1000:88\r\nhi\r\n1 1 1\r\n");
    }

    @Test
    void inputIsTyped() {
        ExecResult result = sandbox.exec(sh("cat; echo end").withStdin(Stdin.of("one\ntwo\n")));

        assertThat(result.stdout().text())
                .as("with its echo, before or between what cat prints")
                .endsWith("end\r\n")
                .hasSize("one\r\ntwo\r\n".length() * 2 + "end\r\n".length());
        assertThat(result.exitCode()).isZero();
    }

    @Test
    void withoutInputNobodyTypes() {
        ExecResult result = sandbox.exec(sh("stty -icanon min 0 time 0; cat; echo nothing"));

        assertThat(result.stdout().text()).isEqualTo("nothing\r\n");
    }

    @Test
    void sameDialogueAsOnTheHost() throws IOException, InterruptedException {
        assumeTrue(Files.isExecutable(Path.of(SCRIPT)), "script(1) is not installed, which is compared with");
        ProcessBuilder builder = new ProcessBuilder(
                HostSignals.byDefault(SCRIPT, "-q", "-e", "-c", String.join(" ", SHELL), "/dev/null"));
        builder.environment().clear();
        builder.environment().putAll(ENV);
        builder.environment().put("PATH", "/usr/bin:/bin");
        builder.environment().put("SHELL", "/bin/sh");
        Process host = builder.start();
        String onHost = talk(host.getInputStream(), host.getOutputStream());
        try (GuestProcess guest = sandbox.start(
                Command.of(SHELL).withEnv(ENV).withStdin(Stdin.pipe()).withTerminal(SIZE))) {
            assertThat(talk(guest.stdout(), guest.stdin())).isEqualTo(onHost);
            assertThat(guest.waitFor().exitCode()).isEqualTo(host.waitFor()).isEqualTo(3);
        }
    }

    private static String talk(InputStream shown, OutputStream typed) throws IOException {
        return new Dialogue(shown, typed)
                .await("$ ")
                .type("busybox stty rows 25 cols 81; busybox stty size\r", "25 81\r\n$ ")
                .type("echo $((6 * 7))\r", "42\r\n$ ")
                .type("busybox cat\r", "cat\r\n")
                .type("wrong\u007f\u007f\u007f\u007f\u007fline\r", "\nline\r\n")
                .type("\u001a", "$ ")
                .type("fg\r", "cat\r\n")
                .type("another\r", "another\r\nanother\r\n")
                .type("\u0003", "$ ")
                .type("echo $?\r", "130\r\n$ ")
                .type("busybox cat\r", "cat\r\n")
                .type("last\r", "last\r\nlast\r\n")
                .type("\u0004", "$ ")
                .type("exit 3\r", "exit 3\r\n")
                .end();
    }

    @Test
    void isResized() throws IOException {
        try (GuestProcess process =
                sandbox.start(sh("trap 'stty size; exit 7' WINCH; echo ready; while :; do sleep 0.02; done"))) {
            Dialogue dialogue = new Dialogue(process.stdout(), OutputStream.nullOutputStream()).await("ready\r\n");
            process.resize(new TerminalSize(132, 50));
            assertThat(dialogue.end()).endsWith("50 132\r\n");
            assertThat(process.waitFor().exitCode()).isEqualTo(7);
            process.resize(SIZE);
        }
    }

    @Test
    void onlyTerminalsHaveASize() {
        try (GuestProcess process =
                sandbox.start(Command.of("/bin/busybox", "cat").withStdin(Stdin.pipe()))) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> process.resize(SIZE))
                    .withMessage("a program without a terminal: /bin/busybox cat");
        }
    }

    @Test
    void whatIsLeftIsHungUp() {
        ExecResult result =
                sandbox.exec(sh("(trap 'echo hung up >/tmp/left; exit' HUP; : >/tmp/up; while :; do sleep 0.02; done) &"
                        + " until [ -e /tmp/up ]; do sleep 0.02; done; exit 4"));
        ExecResult left =
                sandbox.exec("/bin/busybox", "sh", "-c", "until [ -s /tmp/left ]; do sleep 0.02; done; cat /tmp/left");

        assertThat(result.exitCode()).isEqualTo(4);
        assertThat(left.stdout().text()).isEqualTo("hung up\n");
    }

    @Test
    void moreThanAWindowArrivesWhole() {
        ExecResult result = sandbox.exec(sh("head -c 600000 /dev/zero"));

        assertThat(result.stdout().written()).isEqualTo(600_000);
        assertThat(result.exitCode()).isZero();
    }

    @Test
    void isKilledWhileNobodyLooks() {
        try (GuestProcess process = sandbox.start(sh("yes"))) {
            process.kill();
            assertThat(process.waitFor().termination()).isInstanceOf(Termination.Killed.class);
        }
    }

    @Test
    void goesOnInEveryCopy() throws IOException {
        Command command = sh("read -r x; stty size; echo got $x").withStdin(Stdin.pipe());
        try (Template template = Template.of(image).withProcess(command)) {
            for (int i = 1; i < 4; i++) {
                try (Sandbox copy = template.launch()) {
                    GuestProcess process = copy.readyMade().getFirst();
                    process.resize(new TerminalSize(100 + i, 30));
                    String shown = new Dialogue(process.stdout(), process.stdin())
                            .type("call " + i + "\r", "got call " + i + "\r\n")
                            .end();
                    assertThat(shown).isEqualTo("call %1$d\r\n30 %2$d\r\ngot call %1$d\r\n".formatted(i, 100 + i));
                }
            }
        }
    }
}
