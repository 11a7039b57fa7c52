// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.vivarium.Command;
import io.vivarium.ExecResult;
import io.vivarium.GuestProcess;
import io.vivarium.Image;
import io.vivarium.SandboxPool;
import io.vivarium.SandboxSpec;
import io.vivarium.Stdin;
import io.vivarium.Template;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
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

/// What a pristine sandbox of a pool costs by what is done in it: nothing, a program, a question to
/// a process that waits for it. With `-t max -bm thrpt -tu s`: requests per second of all
/// processors.
///
/// Needs a static `/bin/busybox` on the host. The figures mean something only as ratios within one run.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 5)
@Measurement(iterations = 5, time = 5)
public class PoolBenchmark {
    private GuestFiles files;
    private Image image;
    private SandboxPool pool;
    private Template waiting;
    private SandboxPool waitingPool;

    /// Fills the pools.
    @Setup
    public void setUp() throws IOException {
        files = GuestFiles.write();
        image = Image.erofs(files.root());
        pool = SandboxPool.of(SandboxSpec.of(image));
        waiting = Template.of(image)
                .withProcess(Command.of(GuestFiles.BUSYBOX, "sh", "-c", "read x; echo hi $x")
                        .withStdin(Stdin.pipe()));
        waitingPool = SandboxPool.builder(waiting).ready(2).build();
    }

    /// Empties them.
    @TearDown
    public void tearDown() throws IOException {
        waitingPool.close();
        waiting.close();
        pool.close();
        image.close();
        files.close();
    }

    /// A machine, not used, given back: what a reset costs, and the lists.
    @Benchmark
    public boolean takeGiveBack() {
        return pool.call(sandbox -> sandbox.isAlive());
    }

    /// One program.
    @Benchmark
    public ExecResult takeExecGiveBack() {
        return pool.call(sandbox -> sandbox.exec(GuestFiles.BUSYBOX, "echo", "hi"));
    }

    /// One question to a process that waits for it.
    @Benchmark
    public String takeAskGiveBack() {
        return waitingPool.call(sandbox -> ask(sandbox.readyMade().getFirst(), "you"));
    }

    static String ask(GuestProcess process, String line) {
        try {
            process.stdin().write((line + "\n").getBytes(UTF_8));
            return new BufferedReader(new InputStreamReader(process.stdout(), UTF_8)).readLine();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
