// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.ExecRefusedException;
import io.vivarium.ProgramNotFoundException;
import io.vivarium.SandboxException;
import io.vivarium.TerminalSize;
import io.vivarium.Termination;
import io.vivarium.UnsupportedCall;
import io.vivarium.Usage;
import io.vivarium.kvm.Errno;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The host's end of the agent protocol: what runs in the guest, and the frames to and fro.
///
/// Any thread may send. What comes from the guest comes on the thread that runs it; a breach of the protocol is told
/// once, and nothing that follows it is looked at.
final class AgentSession {
    private static final Logger LOG = LoggerFactory.getLogger(AgentSession.class);

    /// What the agent said of itself.
    ///
    /// @param kernel `substrate` or `linux`
    /// @param release of the kernel
    /// @param maxProcesses programs at once
    record GuestHello(String kernel, String release, long maxProcesses) {}

    private static final SecureRandom RANDOM = new SecureRandom();

    private final FrameQueue out;
    private final Consumer<String> onBreach;
    private final FrameReader in = new FrameReader(this::frame);
    private final AtomicInteger lastId;
    private final Map<Integer, Program> programs = new ConcurrentHashMap<>();
    private final CompletableFuture<GuestHello> hello = new CompletableFuture<>();
    private volatile @Nullable Supplier<? extends SandboxException> failure;
    private boolean broken;

    /// @param lastId the last number of a process that was used before; 0 for none
    /// @param onBreach told what the guest did, when it breaks the protocol; must not block
    AgentSession(AgentChannel channel, int lastId, Consumer<String> onBreach) {
        this.lastId = new AtomicInteger(lastId);
        this.out = new FrameQueue(channel);
        this.onBreach = onBreach;
    }

    /// Greets the agent.
    ///
    /// @param now what the guest's clock is set to
    /// @return completes when the agent is ready, or with [EarlyEnd]
    CompletableFuture<GuestHello> open(Instant now) {
        byte[] seed = new byte[Frames.SEED_BYTES];
        RANDOM.nextBytes(seed);
        out.send(Frames.hello(
                Math.addExact(Math.multiplyExact(now.getEpochSecond(), 1_000_000_000L), now.getNano()), seed));
        return hello;
    }

    /// Takes over a program that has run since before this connection; called before [#open].
    void adopt(Program program) {
        programs.put(program.id(), program);
    }

    /// Sends nothing until [#release].
    void hold() {
        out.hold();
    }

    /// Sends again, also what was to be sent meanwhile.
    void release() {
        out.release();
    }

    /// A number for a program that is to be spawned.
    int newId() {
        return lastId.incrementAndGet();
    }

    /// The last number that was given to a program, or would have been.
    int lastId() {
        return lastId.get();
    }

    /// Whether the agent has answered, and no frame waits or is on its way in part. The guest does not run.
    boolean isQuiet() {
        return hello.isDone() && out.isEmpty() && in.isBetweenFrames();
    }

    /// How many programs have not ended.
    int running() {
        return programs.size();
    }

    /// Asks the agent to run a program.
    void spawn(Program program, SpawnRequest request) {
        ByteBuffer frame = Frames.spawn(
                program.id(),
                request,
                program.stdout().window(),
                program.stderr().window());
        programs.put(program.id(), program);
        Supplier<? extends SandboxException> ended = failure;
        if (ended != null) {
            programs.remove(program.id());
            program.fail(ended);
        } else {
            out.send(frame);
        }
    }

    void signal(int id, int signal) {
        out.send(Frames.signal(id, signal));
    }

    void resize(int id, TerminalSize size) {
        out.send(Frames.resize(id, size));
    }

    void window(int id, int stream, int bytes) {
        if (programs.containsKey(id)) {
            out.send(Frames.window(id, stream, bytes));
        }
    }

    void stdin(int id, byte[] source, int offset, int length) {
        out.send(Frames.stdin(id, source, offset, length));
    }

    void stdinEof(int id) {
        if (programs.containsKey(id)) {
            out.send(Frames.stdinEof(id));
        }
    }

    /// Waits until the guest has taken most of what was sent.
    ///
    /// @throws IOException if this thread is interrupted
    void awaitRoom() throws IOException {
        try {
            out.awaitRoom();
        } catch (InterruptedException e) {
            throw StdinWindow.interrupted(e);
        }
    }

    /// The channel has room again.
    void writable() {
        out.writable();
    }

    /// The guest has ended: so have its programs, and whoever waits for them is told why.
    void fail(Supplier<? extends SandboxException> why) {
        failure = why;
        out.close();
        hello.completeExceptionally(new EarlyEnd(why));
        programs.values().forEach(program -> program.fail(why));
        programs.clear();
    }

    /// Takes bytes from the guest. One thread at a time, the one that runs the guest.
    void received(FrameReader.Source source) {
        if (broken || failure != null) {
            return;
        }
        try {
            in.readFrom(source);
        } catch (ProtocolBreach e) {
            broken = true;
            onBreach.accept(String.valueOf(e.getMessage()));
        }
    }

