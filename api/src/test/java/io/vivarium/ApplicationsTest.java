// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Applications as Debian packages them do in a sandbox what they do on the host, on the same root file
/// system: the same bytes on standard output and standard error, the same exit code, and no system call missing.
///
/// `./lane` leaves them out, by their second tag.
@Tag("machine")
@Tag("long")
@EnabledIfKvm
@Timeout(600)
class ApplicationsTest {
    private static final Map<String, String> ENVIRONMENT =
            Map.of("LC_ALL", "C.UTF-8", "HOME", "/root", "LANG", "C.UTF-8");
    private static final Path APPLICATIONS = Path.of("/opt/applications");
    private static final Path JDK = Path.of(System.getProperty("java.home"));

    /// What every root has.
    private static final List<String> BASE = List.of(
            "bash",
            "bsdextrautils",
            "coreutils",
            "dash",
            "diffutils",
            "findutils",
            "gawk",
            "grep",
            "libc-bin",
            "procps",
            "sed",
            "util-linux");

    private static Path root;
    private static Image image;

    static Stream<Application> applications() {
        String java = JDK.resolve("bin/java").toString();
        return Stream.of(
                Application.of("dash", "dash", 3, "/bin/dash", "/opt/applications/shell.sh"),
                Application.of("bash as sh", "bash", 3, "/bin/bash", "/opt/applications/shell.sh")
                        .masking(
                                "(line \\d+:) +\\d+ (Killed|Segmentation fault) +", "$1 $2 ", "bash tells the process"),
                Application.of("bash", "bash", 0, "/bin/bash", "/opt/applications/bash.sh")
                        .masking("(line \\d+:) +\\d+ (Killed) +", "$1 $2 ", "bash tells the process"),
                Application.of("coreutils", "coreutils", 0, "/bin/bash", "/opt/applications/coreutils.sh"),
                Application.of(
                        "tar and compressors",
                        "tar gzip bzip2 xz-utils zstd",
                        0,
                        "/bin/sh",
                        "/opt/applications/archives.sh"),
                Application.of("sqlite3", "sqlite3", 0, "/bin/sh", "/opt/applications/sqlite.sh"),
                Application.of("git", "git", 0, "/bin/sh", "/opt/applications/git.sh"),
                Application.of("gcc", "gcc libc6-dev make", 0, "/bin/sh", "/opt/applications/compiler.sh"),
                Application.of("openssl", "openssl", 0, "/bin/sh", "/opt/applications/openssl.sh"),
                Application.of("lua", "lua5.4", 16, "/usr/bin/lua5.4", "/opt/applications/program.lua"),
                Application.of("perl", "perl", 13, "/usr/bin/perl", "/opt/applications/program.pl"),
                Application.of("php", "php-cli", 15, "/usr/bin/php", "/opt/applications/program.php"),
                Application.of("ruby", "ruby", 14, "/usr/bin/ruby", "/opt/applications/program.rb"),
                Application.of("python", "python3 openssl", 11, "/usr/bin/python3", "/opt/applications/everything.py"),
                Application.of("compileall", "python3", 0, "/bin/sh", "/opt/applications/compileall.sh"),
                Application.of("node", "nodejs", 12, "/usr/bin/node", "/opt/applications/node.js"),
                Application.of("java -version", "libc6 zlib1g", 0, java, "-version"),
                jvm("serial", "-XX:+UseSerialGC"),
                jvm("G1", "-XX:+UseG1GC"),
                jvm("ZGC", "-XX:+UseZGC"));
    }

    /// The JDK that runs the build, with a collector.
    private static Application jvm(String collector, String option) {
        return Application.of(
                "java " + collector,
                "libc6 zlib1g",
                17,
                JDK.resolve("bin/java").toString(),
                "-Xmx128m",
                option,
                "-cp",
                "/opt/applications",
                "Guest");
    }

    @BeforeAll
    static void make() throws IOException, InterruptedException {
        List<String> wanted = Stream.concat(
                        BASE.stream(), applications().flatMap(application -> application.packages().stream()))
                .distinct()
                .toList();
        root = Files.createTempDirectory("vivarium-test-root-");
        DebianRoot debian = new DebianRoot(root);
        List<String> missing = DebianRoot.missing(wanted);
        debian.add(wanted.stream().filter(name -> !missing.contains(name)).toList());
        // What the packages of PHP switch on when they are configured.
        debian.copyTree(Path.of("/etc/php"));
        debian.copyTree(JDK, "src.zip", "jmods", "man", "legal", "ct.sym");
        Path applications = Files.createDirectories(root.resolve("opt/applications"));
        for (Application application : (Iterable<Application>) applications()::iterator) {
            for (String argument : application.argv()) {
                if (Path.of(argument).startsWith(APPLICATIONS) && !argument.equals(APPLICATIONS.toString())) {
                    copyResource(Path.of(argument).getFileName().toString(), applications);
                }
            }
        }
        copyResource("Guest.java", applications);
        compile(applications.resolve("Guest.java"));
        image = Image.directory(root);
    }

    @AfterAll
    static void close() throws IOException {
        image.close();
        DebianRoot.delete(root);
    }

    private static void copyResource(String name, Path directory) throws IOException {
        try (InputStream in = Objects.requireNonNull(
                ApplicationsTest.class.getResourceAsStream("applications/" + name),
                "no resource applications/" + name)) {
            Files.write(directory.resolve(name), in.readAllBytes());
        }
    }

    private static void compile(Path source) throws IOException, InterruptedException {
        Process javac = new ProcessBuilder(JDK.resolve("bin/javac").toString(), source.toString())
                .redirectErrorStream(true)
                .start();
        String messages = new String(javac.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(javac.waitFor()).as(messages).isZero();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("applications")
    void sameAsOnTheHost(Application application) throws IOException, InterruptedException {
        requireInstalled(application);
        InChroot host = InChroot.runFurnished(root, application.argv(), ENVIRONMENT);
        try (Sandbox sandbox = Sandbox.launch(SandboxSpec.of(image).withMemory(Memory.gibibytes(1)))) {
            ExecResult guest = sandbox.exec(
                    Command.of(application.argv()).withEnv(ENVIRONMENT).withTimeout(Duration.ofMinutes(4)));
            assertThat(application.masked(latin1(guest.stderr()))).isEqualTo(application.masked(host.stderr()));
            assertThat(application.masked(latin1(guest.stdout()))).isEqualTo(application.masked(host.stdout()));
            assertThat(guest.exitCode()).isEqualTo(host.exitCode()).isEqualTo(application.exitCode());
            assertThat(guest.unsupported()).isEmpty();
        }
    }

    private static String latin1(CapturedOutput output) {
        return new String(output.bytes(), StandardCharsets.ISO_8859_1);
    }

    /// Where an application is missing the test is skipped, but fails where everything has to be there.
    private static void requireInstalled(Application application) throws IOException, InterruptedException {
        List<String> missing = DebianRoot.missing(
                Stream.concat(BASE.stream(), application.packages().stream()).toList());
        String reason = "for " + application + " install " + String.join(" ", missing);
        if (Optional.ofNullable(System.getenv("CI")).orElse("").equals("true")) {
            assertThat(missing).as(reason).isEmpty();
        }
        assumeThat(missing).as(reason).isEmpty();
    }
}
