// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.Stdin;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.util.concurrent.ExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Feeds a program's standard input from where its command says.
sealed interface StdinSource {
    /// Most bytes in one frame.
    int CHUNK = 64 << 10;

    /// Opens what has to be opened on the host.
    ///
    /// @throws UncheckedIOException if that fails
    static StdinSource of(Stdin stdin) {
        return switch (stdin) {
            case Stdin.None _ -> new Nothing();
            case Stdin.Pipe _ -> new Application();
            case Stdin.Bytes bytes -> new Array(bytes.bytes());
            case Stdin.Stream(InputStream stream) -> new Pump(stream, false);
            case Stdin.File file -> {
                try {
                    yield new Pump(Files.newInputStream(file.path()), true);
                } catch (IOException e) {
                    throw new UncheckedIOException("standard input cannot be read from " + file.path() + ": " + e, e);
                }
            }
        };
    }

    /// Whether the program gets a stream; if not, it gets `/dev/null`.
    default boolean connected() {
        return true;
    }

    /// Starts feeding; called before the program is spawned, so before there is credit.
    void feed(Program program, AgentSession agent);

    /// Stops feeding and closes what [#of] opened.
    default void stop() {}

    /// No stream.
    record Nothing() implements StdinSource {
        @Override
        public boolean connected() {
            return false;
        }

        @Override
        public void feed(Program program, AgentSession agent) {}
    }

    /// The application writes by itself, to a [StdinStream].
    record Application() implements StdinSource {
        @Override
        public void feed(Program program, AgentSession agent) {}
    }

    /// Bytes in memory, sent from the thread that runs the guest whenever it has given credit: that takes no other
    /// thread.
    final class Array implements StdinSource {
        private final byte[] bytes;
        private int sent;
        private boolean ended;

        private Array(byte[] bytes) {
            this.bytes = bytes;
        }

        @Override
        public void feed(Program program, AgentSession agent) {
            program.onStdinGranted(() -> send(program, agent));
        }

        private void send(Program program, AgentSession agent) {
            while (sent < bytes.length) {
                int length = program.stdin().tryTake(Math.min(CHUNK, bytes.length - sent));
                if (length == 0) {
                    return;
                }
                agent.stdin(program.id(), bytes, sent, length);
                program.stdin().used(length);
                sent += length;
            }
            if (!ended) {
                ended = true;
                agent.stdinEof(program.id());
            }
        }
    }

    /// A stream, read by a platform thread of its own: one that waits for a terminal holds a virtual thread's carrier,
    /// and there are only as many of those as processors.
    final class Pump implements StdinSource {
        private static final Logger LOG = LoggerFactory.getLogger(StdinSource.class);

        private final InputStream from;
        private final boolean owned;
        private volatile boolean stopped;
        private volatile Thread thread = Thread.ofPlatform().unstarted(() -> {});

        private Pump(InputStream from, boolean owned) {
            this.from = from;
            this.owned = owned;
        }

        @Override
        public void feed(Program program, AgentSession agent) {
            thread = Thread.ofPlatform()
                    .daemon()
                    .name("vivarium-stdin-" + program.id())
                    .start(() -> pump(program, new StdinStream(program, agent)));
        }

        private void pump(Program program, OutputStream to) {
            try (to) {
                // A stream may end at once, and its end is for a program that is there.
                program.spawned().get();
                from.transferTo(to);
            } catch (ExecutionException | InterruptedException e) {
                LOG.debug("no program to read standard input", e);
            } catch (IOException e) {
                // Ordinary when the program ends before its input does.
                if (!stopped) {
                    LOG.debug("standard input ended early", e);
                }
            } finally {
                closeOwned();
            }
        }

        private void closeOwned() {
            if (owned) {
                try {
                    from.close();
                } catch (IOException e) {
                    LOG.debug("closing a file that was standard input", e);
                }
            }
        }

        @Override
        public void stop() {
            stopped = true;
            Thread running = thread;
            if (running.getState() == Thread.State.NEW) {
                closeOwned();
            } else {
                running.interrupt();
            }
        }
    }
}
