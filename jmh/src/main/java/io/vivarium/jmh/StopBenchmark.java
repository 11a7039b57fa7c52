// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.Command;
import io.vivarium.ExecResult;
import io.vivarium.Image;
import io.vivarium.Sandbox;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// How long a program that computes without end outlives its timeout of 20 ms: the figure less 20 ms.
///
/// Needs a static `/bin/busybox` on the host.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(1)
@Warmup(iterations = 2, time = 3)
@Measurement(iterations = 3, time = 5)
public class StopBenchmark {
    private static final Duration TIMEOUT = Duration.ofMillis(20);

    private GuestFiles files;
    private Image image;
    private Sandbox sandbox;

    /// Starts the sandbox.
    @Setup
    public void setUp() throws IOException {
        files = GuestFiles.write();
        image = Image.erofs(files.root());
        sandbox = Sandbox.launch(image);
    }

    /// Ends it.
    @TearDown
    public void tearDown() throws IOException {
        sandbox.close();
        image.close();
        files.close();
    }

    /// A loop without end and its timeout.
    @Benchmark
    public ExecResult endlessLoop() {
        return sandbox.exec(Command.of(GuestFiles.BUSYBOX, "sh", "-c", "while :; do :; done")
                .withTimeout(TIMEOUT));
    }
}
