// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A guest whose programs compute without end hears its host all the same, and counts who used the processor.
@Tag("machine")
@EnabledIfKvm
@Timeout(120)
class BusyGuestTest {
    /// Echoes lines while as many threads as it is told compute, for the milliseconds it is told if that is not 0.
    private static final String BUSY = """
            #include <pthread.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <time.h>
            static void *spin(void *argument)
            {
                for (volatile unsigned long i = 0;; i++)
                    ;
                return argument;
            }
            int main(int argc, char **argv)
            {
                char line[100];
                pthread_t thread;
                for (int i = atoi(argv[1]); i > 0; i--)
                    pthread_create(&thread, NULL, spin, NULL);
                long milliseconds = atol(argv[2]);
                if (milliseconds) {
                    struct timespec nap = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
                    nanosleep(&nap, NULL);
                    return 0;
                }
                while (fgets(line, sizeof(line), stdin)) {
                    fputs(line, stdout);
                    fflush(stdout);
                }
                return 3;
            }
            """;

    private static Image image;
    private static Sandbox sandbox;

    @BeforeAll
    static void launch(@TempDir Path root) throws IOException, InterruptedException {
        Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwxr-xr-x"));
        StaticProgram.compile(BUSY, root.resolve("busy"));
        image = Image.directory(root);
        sandbox = Sandbox.launch(image);
    }

    @AfterAll
    static void close() {
        sandbox.close();
        image.close();
    }

    @Test
    void servesStandardInputAndKill() throws IOException {
        Command command = Command.of("/busy", "2", "0").withStdin(Stdin.pipe());
        try (GuestProcess idle = sandbox.start(Command.of("/busy", "0", "0").withStdin(Stdin.pipe()));
                GuestProcess busy = sandbox.start(command)) {
            echoes(busy);
            echoes(idle);
            idle.stdin().close();
            assertThat(idle.waitFor().exitCode()).isEqualTo(3);
            busy.kill();
            assertThat(busy.waitFor().exitCode()).isEqualTo(137);
        }
    }

    private static void echoes(GuestProcess process) throws IOException {
        OutputStream stdin = process.stdin();
        BufferedReader stdout = new BufferedReader(new InputStreamReader(process.stdout(), StandardCharsets.UTF_8));
        for (int i = 0; i < 5; i++) {
            stdin.write(("line " + i + "\n").getBytes(StandardCharsets.UTF_8));
            stdin.flush();
            assertThat(stdout.readLine()).isEqualTo("line " + i);
        }
    }

    @Test
    void countsTheTimeOfThoseWhoRun() {
        Duration nap = Duration.ofMillis(500);
        ExecResult asleep = sandbox.exec("/busy", "0", Long.toString(nap.toMillis()));
        ExecResult computing = sandbox.exec("/busy", "2", Long.toString(nap.toMillis()));
        assertThat(asleep.duration()).isGreaterThanOrEqualTo(nap);
        assertThat(processorTime(asleep)).isLessThanOrEqualTo(asleep.duration().minus(nap));
        // The guest counts by its own clock, which need not agree with the host's to the last digit.
        assertThat(processorTime(computing))
                .isBetween(nap.dividedBy(2), computing.duration().multipliedBy(2));
    }

    private static Duration processorTime(ExecResult result) {
        return result.usage().user().plus(result.usage().system());
    }
}
