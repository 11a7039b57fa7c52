// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.RecordingDevice.Write;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("machine")
@EnabledIfKvm
class MachineTest {
    private static final long MMIO = 0xd000_0000L;

    private Kvm kvm;

    /// Where the guest's code runs.
    enum Level {
        CPL0,
        CPL3;

        void start(Machine machine) {
            switch (this) {
                case CPL0 -> Guest.atCpl0(machine, 0);
                case CPL3 -> Guest.atCpl3(machine, 0);
            }
        }
    }

    @BeforeEach
    void open() {
        kvm = Kvm.open();
    }

    @AfterEach
    void close() {
        kvm.close();
    }

    private Machine.Builder builder() {
        return Machine.builder(kvm).region(RegionSpec.anonymous(0, Guest.MEMORY));
    }

    /// A device on port 0xff that makes the run return.
    private static final class Done implements PortDevice {
        private @Nullable Machine machine;

        @Override
        public int read(int offset, int size) {
            return 0;
        }

        @Override
        public void write(int offset, int size, int value) {
            Objects.requireNonNull(machine).kick(0);
        }
    }

    private static Machine build(Machine.Builder builder) {
        Done done = new Done();
        Machine machine = builder.port(0xff, 1, done).build();
        done.machine = machine;
        return machine;
    }

