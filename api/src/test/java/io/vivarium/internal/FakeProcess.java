// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.nio.ByteBuffer;
import java.util.List;

/// A program of a [FakeAgent], with streams that keep to the credit, and see to it that the host does.
public final class FakeProcess {
    static final int STDIN_WINDOW = 4096;

    private final FakeAgent agent;
    private final int id;
    private final List<String> argv;
    private final int[] credit;
    private final int[] outstanding;
    private final ByteBuffer stdin = ByteBuffer.allocate(STDIN_WINDOW);
    private boolean stdinEnded;
    private int stdinCredit;
    private int signal;
    private volatile Thread thread = Thread.ofVirtual().unstarted(() -> {});

    FakeProcess(FakeAgent agent, int id, List<String> argv, boolean hasStdin, int stdoutWindow, int stderrWindow) {
        this.agent = agent;
        this.id = id;
        this.argv = argv;
        this.credit = new int[] {0, stdoutWindow, stderrWindow};
        this.outstanding = new int[] {0, stdoutWindow, stderrWindow};
        this.stdinCredit = hasStdin ? STDIN_WINDOW : 0;
        this.stdinEnded = !hasStdin;
    }

    public int id() {
        return id;
    }

    public List<String> argv() {
        return argv;
    }

    void start(FakeAgent.Body body) {
        thread = Thread.ofVirtual().unstarted(() -> run(body));
        thread.start();
    }

    void interrupt() {
        thread.interrupt();
    }

    private void run(FakeAgent.Body body) {
        try {
            int code = body.run(this);
            agent.ended(this);
            agent.send(
                    Frames.EXITED,
                    id,
                    FakeAgent.payload(28)
                            .putInt(code)
                            .putLong(1000)
                            .putLong(2000)
                            .putLong(4096));
        } catch (InterruptedException e) {
            agent.ended(this);
            int by;
            synchronized (this) {
                by = signal;
            }
            if (by != 0) {
                agent.send(
                        Frames.KILLED,
                        id,
                        FakeAgent.payload(128)
                                .putInt(by)
                                .putInt(0)
                                .putLong(0)
                                .putLong(0x401000)
                                .putLong(0x7ffe0000)
                                .putLong(1000)
                                .putLong(2000)
                                .putLong(4096)
                                .put(FakeAgent.string("signal " + by)));
            }
        }
    }

    /// Writes to an output stream, waiting for credit.
    public void write(int stream, byte[] bytes) throws InterruptedException {
        int at = 0;
        while (at < bytes.length) {
            int length;
            synchronized (this) {
                while (credit[stream] == 0) {
                    wait();
                }
                length = Math.min(Math.min(credit[stream], bytes.length - at), 65_536);
                credit[stream] -= length;
                outstanding[stream] -= length;
                notifyAll();
            }
            writeUnchecked(stream, bytes, at, length);
            at += length;
        }
    }

    /// Writes without a look at the credit.
    public void writeUnchecked(int stream, byte[] bytes, int offset, int length) {
        agent.send(
                stream == 1 ? Frames.STDOUT : Frames.STDERR,
                id,
                FakeAgent.payload(length).put(bytes, offset, length));
    }

    /// Sends any frame for this process.
    void send(int type, ByteBuffer payload) {
        agent.send(type, id, payload);
    }

    /// How much it may write now.
    public synchronized int credit(int stream) {
        return credit[stream];
    }

    /// Waits until it has no credit left to write with.
    public synchronized void awaitNoCredit(int stream) throws InterruptedException {
        while (credit[stream] != 0) {
            wait();
        }
    }

    synchronized void window(int stream, int bytes) {
        credit[stream] += bytes;
        outstanding[stream] += bytes;
        if (outstanding[stream] > Execution.WINDOW) {
            agent.complain("more credit than the window: " + outstanding[stream]);
        }
        notifyAll();
    }

    /// Reads standard input; empty at its end.
    public byte[] read() throws InterruptedException {
        byte[] read;
        synchronized (this) {
            while (stdin.position() == 0 && !stdinEnded) {
                wait();
            }
            stdin.flip();
            read = new byte[stdin.remaining()];
            stdin.get(read);
            stdin.clear();
            stdinCredit += read.length;
        }
        if (read.length > 0) {
            agent.send(Frames.STDIN_WINDOW, id, FakeAgent.payload(4).putInt(read.length));
        }
        return read;
    }

    synchronized void stdin(ByteBuffer bytes) {
        if (bytes.remaining() > stdinCredit || stdinEnded) {
            agent.complain("%d bytes of stdin for a credit of %d%s"
                    .formatted(bytes.remaining(), stdinCredit, stdinEnded ? ", after the end" : ""));
            return;
        }
        stdinCredit -= bytes.remaining();
        stdin.put(bytes);
        notifyAll();
    }

    synchronized void stdinEof() {
        stdinEnded = true;
        notifyAll();
    }

    synchronized void signal(int number) {
        signal = number;
        thread.interrupt();
    }

    /// Runs until it is killed.
    public int forever() throws InterruptedException {
        synchronized (this) {
            while (true) {
                wait();
            }
        }
    }
}
