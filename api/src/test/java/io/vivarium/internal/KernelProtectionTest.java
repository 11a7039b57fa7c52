// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.kvm.testing.NativeKvmOnly;
import io.vivarium.kvm.x86.CpuidEntries;
import io.vivarium.kvm.x86.KvmSregs;
import io.vivarium.snapshot.SavedMachine;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The privilege of a booted Substrate, and what it has the processor refuse, as its registers say.
@Tag("machine")
@Tag("smoke")
@EnabledIfKvm
@Timeout(120)
class KernelProtectionTest {
    // Intel SDM 3A, 2.5 (CR0, CR4), 2.2.1 (IA32_EFER); 2A, CPUID leaf 7
    private static final long CR0_WP = 1L << 16;
    private static final long CR4_SMEP = 1L << 20;
    private static final long CR4_SMAP = 1L << 21;
    private static final long EFER_NXE = 1L << 11;
    private static final int EBX_SMEP = 1 << 7;
    private static final int EBX_SMAP = 1 << 20;

    private static final Arena ARENA = Arena.ofShared();
    private static final KvmSregs SREGS = new KvmSregs(ARENA);

    @BeforeAll
    static void boot(@TempDir Path empty) {
        HostKvm host = HostKvm.get();
        try (RootFile root = RootFile.ofDirectory(empty)) {
            MachineMap map = new MachineMap(64 << 20, root.size(), List.of());
            RegionSpec image = RegionSpec.readOnlyFile(MachineMap.IMAGE, root.file());
            try (SavedMachine booted = host.coldBoot().boot(map, image, Duration.ofMinutes(1));
                    Board board = new Board(
                            host.kvm(), map.regions(booted.memory(), image), DiskDrives.open(List.of()), () -> {})) {
                board.restore(booted);
                board.machine().vcpu(0).read(SREGS);
            }
        }
    }

    @AfterAll
    static void close() {
        ARENA.close();
    }

    @Test
    void readOnlyPagesAreSoForTheKernelTooAndDataIsNoCode() {
        assertThat(SREGS.cr0() & CR0_WP).isEqualTo(CR0_WP);
        assertThat(SREGS.efer() & EFER_NXE).isEqualTo(EFER_NXE);
    }

    @Test
    @NativeKvmOnly("de-privileged, the kernel runs at CPL 3, where the processor keeps it from nothing")
    void theKernelNeitherRunsNorReadsTheProgramsPagesByMistake() {
        assertThat(SREGS.cs().dpl()).isZero();
        int features = HostKvm.get().kvm().supportedCpuid().answer(7, 0, CpuidEntries.Register.EBX);
        assertThat((SREGS.cr4() & CR4_SMEP) != 0).isEqualTo((features & EBX_SMEP) != 0);
        assertThat((SREGS.cr4() & CR4_SMAP) != 0).isEqualTo((features & EBX_SMAP) != 0);
    }
}
