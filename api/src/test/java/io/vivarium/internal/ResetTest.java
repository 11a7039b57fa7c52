// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.Command;
import io.vivarium.ExecResult;
import io.vivarium.Image;
import io.vivarium.Memory;
import io.vivarium.SandboxSpec;
import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.MemoryRegion;
import io.vivarium.kvm.Vcpu;
import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.kvm.x86.KvmDebugregs;
import io.vivarium.kvm.x86.KvmMsrs;
import io.vivarium.kvm.x86.KvmRegs;
import io.vivarium.kvm.x86.KvmSregs;
import io.vivarium.kvm.x86.KvmVcpuEvents;
import io.vivarium.kvm.x86.KvmXcrs;
import io.vivarium.kvm.x86.KvmXsave;
import io.vivarium.kvm.x86.Translations;
import io.vivarium.kvm.x86.VcpuStruct;
import io.vivarium.virtio.VirtioMmioTransport;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A machine that was put back to its checkpoint is one that nobody has had.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class ResetTest {
    private static final Path BUSYBOX = Path.of("/bin/busybox");
    private static final String SECRET = "b7SeCrEt-of-the-first-guest-93";
    private static final int PIECE = 1 << 20;
    private static final long WORD = 0x5ec2e7_5ec2e7L;

    /// Registers that count time: the time-stamp counter, and Hyper-V's counters of the vCPU's time and the machine's.
    private static final Set<Integer> CLOCKS = Set.of(0x10, 0x4000_0010, 0x4000_0020);

    private static final int MSR_KERNEL_GS_BASE = 0xc000_0102;
    private static final int MSR_SYSENTER_ESP = 0x175;

    @TempDir
    private static Path directory;

    private static RootFile root;
    private static SandboxSpec spec;
    private static Checkpoint checkpoint;

    @BeforeAll
    static void save() throws IOException, InterruptedException {
        Assumptions.assumeTrue(Files.isExecutable(BUSYBOX), "needs a static /bin/busybox");
        Path bin = Files.createDirectories(directory.resolve("bin"));
        Files.copy(BUSYBOX, bin.resolve("busybox"), StandardCopyOption.COPY_ATTRIBUTES);
        root = RootFile.ofDirectory(directory);
        spec = SandboxSpec.of(Image.directory(directory)).withMemory(Memory.mebibytes(32));
        Guest guest = Launcher.launch(spec, root);
        try {
            assertThat(sh(guest, "echo warm > /warm; echo done").stdout().text())
                    .isEqualTo("done\n");
            checkpoint = guest.save(spec, root, List.of());
            // It goes on.
            assertThat(sh(guest, "busybox cat /warm").stdout().text()).isEqualTo("warm\n");
        } finally {
            guest.close();
        }
    }

    @AfterAll
    static void close() {
        if (checkpoint != null) {
            checkpoint.close();
            root.close();
        }
    }

    private static ExecResult sh(Guest guest, String script) {
        return Execution.run(guest, spec, Command.of("/bin/busybox", "sh", "-c", script));
    }

    /// The machine that a guest has left.
    private static final class Left implements MicroVm.Afterwards {
        private final List<Board> boards = new ArrayList<>();

        @Override
        public void left(Board board, boolean intact) {
            assertThat(intact).isTrue();
            boards.add(board);
        }
    }

    private static Guest ready(MicroVm vm) {
        Launcher.awaitReady(vm.guest(), spec, () -> vm.start(Instant.now()));
        return vm.guest();
    }

    /// A new machine, before its guest has done anything.
    private static MicroVm fresh(MicroVm.Afterwards afterwards) {
        return MicroVm.in(checkpoint, afterwards);
    }

    private static MicroVm again(Board board, MicroVm.Afterwards afterwards) {
        return Carriers.call(() -> MicroVm.again(board, checkpoint, afterwards));
    }

    @Test
    void nothingOfAGuestIsLeft() {
        Left left = new Left();
        Guest guest = ready(fresh(left));
        plant(guest);
        guest.close();
        Board board = left.boards.getFirst();
        assertThat(find(board)).as("places that hold the secret").isNotEmpty();
        scribble(board);

        Left pristine = new Left();
        MicroVm restored = again(board, left);
        MicroVm other = fresh(pristine);
        try {
            other.guest().close();
            assertThat(find(board)).as("places that hold the secret").isEmpty();
            assertSameState(board, pristine.boards.getFirst());
            spy(ready(restored));
        } finally {
            restored.discard();
            pristine.boards.forEach(Board::close);
        }
    }

    /// Wherever a program can leave something.
    private static void plant(Guest guest) {
        ExecResult planted = sh(guest, """
                busybox mkdir /kept; echo %1$s > /kept/%1$s; busybox ln -s %1$s /link; echo %1$s > /warm
                export V=%1$s
                x=%1$s; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do x=$x$x; done
                busybox mkfifo /pipe; (echo %1$s; busybox sleep 1000) > /pipe &
                busybox setsid busybox sh -c 'while :; do :; done # %1$s' > /dev/null 2>&1 &
                read y < /pipe; echo $y; echo ${#x}
                """.formatted(SECRET));
        assertThat(planted.stdout().text()).startsWith(SECRET);
    }

    /// What the guest could have left if it had had the processor for itself.
    private static void scribble(Board board) {
        Vcpu vcpu = board.machine().vcpu(0);
        try (Arena scratch = Arena.ofConfined()) {
            KvmRegs regs = new KvmRegs(scratch);
            vcpu.read(regs);
            regs.rax(WORD);
            regs.rsp(WORD);
            regs.r15(WORD);
            regs.rip(WORD);
            vcpu.write(regs);
            KvmXsave xsave = new KvmXsave(scratch, vcpu.xsaveSize());
            vcpu.read(xsave);
            // XMM0 (Intel SDM 1, table 13-1), the upper half of YMM0 (13.5.1), and both in XSTATE_BV.
            xsave.segment().set(ValueLayout.JAVA_LONG, 160, WORD);
            xsave.segment().set(ValueLayout.JAVA_LONG, 576, WORD);
            xsave.segment().set(ValueLayout.JAVA_LONG, 512, 7);
            vcpu.write(xsave);
            KvmDebugregs debug = new KvmDebugregs(scratch);
            vcpu.read(debug);
            debug.db(0, WORD);
            debug.db(3, WORD);
            vcpu.write(debug);
            KvmMsrs msrs = new KvmMsrs(scratch, MSR_KERNEL_GS_BASE, MSR_SYSENTER_ESP);
            msrs.data(0, WORD);
            msrs.data(1, WORD);
            vcpu.write(msrs);
            KvmSregs sregs = new KvmSregs(scratch);
            vcpu.read(sregs);
            sregs.cr2(WORD);
            sregs.fs().base(WORD);
            sregs.gs().base(WORD);
            vcpu.write(sregs);
        }
        board.machine().interrupt(0, 0x77);
        board.machine().kick(0);
        board.machine().memory().writableSlice(0x1000, 8).set(ValueLayout.JAVA_LONG, 0, WORD);
    }

    private static List<String> find(Board board) {
        List<String> places = new ArrayList<>();
        for (MemoryRegion region : board.machine().memory().regions()) {
            MemorySegment memory = region.memory();
            // In pieces that overlap by one byte less than the secret has, so that each place is in one of them.
            for (long start = 0; start < memory.byteSize(); start += PIECE) {
                long length = Math.min(PIECE + SECRET.length() - 1, memory.byteSize() - start);
                String piece = new String(
                        memory.asSlice(start, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.ISO_8859_1);
                for (int at = piece.indexOf(SECRET); at >= 0; at = piece.indexOf(SECRET, at + 1)) {
                    places.add("0x%x".formatted(region.guestPhysicalAddress() + start + at));
                }
            }
        }
        return places;
    }

    private static void assertSameState(Board board, Board pristine) {
        List<MemoryRegion> regions = board.machine().memory().regions();
        List<MemoryRegion> expected = pristine.machine().memory().regions();
        for (int i = 0; i < regions.size(); i++) {
            assertThat(regions.get(i).memory().mismatch(expected.get(i).memory()))
                    .as("memory from 0x%x", regions.get(i).guestPhysicalAddress())
                    .isEqualTo(-1);
        }
        assertThat(board.fittings().transports().stream().map(VirtioMmioTransport::save))
                .isEqualTo(pristine.fittings().transports().stream()
                        .map(VirtioMmioTransport::save)
                        .toList());
        assertThat(board.machine().pendingInterrupts(0))
                .isEqualTo(pristine.machine().pendingInterrupts(0));
        assertThat(board.machine().isHalted(0)).isEqualTo(pristine.machine().isHalted(0));
        Vcpu vcpu = board.machine().vcpu(0);
        Vcpu other = pristine.machine().vcpu(0);
        try (Arena scratch = Arena.ofConfined();
                Kvm kvm = Kvm.open()) {
            assertSame(vcpu, new KvmRegs(scratch), other, new KvmRegs(scratch));
            assertSame(vcpu, new KvmSregs(scratch), other, new KvmSregs(scratch));
            assertSame(vcpu, new KvmVcpuEvents(scratch), other, new KvmVcpuEvents(scratch));
            assertSame(vcpu, new KvmXcrs(scratch), other, new KvmXcrs(scratch));
            assertSame(vcpu, new KvmDebugregs(scratch), other, new KvmDebugregs(scratch));
            assertSame(vcpu, new KvmXsave(scratch, vcpu.xsaveSize()), other, new KvmXsave(scratch, other.xsaveSize()));
            for (int index : kvm.msrIndices()) {
                KvmMsrs one = new KvmMsrs(scratch, index);
                KvmMsrs two = new KvmMsrs(scratch, index);
                if (!CLOCKS.contains(index) && vcpu.tryRead(one) && other.tryRead(two)) {
                    assertThat(one.data(0)).as("MSR 0x%x", index).isEqualTo(two.data(0));
                }
            }
        }
    }

    private static void assertSame(Vcpu vcpu, VcpuStruct part, Vcpu other, VcpuStruct expected) {
        vcpu.read(part);
        other.read(expected);
        assertThat(part.segment().mismatch(expected.segment()))
                .as(part.getClass().getSimpleName())
                .isEqualTo(-1);
    }

    /// Looks for it from inside.
    private static void spy(Guest guest) {
        ExecResult found = sh(
                guest,
                "busybox cat /warm; busybox ls /; busybox ls /proc; busybox env; busybox ps; busybox dmesg 2>&1;"
                        + " busybox cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ");
        assertThat(found.stdout().text())
                .startsWith("warm\n")
                .doesNotContain("b7SeCrEt")
                .doesNotContain("kept");
        assertThat(guest.console()).doesNotContain("b7SeCrEt");
    }

    /// Programs that differ in what memory they use, and how: each finds its own tables, not those
    /// of the last.
    @Test
    void programsOfEveryKindRunInAMachineThatWasPutBack() {
        List<List<String>> programs = List.of(
                List.of("echo hi", "hi\n"),
                List.of("a=0; while [ $a -lt 500 ]; do a=$((a+1)); done; echo $a | busybox cat | busybox cat", "500\n"),
                List.of(
                        "busybox dd if=/dev/zero of=/x bs=1000000 count=3 2>/dev/null; busybox wc -c < /x",
                        "3000000\n"),
                List.of("x=0123456789; for i in 1 2 3 4 5 6 7 8 9 10; do x=$x$x; done; echo ${#x}", "10240\n"),
                List.of("busybox seq 1 20000 | busybox sort -rn | busybox head -n 1", "20000\n"),
                List.of("for i in 1 2 3; do (busybox seq 1 $i | busybox wc -l); done | busybox tail -n 1", "3\n"));
        Left left = new Left();
        MicroVm vm = fresh(left);
        int round = 0;
        for (int step = 1; step < programs.size(); step++) {
            for (int i = 0; i < programs.size(); i++) {
                List<String> program = programs.get(round * step % programs.size());
                Guest guest = ready(vm);
                assertThat(sh(guest, program.getFirst()).stdout().text()).isEqualTo(program.getLast());
                guest.close();
                vm = again(left.boards.get(round), left);
                round++;
            }
        }
        vm.discard();
    }

    @Test
    void thisHostCanForgetPageTables() {
        assertThat(Carriers.call(HostKvm::forgetting)).isNotEqualTo(Translations.Way.NONE);
    }
}
