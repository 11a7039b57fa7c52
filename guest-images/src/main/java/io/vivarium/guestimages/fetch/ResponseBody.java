// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.fetch;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The body of a response as a stream whose reads end when the server is silent for too long. (A
/// timeout of [java.net.http.HttpRequest] ends with the headers.)
final class ResponseBody extends InputStream implements BodySubscriber<InputStream> {
    private sealed interface Signal {}

    private record Bytes(List<ByteBuffer> buffers) implements Signal {}

    private record Failure(Throwable cause) implements Signal {}

    private record End() implements Signal {}

    private final FetchLimits limits;
    private final Deadline deadline;
    /// As long as what was asked for: one element, and the end.
    private final BlockingQueue<Signal> signals = new LinkedBlockingQueue<>();

    private final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();
    private List<ByteBuffer> current = List.of();
    private @Nullable Signal last;

    ResponseBody(FetchLimits limits, Deadline deadline) {
        this.limits = limits;
        this.deadline = deadline;
    }

    @Override
    public CompletionStage<InputStream> getBody() {
        return CompletableFuture.completedStage(this);
    }

    @Override
    public void onSubscribe(Flow.Subscription given) {
        if (subscription.complete(given)) {
            given.request(1);
        } else {
            given.cancel();
        }
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
        signals.add(new Bytes(buffers));
    }

    @Override
    public void onError(Throwable cause) {
        signals.add(new Failure(cause));
    }

    @Override
    public void onComplete() {
        signals.add(new End());
    }

    @Override
    public int read() throws IOException {
        byte[] single = new byte[1];
        return read(single, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(single[0]);
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, target.length);
        if (length == 0) {
            return 0;
        }
        while (true) {
            for (ByteBuffer buffer : current) {
                if (buffer.hasRemaining()) {
                    int count = Math.min(length, buffer.remaining());
                    buffer.get(target, offset, count);
                    return count;
                }
            }
            Signal signal = last == null ? next() : last;
            switch (signal) {
                case Bytes bytes -> {
                    current = bytes.buffers;
                    subscription.join().request(1);
                }
                case End _ -> {
                    last = signal;
                    return -1;
                }
                case Failure failure -> {
                    last = signal;
                    throw new IOException("the connection was cut: " + failure.cause.getMessage(), failure.cause);
                }
            }
        }
    }

    private Signal next() throws IOException {
        Duration patience = deadline.atMost(limits.silence());
        try {
            Signal signal = signals.poll(patience.toNanos(), TimeUnit.NANOSECONDS);
            if (signal != null) {
                return signal;
            }
        } catch (InterruptedException e) {
            close();
            Thread.currentThread().interrupt();
            throw (InterruptedIOException) new InterruptedIOException("interrupted while reading").initCause(e);
        }
        close();
        throw new HttpTimeoutException("the server sent nothing for " + patience.toMillis() + " ms");
    }

    @Override
    public void close() {
        if (!subscription.cancel(false) && !subscription.isCancelled()) {
            subscription.join().cancel();
        }
    }
}
