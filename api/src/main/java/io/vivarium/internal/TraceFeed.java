// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.ExecInterruptedException;
import io.vivarium.internal.strace.StraceLines;
import io.vivarium.internal.strace.TraceReader;
import io.vivarium.internal.strace.TraceRecord;
import java.io.IOException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Hands a program's trace on to a consumer, as lines, on a thread of its own.
final class TraceFeed {
    private final OutputPipe pipe;
    private final StraceLines lines;
    private final Runnable onThrown;
    private final Consumer<String> onMalformed;
    private final Thread thread;
    private volatile long lost;
    private volatile @Nullable Throwable thrown;

    /// @param pipe of records
    /// @param onThrown called when the consumer has thrown something
    /// @param onMalformed told what the guest sent instead of records
    TraceFeed(OutputPipe pipe, Consumer<String> consumer, Runnable onThrown, Consumer<String> onMalformed) {
        this.pipe = pipe;
        this.lines = new StraceLines(consumer);
        this.onThrown = onThrown;
        this.onMalformed = onMalformed;
        this.thread = Thread.ofVirtual().name("vivarium-trace").unstarted(this::run);
    }

    OutputSink sink() {
        return pipe;
    }

    /// The guest had to leave out records, at the end.
    void lost(long records) {
        lost = records;
    }

    void start() {
        thread.start();
    }

    private void run() {
        try {
            TraceReader reader = new TraceReader(pipe.stream());
            for (TraceRecord record = reader.next(); record != null; record = reader.next()) {
                lines.accept(record);
            }
            lines.finish(lost);
        } catch (IOException e) {
            // The sandbox ended, or the process was closed: whoever waits for the program is told so, with the reason.
            thrown = null;
        } catch (TraceReader.MalformedRecordException e) {
            onMalformed.accept(String.valueOf(e.getMessage()));
        } catch (RuntimeException | Error e) {
            thrown = e;
            pipe.closeReader();
            onThrown.run();
        }
    }

    /// Waits until the consumer has had everything.
    ///
    /// @throws RuntimeException what the consumer threw
    void finish() {
        if (thread.getState() == Thread.State.NEW) {
            return;
        }
        try {
            thread.join();
        } catch (InterruptedException e) {
            thread.interrupt();
            Thread.currentThread().interrupt();
            throw new ExecInterruptedException("interrupted while a consumer of system calls was at work", e);
        }
        switch (thrown) {
            case null -> {}
            case RuntimeException exception -> throw exception;
            case Error error -> throw error;
            case Throwable other -> throw new IllegalStateException("a consumer threw a checked exception", other);
        }
    }

    /// Drops what follows.
    void close() {
        pipe.closeReader();
    }
}
