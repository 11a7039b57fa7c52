// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.kvm.testing.KvmModule;
import io.vivarium.kvm.x86.CpuidEntries;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KvmTest {
    private static KvmProbe.Unavailable unavailable(String device) {
        try (Kvm kvm = Kvm.open(device)) {
            throw new AssertionError(kvm.check(Capability.XSAVE) + " from " + device);
        } catch (KvmUnavailableException e) {
            assertThat(e).hasMessageContaining(e.unavailable().reason());
            assertThat(e).hasMessageContaining(e.unavailable().remedy());
            return e.unavailable();
        }
    }

    @Test
    void aDeviceThatIsNotThereIsSaidToBeMissing(@TempDir Path folder) {
        String device = folder.resolve("kvm").toString();
        assertThat(unavailable(device)).isEqualTo(new KvmProbe.Missing(device));
    }

    @Test
    void aDeviceThatIsAnotherIsSaidNotToWork() {
        assertThat(unavailable("/dev/null")).isEqualTo(new KvmProbe.Broken("/dev/null, KVM_GET_API_VERSION: ENOTTY"));
        assertThat(unavailable("/")).isEqualTo(new KvmProbe.Broken("open /: EISDIR"));
    }

    @Test
    void errorsOfOpeningAreToldApart() {
        assertThat(Kvm.whyNotOpen("kvm", new KvmException("open kvm", Errno.EACCES)))
                .isEqualTo(new KvmProbe.NoPermission("kvm"));
        assertThat(Kvm.whyNotOpen("kvm", new KvmException("open kvm", Errno.EPERM)))
                .isEqualTo(new KvmProbe.NoPermission("kvm"));
        assertThat(Kvm.whyNotOpen("kvm", new KvmException("open kvm", Errno.ENXIO)))
                .isEqualTo(new KvmProbe.Missing("kvm"));
        assertThat(Kvm.whyNotOpen("kvm", new KvmException("open kvm", Errno.ENOMEM)))
                .isEqualTo(new KvmProbe.Broken("open kvm: ENOMEM"));
    }

    @Test
    void everyReasonHasARemedy() {
        List<KvmProbe.Unavailable> all = List.of(
                new KvmProbe.Missing("/dev/kvm"),
                new KvmProbe.NoPermission("/dev/kvm"),
                new KvmProbe.WrongVersion(11),
                new KvmProbe.WrongArchitecture("Linux on aarch64"),
                new KvmProbe.LacksCapability(Capability.IMMEDIATE_EXIT),
                new KvmProbe.NativeAccessDenied("denied"),
                new KvmProbe.Broken("open /dev/kvm: EIO"));
        assertThat(all).allSatisfy(one -> {
            assertThat(one.reason()).isNotBlank();
            assertThat(one.remedy()).isNotBlank();
        });
        assertThat(new KvmProbe.LacksCapability(Capability.IMMEDIATE_EXIT).reason())
                .contains("KVM_CAP_IMMEDIATE_EXIT");
    }

    @Test
    @Tag("machine")
    @Tag("smoke")
    @EnabledIfKvm
    void theProbeFindsTheKindOfKvm() throws IOException {
        assertThat(KvmProbe.probe()).isEqualTo(new KvmProbe.Ready(KvmModule.kind()));
        try (Kvm kvm = Kvm.open()) {
            assertThat(KvmProbe.probe()).isEqualTo(new KvmProbe.Ready(kvm.kind()));
            assertThat(kvm.kind()).isSameAs(kvm.kind());
        }
    }

    @Test
    @Tag("machine")
    @EnabledIfKvm
    void whatTheHostHasIsReported() {
        try (Kvm kvm = Kvm.open()) {
            assertThat(kvm.check(Capability.USER_MEMORY)).isPositive();
            assertThat(kvm.check(Capability.NR_MEMSLOTS)).isGreaterThanOrEqualTo(32);
            CpuidEntries cpuid = kvm.supportedCpuid();
            assertThat(cpuid.count()).isBetween(5, 256);
            assertThat(cpuid.answer(0, 0, CpuidEntries.Register.EAX)).isPositive();
            // MSR_IA32_TSC and MSR_LSTAR are in every list.
            assertThat(kvm.msrIndices()).contains(0x10, 0xc000_0082);
        }
    }

    @Test
    @Tag("machine")
    @EnabledIfKvm
    void aClosedKvmIsRefusedAndItsMachinesLiveOn() {
        Machine machine;
        Kvm kvm = Kvm.open();
        try (kvm) {
            machine = Machine.builder(kvm)
                    .region(RegionSpec.anonymous(0, Guest.MEMORY))
                    .build();
        }
        try (machine) {
            Guest.code(machine, "f4");
            Guest.atCpl0(machine, 0);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
        }
        assertThatThrownBy(() -> kvm.check(Capability.XSAVE)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> Machine.builder(kvm)
                        .region(RegionSpec.anonymous(0, Guest.MEMORY))
                        .build())
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void withoutNativeAccessTheFlagIsNamed() throws Exception {
        String classes = Path.of(Kvm.class
                        .getProtectionDomain()
                        .getCodeSource()
                        .getLocation()
                        .toURI())
                .toString();
        String tests = Path.of(NativeAccessProgram.class
                        .getProtectionDomain()
                        .getCodeSource()
                        .getLocation()
                        .toURI())
                .toString();
        String program = NativeAccessProgram.class.getName();
        assertThat(java("--illegal-native-access=deny", "-cp", classes + ":" + tests, program))
                .contains("--enable-native-access=ALL-UNNAMED");
        assertThat(java(
                        "--illegal-native-access=deny",
                        "-p",
                        classes,
                        "--patch-module",
                        "io.vivarium.kvm=" + tests,
                        "-m",
                        "io.vivarium.kvm/" + program))
                .contains("--enable-native-access=io.vivarium.kvm");
    }

    private static String java(String... arguments) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }
}
