// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.SandboxSpec;
import io.vivarium.virtio.VirtioVsock;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;

/// An agent of the protocol without a guest: it runs Java code in place of programs and holds the host to the protocol.
///
/// It cuts what it sends into pieces of all sizes, seeded, and takes what it is sent in pieces too.
public final class FakeAgent implements GuestHost {
    /// Java code in place of a program.
    public interface Body {
        /// What the program does.
        ///
        /// @return exit code
        int run(FakeProcess process) throws InterruptedException;
    }

    /// How the agent misbehaves.
    public enum Vice {
        NONE,
        /// Never answers HELLO.
        MUTE,
        /// Answers HELLO with another version.
        WRONG_VERSION,
        /// Takes no notice of SIGNAL.
        DEAF_TO_SIGNALS
    }

    private static final int WINDOW = Execution.WINDOW;

    private final Vice vice;
    private final Map<String, Body> bodies = new HashMap<>();
    private final Map<Integer, FakeProcess> processes = new ConcurrentHashMap<>();
    private final LinkedBlockingQueue<byte[]> fromHost = new LinkedBlockingQueue<>();
    private final Random random = new Random(4711);
    private final List<String> complaints = new ArrayList<>();
    private final List<List<String>> environments = new ArrayList<>();
    private final Object sendLock = new Object();
    private final Guest guest;
    private final AgentSession session;
    private volatile boolean stopped;
    private volatile boolean closed;
    private volatile boolean channelFull;
    private volatile Thread thread = Thread.ofVirtual().unstarted(() -> {});

    public FakeAgent(Vice vice) {
        this.vice = vice;
        this.session = new AgentSession(this::takeFromHost, 0, this::breach);
        this.guest = new Guest(
                this,
                session,
                new VsockHost(new VirtioVsock(VirtioVsock.FIRST_GUEST_CID, 1, HostClock.INSTANCE)),
                new BalloonHost());
    }

    private void breach(String what) {
        guest.crash("the guest broke the agent protocol: " + what);
    }

    /// The host's side of it.
    public Guest guest() {
        return guest;
    }

    AgentSession session() {
        return session;
    }

    /// Installs a program.
    public FakeAgent program(String path, Body body) {
        bodies.put(path, body);
        return this;
    }

    /// Starts the agent.
    public FakeAgent start() {
        thread = Thread.ofVirtual().name("fake-agent").start(this::serve);
        return this;
    }

    /// What the host did that it must not.
    public synchronized List<String> complaints() {
        return List.copyOf(complaints);
    }

    /// What programs were given as their environment, in order.
    public synchronized List<List<String>> environments() {
        return List.copyOf(environments);
    }

    synchronized void complain(String what) {
        complaints.add(what);
    }

    /// Whether the host stopped the guest.
    public boolean isStopped() {
        return stopped;
    }

    /// Whether the host closed the guest.
    public boolean isClosed() {
        return closed;
    }

    /// Lets the channel take nothing until it is opened again.
    void channelFull(boolean full) {
        channelFull = full;
        if (!full) {
            session.writable();
        }
    }

    @Override
    public void stop() {
        stopped = true;
    }

    @Override
    public void close() {
        closed = true;
        thread.interrupt();
        processes.values().forEach(FakeProcess::interrupt);
    }

    @Override
    public Checkpoint save(SandboxSpec spec, RootFile root, List<Execution> goOn) {
        throw new UnsupportedOperationException("a fake guest has no machine");
    }

    @Override
    public String console() {
        return "fake console\n";
    }

    private void takeFromHost(ByteBuffer bytes) {
        if (channelFull || stopped) {
            return;
        }
        byte[] taken = new byte[random.nextInt(1, bytes.remaining() + 1)];
        bytes.get(taken);
        fromHost.add(taken);
        if (bytes.hasRemaining()) {
            Thread.ofVirtual().start(session::writable);
        }
    }

