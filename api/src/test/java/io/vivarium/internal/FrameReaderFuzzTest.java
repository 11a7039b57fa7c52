// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.code_intelligence.jazzer.junit.FuzzTest;
import io.vivarium.SandboxClosedException;
import io.vivarium.User;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/// What a guest sends is hostile: whatever it is, it is taken or refused as a breach, once, and nothing else happens.
class FrameReaderFuzzTest {
    @FuzzTest
    void anyBytesFromTheGuest(FuzzedDataProvider data) {
        AtomicInteger breaches = new AtomicInteger();
        AgentSession session =
                new AgentSession(bytes -> bytes.position(bytes.limit()), 0, _ -> breaches.incrementAndGet());
        CompletableFuture<AgentSession.GuestHello> _ = session.open(Instant.EPOCH);
        OutputCollector stdout = new OutputCollector(Execution.WINDOW, 100);
        OutputPipe stderr = new OutputPipe(Execution.WINDOW, _ -> {});
        session.spawn(
                new Program(session.newId(), stdout, stderr),
                new SpawnRequest(
                        List.of(new byte[] {'a'}), List.of(), "/", User.ROOT, true, false, Optional.empty(), 0));
        while (data.remainingBytes() > 0) {
            ByteBuffer piece = ByteBuffer.wrap(data.consumeBytes(data.consumeInt(1, 300)));
            session.received((byte[] target, int offset, int length) -> {
                int count = Math.min(length, piece.remaining());
                piece.get(target, offset, count);
                return count;
            });
        }
        session.fail(() -> new SandboxClosedException("the end"));
        if (breaches.get() > 1 || stdout.kept().length > 100) {
            throw new AssertionError(breaches + " breaches, " + stdout.kept().length + " bytes");
        }
    }
}
