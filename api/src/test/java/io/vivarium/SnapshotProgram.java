// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.io.IOException;
import java.nio.file.Path;

/// What another JVM does with snapshot files.
final class SnapshotProgram {
    private SnapshotProgram() {}

    /// `<image> <MiB> run <script> <file>…` runs a script in a sandbox of each file, and prints
    /// what that prints; `<image> <MiB> write <from> <to>` writes what is in a file to another one,
    /// again and again, and a line each time.
    public static void main(String[] arguments) throws IOException {
        try (Image image = Image.of(Path.of(arguments[0]))) {
            SandboxSpec spec = SandboxSpec.of(image).withMemory(Memory.mebibytes(Integer.parseInt(arguments[1])));
            switch (arguments[2]) {
                case "run" -> {
                    for (int i = 4; i < arguments.length; i++) {
                        run(spec, arguments[3], Path.of(arguments[i]));
                    }
                }
                case "write" -> write(spec, Path.of(arguments[3]), Path.of(arguments[4]));
                default -> throw new IllegalArgumentException(arguments[2]);
            }
        }
    }

    private static void run(SandboxSpec spec, String script, Path file) throws IOException {
        try (Template template = Template.open(file, spec);
                Sandbox sandbox = template.launch()) {
            ExecResult result = sandbox.exec("/bin/busybox", "sh", "-c", script);
            System.out.print(result.stdout().text());
            System.err.print(result.stderr().text());
        }
    }

    private static void write(SandboxSpec spec, Path from, Path to) throws IOException {
        try (Template template = Template.open(from, spec)) {
            System.out.println("open");
            while (true) {
                template.writeTo(to);
                System.out.println("written");
            }
        }
    }
}
