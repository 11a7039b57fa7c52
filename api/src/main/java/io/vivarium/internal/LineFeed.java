// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.ExecInterruptedException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Hands a stream on to a consumer, line by line, on a thread of its own, and keeps it as an [OutputCollector] does.
final class LineFeed {
    /// The longest line that comes in one piece: 64 KiB.
    private static final int MAX_LINE = 64 << 10;

    private static final int CHUNK = 16 << 10;

    private final Consumer<String> consumer;
    private final OutputCollector collector;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private final Thread thread;
    private volatile @Nullable Throwable thrown;

    /// @param onThrown called when the consumer has thrown something
    LineFeed(InputStream from, Consumer<String> consumer, OutputCollector collector, Runnable onThrown) {
        this.consumer = consumer;
        this.collector = collector;
        this.thread = Thread.ofVirtual().name("vivarium-lines").unstarted(() -> run(from, onThrown));
    }

    void start() {
        thread.start();
    }

    private void run(InputStream from, Runnable onThrown) {
        byte[] chunk = new byte[CHUNK];
        try (from) {
            for (int length = from.read(chunk); length >= 0; length = from.read(chunk)) {
                collector.append(chunk, 0, length);
                split(chunk, length);
            }
            if (line.size() > 0) {
                handOn();
            }
        } catch (IOException e) {
            // The sandbox ended: whoever waits for the program is told so, with the reason.
            line.reset();
        } catch (RuntimeException | Error e) {
            thrown = e;
            onThrown.run();
        }
    }

    private void split(byte[] chunk, int length) {
        int start = 0;
        for (int i = 0; i < length; i++) {
            if (chunk[i] == '\n') {
                line.write(chunk, start, i - start);
                handOn();
                start = i + 1;
            } else if (line.size() + i - start >= MAX_LINE) {
                line.write(chunk, start, i - start);
                handOn();
                start = i;
            }
        }
        line.write(chunk, start, length - start);
    }

    private void handOn() {
        String text = line.toString(StandardCharsets.UTF_8);
        line.reset();
        consumer.accept(text);
    }

    /// Waits until the consumer has had everything.
    ///
    /// @throws RuntimeException what the consumer threw
    void finish() {
        try {
            thread.join();
        } catch (InterruptedException e) {
            thread.interrupt();
            Thread.currentThread().interrupt();
            throw new ExecInterruptedException("interrupted while a consumer of output was at work", e);
        }
        switch (thrown) {
            case null -> {}
            case RuntimeException exception -> throw exception;
            case Error error -> throw error;
            case Throwable other -> throw new IllegalStateException("a consumer threw a checked exception", other);
        }
    }
}
