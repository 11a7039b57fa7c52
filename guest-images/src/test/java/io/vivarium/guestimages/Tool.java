// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/// A program of the host that serves as an oracle. Where it is missing, the test is skipped and says which
/// package has it.
public final class Tool {
    private final String program;

    private Tool(String program) {
        this.program = program;
    }

    public static Tool required(String program, String debianPackage) {
        boolean found = Stream.of(System.getenv().getOrDefault("PATH", "").split(":"))
                .anyMatch((String directory) -> Files.isExecutable(Path.of(directory, program)));
        Assumptions.assumeTrue(found, () -> program + " is missing: apt install " + debianPackage);
        return new Tool(program);
    }

    /// Runs the program and gives what it printed, standard error included.
    public String run(Object... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(program));
        for (Object argument : arguments) {
            command.add(argument.toString());
        }
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("LC_ALL", "C.UTF-8");
        builder.environment().put("TZ", "UTC");
        Process process = builder.start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as("%s printed%n%s", command, output).isZero();
        return output;
    }
}
