// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.ExecResult;
import io.vivarium.Image;
import io.vivarium.Sandbox;
import io.vivarium.SandboxPool;
import io.vivarium.SandboxSpec;
import java.io.IOException;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;

/// Where a program is run.
@NullMarked
sealed interface Place extends AutoCloseable {
    /// The head of its column.
    String label();

    /// Runs a program to its end.
    ///
    /// @return what it printed
    /// @throws IllegalStateException if it failed
    String run(List<String> argv) throws IOException, InterruptedException;

    @Override
    default void close() {}

    /// A process of the host, started by another program or by none.
    ///
    /// @param wrapper what stands before the program; nothing, where it runs on the host as it is
    record OnHost(String label, List<String> wrapper) implements Place {
        @Override
        public String run(List<String> argv) throws IOException, InterruptedException {
            List<String> command =
                    Stream.concat(wrapper.stream(), argv.stream()).toList();
            return HostCommand.output(command, "");
        }
    }

    /// One sandbox for all programs.
    record Running(String label, Sandbox sandbox) implements Place {
        static Running launch(String label, Image image) {
            return new Running(label, Sandbox.launch(image));
        }

        @Override
        public String run(List<String> argv) {
            return output(argv, sandbox);
        }

        @Override
        public void close() {
            sandbox.close();
        }
    }

    /// A pristine sandbox of a pool for each program.
    record Pooled(String label, SandboxPool pool) implements Place {
        static Pooled of(String label, Image image) {
            return new Pooled(label, SandboxPool.of(SandboxSpec.of(image)));
        }

        @Override
        public String run(List<String> argv) {
            return pool.call(sandbox -> output(argv, sandbox));
        }

        @Override
        public void close() {
            pool.close();
        }
    }

    private static String output(List<String> argv, Sandbox sandbox) {
        ExecResult result = sandbox.exec(argv.toArray(String[]::new));
        if (result.exitCode() != 0) {
            throw new IllegalStateException("%s failed with %d:%n%s%s"
                    .formatted(
                            String.join(" ", argv),
                            result.exitCode(),
                            result.stdout().text(),
                            result.stderr().text()));
        }
        return result.stdout().text();
    }
}
