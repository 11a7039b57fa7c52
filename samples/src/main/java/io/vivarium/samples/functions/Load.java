// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples.functions;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.LongAdder;

/// Loads a server of functions, and tells how it bore that: `samples/functions/load`.
///
/// Each caller sends its next request when it has the answer to the last, and checks it.
public final class Load {
    private static final String SOURCE = """
            import json, sys
            request = json.load(sys.stdin)
            print(json.dumps({"answer": request["a"] * request["b"]}), end="")
            """;

    private Load() {}

    /// Prints requests per second and how long they took.
    ///
    /// @param args seconds, callers at a time, and the server's address, which may be left out:
    ///     then one is started here
    public static void main(String[] args) throws IOException, InterruptedException {
        int seconds = Integer.parseInt(args.length > 0 ? args[0] : "10");
        int callers = Integer.parseInt(args.length > 1 ? args[1] : "8");
        if (args.length > 2) {
            System.out.println(run(URI.create(args[2]), Duration.ofSeconds(seconds), callers));
            return;
        }
        try (FunctionServer server = Serve.start(0)) {
            System.out.println(run(URI.create("http:/" + server.address()), Duration.ofSeconds(seconds), callers));
        }
    }

    /// How it went.
    ///
    /// @param answers that were right
    /// @param wrong answers of another status or content
    /// @param nanos that the right ones took, ascending
    record Report(Duration duration, long answers, long wrong, List<Long> nanos) {
        @Override
        public String toString() {
            return "%.0f requests/s: %d right, %d wrong in %.1f s; p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, most %.2f ms"
                    .formatted(
                            answers * 1e9 / duration.toNanos(),
                            answers,
                            wrong,
                            duration.toNanos() / 1e9,
                            millis(0.5),
                            millis(0.9),
                            millis(0.99),
                            millis(1));
        }

        private double millis(double part) {
            return nanos.isEmpty() ? Double.NaN : nanos.get((int) Math.ceil(part * nanos.size()) - 1) / 1e6;
        }
    }

    static Report run(URI server, Duration duration, int callers) throws IOException, InterruptedException {
        try (HttpClient client = HttpClient.newHttpClient();
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            HttpRequest put = HttpRequest.newBuilder(server.resolve("/functions/multiply?language=python3"))
                    .PUT(BodyPublishers.ofString(SOURCE))
                    .build();
            HttpResponse<String> made = client.send(put, BodyHandlers.ofString());
            if (made.statusCode() != 201) {
                throw new IOException("%d: %s".formatted(made.statusCode(), made.body()));
            }
            // The first call makes template and pool.
            isRight(client, server, 1, 1);
            ConcurrentLinkedQueue<Long> nanos = new ConcurrentLinkedQueue<>();
            LongAdder wrong = new LongAdder();
            long start = System.nanoTime();
            List<Future<?>> done = new ArrayList<>();
            for (int i = 0; i < callers; i++) {
                int caller = i;
                done.add(threads.submit(() -> {
                    for (int call = 0; System.nanoTime() - start < duration.toNanos(); call++) {
                        long before = System.nanoTime();
                        if (isRight(client, server, caller, call)) {
                            nanos.add(System.nanoTime() - before);
                        } else {
                            wrong.increment();
                        }
                    }
                    return null;
                }));
            }
            for (Future<?> each : done) {
                each.get();
            }
            Long[] sorted = nanos.toArray(Long[]::new);
            Arrays.sort(sorted);
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            return new Report(took, sorted.length, wrong.sum(), List.of(sorted));
        } catch (ExecutionException e) {
            throw new IOException("a caller failed: " + e.getCause(), e);
        }
    }

    private static boolean isRight(HttpClient client, URI server, int a, int b)
            throws IOException, InterruptedException {
        HttpRequest call = HttpRequest.newBuilder(server.resolve("/functions/multiply"))
                .POST(BodyPublishers.ofString("{\"a\": %d, \"b\": %d}".formatted(a, b)))
                .build();
        HttpResponse<String> answer = client.send(call, BodyHandlers.ofString());
        return answer.statusCode() == 200 && answer.body().equals("{\"answer\": %d}".formatted((long) a * b));
    }
}
