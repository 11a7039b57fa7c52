// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.internal.FakeGuests;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SpecsTest {
    @ParameterizedTest
    @CsvSource({"64m, 67108864", "1G, 1073741824", "512K, 524288", "4096, 4096", "' 2m ', 2097152"})
    void amountsOfMemory(String text, long bytes) {
        assertThat(Memory.parse(text)).isEqualTo(new Memory(bytes));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "m", "12x", "-5m", "0", "1.5g", "99999999999g", "9223372036854775808"})
    void noAmountsOfMemory(String text) {
        assertThatThrownBy(() -> Memory.parse(text)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void memoryReadsAsOneWritesIt() {
        assertThat(Memory.mebibytes(256)).hasToString("256 MiB").isLessThan(Memory.gibibytes(1));
        assertThat(Memory.gibibytes(2)).hasToString("2 GiB");
        assertThat(new Memory(1536)).hasToString("1536 bytes");
        assertThatThrownBy(() -> Memory.gibibytes(Long.MAX_VALUE)).isInstanceOf(ArithmeticException.class);
    }

    @Test
    void commandsAreValues() {
        Command command = Command.of("a", "b c", "d'e");
        Command timed =
                command.withTimeout(Duration.ofSeconds(1)).withEnv("X", "1").withEnv("Y", "2");
        assertThat(command).hasToString("a 'b c' 'd'\\''e'");
        assertThat(command.timeout()).isEmpty();
        assertThat(timed.env()).isEqualTo(Map.of("X", "1", "Y", "2"));
        assertThat(timed)
                .isEqualTo(Command.of(List.of("a", "b c", "d'e"))
                        .withEnv(Map.of("X", "1", "Y", "2"))
                        .withTimeout(Duration.ofSeconds(1)))
                .hasSameHashCodeAs(Command.of("a", "b c", "d'e")
                        .withEnv(Map.of("Y", "2", "X", "1"))
                        .withTimeout(Duration.ofSeconds(1)))
                .isNotEqualTo(command);
        assertThat(Command.of("a").withStdin(Stdin.of("x")))
                .isEqualTo(Command.of("a").withStdin(Stdin.of("x")));
    }

    @Test
    void commandsThatCannotBe() {
        assertThatThrownBy(Command::of).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Command.of("")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Command.of("a", "b\0c")).hasMessageContaining("NUL at 1");
        Command command = Command.of("a");
        assertThatThrownBy(() -> command.withEnv("A=B", "")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> command.withEnv("", "")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> command.withEnv("A", "\0")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> command.withWorkingDirectory("data")).hasMessageContaining("not absolute");
        assertThatThrownBy(() -> command.withTimeout(Duration.ZERO)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> command.withOutputLimit(-1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> command.withUser(-1, 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> command.withUser(0, 0xFFFF_FFFFL)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void specsAreValues() {
        SandboxSpec spec = SandboxSpec.of(FakeGuests.image());
        assertThat(spec.withMemory(Memory.mebibytes(64)).withMaxLifetime(Duration.ofHours(1)))
                .isEqualTo(spec.withMaxLifetime(Duration.ofMinutes(60)).withMemory(Memory.parse("64m")))
                .isNotEqualTo(spec);
        assertThat(spec.memory()).isEqualTo(Memory.mebibytes(256));
        assertThat(spec.withEnv("A", "1").env()).containsEntry("A", "1").containsKey("PATH");
        assertThat(spec.env()).doesNotContainKey("A");
        assertThat(spec.withUser(1, 2).withWorkingDirectory("/x").user()).isEqualTo(new User(1, 2));
        SandboxSpec limited = spec.withVsockBandwidth(5).withVsockPacketRate(6);
        assertThat(limited)
                .isEqualTo(spec.withVsockPacketRate(6).withVsockBandwidth(5))
                .isNotEqualTo(spec);
        assertThat(limited.withMemory(Memory.mebibytes(64)).vsockBandwidth()).hasValue(5);
        assertThat(limited.withMaxLifetime(Duration.ofHours(1))
                        .withLaunchTimeout(Duration.ofHours(1))
                        .vsockPacketRate())
                .hasValue(6);
        assertThat(spec.vsockBandwidth()).isEmpty();
        assertThat(spec.vsockPacketRate()).isEmpty();
        assertThatThrownBy(() -> spec.withVsockBandwidth(0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> spec.withVsockPacketRate(Disk.MAX_RATE + 1))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @ParameterizedTest
    @CsvSource({"11, SIGSEGV", "9, SIGKILL", "31, SIGSYS", "1, SIGHUP", "34, SIGRTMIN+2", "0, signal 0"})
    void signalsHaveNames(int number, String name) {
        assertThat(Signals.name(number)).isEqualTo(name);
    }

    @Test
    void disksAreValues() {
        Path file = Path.of("/some/file");
        assertThat(Disk.overlay(file).withSerial("s").withBandwidth(5).withRequestRate(6))
                .isEqualTo(
                        Disk.overlay(file).withRequestRate(6).withBandwidth(5).withSerial("s"))
                .hasSameHashCodeAs(
                        Disk.overlay(file).withRequestRate(6).withBandwidth(5).withSerial("s"))
                .isNotEqualTo(Disk.overlay(file))
                .isNotEqualTo(
                        Disk.readOnly(file).withSerial("s").withBandwidth(5).withRequestRate(6));
        assertThat(Disk.overlay(file).withOverlayMemory(Memory.mebibytes(1)).source())
                .isEqualTo(new Disk.Overlay(file, Memory.mebibytes(1)));
        assertThat(Disk.writable(file).bytesPerSecond()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -512, 511, 513, Long.MIN_VALUE})
    void scratchOfNoWholeSectors(long bytes) {
        assertThatThrownBy(() -> Disk.scratch(bytes)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void whatADiskCannotHave() {
        Disk disk = Disk.scratch(512);
        assertThatThrownBy(() -> disk.withOverlayMemory(Memory.mebibytes(1))).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> disk.withBandwidth(0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> disk.withRequestRate(Disk.MAX_RATE + 1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> disk.withSerial("012345678901234567890")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> disk.withSerial("grün")).isInstanceOf(IllegalArgumentException.class);
    }
}
