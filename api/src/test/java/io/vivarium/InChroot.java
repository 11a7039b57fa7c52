// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// How a program ended on the host, in a directory made its root: what a sandbox is compared with.
///
/// @param stdout every byte a character
record InChroot(String stdout, String stderr, int exitCode) {
    private static final List<String> BARE = List.of("/bin/busybox", "chroot");

    /// Gives the root, which is its first argument, what a guest's kernel gives it, for as long as the program runs.
    private static final String FURNISH = """
            root=$1; shift
            mount -t proc proc "$root/proc" && mount -t tmpfs tmpfs "$root/tmp" && mount -t tmpfs -o mode=755 tmpfs "$root/dev" &&
                mkdir "$root/dev/shm" && mount -t tmpfs tmpfs "$root/dev/shm" || exit 125
            for device in null zero full random urandom tty; do
                : >"$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device" || exit 125
            done
            ln -s /proc/self/fd "$root/dev/fd"
            exec chroot "$root" "$@"
            """;

    private static final List<String> FURNISHED =
            List.of("/usr/bin/unshare", "--mount", "--uts", "--ipc", "/bin/sh", "-c", FURNISH, "sh");

    /// Runs it with nothing but `PATH` in its environment and nothing on its standard input.
    static InChroot run(Path root, List<String> argv) throws IOException, InterruptedException {
        return run(
                BARE, root, argv, Map.of(), Redirect.from(Path.of("/dev/null").toFile()), "");
    }

    /// Runs it, with nothing on its standard input, where there are a `/proc`, a `/dev`, and a `/tmp` that
    /// nobody had before.
    static InChroot runFurnished(Path root, List<String> argv, Map<String, String> more)
            throws IOException, InterruptedException {
        return run(
                FURNISHED, root, argv, more, Redirect.from(Path.of("/dev/null").toFile()), "");
    }

    /// Runs it with more than `PATH` in its environment and a pipe as its standard input.
    static InChroot run(Path root, List<String> argv, Map<String, String> more, String input)
            throws IOException, InterruptedException {
        return run(BARE, root, argv, more, Redirect.PIPE, input);
    }

    private static InChroot run(
            List<String> changeRoot,
            Path root,
            List<String> argv,
            Map<String, String> more,
            Redirect stdin,
            String input)
            throws IOException, InterruptedException {
        assumeTrue(Files.getOwner(Path.of("/proc/self")).getName().equals("root"), "chroot(2) is root's");
        List<String> command = new ArrayList<>(changeRoot);
        command.add(root.toString());
        command.addAll(argv);
        ProcessBuilder builder = new ProcessBuilder(HostSignals.byDefault(command)).redirectInput(stdin);
        builder.environment().clear();
        builder.environment().putAll(more);
        builder.environment().put("PATH", SandboxSpec.DEFAULT_ENV.get("PATH"));
        Path errors = Files.createTempFile("vivarium-test-", ".err");
        try {
            Process process = builder.redirectError(errors.toFile()).start();
            try (OutputStream pipe = process.getOutputStream()) {
                pipe.write(input.getBytes(StandardCharsets.UTF_8));
            } catch (IOException e) {
                // It did not want to read.
            }
            String stdout = new String(process.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
            return new InChroot(stdout, Files.readString(errors, StandardCharsets.ISO_8859_1), process.waitFor());
        } finally {
            Files.delete(errors);
        }
    }
}
