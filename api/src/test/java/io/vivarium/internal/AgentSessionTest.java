// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.Command;
import io.vivarium.ExecResult;
import io.vivarium.GuestCrashedException;
import io.vivarium.SandboxClosedException;
import io.vivarium.SandboxSpec;
import io.vivarium.Stdin;
import io.vivarium.UnsupportedCall;
import io.vivarium.internal.FakeAgent.Vice;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// What a guest may send, and what becomes of it if it sends something else.
@Timeout(60)
class AgentSessionTest {
    private static final SandboxSpec SPEC = SandboxSpec.of(FakeGuests.image());

    /// Sends frames in the middle of a program's life.
    interface Deed {
        void commit(FakeAgent agent, FakeProcess process);
    }

    private static Arguments breach(String expected, Deed deed) {
        return Arguments.of(expected, deed);
    }

    private static ByteBuffer header(int length, int type, int reserved, int process) {
        return ByteBuffer.allocate(12)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(length)
                .putShort((short) type)
                .putShort((short) reserved)
                .putInt(process);
    }

    static Stream<Arguments> breaches() {
        return Stream.of(
                breach(
                        "262145 bytes of payload, more than 262144",
                        (agent, _) -> agent.sendRaw(
                                header(262_145, Frames.STDOUT, 0, 1).array())),
                breach(
                        "4294967295 bytes of payload",
                        (agent, _) ->
                                agent.sendRaw(header(-1, Frames.STDOUT, 0, 1).array())),
                breach(
                        "reserved field is 0x0007",
                        (agent, _) ->
                                agent.sendRaw(header(0, Frames.STDOUT, 7, 1).array())),
                breach("unknown type 0x8099", (_, process) -> process.send(0x8099, FakeAgent.payload(0))),
                breach(
                        "type 0x8012 for process 99, which does not run",
                        (agent, _) -> agent.send(
                                Frames.STDOUT, 99, FakeAgent.payload(1).put((byte) 1))),
                breach(
                        "HELLO twice",
                        (agent, _) -> agent.send(
                                Frames.GUEST_HELLO,
                                0,
                                FakeAgent.payload(64)
                                        .putInt(1)
                                        .put(FakeAgent.string("substrate"))
                                        .put(FakeAgent.string("x"))
                                        .putInt(1))),
                breach("262144 bytes of output for a credit of 262143", (_, process) -> {
                    process.writeUnchecked(1, new byte[1], 0, 1);
                    process.writeUnchecked(1, new byte[262_144], 0, 262_144);
                }),
                breach(
                        "SPAWNED twice",
                        (_, process) -> process.send(
                                Frames.SPAWNED, FakeAgent.payload(8).putInt(1).putInt(0))),
                breach(
                        "SPAWN_FAILED for process 1, which runs",
                        (_, process) -> process.send(
                                Frames.SPAWN_FAILED,
                                FakeAgent.payload(16).putInt(2).put(FakeAgent.string("x")))),
                breach(
                        "SPAWNED is too short",
                        (_, process) -> process.send(
                                Frames.SPAWNED, FakeAgent.payload(2).putShort((short) 1))),
                breach(
                        "STDIN_WINDOW with 1 bytes too many",
                        (_, process) -> process.send(
                                Frames.STDIN_WINDOW,
                                FakeAgent.payload(5).putInt(1).put((byte) 0))),
                breach(
                        "EXITED with code 256",
                        (_, process) -> process.send(
                                Frames.EXITED,
                                FakeAgent.payload(28)
                                        .putInt(256)
                                        .putLong(0)
                                        .putLong(0)
                                        .putLong(0))),
                breach(
                        "a usage beyond 2^63",
                        (_, process) -> process.send(
                                Frames.EXITED,
                                FakeAgent.payload(28)
                                        .putInt(0)
                                        .putLong(-1)
                                        .putLong(0)
                                        .putLong(0))),
                breach(
                        "KILLED by signal 0",
                        (_, process) -> process.send(
                                Frames.KILLED,
                                FakeAgent.payload(64)
                                        .putInt(0)
                                        .putInt(0)
                                        .putLong(0)
                                        .putLong(0)
                                        .putLong(0)
                                        .putLong(0)
                                        .putLong(0)
                                        .putLong(0)
                                        .put(FakeAgent.string("")))),
                breach(
                        "UNSUPPORTED is too short",
                        (_, process) -> process.send(
                                Frames.UNSUPPORTED, FakeAgent.payload(4).putInt(Integer.MAX_VALUE))));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("breaches")
    void aBreachEndsTheSandbox(String expected, Deed deed) {
        FakeAgent agent = new FakeAgent(Vice.NONE);
        agent.program("evil", process -> {
            deed.commit(agent, process);
            return process.forever();
        });
        try (Guest guest = FakeGuests.launch(agent, SPEC)) {
            assertThatThrownBy(() -> Execution.run(guest, SPEC, Command.of("evil")))
                    .isInstanceOf(GuestCrashedException.class)
                    .hasMessageContaining("the guest broke the agent protocol: ")
                    .hasMessageContaining(expected);
            assertThat(guest.isAlive()).isFalse();
            assertThat(agent.isStopped()).isTrue();
        }
    }

    @Test
    void anythingBeforeHelloIsABreach() {
        FakeAgent agent = new FakeAgent(Vice.MUTE);
        CompletableFuture<AgentSession.GuestHello> hello = agent.session().open(Instant.EPOCH.plusSeconds(1));
        agent.send(Frames.STDOUT, 1, FakeAgent.payload(1).put((byte) 1));
        assertThat(hello).isCompletedExceptionally();
        assertThat(agent.guest().isAlive()).isFalse();
        agent.guest().close();
    }

    /// It may have been about to write when its guest was saved.
    @Test
    void aProgramThatRanBeforeMaySpeakBeforeHello() throws IOException {
        FakeAgent agent = new FakeAgent(Vice.MUTE);
        Command command = Command.of("old").withStdin(Stdin.pipe());
        agent.guest()
                .adopt(List.of(new SavedProcess(
                        command,
                        7,
                        30,
                        5,
                        false,
                        new OutputPipe.Saved(new byte[] {'a'}, 2),
                        new OutputPipe.Saved(new byte[0], 1))));
        CompletableFuture<AgentSession.GuestHello> hello = agent.session().open(Instant.EPOCH.plusSeconds(1));
        agent.send(Frames.STDOUT, 7, FakeAgent.payload(2).put((byte) 'b').put((byte) 'c'));
        Execution old = agent.guest().readyMade().getFirst();
        assertThat(old.pid()).isEqualTo(30);
        assertThat(hello).isNotDone();
        agent.send(Frames.STDOUT, 7, FakeAgent.payload(1).put((byte) 'd'));
        assertThat(hello).isCompletedExceptionally();
        assertThat(old.stdout().readNBytes(3)).asString().isEqualTo("abc");
        assertThatThrownBy(old::await)
                .isInstanceOf(GuestCrashedException.class)
                .hasMessageContaining("1 bytes of output for a credit of 0");
        agent.guest().close();
    }

    @Test
    void unsupportedCallsAreReported() {
        FakeAgent agent = new FakeAgent(Vice.NONE).program("modern", process -> {
            process.send(
                    Frames.UNSUPPORTED,
                    FakeAgent.payload(128)
                            .putInt(2)
                            .putInt(425)
                            .putInt(0)
                            .putLong(3)
                            .put(FakeAgent.string("io_uring_setup"))
                            .putInt(999)
                            .putInt(0)
                            .putLong(1)
                            .put(FakeAgent.string("")));
            return 0;
        });
        try (Guest guest = FakeGuests.launch(agent, SPEC)) {
            ExecResult result = Execution.run(guest, SPEC, Command.of("modern"));
            assertThat(result.unsupported())
                    .isEqualTo(List.of(new UnsupportedCall(425, "io_uring_setup", 3), new UnsupportedCall(999, "", 1)));
        }
    }

    @Test
    void creditThatTheGuestNeverTakesUpBoundsWhatTheHostKeeps() throws Exception {
        // The guest gives 4 GiB of credit for standard input and reads nothing.
        CountDownLatch granted = new CountDownLatch(1);
        FakeAgent agent = new FakeAgent(Vice.NONE).program("greedy", process -> {
            process.send(Frames.STDIN_WINDOW, FakeAgent.payload(4).putInt(-1));
            granted.countDown();
            return process.forever();
        });
        try (Guest guest = FakeGuests.launch(agent, SPEC)) {
            Execution execution =
                    Execution.start(guest, SPEC, Command.of("greedy").withStdin(Stdin.pipe()));
            granted.await();
            agent.channelFull(true);
            AtomicLong written = new AtomicLong();
            Thread writer = Thread.ofPlatform().start(() -> {
                byte[] chunk = new byte[64 << 10];
                try (OutputStream stdin = execution.stdin()) {
                    while (true) {
                        stdin.write(chunk);
                        written.addAndGet(chunk.length);
                    }
                } catch (IOException e) {
                    // The end of the sandbox.
                }
            });
            while (written.get() < FrameQueue.HIGH_WATER / 2 || writer.getState() != Thread.State.WAITING) {
                Thread.onSpinWait();
            }
            // Until here: once the sandbox has ended, what is written goes nowhere and nothing holds it up.
            long kept = written.get();
            guest.end(() -> new SandboxClosedException("enough"));
            writer.join();
            assertThat(kept).isBetween(FrameQueue.HIGH_WATER / 2, FrameQueue.HIGH_WATER * 2);
        }
    }
}
