// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples;

import io.vivarium.Command;
import io.vivarium.ExecResult;
import io.vivarium.Image;
import io.vivarium.Sandbox;
import io.vivarium.Stdin;
import java.nio.file.Path;
import java.time.Duration;

/// The example of the README.
public final class ReadmeExample {
    private ReadmeExample() {}

    /// Runs it.
    ///
    /// @param args a directory with a root file system
    public static void main(String[] args) {
        try (Sandbox sandbox = Sandbox.launch(Image.directory(Path.of(args[0])))) {
            ExecResult hello = sandbox.exec("/bin/busybox", "echo", "hello from a microVM");
            System.out.print(hello.stdout());

            ExecResult sorted = sandbox.exec(Command.of("/bin/busybox", "sort")
                    .withStdin(Stdin.of("pear\napple\n"))
                    .withTimeout(Duration.ofSeconds(1)));
            System.out.print(sorted.orThrow().stdout());
        }
    }
}
