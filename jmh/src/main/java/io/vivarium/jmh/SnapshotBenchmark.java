// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.Command;
import io.vivarium.GuestProcess;
import io.vivarium.Image;
import io.vivarium.Sandbox;
import io.vivarium.SandboxSpec;
import io.vivarium.Template;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// What saving, branching, writing and opening cost, with a guest that has written to so much memory.
///
/// How long the guest stands still is in the event `io.vivarium.Save`: `-prof jfr` records it, and `jfr summary`, or
/// `jfr print --events io.vivarium.Save`, shows it. The figures mean something only as ratios within one run.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 2, time = 3)
@Measurement(iterations = 3, time = 5)
public class SnapshotBenchmark {
    /// MiB of a file that the guest has in memory.
    @Param({"0", "16", "64"})
    public int mebibytes;

    private GuestFiles files;
    private Image image;
    private SandboxSpec spec;
    private Template template;
    private Sandbox running;
    private Path directory;
    private Path whole;

    /// Builds the root image, a template, and a sandbox of it that has changed as much again.
    @Setup
    public void setUp() throws IOException {
        files = GuestFiles.write();
        image = Image.erofs(files.root());
        spec = SandboxSpec.of(image);
        template = Template.of(spec).warmUp(sandbox -> fill(sandbox, "/first"));
        running = template.launch();
        fill(running, "/second");
        directory = Files.createTempDirectory("vivarium-jmh-");
        whole = directory.resolve("whole");
        template.writeTo(whole);
    }

    private void fill(Sandbox sandbox, String file) {
        sandbox.exec(GuestFiles.BUSYBOX, "dd", "if=/dev/urandom", "of=" + file, "bs=1048576", "count=" + mebibytes);
    }

    /// Ends all of it.
    @TearDown
    public void tearDown() throws IOException {
        running.close();
        template.close();
        image.close();
        files.close();
        Files.delete(whole);
        Files.deleteIfExists(directory.resolve("written"));
        Files.delete(directory);
    }

    /// A sandbox from the template, until the first byte of a program is there.
    @Benchmark
    public int restoreToFirstOutput() throws IOException {
        try (Sandbox sandbox = template.launch();
                GuestProcess process = sandbox.start(Command.of(GuestFiles.BUSYBOX, "echo", "hi"))) {
            return process.stdout().read();
        }
    }

    /// A template of a live sandbox.
    @Benchmark
    public void save() {
        running.save().close();
    }

    /// A sandbox of a live one.
    @Benchmark
    public void branch() {
        running.branch().close();
    }

    /// A template to a file, and that to stable storage.
    @Benchmark
    public void writeTo() throws IOException {
        template.writeTo(directory.resolve("written"));
    }

    /// A template from a file: all of it read and compared with its digests.
    @Benchmark
    public void open() throws IOException {
        Template.open(whole, spec).close();
    }
}