    private void frame(int type, int process, ByteBuffer payload) {
        if (type == Frames.GUEST_HELLO) {
            onHello(process, new Frames.Fields("HELLO", payload));
            return;
        }
        Program program = programs.get(process);
        if (program == null && !hello.isDone()) {
            throw new ProtocolBreach("a frame of type 0x%04x before HELLO".formatted(type));
        }
        if (type == Frames.REFUSED) {
            onRefused(process, new Frames.Fields("REFUSED", payload));
            return;
        }
        if (program == null) {
            throw new ProtocolBreach("a frame of type 0x%04x for process %s, which does not run"
                    .formatted(type, Integer.toUnsignedString(process)));
        }
        switch (type) {
            case Frames.STDOUT -> onOutput(program, 1, program.stdout(), payload);
            case Frames.STDERR -> onOutput(program, 2, program.stderr(), payload);
            case Frames.SPAWNED -> onSpawned(program, new Frames.Fields("SPAWNED", payload));
            case Frames.SPAWN_FAILED -> onSpawnFailed(program, new Frames.Fields("SPAWN_FAILED", payload));
            case Frames.STDIN_WINDOW -> onStdinWindow(program, new Frames.Fields("STDIN_WINDOW", payload));
            case Frames.UNSUPPORTED -> onUnsupported(program, new Frames.Fields("UNSUPPORTED", payload));
            case Frames.TRACE -> onOutput(program, 3, traceOf(program).sink(), payload);
            case Frames.TRACE_LOST -> onTraceLost(program, new Frames.Fields("TRACE_LOST", payload));
            case Frames.EXITED -> onExited(program, new Frames.Fields("EXITED", payload));
            case Frames.KILLED -> onKilled(program, new Frames.Fields("KILLED", payload));
            default -> throw new ProtocolBreach("a frame of unknown type 0x%04x".formatted(type));
        }
    }

    private void onHello(int process, Frames.Fields fields) {
        long version = fields.u32();
        GuestHello answer = new GuestHello(fields.string(), fields.string(), fields.u32());
        fields.end();
        if (version != Frames.VERSION) {
            throw new ProtocolBreach(
                    "the agent speaks version " + version + " of the protocol, the host " + Frames.VERSION);
        }
        if (process != 0 || !hello.complete(answer)) {
            throw new ProtocolBreach(process != 0 ? "HELLO for process " + process : "HELLO twice");
        }
    }

    private void onRefused(int process, Frames.Fields fields) {
        long type = fields.u32();
        String reason = fields.string();
        fields.end();
        Program program = type == Frames.SPAWN ? programs.remove(process) : null;
        if (program == null) {
            LOG.warn(
                    "the guest refused a frame of type 0x{} for process {}: {}",
                    Long.toHexString(type),
                    process,
                    reason);
        } else {
            program.fail(() -> new ExecRefusedException("EPROTO", reason));
        }
    }

    private void onOutput(Program program, int stream, OutputSink sink, ByteBuffer payload) {
        int credit = sink.received(payload.array(), payload.arrayOffset() + payload.position(), payload.remaining());
        if (credit > 0) {
            out.send(Frames.window(program.id(), stream, credit));
        }
    }

    private static void onSpawned(Program program, Frames.Fields fields) {
        int pid = fields.u31();
        long stdinWindow = fields.u32();
        fields.end();
        program.onSpawned(pid, stdinWindow);
    }

    private void onSpawnFailed(Program program, Frames.Fields fields) {
        Errno errno = new Errno(fields.u31());
        String reason = fields.string();
        fields.end();
        if (program.spawned().isDone()) {
            throw new ProtocolBreach("SPAWN_FAILED for process " + program.id() + ", which runs");
        }
        programs.remove(program.id());
        program.fail(() -> errno.equals(Errno.ENOENT)
                ? new ProgramNotFoundException(reason)
                : new ExecRefusedException(errno.symbol(), reason));
    }

    private static TraceFeed traceOf(Program program) {
        TraceFeed trace = program.trace();
        if (trace == null) {
            throw new ProtocolBreach("a trace of process " + program.id() + ", which is not traced");
        }
        return trace;
    }

    private static void onTraceLost(Program program, Frames.Fields fields) {
        long records = fields.u64();
        fields.end();
        traceOf(program).lost(records);
    }

    private static void onStdinWindow(Program program, Frames.Fields fields) {
        long bytes = fields.u32();
        fields.end();
        program.onStdinWindow(bytes);
    }

    private static void onUnsupported(Program program, Frames.Fields fields) {
        int count = fields.u31();
        List<UnsupportedCall> calls = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int number = fields.u31();
            fields.u32();
            long times = fields.u64();
            calls.add(new UnsupportedCall(number, fields.string(), times));
        }
        fields.end();
        program.onUnsupported(List.copyOf(calls));
    }

    private void onExited(Program program, Frames.Fields fields) {
        int code = fields.u31();
        Usage usage = usage(fields);
        fields.end();
        if (code > 255) {
            throw new ProtocolBreach("EXITED with code " + code);
        }
        programs.remove(program.id());
        program.onEnded(new Termination.Exited(code), usage);
    }

    private void onKilled(Program program, Frames.Fields fields) {
        int signal = fields.u31();
        int signalCode = (int) fields.u32();
        long address = fields.u64();
        long instructionPointer = fields.u64();
        long stackPointer = fields.u64();
        Usage usage = usage(fields);
        String detail = fields.string();
        fields.end();
        if (signal < 1 || signal > 64) {
            throw new ProtocolBreach("KILLED by signal " + signal);
        }
        programs.remove(program.id());
        program.onEnded(
                new Termination.Killed(signal, signalCode, address, instructionPointer, stackPointer, detail), usage);
    }

    private static Usage usage(Frames.Fields fields) {
        long user = fields.u64();
        long system = fields.u64();
        long maxResident = fields.u64();
        if (user < 0 || system < 0 || maxResident < 0) {
            throw new ProtocolBreach("a usage beyond 2^63");
        }
        return new Usage(Duration.ofNanos(user), Duration.ofNanos(system), maxResident);
    }
}
