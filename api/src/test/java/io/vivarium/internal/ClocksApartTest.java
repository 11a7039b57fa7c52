// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.Command;
import io.vivarium.Image;
import io.vivarium.Memory;
import io.vivarium.SandboxSpec;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A guest whose clock is not quite the machine's. Linux measures the time-stamp counter's frequency at its start, when
/// KVM takes it over, and corrects it by up to a hundredth a second later (`tsc_refine_calibration_work`,
/// arch/x86/kernel/tsc.c): the guest believes the first, the host's clock goes by the second.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class ClocksApartTest {
    private static final Path BUSYBOX = Path.of("/bin/busybox");

    @TempDir
    private static Path directory;

    private static RootFile root;
    private static SandboxSpec spec;

    @BeforeAll
    static void make() throws IOException {
        Assumptions.assumeTrue(Files.isExecutable(BUSYBOX), "needs a static /bin/busybox");
        Path bin = Files.createDirectories(directory.resolve("bin"));
        Files.copy(BUSYBOX, bin.resolve("busybox"), StandardCopyOption.COPY_ATTRIBUTES);
        root = RootFile.ofDirectory(directory);
        spec = SandboxSpec.of(Image.directory(directory)).withMemory(Memory.mebibytes(32));
    }

    @AfterAll
    static void close() {
        if (root != null) {
            root.close();
        }
    }

    /// The machine's timer rings before the guest's time has come, or after it; who sleeps is woken all the same,
    /// whether the processor waits meanwhile or somebody computes.
    ///
    /// @param permille what the guest takes the frequency for
    @ParameterizedTest
    @ValueSource(ints = {990, 1010})
    void sleepersWake(int permille) {
        HostKvm host = HostKvm.get();
        ColdBoot wrong = new ColdBoot(
                host.kvm(),
                host.coldBoot().kernel(),
                Math.toIntExact(host.coldBoot().tscKhz() * (long) permille / 1000));
        MachineMap map = MachineMap.of(spec, root, List.of());
        RegionSpec image = RegionSpec.readOnlyFile(MachineMap.IMAGE, root.file());
        try (Checkpoint checkpoint =
                new Checkpoint(map, root, List.of(), wrong.boot(map, image, Duration.ofMinutes(1)), 0)) {
            Guest guest = Launcher.launch(spec, checkpoint);
            try {
                String script = """
                        busybox sleep 0.5
                        echo slept
                        (busybox sleep 0.5; echo > /slept) &
                        while [ ! -e /slept ]; do :; done
                        echo computed
                        """;
                Command command = Command.of("/bin/busybox", "sh", "-c", script).withTimeout(Duration.ofMinutes(1));
                assertThat(Execution.run(guest, spec, command).stdout().text()).isEqualTo("slept\ncomputed\n");
            } finally {
                guest.close();
            }
        }
    }
}
