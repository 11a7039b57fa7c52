// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CommandLineTest {
    @Test
    void isWrittenAsLinuxReadsIt() {
        CommandLine line = CommandLine.empty()
                .with("console", "hvc0")
                .with("quiet")
                .withVirtioMmio(0xD0000000L, 5)
                .withVirtioMmio(0xD0001000L, 6);

        assertThat(line)
                .hasToString(
                        "console=hvc0 quiet virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=4K@0xd0001000:6");
        assertThat(line.bytes()).hasSize(line.toString().length() + 1).endsWith(0);
        assertThat(CommandLine.empty().bytes()).containsExactly(0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "two words", "tab\t", "new\nline", "nul\0", "\u007F", "é"})
    void refusesWhatIsNoWord(String word) {
        assertThatThrownBy(() -> CommandLine.empty().with(word))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("not a word of a kernel command line: '" + word + "'");
    }

    @Test
    void isAtMost2047BytesLong() {
        CommandLine longest = CommandLine.empty().with("x".repeat(2000)).with("y".repeat(46));

        assertThat(longest.bytes()).hasSize(2048);
        assertThatThrownBy(() -> CommandLine.empty().with("x".repeat(2000)).with("y".repeat(47)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the kernel command line has more than 2048 bytes");
    }
}
