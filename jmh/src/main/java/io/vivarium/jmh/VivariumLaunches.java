// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.Command;
import io.vivarium.ExecResult;
import io.vivarium.GuestProcess;
import io.vivarium.Image;
import io.vivarium.Sandbox;
import io.vivarium.SandboxPool;
import io.vivarium.SandboxSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import jdk.jfr.consumer.RecordingStream;
import org.jspecify.annotations.NullMarked;

/// Launches through the public API, measured from outside.
@NullMarked
final class VivariumLaunches implements AutoCloseable {
    private static final String RESET_EVENT = "io.vivarium.Reset";
    private static final String OUTPUT = "hi\n";

    private final Command command;
    private final Image image;
    private final Sandbox running;
    private final SandboxPool pool;

    /// @param root the root image, an EROFS file
    /// @param command prints `hi`
    VivariumLaunches(Path root, Command command) {
        this.command = command;
        this.image = Image.erofs(root);
        this.running = Sandbox.launch(image);
        this.pool = SandboxPool.builder(SandboxSpec.of(image)).most(1).build();
    }

    /// Measures every point so many times, in turn.
    Map<Point, Percentiles> measure(int times) throws IOException {
        Map<Point, List<Long>> samples = new EnumMap<>(Point.class);
        for (Point point : Point.values()) {
            samples.put(point, new ArrayList<>(times));
        }
        for (int i = 0; i < times; i++) {
            launchExecClose(samples);
            exec(samples);
            launchUntilOutput(samples);
        }
        resets(samples, times);
        Map<Point, Percentiles> result = new EnumMap<>(Point.class);
        samples.forEach((point, nanos) -> result.put(point, Percentiles.ofNanos(nanos)));
        return result;
    }

    private void launchExecClose(Map<Point, List<Long>> samples) {
        long start = System.nanoTime();
        long launched;
        ExecResult result;
        try (Sandbox sandbox = Sandbox.launch(image)) {
            launched = System.nanoTime();
            result = sandbox.exec(command);
        }
        long closed = System.nanoTime();
        check(result);
        add(samples, Point.LAUNCH, launched - start);
        add(samples, Point.LAUNCH_EXEC_CLOSE, closed - start);
    }

    /// The other machine had all the time of a launch to become idle.
    private void exec(Map<Point, List<Long>> samples) {
        long start = System.nanoTime();
        ExecResult result = running.exec(command);
        long ended = System.nanoTime();
        check(result);
        add(samples, Point.EXEC, ended - start);
    }

    /// A machine of its own: the first output of `exec` cannot be seen from outside.
    private void launchUntilOutput(Map<Point, List<Long>> samples) throws IOException {
        long start = System.nanoTime();
        try (Sandbox sandbox = Sandbox.launch(image);
                GuestProcess process = sandbox.start(command)) {
            int first = process.stdout().read();
            long seen = System.nanoTime();
            if (first != OUTPUT.charAt(0)) {
                throw new IllegalStateException(command + " printed " + first);
            }
            add(samples, Point.LAUNCH_OUTPUT, seen - start);
            process.waitFor();
        }
    }

    /// How long it takes to put the machine back is seen in the flight recorder alone.
    private void resets(Map<Point, List<Long>> samples, int times) {
        List<Long> resets = Collections.synchronizedList(new ArrayList<>());
        try (RecordingStream events = new RecordingStream()) {
            events.enable(RESET_EVENT);
            events.onEvent(RESET_EVENT, event -> resets.add(event.getDuration().toNanos()));
            events.startAsync();
            check(pool.call(sandbox -> sandbox.exec(command)));
            for (int i = 0; i < times; i++) {
                long start = System.nanoTime();
                long[] ended = new long[1];
                check(pool.call(sandbox -> {
                    ExecResult result = sandbox.exec(command);
                    ended[0] = System.nanoTime();
                    return result;
                }));
                add(samples, Point.RESET_EXEC, ended[0] - start);
            }
            events.stop();
        }
        resets.forEach(nanos -> add(samples, Point.RESET, nanos));
    }

    private static void add(Map<Point, List<Long>> samples, Point point, long nanos) {
        samples.computeIfAbsent(point, _ -> new ArrayList<>()).add(nanos);
    }

    private static void check(ExecResult result) {
        if (result.exitCode() != 0 || !result.stdout().text().equals(OUTPUT)) {
            throw new IllegalStateException("not what was asked for: " + result);
        }
    }

    @Override
    public void close() {
        running.close();
        pool.close();
        image.close();
    }
}
