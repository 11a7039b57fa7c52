// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.Disk;
import io.vivarium.ExecResult;
import io.vivarium.Image;
import io.vivarium.Sandbox;
import io.vivarium.SandboxSpec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
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

/// Reads of a disk whose file is in the host's page cache: 4 KiB anywhere, and 1 MiB after 1 MiB.
///
/// `channel…` is the same read of the same file by a `FileChannel`; `device…` the block device from
/// its doorbell on, without a guest; `deviceElsewhere…` the same on another thread, which is waited
/// for: what it would cost to take the request away from the thread that brings it; `guest…` a
/// program in a sandbox (busybox's `dd`, so that starting it is part of the figure, spread over
/// what it reads). Run with `-prof gc` for the bytes that a request makes.
///
/// Needs a static `/bin/busybox` on the host.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
public class DiskBenchmark {
    private static final int BLOCK = 4096;
    private static final int STRETCH = 1 << 20;
    private static final int STRETCHES = 64;
    private static final long SIZE = (long) STRETCHES * STRETCH;
    private static final int GUEST_BLOCKS = 1024;

    private Path file;
    private FileChannel channel;
    private BlockGuest device;
    private ExecutorService elsewhere;
    private GuestFiles files;
    private Image image;
    private Sandbox sandbox;
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(STRETCH);
    private long next;

    /// Writes the file and starts the sandbox.
    @Setup
    public void setUp() throws IOException {
        file = Files.createTempFile("vivarium-disk-", ".img");
        byte[] stretch = new byte[STRETCH];
        try (FileChannel written = FileChannel.open(file, StandardOpenOption.WRITE)) {
            Random random = new Random(1);
            for (int i = 0; i < STRETCHES; i++) {
                random.nextBytes(stretch);
                written.write(ByteBuffer.wrap(stretch));
            }
        }
        channel = FileChannel.open(file);
        device = new BlockGuest(file);
        elsewhere = Executors.newSingleThreadExecutor();
        files = GuestFiles.write();
        image = Image.erofs(files.root());
        sandbox = Sandbox.launch(SandboxSpec.of(image).withDisk(Disk.readOnly(file)));
    }

    /// Ends it.
    @TearDown
    public void tearDown() throws IOException {
        sandbox.close();
        image.close();
        files.close();
        elsewhere.close();
        device.close();
        channel.close();
        Files.delete(file);
    }

    private static long anywhere() {
        return ThreadLocalRandom.current().nextLong(SIZE / BLOCK) * BLOCK;
    }

    private long onwards() {
        next = (next + STRETCH) % SIZE;
        return next;
    }

    private int read(long position, int length) throws IOException {
        return channel.read(buffer.clear().limit(length), position);
    }

    /// The peer.
    @Benchmark
    public int channelRandom4k() throws IOException {
        return read(anywhere(), BLOCK);
    }

    /// The peer.
    @Benchmark
    public int channelSequential1m() throws IOException {
        return read(onwards(), STRETCH);
    }

    /// The device on the thread of the doorbell.
    @Benchmark
    public byte deviceRandom4k() {
        return device.read(anywhere(), BLOCK);
    }

    /// The device on the thread of the doorbell.
    @Benchmark
    public byte deviceSequential1m() {
        return device.read(onwards(), STRETCH);
    }

    /// The device on a thread that is handed the request.
    @Benchmark
    public byte deviceElsewhereRandom4k() throws ExecutionException, InterruptedException {
        long position = anywhere();
        return elsewhere.submit(() -> device.read(position, BLOCK)).get();
    }

    /// 64 MiB in a guest.
    @Benchmark
    public ExecResult guestSequential64m() {
        return dd("bs=1M");
    }

    /// 4 MiB in a guest, 4 KiB at a time.
    @Benchmark
    public ExecResult guest4kTimes1024() {
        return dd("bs=4k", "count=" + GUEST_BLOCKS);
    }

    /// What it costs to start the program.
    @Benchmark
    public ExecResult guestNothing() {
        return dd("count=0");
    }

    private ExecResult dd(String... arguments) {
        String[] argv = new String[arguments.length + 5];
        System.arraycopy(
                new String[] {GuestFiles.BUSYBOX, "dd", "if=/dev/vda", "of=/dev/null", "status=none"}, 0, argv, 0, 5);
        System.arraycopy(arguments, 0, argv, 5, arguments.length);
        ExecResult result = sandbox.exec(argv);
        if (result.exitCode() != 0) {
            throw new IllegalStateException(result.stderr().text());
        }
        return result;
    }
}
