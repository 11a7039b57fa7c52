// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples;

import io.vivarium.GuestProcess;
import io.vivarium.TerminalSize;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The terminal that this process has as its standard input, lent to a program in a sandbox until
/// it is closed: every key goes to the program as it is typed, Ctrl-C too.
final class LocalTerminal implements AutoCloseable {
    /// Prints the size whenever it changes: the kernel tells all of the terminal's foreground by
    /// `SIGWINCH`, which Java has no name for. It ends with its standard input, so with this
    /// process, however that ends.
    private static final String WATCH = """
            trap 'stty size </dev/tty' WINCH
            exec 3<&0
            cat <&3 >/dev/null &
            while kill -0 $! 2>/dev/null; do wait $!; done
            """;

    private final String settings;
    private final Thread atExit = new Thread(this::restore, "vivarium-terminal");
    private @Nullable Process watch;

    private LocalTerminal(String settings) {
        this.settings = settings;
    }

    /// Lends it.
    ///
    /// @throws IllegalArgumentException if standard input is no terminal
    /// @throws IOException if there is no stty(1)
    static LocalTerminal take() throws IOException, InterruptedException {
        LocalTerminal terminal = new LocalTerminal(stty("-g"));
        Runtime.getRuntime().addShutdownHook(terminal.atExit);
        stty("raw", "-echo");
        return terminal;
    }

    TerminalSize size() throws IOException, InterruptedException {
        return parse(stty("size"));
    }

    private static TerminalSize parse(String rowsAndColumns) {
        String[] sides = rowsAndColumns.split(" ", -1);
        return new TerminalSize(Integer.parseInt(sides[1]), Integer.parseInt(sides[0]));
    }

    /// Tells a program whenever the size changes, until this is closed.
    void follow(GuestProcess process) throws IOException {
        Process started = new ProcessBuilder("/bin/sh", "-c", WATCH)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        watch = started;
        Thread.ofPlatform().daemon().start(() -> {
            try (BufferedReader sizes = started.inputReader(StandardCharsets.US_ASCII)) {
                for (String size = sizes.readLine(); size != null; size = sizes.readLine()) {
                    process.resize(parse(size));
                }
            } catch (IOException e) {
                // It is closed.
            }
        });
    }

    private static String stty(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("stty"));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command)
                .redirectInput(ProcessBuilder.Redirect.INHERIT)
                .redirectErrorStream(true)
                .start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        if (process.waitFor() != 0) {
            throw new IllegalArgumentException("--tty: standard input is no terminal: " + said);
        }
        return said;
    }

    private void restore() {
        try {
            stty(settings);
        } catch (IOException | InterruptedException | IllegalArgumentException e) {
            System.err.println("vivarium: the terminal is not as it was, see reset(1): " + e);
        }
    }

    @Override
    public void close() throws IOException {
        Runtime.getRuntime().removeShutdownHook(atExit);
        if (watch != null) {
            watch.getOutputStream().close();
        }
        restore();
    }
}
