// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.testing.Effort;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.BindException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Connections between programs in a sandbox, written in C, and the host.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class VsockTest {
    private static final long MIB = 1 << 20;

    /// What xorshift starts from, on both sides.
    private static final long SEED = 88172645463325252L;

    @TempDir
    private static Path root;

    private static Image image;
    private static Sandbox sandbox;

    @BeforeAll
    static void launch() throws IOException, InterruptedException {
        StaticProgram.compile("#define _GNU_SOURCE\n" + source("vsock.c"), root.resolve("vsock"));
        StaticProgram.compile("#define _GNU_SOURCE\n" + source("calls.c"), root.resolve("calls"));
        image = Image.directory(root);
        sandbox = Sandbox.launch(image);
    }

    static String source(String name) throws IOException {
        try (InputStream in = VsockTest.class.getResourceAsStream("vsock/" + name)) {
            return new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    @AfterAll
    static void close() {
        sandbox.close();
        image.close();
    }

    private static <T> FutureTask<T> inBackground(Callable<T> body) {
        FutureTask<T> task = new FutureTask<>(body);
        Thread.startVirtualThread(task);
        return task;
    }

    private static <T> T get(FutureTask<T> task) throws Exception {
        try {
            return task.get(200, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    private static Command vsock(Object... arguments) {
        List<String> argv = new ArrayList<>(List.of("/vsock"));
        for (Object argument : arguments) {
            argv.add(argument.toString());
        }
        return Command.of(argv.toArray(String[]::new));
    }

    private static BufferedReader lines(GuestProcess process) {
        return new BufferedReader(new InputStreamReader(process.stdout(), StandardCharsets.UTF_8));
    }

    private static void assertEnded(GuestProcess process, BufferedReader out, String expected) throws IOException {
        StringBuilder rest = new StringBuilder();
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            rest.append(line).append('\n');
        }
        assertThat(rest).hasToString(expected);
        assertThat(process.waitFor().exitCode()).isZero();
    }

    private static ByteBuffer bytes(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String readAll(VsockChannel channel) throws IOException {
        return new String(channel.inputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    @Test
    void hostConnects() throws IOException {
        try (GuestProcess server = sandbox.start(vsock("echo-server", 5000, 2))) {
            BufferedReader out = lines(server);
            assertThat(out.readLine()).isEqualTo("listening");
            for (String text : List.of("hello", "a".repeat(100_000))) {
                try (VsockChannel channel = sandbox.connect(5000)) {
                    assertThat(channel.guestPort()).isEqualTo(5000);
                    FutureTask<String> answer = inBackground(() -> readAll(channel));
                    assertThat(channel.write(bytes(text))).isEqualTo(text.length());
                    channel.shutdownOutput();
                    assertThat(get(answer)).isEqualTo(text);
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
            }
            assertEnded(server, out, "served 2\n");
        }
    }

    @Test
    void guestConnects() throws Exception {
        try (VsockListener listener = sandbox.listen(6000)) {
            FutureTask<ExecResult> client = inBackground(() -> sandbox.exec(vsock("echo-client", 6000, "to the host")));
            try (VsockChannel channel = listener.accept()) {
                assertThat(channel.hostPort()).isEqualTo(6000);
                assertThat(readAll(channel)).isEqualTo("to the host");
                channel.write(bytes("and back\n"));
            }
            assertThat(get(client).stdout().text()).isEqualTo("and back\n");
        }
    }

    @Test
    void whatEachCallAnswers() {
        ExecResult result = sandbox.exec("/calls");
        assertThat(result.stdout().text())
                .isEqualTo("""
                        ioctl: 0
                        cid: 3
                        another ioctl: ENOTTY
                        datagrams: ENODEV
                        packets: ESOCKTNOSUPPORT
                        raw: ESOCKTNOSUPPORT
                        protocol: EPROTONOSUPPORT
                        pair: EOPNOTSUPP
                        name: family 40 cid -1 port any length 16
                        peer: ENOTCONN
                        poll: out
                        listen unbound: EINVAL
                        accept: EINVAL
                        recv: ENOTCONN
                        send: ENOTCONN
                        shutdown: ENOTCONN
                        bind 99: EADDRNOTAVAIL
                        bind host: EADDRNOTAVAIL
                        bind short: EINVAL
                        bind family: EINVAL
                        bind: 0
                        name: family 40 cid -1 port 2000 length 16
                        bind again: EINVAL
                        bind taken: EADDRINUSE
                        bind any: 0
                        name: family 40 cid 3 port free length 16
                        connect hypervisor: ENETUNREACH
                        connect host: ECONNRESET
                        connect a neighbour: ECONNRESET
                        connect here: ECONNRESET
                        connect family: EINVAL
                        poll: out
                        buffer: 262144
                        least: 128
                        most: 262144
                        set: 0
                        buffer: 128
                        set most: 0
                        set: 0
                        buffer: 1048576
                        set short: EINVAL
                        set unknown: ENOPROTOOPT
                        get unknown: ENOPROTOOPT
                        timeout: 0
                        seconds: 2 length 16
                        set timeout: ERANGE
                        domain: 40
                        reuse: 0
                        """ + answersWithin(1) + answersWithin(3) + "2000000 words, 0 wrong\n");
    }

    /// What calls answer when server and client are in the same guest.
    ///
    /// @param cid by which the client finds the server
    private static String answersWithin(int cid) {
        return """
                        listen: 0
                        connect of a listener: EINVAL
                        accept: EAGAIN
                        epoll: 0
                        connect: 0
                        connect again: EISCONN
                        epoll: 1
                        listener: in
                        from cid 1
                        server: family 40 cid %1$d port 2000 length 16
                        server's peer: family 40 cid 1 port free length 16
                        client's peer: family 40 cid %1$d port 2000 length 16
                        client: out
                        recv: EAGAIN
                        sendto: EISCONN
                        send: 5
                        FIONREAD: 5
                        peek: 5
                        server: in out
                        recv: 3
                        shutdown: 0
                        send: EPIPE
                        recv: 2
                        recv: 0
                        server: in out rdhup
                        client:
                        send back: 4
                        client: in rdhup hup
                        recv: 4
                        recv: 0
                        client: in rdhup hup
                        send: EPIPE
                        recv: 0
                        connect: ECONNRESET
                        """.formatted(cid);
    }

    private static long next(long state) {
        long x = state ^ (state << 13);
        x ^= x >>> 7;
        return x ^ (x << 17);
    }

    /// Both directions, word for word.
    @Test
    void muchThroughOneConnection() throws Exception {
        long size = Effort.times(1024) * MIB;
        try (VsockListener listener = sandbox.listen(6001)) {
            FutureTask<ExecResult> source = inBackground(() -> sandbox.exec(vsock("source", 6001, size)));
            try (VsockChannel channel = listener.accept()) {
                assertThat(countRight(channel)).isEqualTo(size);
            }
            assertThat(get(source).stdout().text()).isEqualTo("sent\n");
            FutureTask<ExecResult> sink = inBackground(() -> sandbox.exec(vsock("sink", 6001)));
            try (VsockChannel channel = listener.accept()) {
                send(channel, size);
            }
            assertThat(get(sink).stdout().text()).isEqualTo("received " + size + "\n");
        }
    }

    private static long countRight(VsockChannel channel) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 19).order(ByteOrder.LITTLE_ENDIAN);
        long state = SEED;
        long total = 0;
        while (channel.read(buffer) >= 0) {
            buffer.flip();
            total += buffer.remaining();
            while (buffer.remaining() >= Long.BYTES) {
                state = next(state);
                if (buffer.getLong() != state) {
                    throw new AssertionError("a wrong word in the " + total / MIB + "th MiB");
                }
            }
            total -= buffer.remaining();
            buffer.compact();
        }
        return total;
    }

    private static void send(VsockChannel channel, long size) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 19).order(ByteOrder.LITTLE_ENDIAN);
        long state = SEED;
        for (long left = size; left > 0; ) {
            buffer.clear().limit((int) Math.min(left, buffer.capacity()));
            left -= buffer.remaining();
            while (buffer.hasRemaining()) {
                state = next(state);
                buffer.putLong(state);
            }
            channel.write(buffer.flip());
        }
    }

    @Test
    void manyShortConnections() throws Exception {
        int count = Effort.times(1000);
        try (VsockListener listener = sandbox.listen(0)) {
            FutureTask<ExecResult> client = inBackground(() -> sandbox.exec(vsock("many", listener.port(), count)));
            for (int i = 0; i < count; i++) {
                try (VsockChannel channel = listener.accept()) {
                    ByteBuffer number = ByteBuffer.allocate(4);
                    while (number.hasRemaining()) {
                        assertThat(channel.read(number)).isPositive();
                    }
                    channel.write(number.flip().putInt(0, ~number.getInt(0)));
                    assertThat(channel.read(ByteBuffer.allocate(1))).isEqualTo(-1);
                }
            }
            assertThat(get(client).stdout().text()).isEqualTo("made " + count + "\n");
        }
    }

    /// As many connections at a time as wait to be accepted, from the host, to a server that waits for all of
    /// them in one place.
    @Test
    void manyAtATime() throws Exception {
        int count = 100;
        try (GuestProcess server = sandbox.start(vsock("epoll-server", 5001, count))) {
            BufferedReader out = lines(server);
            assertThat(out.readLine()).isEqualTo("listening");
            List<VsockChannel> channels = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                channels.add(sandbox.connect(5001));
            }
            List<FutureTask<String>> answers = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                VsockChannel channel = channels.get(i);
                String text = Integer.toString(i).repeat(5000);
                answers.add(inBackground(() -> {
                    FutureTask<String> answer = inBackground(() -> readAll(channel));
                    channel.write(bytes(text));
                    channel.shutdownOutput();
                    return get(answer);
                }));
            }
            for (int i = 0; i < count; i++) {
                assertThat(get(answers.get(i))).isEqualTo(Integer.toString(i).repeat(5000));
                channels.get(i).close();
            }
            assertEnded(server, out, "closed " + count + "\n");
        }
    }

    @Test
    void withoutWaiting() throws Exception {
        assertThat(sandbox.exec(vsock("nonblocking", 6002)).stdout().text()).isEqualTo("""
                        connect: EINPROGRESS
                        out err SO_ERROR ECONNRESET
                        """);
        try (VsockListener listener = sandbox.listen(6002);
                GuestProcess client = sandbox.start(vsock("nonblocking", 6002))) {
            BufferedReader out = lines(client);
            try (VsockChannel channel = listener.accept()) {
                assertThat(out.readLine()).isEqualTo("connect: EINPROGRESS");
                assertThat(out.readLine()).isEqualTo("out SO_ERROR 0");
                assertThat(out.readLine()).isEqualTo("recv: EAGAIN");
                channel.write(bytes("x"));
                assertThat(out.readLine()).isEqualTo("recv: 1");
                assertThat(out.readLine()).isEqualTo("send: EAGAIN after enough");
                assertThat(out.readLine()).isEqualTo("room: 0");
                assertThat(out.readLine()).isEqualTo("waiting");
                ByteBuffer buffer = ByteBuffer.allocate(60_000);
                while (buffer.hasRemaining()) {
                    channel.read(buffer);
                }
                assertEnded(client, out, "room: 1\n");
            }
        }
    }

    @Test
    void nobodyListens() {
        assertThatExceptionOfType(VsockConnectException.class)
                .isThrownBy(() -> sandbox.connect(5999))
                .withMessageContaining("5999")
                .satisfies(e -> assertThat(e.port()).isEqualTo(5999));
        assertThat(sandbox.exec(vsock("echo-client", 6999, "x")).stdout().text())
                .isEqualTo("connect: ECONNRESET\n");
        assertThatThrownBy(() -> sandbox.connect(-1)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void listeners() throws Exception {
        try (VsockListener listener = sandbox.listen(6003)) {
            assertThatThrownBy(() -> sandbox.listen(6003)).isInstanceOf(BindException.class);
            assertThatThrownBy(() -> listener.accept(Duration.ofMillis(1)))
                    .isInstanceOf(SocketTimeoutException.class)
                    .hasMessageContaining("6003");
            FutureTask<VsockChannel> accept = inBackground(listener::accept);
            FutureTask<ExecResult> client = inBackground(() -> sandbox.exec(vsock("echo-client", 6003, "x")));
            get(accept).close();
            get(client);
        }
        VsockListener listener = sandbox.listen(6003);
        FutureTask<VsockChannel> accept = inBackground(listener::accept);
        listener.close();
        assertThatThrownBy(() -> get(accept)).isInstanceOf(ClosedChannelException.class);
        assertThat(listener.isOpen()).isFalse();
        Thread.currentThread().interrupt();
        VsockListener other = sandbox.listen(6003);
        assertThatThrownBy(other::accept).isInstanceOf(ClosedByInterruptException.class);
        assertThat(Thread.interrupted()).isTrue();
        assertThatThrownBy(other::accept).isInstanceOf(ClosedChannelException.class);
    }

    /// What is not accepted is closed with its listener.
    @Test
    void listenerClosesWhatNobodyAccepted() throws IOException {
        VsockListener listener = sandbox.listen(6004);
        try (GuestProcess client = sandbox.start(vsock("read-once", 6004))) {
            BufferedReader out = lines(client);
            assertThat(out.readLine()).isEqualTo("connected");
            listener.close();
            assertEnded(client, out, "read 0\n");
        }
    }

    @Test
    void hostClosesInMidTransfer() throws Exception {
        try (VsockListener listener = sandbox.listen(6005)) {
            FutureTask<ExecResult> writer = inBackground(() -> sandbox.exec(vsock("until-broken", 6005)));
            try (VsockChannel channel = listener.accept()) {
                channel.read(ByteBuffer.allocate(1000));
            }
            assertThat(get(writer).stdout().text()).isEqualTo("write: EPIPE\n");
        }
    }

    @Test
    void guestEndsInMidTransfer() throws Exception {
        try (VsockListener listener = sandbox.listen(6006);
                GuestProcess reader = sandbox.start(vsock("read-once", 6006));
                VsockChannel channel = listener.accept()) {
            assertThat(lines(reader).readLine()).isEqualTo("connected");
            // It ends after the first byte, with the rest on the way.
            assertThatThrownBy(() -> {
                        while (true) {
                            channel.write(ByteBuffer.allocate(100_000));
                        }
                    })
                    .isInstanceOf(SocketException.class)
                    .hasMessageContaining("broken pipe");
            assertThat(channel.read(ByteBuffer.allocate(1))).isEqualTo(-1);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    @SuppressWarnings("try") // closes it before the end, which is what is tested
    void channelIsClosedOrInterruptedUnderAReader(boolean interrupt) throws Exception {
        try (VsockListener listener = sandbox.listen(6007);
                GuestProcess reader = sandbox.start(vsock("read-once", 6007));
                VsockChannel channel = listener.accept()) {
            FutureTask<Integer> read = new FutureTask<>(() -> channel.read(ByteBuffer.allocate(1)));
            Thread thread = Thread.startVirtualThread(read);
            while (thread.getState() != Thread.State.WAITING) {
                Thread.onSpinWait();
            }
            if (interrupt) {
                thread.interrupt();
            } else {
                channel.close();
            }
            assertThatThrownBy(() -> get(read))
                    .isInstanceOf(interrupt ? ClosedByInterruptException.class : AsynchronousCloseException.class);
            assertThat(channel.isOpen()).isFalse();
            assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(1))).isInstanceOf(ClosedChannelException.class);
            assertThatThrownBy(channel::shutdownOutput).isInstanceOf(ClosedChannelException.class);
            assertThat(reader.waitFor().exitCode()).isZero();
        }
    }

    @Test
    void outputShutUnderAWriter() throws Exception {
        try (VsockListener listener = sandbox.listen(6008);
                GuestProcess reader = sandbox.start(vsock("read-once", 6008));
                VsockChannel channel = listener.accept()) {
            assertThat(lines(reader).readLine()).isEqualTo("connected");
            channel.shutdownOutput();
            assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(1))).isInstanceOf(ClosedChannelException.class);
            channel.shutdownInput();
            assertThat(channel.read(ByteBuffer.allocate(1))).isEqualTo(-1);
            assertThat(reader.waitFor().exitCode()).isZero();
        }
    }

    /// Whatever waits ends with the reason.
    @Test
    void sandboxClosesInMidTransfer() throws Exception {
        Sandbox other = Sandbox.launch(image);
        VsockListener listener = other.listen(6000);
        FutureTask<ExecResult> source = inBackground(() -> other.exec(vsock("source", 6000, 1000 * MIB)));
        VsockChannel channel = listener.accept();
        assertThat(channel.read(ByteBuffer.allocate(1000))).isPositive();
        FutureTask<VsockChannel> accept = inBackground(listener::accept);
        FutureTask<Long> read = inBackground(() -> countRight(channel));
        other.close();
        assertThatThrownBy(() -> get(source)).isInstanceOf(SandboxClosedException.class);
        assertThatThrownBy(() -> get(accept))
                .isInstanceOf(IOException.class)
                .hasCauseInstanceOf(SandboxClosedException.class);
        assertThatThrownBy(() -> get(read)).isNotInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(1)))
                .isInstanceOf(IOException.class)
                .hasCauseInstanceOf(SandboxClosedException.class);
        assertThatThrownBy(() -> other.connect(1)).isInstanceOf(SandboxClosedException.class);
        assertThatThrownBy(() -> other.listen(1)).isInstanceOf(SandboxClosedException.class);
    }

    /// The connection is open when the machine is saved, with bytes on their way in both directions.
    private static Template savedWithAConnection(List<VsockChannel> held) {
        return Template.of(image).warmUp(warm -> {
            assertThat(warm.exec(vsock("echo-behind", 5100)).stdout().text()).isEqualTo("listening\n");
            try (VsockListener listener = warm.listen(6100)) {
                FutureTask<ExecResult> hold = inBackground(() -> warm.exec(vsock("hold-behind", 6100)));
                held.add(listener.accept());
                get(hold);
                held.getFirst().write(bytes("x"));
                held.add(warm.connect(5100));
                held.getLast().write(bytes("y".repeat(100_000)));
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
    }

    private static void assertConnectionsAreOverAndNewOnesWork(Sandbox sandbox) throws Exception {
        try (VsockListener listener = sandbox.listen(6101);
                VsockChannel told = listener.accept()) {
            assertThat(readAll(told)).isEqualTo("ECONNRESET");
        }
        try (VsockChannel channel = sandbox.connect(5100)) {
            channel.write(bytes("still there"));
            channel.shutdownOutput();
            assertThat(readAll(channel)).isEqualTo("still there");
        }
    }

    @Test
    void connectionsEndInSandboxesThatAreMadeFromASavedOne() throws Exception {
        List<VsockChannel> held = new ArrayList<>();
        try (Template template = savedWithAConnection(held)) {
            for (VsockChannel channel : held) {
                assertThatThrownBy(() -> channel.write(bytes("z")))
                        .isInstanceOf(IOException.class)
                        .hasCauseInstanceOf(SandboxClosedException.class);
            }
            for (int i = 0; i < Effort.times(3); i++) {
                try (Sandbox descendant = template.launch()) {
                    assertConnectionsAreOverAndNewOnesWork(descendant);
                }
            }
        }
    }

    @Test
    void connectionsEndInMachinesThatAreReset() throws Exception {
        try (Template template = savedWithAConnection(new ArrayList<>());
                SandboxPool pool = SandboxPool.builder(template).build()) {
            VsockChannel last = null;
            for (int i = 0; i < Effort.times(5); i++) {
                try (Sandbox taken = pool.take(Duration.ofMinutes(1))) {
                    assertConnectionsAreOverAndNewOnesWork(taken);
                    last = taken.connect(5100);
                    last.write(bytes("on its way"));
                }
                VsockChannel left = last;
                assertThatThrownBy(() -> left.write(bytes("z")))
                        .isInstanceOf(IOException.class)
                        .hasCauseInstanceOf(SandboxClosedException.class);
            }
        }
    }

    /// Nothing is lost, both ways at once, however slow. What it may not be faster than is the device's test.
    @Test
    void heldToItsRate() throws Exception {
        SandboxSpec spec = SandboxSpec.of(image).withVsockBandwidth(4 * MIB).withVsockPacketRate(1000);
        try (Sandbox slow = Sandbox.launch(spec);
                VsockListener listener = slow.listen(6001)) {
            long start = System.nanoTime();
            FutureTask<ExecResult> source = inBackground(() -> slow.exec(vsock("source", 6001, 8 * MIB)));
            try (VsockChannel from = listener.accept()) {
                FutureTask<ExecResult> sink = inBackground(() -> slow.exec(vsock("sink", 6001)));
                try (VsockChannel to = listener.accept()) {
                    FutureTask<Long> right = inBackground(() -> countRight(from));
                    send(to, 8 * MIB);
                    assertThat(get(right)).isEqualTo(8 * MIB);
                }
                assertThat(get(sink).stdout().text()).isEqualTo("received " + 8 * MIB + "\n");
            }
            assertThat(get(source).stdout().text()).isEqualTo("sent\n");
            // A burst of a second's worth, and one packet more than the rest: no machine can be that slow a clock.
            assertThat(System.nanoTime() - start).isGreaterThan(900_000_000L);
        }
    }

    /// A port of the host belongs to one sandbox.
    @Test
    void sandboxesDoNotSeeEachOther() throws IOException {
        try (Sandbox other = Sandbox.launch(image);
                VsockListener _ = sandbox.listen(6009);
                VsockListener theirs = other.listen(6009);
                GuestProcess client = other.start(vsock("read-once", 6009));
                VsockChannel channel = theirs.accept()) {
            channel.write(bytes("x"));
            assertThat(client.waitFor().exitCode()).isZero();
        }
    }
}