    private void serve() {
        ByteArrayOutputStream pending = new ByteArrayOutputStream();
        try {
            while (!closed) {
                pending.writeBytes(fromHost.take());
                byte[] bytes = pending.toByteArray();
                ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
                while (buffer.remaining() >= 12 && buffer.remaining() >= 12 + buffer.getInt(buffer.position())) {
                    int length = buffer.getInt();
                    int type = Short.toUnsignedInt(buffer.getShort());
                    if (buffer.getShort() != 0) {
                        complain("reserved field set");
                    }
                    int id = buffer.getInt();
                    byte[] payload = new byte[length];
                    buffer.get(payload);
                    handle(type, id, ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN));
                }
                pending.reset();
                pending.write(bytes, buffer.position(), buffer.remaining());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void handle(int type, int id, ByteBuffer payload) {
        switch (type) {
            case Frames.HELLO -> hello(payload);
            case Frames.SPAWN -> spawn(id, payload);
            case Frames.STDIN -> withProcess(id, process -> process.stdin(payload));
            case Frames.STDIN_EOF -> withProcess(id, FakeProcess::stdinEof);
            case Frames.WINDOW -> {
                int stream = payload.getInt();
                int bytes = payload.getInt();
                withProcess(id, process -> process.window(stream, bytes));
            }
            case Frames.SIGNAL -> {
                int signal = payload.getInt();
                if (vice != Vice.DEAF_TO_SIGNALS) {
                    withProcess(id, process -> process.signal(signal));
                }
            }
            default -> complain("frame of type " + type);
        }
    }

    private interface Use {
        void accept(FakeProcess process);
    }

    private void withProcess(int id, Use use) {
        FakeProcess process = processes.get(id);
        if (process != null) {
            use.accept(process);
        }
    }

    private void hello(ByteBuffer payload) {
        if (payload.getInt() != 1 || payload.getLong() <= 0 || payload.remaining() != 32) {
            complain("bad HELLO");
        }
        if (vice != Vice.MUTE) {
            send(
                    Frames.GUEST_HELLO,
                    0,
                    payload(64)
                            .putInt(vice == Vice.WRONG_VERSION ? 2 : 1)
                            .put(string("substrate"))
                            .put(string("test"))
                            .putInt(64));
        }
    }

    private void spawn(int id, ByteBuffer payload) {
        int flags = payload.getInt();
        payload.getInt();
        payload.getInt();
        int stdoutWindow = payload.getInt();
        int stderrWindow = payload.getInt();
        if (stdoutWindow != WINDOW || stderrWindow != WINDOW) {
            complain("windows of " + stdoutWindow + " and " + stderrWindow);
        }
        read(payload);
        read(payload);
        List<String> argv = readList(payload);
        List<String> env = readList(payload);
        synchronized (this) {
            environments.add(env);
        }
        Body body = bodies.get(argv.getFirst());
        if (body == null) {
            send(Frames.SPAWN_FAILED, id, payload(256).putInt(2).put(string("no such file: " + argv.getFirst())));
            return;
        }
        FakeProcess process = new FakeProcess(this, id, argv, (flags & 1) != 0, stdoutWindow, stderrWindow);
        processes.put(id, process);
        send(Frames.SPAWNED, id, payload(8).putInt(100 + id).putInt((flags & 1) != 0 ? FakeProcess.STDIN_WINDOW : 0));
        process.start(body);
    }

    void ended(FakeProcess process) {
        processes.remove(process.id());
    }

    private static String read(ByteBuffer payload) {
        byte[] bytes = new byte[payload.getInt()];
        payload.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private static List<String> readList(ByteBuffer payload) {
        List<String> strings = new ArrayList<>();
        int count = payload.getInt();
        for (int i = 0; i < count; i++) {
            strings.add(read(payload));
        }
        return strings;
    }

    static ByteBuffer payload(int capacity) {
        return ByteBuffer.allocate(capacity).order(ByteOrder.LITTLE_ENDIAN);
    }

    static byte[] string(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return payload(4 + bytes.length).putInt(bytes.length).put(bytes).array();
    }

    void send(int type, int id, ByteBuffer payload) {
        payload.flip();
        byte[] frame = new byte[12 + payload.remaining()];
        ByteBuffer.wrap(frame)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(payload.remaining())
                .putShort((short) type)
                .putShort((short) 0)
                .putInt(id)
                .put(payload);
        sendRaw(frame);
    }

    /// Sends bytes, whatever they are.
    void sendRaw(byte[] bytes) {
        synchronized (sendLock) {
            if (stopped) {
                return;
            }
            ByteBuffer rest = ByteBuffer.wrap(bytes);
            while (rest.hasRemaining()) {
                ByteBuffer piece = rest.slice(rest.position(), Math.min(rest.remaining(), random.nextInt(1, 70_000)));
                rest.position(rest.position() + piece.remaining());
                session.received((byte[] target, int offset, int length) -> {
                    int count = Math.min(length, piece.remaining());
                    piece.get(target, offset, count);
                    return count;
                });
            }
        }
    }
}
