// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.Image;
import io.vivarium.Memory;
import io.vivarium.SandboxSpec;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.kvm.testing.NativeKvmOnly;
import io.vivarium.kvm.x86.KvmRegs;
import io.vivarium.snapshot.SavedMachine;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// How Substrate waits for an interrupt.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class HaltTest {
    /// Where the kernel is linked, at physical address 0.
    private static final long KERNEL_BASE = 0xffff_ffff_8000_0000L;

    /// `HLT` (Intel SDM 2A)
    private static final byte HLT = (byte) 0xf4;

    /// An interrupt arrives between `sti` and `hlt`, as where a hypervisor forgets that `sti` takes
    /// effect later: what it announces is done all the same, here the host's greeting answered.
    @Test
    @NativeKvmOnly("de-privileged, KVM's emulator executes the two, one after the other")
    void anInterruptJustBeforeTheHaltEndsIt(@TempDir Path empty) {
        SandboxSpec spec = SandboxSpec.of(Image.directory(empty)).withMemory(Memory.mebibytes(32));
        HostKvm host = HostKvm.get();
        try (RootFile root = RootFile.ofDirectory(empty)) {
            MachineMap map = MachineMap.of(spec, root, List.of());
            RegionSpec image = RegionSpec.readOnlyFile(MachineMap.IMAGE, root.file());
            try (SavedMachine booted = host.coldBoot().boot(map, image, Duration.ofMinutes(1));
                    Checkpoint checkpoint =
                            new Checkpoint(map, root, List.of(), beforeItsHalt(host, map, image, booted), 0)) {
                Guest guest = Launcher.launch(spec, checkpoint);
                guest.close();
            }
        }
    }

    /// A machine that has halted, one instruction earlier.
    private static SavedMachine beforeItsHalt(HostKvm host, MachineMap map, RegionSpec image, SavedMachine halted) {
        try (Board board = new Board(
                        host.kvm(), map.regions(halted.memory(), image), DiskDrives.open(List.of()), () -> {});
                Arena scratch = Arena.ofConfined()) {
            board.restore(halted);
            KvmRegs regs = new KvmRegs(scratch);
            board.machine().vcpu(0).read(regs);
            regs.rip(regs.rip() - 1);
            assertThat(board.machine()
                            .memory()
                            .slice(regs.rip() - KERNEL_BASE, 1)
                            .get(ValueLayout.JAVA_BYTE, 0))
                    .isEqualTo(HLT);
            board.machine().vcpu(0).write(regs);
            board.machine().setHalted(0, false);
            try (SavedMachine.Taken taken = board.take(host.kvm())) {
                return taken.finish();
            }
        }
    }
}
