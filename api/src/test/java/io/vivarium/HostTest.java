// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.kvm.testing.KvmModule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("machine")
@Tag("smoke")
@EnabledIfKvm
class HostTest {
    @Test
    void theProbeAgreesWithLinux() throws IOException {
        String kernel = Files.readString(Path.of("/proc/sys/kernel/osrelease")).strip();
        assertThat(Host.probe())
                .isEqualTo(new Host.Ready(
                        12, Host.Kind.valueOf(KvmModule.kind().name()), System.getProperty("os.arch"), kernel));
    }
}
