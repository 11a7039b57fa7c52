// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Dynamically linked programs of the host, with their libraries in the image, behave as on the host.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class DynamicProgramsTest {
    private static final Map<String, String> ENVIRONMENT =
            Map.of("GREETING", "hello", "LC_ALL", "C.UTF-8", "TZ", "UTC");
    private static final String INPUT = "first line\nsecond, the last";
    private static final Path PYTHON = Path.of("/usr/bin/python3");

    /// Of the standard library, but of no use to the script.
    private static final Set<String> LEFT_OUT = Set.of(
            "__pycache__", "test", "tests", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "distutils", "tkinter");

    @TempDir
    private Path root;

    @TempDir
    private Path scratch;

    @BeforeEach
    void makeRoot() throws IOException {
        // The guest's / is for all its users.
        Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwxr-xr-x"));
        Files.createDirectory(root.resolve("tmp"));
        Path text =
                Files.writeString(Files.createDirectory(root.resolve("data")).resolve("text"), "b\na\nc\n");
        Files.setLastModifiedTime(text, FileTime.from(Instant.ofEpochSecond(1_700_000_000)));
    }

    @Test
    @Tag("smoke")
    void listsAndSorts() throws IOException, InterruptedException {
        HostProgram.copy(Path.of("/bin/ls"), root);
        HostProgram.copy(Path.of("/usr/bin/sort"), root);
        try (Image image = Image.directory(root);
                Sandbox sandbox = Sandbox.launch(image)) {
            sameAsOnTheHost(sandbox, 0, "/bin/ls", "-ln", "--time-style=full-iso", "data/text");
            sameAsOnTheHost(sandbox, 2, "/bin/ls", "data/nothing");
            sameAsOnTheHost(sandbox, 0, "/usr/bin/sort", "-r", "data/text", "-");
        }
    }

    @Test
    void runsPython() throws IOException, InterruptedException {
        assumeTrue(Files.exists(PYTHON), "python3 is not installed, whose interpreter is run here");
        HostProgram.copy(PYTHON, root);
        addLibraryOfPython();
        LanguageProgram.copySource("script.py", root.resolve("data/script.py"));
        try (Image image = Image.directory(root);
                Sandbox sandbox = Sandbox.launch(image)) {
            sameAsOnTheHost(sandbox, 9, PYTHON.toString(), "data/script.py", "argument");
        }
    }

    @Test
    void pythonTalksWithTheHostOverVsock() throws IOException, InterruptedException {
        assumeTrue(Files.exists(PYTHON), "python3 is not installed, whose interpreter is run here");
        HostProgram.copy(PYTHON, root);
        addLibraryOfPython();
        String script = """
                import socket
                server = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
                server.bind((socket.VMADDR_CID_ANY, 5000))
                server.listen()
                with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as client:
                    client.connect((socket.VMADDR_CID_HOST, 6000))
                    client.sendall(b'listening')
                connection, peer = server.accept()
                with connection, connection.makefile('rwb') as stream:
                    for line in stream:
                        stream.write(line.upper())
                print(peer[0], server.getsockname())
                """;
        try (Image image = Image.directory(root);
                Sandbox sandbox = Sandbox.launch(image);
                VsockListener listener = sandbox.listen(6000);
                GuestProcess python = sandbox.start(
                        Command.of(PYTHON.toString(), "-c", script).withEnv(ENVIRONMENT))) {
            try (VsockChannel told = listener.accept()) {
                assertThat(told.inputStream().readAllBytes()).asString().isEqualTo("listening");
            }
            try (VsockChannel channel = sandbox.connect(5000)) {
                channel.write(ByteBuffer.wrap("hello\nfrom java\n".getBytes(StandardCharsets.UTF_8)));
                channel.shutdownOutput();
                assertThat(channel.inputStream().readAllBytes()).asString().isEqualTo("HELLO\nFROM JAVA\n");
            }
            String printed = new String(python.stdout().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(printed).isEqualTo("2 (4294967295, 5000)\n");
            assertThat(python.waitFor().exitCode()).isZero();
        }
    }

    private void sameAsOnTheHost(Sandbox sandbox, int exitCode, String... argv)
            throws IOException, InterruptedException {
        ExecResult guest = sandbox.exec(
                Command.of(argv).withEnv(ENVIRONMENT).withStdin(Stdin.of(INPUT)).withTimeout(Duration.ofMinutes(2)));
        OnHost host = OnHost.run(List.of(argv), root, ENVIRONMENT, INPUT, scratch);
        assertThat(guest.stderr().text()).isEqualTo(host.stderr());
        assertThat(guest.stdout().text()).isEqualTo(host.stdout());
        assertThat(guest.exitCode()).isEqualTo(host.exitCode()).isEqualTo(exitCode);
    }

    private void addLibraryOfPython() throws IOException, InterruptedException {
        Path library = Path.of(output(PYTHON.toString(), "-c", "import os; print(os.path.dirname(os.__file__))")
                .strip());
        List<Path> files = new ArrayList<>();
        try (Stream<Path> walk = Files.walk(library)) {
            walk.filter(Files::isRegularFile)
                    .filter(file -> Stream.iterate(file, Path::getParent)
                            .takeWhile(part -> !part.equals(library))
                            .noneMatch(
                                    part -> LEFT_OUT.contains(part.getFileName().toString())))
                    .filter(file -> file.toString().matches(".*\\.(py|so)"))
                    .forEach(files::add);
        }
        for (Path file : files) {
            HostProgram.copyFile(file, root);
        }
    }

    private static String output(String... argv) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(argv)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (InputStream stdout = process.getInputStream()) {
            String text = new String(stdout.readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor()).as("%s", List.of(argv)).isZero();
            return text;
        }
    }
}
