// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.RecordingDevice.Write;
import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.kvm.x86.CpuidEntries;
import io.vivarium.kvm.x86.KvmClock;
import io.vivarium.kvm.x86.KvmDebugregs;
import io.vivarium.kvm.x86.KvmFpu;
import io.vivarium.kvm.x86.KvmMpState;
import io.vivarium.kvm.x86.KvmMsrs;
import io.vivarium.kvm.x86.KvmRegs;
import io.vivarium.kvm.x86.KvmSregs;
import io.vivarium.kvm.x86.KvmVcpuEvents;
import io.vivarium.kvm.x86.KvmXcrs;
import io.vivarium.kvm.x86.KvmXsave;
import io.vivarium.kvm.x86.LinuxBoot;
import io.vivarium.kvm.x86.VcpuState;
import io.vivarium.kvm.x86.VcpuStruct;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The state of a vCPU and how it comes to be.
@Tag("machine")
@Tag("smoke")
@EnabledIfKvm
class VcpuTest {
    private static final int MSR_TSC = 0x10;
    private static final int MSR_LSTAR = 0xc000_0082;

    private Kvm kvm;
    private Arena arena;
    private RecordingDevice device;
    private Machine machine;
    private Vcpu vcpu;

    @BeforeEach
    @SuppressWarnings("MustBeClosedChecker")
    void open() {
        kvm = Kvm.open();
        arena = Arena.ofConfined();
        device = new RecordingDevice();
        machine = Machine.builder(kvm)
                .region(RegionSpec.anonymous(0, Guest.MEMORY))
                .port(0xe0, 4, device)
                .vcpus(2)
                .build();
        vcpu = machine.vcpu(1);
    }

    @AfterEach
    void close() {
        machine.close();
        arena.close();
        kvm.close();
    }

    @Test
    void everyPartOfTheStateIsReadAndWrittenBack() {
        List<Function<Arena, VcpuStruct>> parts = List.of(
                KvmRegs::new,
                KvmSregs::new,
                KvmFpu::new,
                KvmDebugregs::new,
                KvmMpState::new,
                KvmVcpuEvents::new,
                KvmXcrs::new,
                scratch -> new KvmMsrs(scratch, MSR_LSTAR, 0xc000_0081, 0xc000_0100),
                scratch -> new KvmXsave(scratch, vcpu.xsaveSize()));
        for (Function<Arena, VcpuStruct> part : parts) {
            VcpuStruct before = part.apply(arena);
            vcpu.read(before);
            vcpu.write(before);
            VcpuStruct after = part.apply(arena);
            vcpu.read(after);
            assertThat(after.segment().mismatch(before.segment()))
                    .as(before.getClass().getSimpleName())
                    .isEqualTo(-1);
        }
    }

    @Test
    void whatIsWrittenIsRead() {
        KvmRegs regs = new KvmRegs(arena);
        regs.rax(0x1122_3344_5566_7788L);
        regs.r15(-1);
        regs.rip(0x1234);
        regs.rflags(2);
        vcpu.write(regs);
        KvmRegs read = new KvmRegs(arena);
        vcpu.read(read);
        assertThat(read.rax()).isEqualTo(0x1122_3344_5566_7788L);
        assertThat(read.r15()).isEqualTo(-1);
        assertThat(read.rip()).isEqualTo(0x1234);

        KvmMsrs msrs = new KvmMsrs(arena, MSR_LSTAR);
        msrs.data(0, 0xffff_8000_0000_1000L);
        vcpu.write(msrs);
        KvmMsrs again = new KvmMsrs(arena, MSR_LSTAR);
        vcpu.read(again);
        assertThat(again.data(0)).isEqualTo(0xffff_8000_0000_1000L);

        KvmClock clock = new KvmClock(arena);
        clock.clock(3_600_000_000_000L);
        machine.vm().write(clock);
        machine.vm().read(clock);
        assertThat(clock.clock()).isBetween(3_600_000_000_000L, 3_700_000_000_000L);
    }

