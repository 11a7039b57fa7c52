// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.GuestProcess;
import io.vivarium.Image;
import io.vivarium.Sandbox;
import io.vivarium.VsockListener;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Objects;
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

/// A connection to a program in a sandbox, beside one to the same program as a process of the host, over a Unix
/// domain socket.
///
/// Needs gcc. The figures mean something only as ratios within one run; `-prof gc` shows what is allocated.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 3)
@Measurement(iterations = 5, time = 3)
public class VsockBenchmark {
    private static final int PORT = 7000;
    private static final int MIB = 1 << 20;
    private static final int MESSAGE = 64;

    /// Where the program is: `vsock` for in a sandbox, `unix` for a process of the host.
    @Param({"vsock", "unix"})
    private String peer;

    private final ArrayDeque<AutoCloseable> open = new ArrayDeque<>();
    private final ByteBuffer mebibyte = ByteBuffer.allocate(MIB);
    private final ByteBuffer message = ByteBuffer.allocate(MESSAGE);
    private ByteChannel echo;
    private ByteChannel source;
    private ByteChannel sink;

    /// Compiles the program, and starts it once for each benchmark.
    @Setup
    public void setUp() throws Exception {
        Path directory = Files.createTempDirectory("vivarium-peer-");
        open.push(() -> Files.delete(directory));
        Path program = directory.resolve("peer");
        compile(program);
        open.push(() -> Files.delete(program));
        if (peer.equals("vsock")) {
            connectSandbox(directory);
        } else {
            connectProcesses(directory, program);
        }
    }

    private static void compile(Path program) throws IOException, InterruptedException {
        Process gcc = new ProcessBuilder("gcc", "-O2", "-static", "-o", program.toString(), "-x", "c", "-")
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (InputStream in = Objects.requireNonNull(VsockBenchmark.class.getResourceAsStream("peer.c"))) {
            in.transferTo(gcc.getOutputStream());
            gcc.getOutputStream().close();
        }
        if (gcc.waitFor() != 0) {
            throw new IllegalStateException("gcc failed");
        }
    }

    private void connectSandbox(Path directory) throws IOException {
        Image image = push(Image.directory(directory));
        Sandbox sandbox = push(Sandbox.launch(image));
        VsockListener listener = push(sandbox.listen(PORT));
        echo = accept(sandbox, listener, "echo");
        source = accept(sandbox, listener, "source");
        sink = accept(sandbox, listener, "sink");
    }

    private ByteChannel accept(Sandbox sandbox, VsockListener listener, String what) throws IOException {
        GuestProcess process = sandbox.start("/peer", "vsock", Integer.toString(PORT), what);
        open.push(process);
        return push(listener.accept());
    }

    private void connectProcesses(Path directory, Path program) throws IOException {
        Path path = directory.resolve("socket");
        ServerSocketChannel listener = push(ServerSocketChannel.open(StandardProtocolFamily.UNIX));
        listener.bind(UnixDomainSocketAddress.of(path));
        open.push(() -> Files.delete(path));
        for (String what : List.of("echo", "source", "sink")) {
            Process process = new ProcessBuilder(program.toString(), "unix", path.toString(), what).start();
            open.push(process::destroyForcibly);
            ByteChannel channel = push(listener.accept());
            switch (what) {
                case "echo" -> echo = channel;
                case "source" -> source = channel;
                default -> sink = channel;
            }
        }
    }

    private <T extends AutoCloseable> T push(T closeable) {
        open.push(closeable);
        return closeable;
    }

    /// Ends everything, the last first.
    @TearDown
    public void tearDown() throws Exception {
        while (!open.isEmpty()) {
            open.pop().close();
        }
    }

    /// 64 bytes there and back.
    @Benchmark
    public ByteBuffer echo() throws IOException {
        echo.write(message.clear());
        return fill(echo, message.clear());
    }

    /// 1 MiB from the program.
    @Benchmark
    public ByteBuffer receive() throws IOException {
        return fill(source, mebibyte.clear());
    }

    /// 1 MiB to the program.
    @Benchmark
    public ByteBuffer send() throws IOException {
        ByteBuffer bytes = mebibyte.clear();
        while (bytes.hasRemaining()) {
            sink.write(bytes);
        }
        return bytes;
    }

    private static ByteBuffer fill(ByteChannel channel, ByteBuffer target) throws IOException {
        while (target.hasRemaining()) {
            if (channel.read(target) < 0) {
                throw new EOFException("the program ended");
            }
        }
        return target;
    }
}
