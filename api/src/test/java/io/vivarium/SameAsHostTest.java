// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The same busybox on the same files, in a sandbox and on the host: the same output, the same exit code.
@Tag("machine")
@EnabledIfKvm
@Timeout(120)
class SameAsHostTest {
    private static Sandbox sandbox;

    @BeforeAll
    static void launch() {
        sandbox = Sandbox.launch(RealPrograms.IMAGE);
    }

    @AfterAll
    static void close() {
        sandbox.close();
    }

    /// A busybox applet with its arguments, which name files as `/data/…`, and its standard input.
    record Case(String input, List<String> arguments) {
        static Case of(String... arguments) {
            return new Case("", List.of(arguments));
        }

        Case on(String text) {
            return new Case(text, arguments);
        }

        @Override
        public String toString() {
            return String.join(" ", arguments);
        }
    }

    static Stream<Case> cases() {
        return Stream.of(
                Case.of("sha256sum", "/data/random", "/data/words"),
                Case.of("md5sum", "/data/random"),
                Case.of("echo", "-e", "a\\tb", "grüße"),
                Case.of("ls", "-lR", "/data"),
                Case.of("ls", "/nothing"),
                Case.of("cat", "/data/words", "/data/deep/er/file"),
                Case.of("cat", "/data/link", "-").on("from stdin\n"),
                Case.of("cat", "/data"),
                Case.of("sort", "-n", "/data/words"),
                Case.of("sort", "-r").on("b\nc\na\n"),
                Case.of("awk", "{ sum[$2] += $1 } END { for (w in sum) print w, sum[w] / 3 }", "/data/words"),
                Case.of("sed", "-n", "s/word\\([0-9]\\)$/<\\1>/p", "/data/words"),
                Case.of("expr", "6", "*", "7"),
                Case.of("expr", "0"),
                Case.of("date", "-u", "-d", "@1700000000", "+%F %T"),
                Case.of("dd", "if=/data/random", "bs=1000", "skip=3", "count=7", "status=none"),
                Case.of("gzip", "-c", "-n", "/data/words"),
                Case.of("wc").on("one two\nthree\n"),
                Case.of("od", "-x", "-N", "64", "/data/random"),
                Case.of("find", "/data", "-name", "f*"),
                Case.of("tr", "a-z", "A-Z").on("shout"),
                Case.of("false"),
                Case.of("nosuchapplet"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void sameOutput(Case test) throws IOException, InterruptedException {
        List<String> guestArgv = new ArrayList<>(List.of("/bin/busybox"));
        guestArgv.addAll(test.arguments);
        ExecResult guest =
                sandbox.exec(Command.of(guestArgv).withEnv("TZ", "UTC").withStdin(Stdin.of(test.input)));
        InChroot host = InChroot.run(RealPrograms.ROOT, guestArgv, Map.of("TZ", "UTC"), test.input);
        assertThat(new InChroot(
                        new String(guest.stdout().bytes(), StandardCharsets.ISO_8859_1),
                        new String(guest.stderr().bytes(), StandardCharsets.ISO_8859_1),
                        guest.exitCode()))
                .isEqualTo(host);
    }

    @Test
    void gunzipUndoesGzip() throws IOException {
        byte[] packed = sandbox.exec("/bin/busybox", "gzip", "-c", "/data/random")
                .stdout()
                .bytes();
        ExecResult unpacked =
                sandbox.exec(Command.of("/bin/busybox", "gunzip", "-c").withStdin(Stdin.of(packed)));
        assertThat(unpacked.exitCode()).isZero();
        assertThat(Arrays.equals(
                        unpacked.stdout().bytes(), Files.readAllBytes(RealPrograms.ROOT.resolve("data/random"))))
                .isTrue();
    }

    @Test
    void clockIsTheHosts() {
        long before = System.currentTimeMillis() / 1000;
        long guest = Long.parseLong(
                sandbox.exec("/bin/busybox", "date", "+%s").stdout().text().strip());
        assertThat(guest).isBetween(before - 1, System.currentTimeMillis() / 1000 + 1);
    }

    @Test
    void unameSaysWhatItIs() {
        assertThat(sandbox.exec("/bin/busybox", "uname", "-srm").stdout().text())
                .startsWith("Linux ")
                .contains("substrate")
                .endsWith("x86_64\n");
    }

    @Test
    void environmentUserAndDirectory() {
        Command id = Command.of("/bin/busybox", "sh", "-c", "echo $A; pwd; exec busybox id")
                .withEnv("A", "b c")
                .withWorkingDirectory("/data")
                .withUser(1000, 100);
        ExecResult result = sandbox.exec(id);
        assertThat(result.stdout().text()).isEqualTo("b c\n/data\nuid=1000 gid=100\n");
    }
}