    @Test
    void anMsrThatKvmRefusesIsNamed() {
        KvmMsrs msrs = new KvmMsrs(arena, MSR_LSTAR, 0x1234_5678);
        assertThatThrownBy(() -> vcpu.read(msrs))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("KVM_GET_MSRS refuses MSR 0x12345678");
        assertThatThrownBy(() -> new KvmMsrs(arena)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new KvmMsrs(arena, new int[257])).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new KvmXsave(arena, 4095)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void theStateWrittenOnEntryIsThatTheGuestRunsWith() {
        Vcpu first = machine.vcpu(0);
        // out %eax,$0xe0; hlt
        Guest.code(machine, "e7e0 f4");
        Guest.atCpl0(machine, 0);
        KvmRegs regs = new KvmRegs(arena);
        first.read(regs);
        KvmSregs sregs = new KvmSregs(arena);
        first.read(sregs);
        for (int round = 1; round <= 3; round++) {
            regs.rax(round);
            regs.rip(Guest.CODE);
            first.writeOnEntry(regs);
            first.writeOnEntry(sregs);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
        }
        assertThat(device.writes).containsExactly(new Write(0, 4, 1), new Write(0, 4, 2), new Write(0, 4, 3));

        regs.rax(77);
        first.writeOnEntry(regs);
        KvmRegs read = new KvmRegs(arena);
        first.read(read);
        assertThat(read.rax()).as("read before any entry").isEqualTo(77);
    }

    @Test
    void aLinearAddressIsTranslatedByTheGuestsTables() {
        Guest.atCpl0(machine, 0);
        assertThat(machine.vcpu(0).translate(0x10_1234)).hasValue(0x10_1234);
        assertThat(machine.vcpu(0).translate(5L << 30)).isEmpty();
        // the second 2 MiB, mapped onto the first
        machine.memory().writableSlice(0xB008, 8).set(ValueLayout.JAVA_LONG, 0, 0x87);
        assertThat(machine.vcpu(0).translate(0x30_1234)).hasValue(0x10_1234);
    }

    @Test
    void theGuestFindsTheRegistersOfTheBootProtocol() {
        // mov %esi,%eax; out; mov %cs,%eax; out; mov %ds,%eax; out; mov %ss,%eax; out; pushf; pop %rax; out; hlt
        Guest.code(machine, "89f0 e7e0 8cc8 e7e0 8cd8 e7e0 8cd0 e7e0 9c 58 e7e0 f4");
        LinuxBoot boot = new LinuxBoot(Guest.CODE, 0x1_0000);
        boot.writeTables(machine.memory());
        boot.enter(machine.vcpu(0));
        assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
        assertThat(device.writes)
                .extracting(Write::value)
                .startsWith(0x1_0000L, (long) LinuxBoot.BOOT_CS, (long) LinuxBoot.BOOT_DS, (long) LinuxBoot.BOOT_DS);
        assertThat(device.writes.get(4).value() & 0x200)
                .as("interrupts are off")
                .isZero();
    }

    @Test
    void bootParametersDoNotLieInTheBootTables() {
        for (long address : new long[] {-1, 0, 0x500, 0x7001, 0x8000, 0x9000, 0xE000, 0xEFFF}) {
            assertThatThrownBy(() -> new LinuxBoot(Guest.CODE, address))
                    .as("0x%x", address)
                    .isInstanceOf(IllegalArgumentException.class);
        }
        assertThat(new LinuxBoot(Guest.CODE, 0x7000).bootParams()).isEqualTo(0x7000);
    }

    /// Also within the first second of a machine, when KVM would rather synchronize than obey.
    @Test
    void theTimeStampCounterGoesOn() {
        KvmMsrs saved = new KvmMsrs(arena, MSR_TSC);
        machine.vcpu(0).read(saved);
        VcpuState state = VcpuState.save(kvm, machine.vcpu(0));
        try (Machine other = Machine.builder(kvm)
                .region(RegionSpec.anonymous(0, Guest.MEMORY))
                .build()) {
            KvmMsrs restored = new KvmMsrs(arena, MSR_TSC);
            state.restore(other.vcpu(0));
            other.vcpu(0).read(restored);
            assertThat(restored.data(0)).isGreaterThanOrEqualTo(saved.data(0)).isLessThan(saved.data(0) + (1L << 42));
        }
    }

    @Test
    void theGuestHasEveryStateComponentOfTheHost() {
        // xor %ecx,%ecx; xgetbv; out %eax,$0xe0; and AVX: vzeroupper; out %al,$0xe1; cli raises #GP: the handler halts
        Guest.code(machine, "31c9 0f01d0 e7e0 c5f877 e6e1 fa");
        Guest.handler(machine, 13, "f4");
        Guest.atCpl3(machine, 0);
        assertThat(machine.run(0)).isInstanceOf(VcpuStop.Halted.class);
        KvmXcrs xcrs = new KvmXcrs(arena);
        machine.vcpu(0).read(xcrs);
        long supported = kvm.supportedCpuid().answer(0xd, 0, CpuidEntries.Register.EAX);
        assertThat(xcrs.xcr0()).isEqualTo(supported).isNotZero();
        assertThat(device.writes.getFirst()).isEqualTo(new Write(0, 4, supported));
        assertThat(device.writes).hasSize(2);
    }

    @Test
    void eachVcpuHasItsOwnPlaceInTheTopology() {
        for (int index = 0; index < 2; index++) {
            CpuidEntries cpuid = machine.vcpu(index).cpuid(arena);
            assertThat(cpuid.answer(1, 0, CpuidEntries.Register.EBX) >>> 24).isEqualTo(index);
            assertThat(cpuid.answer(1, 0, CpuidEntries.Register.EBX) >>> 16 & 0xff)
                    .isEqualTo(2);
            if (cpuid.find(0xb, 0) >= 0) {
                assertThat(cpuid.answer(0xb, 0, CpuidEntries.Register.EDX)).isEqualTo(index);
                assertThat(cpuid.answer(0xb, 1, CpuidEntries.Register.EBX)).isEqualTo(2);
            }
            assertThat(cpuid.answer(1, 0, CpuidEntries.Register.ECX) >>> 31)
                    .as("says that it is a guest")
                    .isEqualTo(1);
        }
    }
}