    @ParameterizedTest
    @EnumSource
    void portsAreWrittenAndRead(Level level) {
        RecordingDevice device = new RecordingDevice(offset -> 0x8000_0000L + offset);
        try (Machine machine = build(builder().port(0xe0, 8, device))) {
            // mov $0x11223344,%eax; out %al,$0xe0; out %ax,$0xe2; out %eax,$0xe4
            // in $0xe5,%al; out %al,$0xe1; in $0xe2,%ax; out %ax,$0xe2; in $0xe4,%eax; out %eax,$0xe4; out %al,$0xff
            Guest.code(machine, "b844332211 e6e0 66e7e2 e7e4 e4e5 e6e1 66e5e2 66e7e2 e5e4 e7e4 e6ff ebfe");
            level.start(machine);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Kicked());
        }
        assertThat(device.writes)
                .containsExactly(
                        new Write(0, 1, 0x44),
                        new Write(2, 2, 0x3344),
                        new Write(4, 4, 0x1122_3344),
                        new Write(1, 1, 5),
                        new Write(2, 2, 2),
                        new Write(4, 4, 0x8000_0004L));
        assertThat(device.readSizes).containsExactly(1, 2, 4);
    }

    @Test
    void aStringInstructionIsOneAccessForEachElement() {
        RecordingDevice device = new RecordingDevice(_ -> 0x5a);
        try (Machine machine = build(builder().port(0xe0, 1, device))) {
            // mov $0xe0,%edx; mov $0x110000,%esi; mov $5,%ecx; rep outsb
            // mov $0x111000,%edi; mov $3,%ecx; rep insb; out %al,$0xff
            Guest.code(machine, "bae0000000 be00001100 b905000000 f36e bf00101100 b903000000 f36c e6ff ebfe");
            machine.memory().writableSlice(0x110000, 6).setString(0, "hello");
            Guest.atCpl0(machine, 0);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Kicked());
            assertThat(machine.memory().slice(0x111000, 5).toArray(ValueLayout.JAVA_BYTE))
                    .containsExactly(0x5a, 0x5a, 0x5a, 0, 0);
        }
        assertThat(device.writes.stream().map(write -> (char) write.value())).containsExactly('h', 'e', 'l', 'l', 'o');
    }

    @ParameterizedTest
    @EnumSource
    void portsThatNobodyClaimsReadAsAllOnes(Level level) {
        RecordingDevice device = new RecordingDevice();
        try (Machine machine = build(builder().port(0xe0, 4, device))) {
            // xor %eax,%eax; out %eax,$0x80; in $0x80,%eax; out %eax,$0xe0; in $0xe3,%ax: reaches beyond the device
            Guest.code(machine, "31c0 e780 e580 e7e0 31c0 66e5e3 e7e0 e6ff ebfe");
            level.start(machine);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Kicked());
        }
        assertThat(device.writes).containsExactly(new Write(0, 4, 0xffff_ffffL), new Write(0, 4, 0xffff));
        assertThat(device.readSizes).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void mmioIsWrittenAndReadInEachSize(Level level) {
        RecordingDevice device = new RecordingDevice(offset -> 0xf1f2_f3f4_f5f6_f7f8L + offset);
        try (Machine machine = build(builder().mmio(MMIO, 0x1000, device))) {
            // mov $0xd0000000,%edi; movabs $0x1122334455667788,%rax
            // mov %al,(%rdi); mov %ax,2(%rdi); mov %eax,4(%rdi); mov %rax,8(%rdi)
            // xor %eax,%eax; mov 0x10(%rdi),%al;  mov %rax,0x20(%rdi)
            // xor %eax,%eax; mov 0x10(%rdi),%ax;  mov %rax,0x20(%rdi)
            // mov 0x10(%rdi),%eax; mov %rax,0x20(%rdi); mov 0x10(%rdi),%rax; mov %rax,0x20(%rdi); out %al,$0xff
            Guest.code(machine, """
                    bf000000d0 48b88877665544332211
                    8807 66894702 894704 48894708
                    31c0 8a4710 48894720
                    31c0 668b4710 48894720
                    8b4710 48894720 488b4710 48894720 e6ff ebfe""".replace("\n", ""));
            level.start(machine);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Kicked());
        }
        assertThat(device.writes)
                .containsExactly(
                        new Write(0, 1, 0x88),
                        new Write(2, 2, 0x7788),
                        new Write(4, 4, 0x5566_7788),
                        new Write(8, 8, 0x1122_3344_5566_7788L),
                        new Write(0x20, 8, 0x08),
                        new Write(0x20, 8, 0xf808),
                        new Write(0x20, 8, 0xf5f6_f808L),
                        new Write(0x20, 8, 0xf1f2_f3f4_f5f6_f808L));
        assertThat(device.readSizes).containsExactly(1, 2, 4, 8);
    }

    @Test
    void anAccessOfOddSizeFails() {
        RecordingDevice device = new RecordingDevice();
        try (Machine machine = build(builder().mmio(MMIO, 0x2000, device))) {
            // mov $0xd0000fff,%edi; mov %eax,(%rdi): one byte before a page boundary, three after
            Guest.code(machine, "bfff0f00d0 8907 e6ff ebfe");
            Guest.atCpl0(machine, 0);
            assertThat(failure(machine.run(0)).reason()).contains("3 bytes", "0xd0001000", "not 1, 2, 4 or 8");
        }
    }

    private static MachineReport failure(VcpuStop stop) {
        assertThat(stop).isInstanceOf(VcpuStop.Failed.class);
        return ((VcpuStop.Failed) stop).report();
    }

    @ParameterizedTest
    @EnumSource
    void memoryThatIsNotThereFailsWithAReport(Level level) {
        try (Machine machine = build(builder().consoleLines(() -> List.of("Booting", "going to crash")))) {
            // mov $0xd0000000,%edi; mov $0x77,%ebx; mov %ebx,(%rdi); nop
            Guest.code(machine, "bf000000d0 bb77000000 891f 90 e6ff ebfe");
            level.start(machine);
            VcpuStop stop = machine.run(0);
            MachineReport report = failure(stop);
            assertThat(report.reason())
                    .isEqualTo("write of 0x77, 4 bytes, to guest-physical 0xd0000000, "
                            + "where neither memory nor a device is");
            // KVM counts a write as executed by the time it reports it.
            assertThat(report.instruction()).startsWith("90 e6 ff eb fe");
            assertThat(report.registers())
                    .contains("rip 000000000010000c", "rbx 0000000000000077", level == Level.CPL0 ? "CPL 0" : "CPL 3");
            assertThat(report.toString()).contains("vCPU 0: write of", "Booting", "going to crash");
            assertThat(machine.run(0)).as("a machine that failed stays so").isEqualTo(stop);
        }
    }

    @Test
    void aReadOfNothingIsReportedWithItsInstruction() {
        try (Machine machine = build(builder())) {
            // mov $0xd0000000,%edi; mov (%rdi),%ebx
            Guest.code(machine, "bf000000d0 8b1f e6ff ebfe");
            Guest.atCpl0(machine, 0);
            MachineReport report = failure(machine.run(0));
            assertThat(report.reason())
                    .isEqualTo("read of 4 bytes from guest-physical 0xd0000000, "
                            + "where neither memory nor a device is");
            assertThat(report.instruction()).startsWith("8b 1f e6 ff eb fe");
        }
    }

    @Test
    void aTripleFaultIsAShutdown() {
        try (Machine machine = build(builder())) {
            // lidt 0x100020: limit 0; ud2
            Guest.code(machine, "0f011c2520001000 0f0b ebfe");
            Guest.atCpl0(machine, 0);
            VcpuStop fault = new VcpuStop.Shutdown(VcpuStop.Shutdown.Cause.TRIPLE_FAULT);
            assertThat(machine.run(0)).isEqualTo(fault);
            assertThat(machine.run(0)).isEqualTo(fault);
        }
    }

    @Test
    void codeThatKvmCannotRunFailsWithKvmsWords() {
        try (Machine machine = build(builder())) {
            // mov $0xd0000000,%eax; jmp *%rax: there is no code to fetch
            Guest.code(machine, "b8000000d0 ffe0");
            Guest.atCpl0(machine, 0);
            MachineReport report = failure(machine.run(0));
            assertThat(report.reason()).startsWith("KVM cannot emulate an instruction");
            assertThat(report.registers()).contains("rip 00000000d0000000");
            assertThat(report.instruction()).isEqualTo("0xd0000000 is not memory");
        }
    }

    @ParameterizedTest
    @EnumSource
    void readOnlyMemoryIsReadAndNotWritten(Level level, @TempDir Path folder) throws Exception {
        Path file = folder.resolve("image");
        Files.write(file, new byte[] {1, 2, 3, 4, 5});
        RecordingDevice device = new RecordingDevice();
        try (MemoryFile image = MemoryFile.open(file);
                Machine machine = build(builder()
                        .region(RegionSpec.readOnlyFile(0x1000_0000L, image))
                        .port(0xe0, 4, device))) {
            // mov $0x10000000,%edi; mov 1(%rdi),%eax; out %eax,$0xe0; mov 4(%rdi),%eax; out %eax,$0xe0; mov %al,(%rdi)
            Guest.code(machine, "bf00000010 8b4701 e7e0 8b4704 e7e0 8807 e6ff ebfe");
            level.start(machine);
            assertThat(failure(machine.run(0)).reason())
                    .isEqualTo("write of 0x5, 1 bytes, to guest-physical 0x10000000, which is read-only memory");
        }
        assertThat(device.writes).containsExactly(new Write(0, 4, 0x0504_0302), new Write(0, 4, 5));
        assertThat(Files.readAllBytes(file)).containsExactly(1, 2, 3, 4, 5);
    }

    @Test
    void machinesOnTheSameFileDoNotSeeEachOther() {
        try (MemoryFile template = MemoryFile.create("template", Guest.MEMORY)) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment content = template.map(arena);
                content.set(ValueLayout.JAVA_INT, 0x200000, 0x1234);
            }
            template.seal();
            RegionSpec spec = RegionSpec.copyOnWrite(0, Guest.MEMORY, template, 0);
            try (Machine one = build(Machine.builder(kvm).region(spec));
                    Machine two = build(Machine.builder(kvm).region(spec))) {
                // incl 0x200000; out %al,$0xff
                for (Machine machine : List.of(one, two)) {
                    Guest.code(machine, "ff042500002000 e6ff ebf5");
                    Guest.atCpl0(machine, 0);
                }
                assertThat(one.run(0)).isEqualTo(new VcpuStop.Kicked());
                assertThat(one.run(0)).isEqualTo(new VcpuStop.Kicked());
                assertThat(two.run(0)).isEqualTo(new VcpuStop.Kicked());
                assertThat(one.memory().slice(0x200000, 4).get(ValueLayout.JAVA_INT, 0))
                        .isEqualTo(0x1236);
                assertThat(two.memory().slice(0x200000, 4).get(ValueLayout.JAVA_INT, 0))
                        .isEqualTo(0x1235);
            }
            try (Machine three = build(Machine.builder(kvm).region(spec))) {
                assertThat(three.memory().slice(0x200000, 4).get(ValueLayout.JAVA_INT, 0))
                        .isEqualTo(0x1234);
            }
        }
    }

    @Test
    void aFileThatIsShortenedFailsTheMachineAndNotTheHost(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("image");
        Files.write(file, new byte[8192]);
        try (MemoryFile image = MemoryFile.open(file);
                Machine machine = build(builder().region(RegionSpec.readOnlyFile(0x1000_0000L, image)))) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(0);
            }
            // mov $0x10001000,%edi; mov (%rdi),%eax
            Guest.code(machine, "bf00100010 8b07 e6ff ebfe");
            Guest.atCpl3(machine, 0);
            assertThat(machine.run(0)).isInstanceOf(VcpuStop.Failed.class);
        }
    }

    @Test
    void whatADeviceThrowsFailsTheMachine() {
        for (RuntimeException thrown : List.of(
                new DeviceFault("the queue is broken"),
                new GuestAddressException(-1, 5, "no memory there"),
                new IllegalStateException("a defect"))) {
            RecordingDevice device = new RecordingDevice(_ -> {
                throw thrown;
            });
            for (String access : List.of("e4e0", "bf000000d0 8a07")) {
                try (Machine machine = build(builder().port(0xe0, 1, device).mmio(MMIO, 8, device))) {
                    Guest.code(machine, access + "e6ff ebfe");
                    Guest.atCpl0(machine, 0);
                    MachineReport report = failure(machine.run(0));
                    assertThat(report.cause()).isSameAs(thrown);
                    assertThat(report.reason()).contains(String.valueOf(thrown.getMessage()));
                }
            }
        }
    }

    @Test
    void anErrorOfADeviceReachesTheCallerAndEndsTheMachine() {
        RecordingDevice device = new RecordingDevice(_ -> {
            throw new AssertionError("out of luck");
        });
        try (Machine machine = build(builder().port(0xe0, 1, device))) {
            Guest.code(machine, "e4e0 e6ff ebfe");
            Guest.atCpl0(machine, 0);
            assertThatThrownBy(() -> machine.run(0)).isInstanceOf(AssertionError.class);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Stopped());
        }
    }

    @Test
    void aDeviceShutsTheMachineDown() {
        try (Machine machine = build(builder())) {
            Guest.code(machine, "ebfe");
            Guest.atCpl3(machine, 0);
            machine.shutdown(VcpuStop.Shutdown.Cause.POWER_OFF);
            machine.stop();
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Shutdown(VcpuStop.Shutdown.Cause.POWER_OFF));
        }
    }

    @Test
    void theDescriptionIsChecked() {
        RecordingDevice device = new RecordingDevice();
        assertThatThrownBy(() -> Machine.builder(kvm).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("guest memory without a region");
        assertThatThrownBy(() -> builder().mmio(Guest.MEMORY - 1, 2, device).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("a device at 0x3fffff lies in memory");
        assertThatThrownBy(() -> builder()
                        .mmio(MMIO, 16, device)
                        .mmio(MMIO + 15, 1, device)
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("two devices at 0xd000000f");
        assertThatThrownBy(
                        () -> builder().port(10, 2, device).port(11, 1, device).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("two devices at 0xb");
        assertThatThrownBy(() -> builder().port(0xffff, 2, device)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder().port(-1, 2, device)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder().mmio(Long.MAX_VALUE - 4, 8, device))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder().vcpus(0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder().vcpus(256)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder()
                        .region(RegionSpec.anonymous(Guest.MEMORY - 4096, 4096))
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("regions overlap");
    }
}
