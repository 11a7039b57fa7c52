// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
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

    /// Sandboxes of one template, by all ways in which they come to be: launched, put back,
    /// branched, out of a file. A program that runs through it all sees another identity in each, so
    /// that it can ask whether it is still where it was.
    @Test
    void whoeverGoesOnFromATemplateHasAnIdentityAndRandomNumbersOfItsOwn(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("template");
        List<String> seen = new ArrayList<>();
        SandboxSpec spec = SandboxSpec.of(RealPrograms.IMAGE).withMemory(Memory.mebibytes(32));
        try (Template template = Template.of(spec).warmUp(sandbox -> sh(sandbox, WATCHER))) {
            template.writeTo(file);
            for (int i = 0; i < 3; i++) {
                try (Sandbox sandbox = template.launch();
                        Sandbox branch = sandbox.branch()) {
                    seen.add(sh(sandbox, SEEN));
                    seen.add(sh(branch, SEEN));
                }
            }
            try (SandboxPool pool = SandboxPool.builder(template).most(1).build()) {
                for (int i = 0; i < 3; i++) {
                    seen.add(pool.call(sandbox -> sh(sandbox, SEEN)));
                }
            }
        }
        try (Template template = Template.open(file, spec)) {
            for (int i = 0; i < 3; i++) {
                try (Sandbox sandbox = template.launch()) {
                    seen.add(sh(sandbox, SEEN));
                }
            }
        }
        assertThat(seen).hasSize(12).doesNotHaveDuplicates();
        List<String> random = seen.stream().map(text -> text.split("\n", -1)[1]).toList();
        assertThat(random).as("random numbers").doesNotHaveDuplicates();
    }

    /// Writes down the identity whenever it has become another one, and a random number beside it.
    private static final String WATCHER = """
            (busybox cat /proc/sys/kernel/random/boot_id > /was
            while :; do
                read was < /was; read is < /proc/sys/kernel/random/boot_id
                if [ $was != $is ]; then
                    echo $is > /was
                    (echo $is; busybox od -A n -t x8 -N 8 /dev/urandom) > /seen.new; busybox mv /seen.new /seen
                fi
            done) > /dev/null 2>&1 &
            while [ ! -s /was ]; do :; done
            """;

    /// Waits until it has seen the identity that it now has.
    private static final String SEEN = """
            read is < /proc/sys/kernel/random/boot_id
            while read seen < /seen; [ "$seen" != $is ]; do :; done 2> /dev/null
            busybox cat /seen
            """;

    private static String sh(Sandbox sandbox, String script) {
        return sandbox.exec("/bin/busybox", "sh", "-c", script).stdout().text();
    }

    /// A guest's own time does not go back, and the time of day is the host's.
    @Test
    void timeGoesOnInWhatGoesOnFromAFile(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("template");
        SandboxSpec spec = SandboxSpec.of(RealPrograms.IMAGE).withMemory(Memory.mebibytes(32));
        double saved;
        try (Sandbox sandbox = Sandbox.launch(spec)) {
            saved = uptime(sandbox);
            try (Template template = sandbox.save()) {
                template.writeTo(file);
            }
        }
        try (Template template = Template.open(file, spec);
                Sandbox sandbox = template.launch()) {
            assertThat(uptime(sandbox)).isGreaterThanOrEqualTo(saved);
            Instant before = Instant.now();
            assertThat(Instant.ofEpochSecond(
                            Long.parseLong(sh(sandbox, "busybox date +%s").strip())))
                    .isBetween(before.minus(Duration.ofSeconds(1)), Instant.now());
        }
    }

    private static double uptime(Sandbox sandbox) {
        return Double.parseDouble(sh(sandbox, "busybox cat /proc/uptime").split(" ", -1)[0]);
    }
}
