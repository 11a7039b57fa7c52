// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.Command;
import io.vivarium.Stdin;
import io.vivarium.TerminalSize;
import io.vivarium.User;
import io.vivarium.snapshot.StateReader;
import io.vivarium.snapshot.StateWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Function;

/// A program of a saved guest that goes on in every guest made from it, and what the host knew of it.
///
/// @param id its number on the agent's connection, which it keeps
/// @param pid inside the guest
/// @param stdinCredit bytes of standard input that it may still be sent
/// @param stdinEnded whether it has been told that no more of them come
record SavedProcess(
        Command command,
        int id,
        int pid,
        long stdinCredit,
        boolean stdinEnded,
        OutputPipe.Saved stdout,
        OutputPipe.Saved stderr) {
    private static final long MOST_CREDIT = 0xffff_ffffL;

    SavedProcess {
        if (id < 1 || pid < 1) {
            throw new IllegalArgumentException("process %d with process id %d".formatted(id, pid));
        }
    }

    /// Writes it. Of the command, what the program was started with; how the host takes its output
    /// is not of interest any more.
    void write(StateWriter to) {
        to.list(command.argv(), StateWriter::text);
        to.list(
                command.env().entrySet().stream().toList(),
                (StateWriter each, Map.Entry<String, String> variable) ->
                        each.text(variable.getKey()).text(variable.getValue()));
        write(to, command.workingDirectory(), StateWriter::text);
        write(to, command.user(), (StateWriter each, User user) -> each.u64(user.uid())
                .u64(user.gid()));
        to.flag(command.stdin() instanceof Stdin.Pipe).flag(command.mergedStderr());
        write(to, command.terminal(), (StateWriter each, TerminalSize size) -> each.u32(size.columns())
                .u32(size.rows()));
        to.u32(id).u32(pid).u64(stdinCredit).flag(stdinEnded);
        stdout.write(to);
        stderr.write(to);
    }

    private static <T> void write(StateWriter to, Optional<T> value, BiConsumer<StateWriter, T> one) {
        to.list(value.stream().toList(), one);
    }

    /// Reads what [#write] has written.
    ///
    /// @throws io.vivarium.snapshot.InvalidSnapshotFileException if it cannot have
    /// @throws IllegalArgumentException if it cannot have
    static SavedProcess read(StateReader from) {
        Command command = Command.of(from.list(StateReader::text));
        Map<String, String> env = new LinkedHashMap<>();
        from.list(variable -> env.put(variable.text(), variable.text()));
        command = command.withEnv(env);
        Optional<String> directory = read(from, StateReader::text);
        if (directory.isPresent()) {
            command = command.withWorkingDirectory(directory.get());
        }
        Optional<User> user = read(from, each -> new User(each.u64(), each.u64()));
        if (user.isPresent()) {
            command = command.withUser(user.get().uid(), user.get().gid());
        }
        command = from.flag() ? command.withStdin(Stdin.pipe()) : command;
        command = from.flag() ? command.withMergedStderr() : command;
        Optional<TerminalSize> terminal = read(from, each -> new TerminalSize(each.u32(), each.u32()));
        if (terminal.isPresent()) {
            command = command.withTerminal(terminal.get());
        }
        return new SavedProcess(
                command,
                from.u32(),
                from.u32(),
                from.u64("credit for standard input", MOST_CREDIT),
                from.flag(),
                OutputPipe.Saved.read(from),
                OutputPipe.Saved.read(from));
    }

    private static <T> Optional<T> read(StateReader from, Function<StateReader, T> one) {
        return from.list(one).stream().reduce((_, _) -> {
            throw StateReader.malformed("two values of one");
        });
    }
}
