// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.ExecResult;
import io.vivarium.Image;
import io.vivarium.Sandbox;
import java.io.IOException;
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

/// What a pristine sandbox costs until its program's output is there, beside the host's own process
/// of the same program.
///
/// Needs a static `/bin/busybox` on the host. The figures mean something only as ratios within one
/// run.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 5)
@Measurement(iterations = 5, time = 5)
public class LaunchBenchmark {
    private GuestFiles files;
    private Image image;
    private Sandbox running;

    /// Builds the root image and starts the sandbox of [#exec()].
    @Setup
    public void setUp() throws IOException {
        files = GuestFiles.write();
        image = Image.erofs(files.root());
        running = Sandbox.launch(image);
    }

    /// Ends that sandbox.
    @TearDown
    public void tearDown() throws IOException {
        running.close();
        image.close();
        files.close();
    }

    /// A fresh machine, one program, gone again.
    @Benchmark
    public ExecResult launchExecClose() {
        try (Sandbox sandbox = Sandbox.launch(image)) {
            return sandbox.exec(GuestFiles.BUSYBOX, "echo", "hi");
        }
    }

    /// One program in a machine that is there.
    @Benchmark
    public ExecResult exec() {
        return running.exec(GuestFiles.BUSYBOX, "echo", "hi");
    }

    /// The same program as a process of the host.
    @Benchmark
    public byte[] processBuilder() throws IOException, InterruptedException {
        Process process = new ProcessBuilder(GuestFiles.BUSYBOX, "echo", "hi").start();
        byte[] output = process.getInputStream().readAllBytes();
        process.waitFor();
        return output;
    }
}
