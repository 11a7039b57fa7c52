// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples.functions;

import io.vivarium.Exit;
import io.vivarium.GuestProcess;
import io.vivarium.Image;
import io.vivarium.PoolExhaustedException;
import io.vivarium.Sandbox;
import io.vivarium.SandboxPool;
import io.vivarium.SandboxPools;
import io.vivarium.SandboxSpec;
import io.vivarium.Template;
import io.vivarium.Termination;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/// Calls functions, each time in a sandbox with a warm worker that nobody has used.
final class Caller implements AutoCloseable {
    private final SandboxPools<Function.Kind> pools;

    /// @param image with the interpreters and workers
    /// @param machines of each kind, at most
    /// @param wait how long a call waits for a sandbox
    Caller(Image image, int machines, Duration wait) {
        pools = SandboxPools.builder((Function.Kind kind) -> Template.of(
                                SandboxSpec.of(image).withMemory(kind.memory()))
                        .withProcess(kind.language().command()))
                .pool(pool -> pool.most(machines).idle(machines).wait(wait))
                .build();
    }

    Outcome call(Function function, byte[] input, Limits limits) {
        try (Sandbox sandbox = pools.take(function.kind())) {
            return call(sandbox.readyMade().getFirst(), function, input, limits);
        } catch (PoolExhaustedException e) {
            return new Outcome.Overloaded();
        }
    }

    private static Outcome call(GuestProcess worker, Function function, byte[] input, Limits limits) {
        Thread.startVirtualThread(() -> feed(worker, function, input));
        Stream output = Stream.read(worker, worker.stdout(), limits.outputBytes());
        Stream errors = Stream.read(worker, worker.stderr(), limits.outputBytes());
        Optional<Exit> exit = worker.waitFor(limits.time());
        if (exit.isEmpty()) {
            return new Outcome.Stopped(
                    Outcome.Stopped.Limit.TIME,
                    "still running after %d ms".formatted(limits.time().toMillis()));
        }
        byte[] result = output.end();
        String said = new String(errors.end(), StandardCharsets.UTF_8);
        if (output.tooLong || errors.tooLong) {
            return new Outcome.Stopped(
                    Outcome.Stopped.Limit.OUTPUT, "more than %d bytes of output".formatted(limits.outputBytes()));
        }
        return switch (exit.get().termination()) {
            case Termination.Exited(int code) when code == 0 -> new Outcome.Result(result);
            case Termination.Exited(int code) -> new Outcome.Failed("exit code " + code, said);
            case Termination.Killed killed -> new Outcome.Failed(killed.detail(), said);
            case Termination.TimedOut timedOut -> throw new IllegalStateException("no timeout was set: " + timedOut);
        };
    }

    private static void feed(GuestProcess worker, Function function, byte[] input) {
        try (OutputStream stdin = worker.stdin()) {
            stdin.write((function.source().length + "\n").getBytes(StandardCharsets.US_ASCII));
            stdin.write(function.source());
            stdin.write(input);
        } catch (IOException e) {
            // A function need not read all that it is given.
        }
    }

    /// What a worker writes, read while it runs.
    private static final class Stream {
        private final Thread reader;
        private byte[] bytes = new byte[0];
        private boolean tooLong;

        private Stream(GuestProcess worker, InputStream from, int limit) {
            reader = Thread.ofVirtual().unstarted(() -> {
                try {
                    byte[] read = from.readNBytes(limit + 1);
                    if (read.length > limit) {
                        tooLong = true;
                        worker.kill();
                        from.close();
                    } else {
                        bytes = read;
                    }
                } catch (IOException e) {
                    // The call was given up.
                }
            });
        }

        static Stream read(GuestProcess worker, InputStream from, int limit) {
            Stream stream = new Stream(worker, from, limit);
            stream.reader.start();
            return stream;
        }

        /// Waits for the end, which has come when the program's has.
        byte[] end() {
            boolean interrupted = false;
            while (reader.isAlive()) {
                try {
                    reader.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            return bytes;
        }
    }

    Map<Function.Kind, SandboxPool.Statistics> statistics() {
        return pools.statistics();
    }

    @Override
    public void close() {
        pools.close();
    }
}
