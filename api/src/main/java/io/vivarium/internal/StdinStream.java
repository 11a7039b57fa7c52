// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.io.IOException;
import java.io.OutputStream;
import java.util.Objects;

/// Standard input as a stream to write to.
final class StdinStream extends OutputStream {
    private final Program program;
    private final AgentSession agent;
    private volatile boolean closed;

    StdinStream(Program program, AgentSession agent) {
        this.program = program;
        this.agent = agent;
    }

    @Override
    public void write(int one) throws IOException {
        write(new byte[] {(byte) one}, 0, 1);
    }

    @Override
    public void write(byte[] source, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, source.length);
        if (closed) {
            throw new IOException("standard input is closed");
        }
        int end = offset + length;
        int at = offset;
        while (at < end) {
            int taken = program.stdin().take(Math.min(StdinSource.CHUNK, end - at));
            try {
                agent.awaitRoom();
                agent.stdin(program.id(), source, at, taken);
            } finally {
                program.stdin().used(taken);
            }
            at += taken;
        }
    }

    /// Whether the program has been told that nothing more comes.
    boolean isClosed() {
        return closed;
    }

    /// The program had been told before.
    void closedBefore() {
        closed = true;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            agent.stdinEof(program.id());
        }
    }
}
