// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.Command;
import io.vivarium.Stdin;
import io.vivarium.TerminalSize;
import io.vivarium.snapshot.InvalidSnapshotFileException;
import io.vivarium.snapshot.StateReader;
import io.vivarium.snapshot.StateWriter;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Ready-made processes as they stand in files.
class SavedProcessTest {
    private static final Command PLAIN = Command.of("/bin/cat", "-");
    private static final OutputPipe.Saved NOTHING = new OutputPipe.Saved(new byte[0], Execution.WINDOW);

    private static SavedProcess process(Command command) {
        return new SavedProcess(
                command, 3, 17, 4096, false, new OutputPipe.Saved("unread".getBytes(UTF_8), 1000), NOTHING);
    }

    static byte[] bytes(SavedProcess process) {
        StateWriter writer = new StateWriter();
        process.write(writer);
        return writer.toBytes();
    }

    static SavedProcess read(byte[] bytes) {
        StateReader reader = new StateReader(bytes);
        SavedProcess process = SavedProcess.read(reader);
        reader.end();
        return process;
    }

    static List<Command> commands() {
        return List.of(
                PLAIN,
                PLAIN.withStdin(Stdin.pipe()),
                PLAIN.withMergedStderr(),
                PLAIN.withTerminal(new TerminalSize(132, 50)),
                PLAIN.withEnv("A", "1").withEnv("B", ""),
                PLAIN.withWorkingDirectory("/tmp").withUser(1000, 100));
    }

    @ParameterizedTest
    @MethodSource("commands")
    void isReadAsItWasWritten(Command command) {
        SavedProcess process = process(command);

        SavedProcess read = read(bytes(process));

        assertThat(read.command()).isEqualTo(command);
        assertThat(List.of(read.id(), read.pid())).containsExactly(3, 17);
        assertThat(bytes(read)).isEqualTo(bytes(process));
    }

    @Test
    void aFileThatEndsTooEarlyIsRefused() {
        byte[] whole = bytes(process(PLAIN));
        for (int length = 0; length < whole.length; length++) {
            byte[] part = Arrays.copyOf(whole, length);
            assertThatThrownBy(() -> read(part)).isInstanceOf(InvalidSnapshotFileException.class);
        }
    }

    @Test
    void moreThanTheWindowIsRefused() {
        StateWriter writer = new StateWriter().bytes(new byte[10]).u32(Execution.WINDOW - 9);

        assertThatThrownBy(() -> OutputPipe.Saved.read(new StateReader(writer.toBytes())))
                .isInstanceOf(InvalidSnapshotFileException.class)
                .hasMessageContaining("10 unread bytes and a credit of 262135, of 262144");
    }

    @Test
    void whatIsNoProcessIsRefused() {
        assertThatThrownBy(() -> new SavedProcess(PLAIN, 0, 17, 0, false, NOTHING, NOTHING))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("process 0 with process id 17");
        byte[] noProgram = new StateWriter().u32(0).toBytes();
        assertThatThrownBy(() -> read(noProgram))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a command needs a program");
    }
}
