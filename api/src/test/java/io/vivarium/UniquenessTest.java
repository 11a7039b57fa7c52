// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Sandboxes go on from one booted machine, and yet share nothing that ought to be each one's own.
@Tag("machine")
@EnabledIfKvm
class UniquenessTest {
    private static final int SANDBOXES = 8;

    @ParameterizedTest(name = "{0}")
    @CsvSource(textBlock = """
                    kernel's random numbers,  od -A n -t x1 -N 32 /dev/urandom
                    identity of the boot,     cat /proc/sys/kernel/random/boot_id
                    a fresh UUID,             cat /proc/sys/kernel/random/uuid
                    addresses of programs,    cat /proc/self/maps
                    """)
    void everySandboxHasItsOwn(String what, String command) {
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < SANDBOXES; i++) {
            try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE)) {
                ExecResult result = sandbox.exec(("/bin/busybox " + command).split(" "));
                assertThat(result.exitCode()).isZero();
                seen.add(result.stdout().text());
            }
        }
        assertThat(seen).as(what).hasSize(SANDBOXES);
    }

    @Test
    void theClockIsTheHosts() {
        for (int i = 0; i < 2; i++) {
            try (Sandbox sandbox = Sandbox.launch(RealPrograms.IMAGE)) {
                Instant before = Instant.now();
                String seconds =
                        sandbox.exec("/bin/busybox", "date", "+%s").stdout().text();
                assertThat(Instant.ofEpochSecond(Long.parseLong(seconds.strip())))
                        .isBetween(before.minus(Duration.ofSeconds(1)), Instant.now());
            }
        }
    }
}
