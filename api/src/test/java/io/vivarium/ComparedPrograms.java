// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Objects;

/// C programs of ours that say what each system call returned, and a sandbox that has them. Their sources
/// are the resources `programs/<name>.c`, each compiled behind `programs/say.h`.
final class ComparedPrograms implements AutoCloseable {
    private final Path root;
    private final Image image;
    private final Sandbox sandbox;

    /// @param root an empty directory
    ComparedPrograms(Path root, String... names) throws IOException, InterruptedException {
        this.root = root;
        // The guest's / is for all its users.
        Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwxr-xr-x"));
        String preamble = source("say.h");
        for (String name : names) {
            StaticProgram.compile(preamble + source(name + ".c"), root.resolve(name));
        }
        this.image = Image.directory(root);
        this.sandbox = Sandbox.launch(image);
    }

    private static String source(String name) throws IOException {
        try (InputStream in = ComparedPrograms.class.getResourceAsStream("programs/" + name)) {
            return new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    ExecResult inSandbox(String name, String input) {
        return sandbox.exec(Command.of("/" + name).withStdin(Stdin.of(input)));
    }

    /// The program prints and returns the same in both places, and misses no system call.
    ///
    /// @param input comes through a pipe
    void assertSame(String name, String input) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(
                        HostSignals.byDefault(root.resolve(name).toString()))
                .redirectErrorStream(true)
                .start();
        try (OutputStream stdin = process.getOutputStream()) {
            stdin.write(input.getBytes(StandardCharsets.UTF_8));
        }
        String onHost = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int exitCode = process.waitFor();
        ExecResult guest = inSandbox(name, input);
        assertThat(guest.stderr().text()).isEmpty();
        assertThat(guest.stdout().text()).isEqualTo(onHost);
        assertThat(guest.exitCode()).isEqualTo(exitCode);
        assertThat(guest.unsupported()).isEmpty();
    }

    @Override
    public void close() {
        sandbox.close();
        image.close();
    }
}
