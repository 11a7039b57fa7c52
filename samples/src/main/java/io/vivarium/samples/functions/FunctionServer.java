// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples.functions;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.vivarium.Image;
import io.vivarium.Memory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// Functions over HTTP, each request on a virtual thread of its own; see `samples/functions/README.md`.
final class FunctionServer implements AutoCloseable {
    /// Requests that wait to be accepted by this process.
    private static final int BACKLOG = 1024;

    private static final int MOST_FUNCTIONS = 10_000;
    private static final Memory LEAST_MEMORY = Memory.mebibytes(32);
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_-]{1,64}");

    private final Options options;
    private final Image image;
    private final Set<Language> languages;
    private final Caller caller;
    private final Metrics metrics = new Metrics();
    private final Map<String, Function> functions = new ConcurrentHashMap<>();
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final HttpServer http;

    /// What it allows.
    ///
    /// @param machines of each kind at most
    /// @param patience how long a call waits for a sandbox
    /// @param most what a call may ask for, and has when it asks for nothing
    /// @param memory what a function has if it was put without saying how much
    /// @param mostMemory what one may have
    /// @param bodyBytes of a request
    record Options(int machines, Duration patience, Limits most, Memory memory, Memory mostMemory, int bodyBytes) {
        static final Options DEFAULT = new Options(
                4 * Runtime.getRuntime().availableProcessors(),
                Duration.ofSeconds(10),
                new Limits(Duration.ofSeconds(10), 1 << 20),
                Memory.mebibytes(128),
                Memory.mebibytes(512),
                16 << 20);
    }

    /// A request that cannot be met.
    private static final class Refusal extends Exception {
        private static final long serialVersionUID = 1L;

        private final int status;

        private Refusal(int status, String why) {
            super(why, null, false, false);
            this.status = status;
        }
    }

    /// Answers a request.
    @FunctionalInterface
    private interface Handler {
        void handle(HttpExchange exchange) throws IOException, Refusal;
    }

    /// Serves from now on.
    ///
    /// @param image with interpreters and workers; closed with it
    /// @param languages that it has
    /// @param address port 0 for one that is free
    FunctionServer(Image image, Set<Language> languages, InetSocketAddress address, Options options)
            throws IOException {
        this.options = options;
        this.image = image;
        this.languages = Set.copyOf(languages);
        this.http = HttpServer.create(address, BACKLOG);
        this.caller = new Caller(image, options.machines, options.patience);
        http.setExecutor(threads);
        handle("/functions", this::functions);
        handle("/run/", this::run);
        handle("/metrics", this::metrics);
        http.start();
    }

    private void handle(String path, Handler handler) {
        http.createContext(path, exchange -> {
            try (exchange) {
                try {
                    handler.handle(exchange);
                } catch (Refusal e) {
                    answer(exchange, e.status, e.getMessage() + "\n");
                } catch (RuntimeException e) {
                    answer(exchange, 500, e + "\n");
                }
            }
        });
    }

    /// Where it listens.
    InetSocketAddress address() {
        return http.getAddress();
    }

    /// `/functions` and `/functions/NAME`
    private void functions(HttpExchange exchange) throws IOException, Refusal {
        String path = exchange.getRequestURI().getPath();
        if (path.equals("/functions")) {
            require(exchange, "GET");
            answer(exchange, 200, list());
            return;
        }
        String name = path.substring("/functions/".length());
        if (!NAME.matcher(name).matches()) {
            throw new Refusal(404, "a function's name is 1 … 64 letters, digits, - and _: " + name);
        }
        switch (exchange.getRequestMethod()) {
            case "PUT" -> put(exchange, name);
            case "DELETE" -> {
                boolean was = functions.remove(name) != null;
                answer(exchange, was ? 200 : 404, (was ? "removed " : "no function ") + name + "\n");
            }
            case "POST" -> {
                Function function = functions.get(name);
                if (function == null) {
                    throw new Refusal(404, "no function " + name);
                }
                call(exchange, function, body(exchange));
            }
            default -> throw new Refusal(405, "PUT, POST or DELETE " + path);
        }
    }

    private String list() {
        return functions.entrySet().stream()
                .sorted(Map.Entry.comparingByKey())
                .map(entry -> "%s %s %s\n"
                        .formatted(
                                entry.getKey(),
                                entry.getValue().kind().language().label(),
                                entry.getValue().kind().memory()))
                .collect(Collectors.joining());
    }

    private void put(HttpExchange exchange, String name) throws IOException, Refusal {
        Query query = Query.of(exchange);
        Language language = language(query.text("language", "python3"));
        Memory memory = memory(query);
        if (functions.size() >= MOST_FUNCTIONS && !functions.containsKey(name)) {
            throw new Refusal(507, "there are %d functions already".formatted(MOST_FUNCTIONS));
        }
        functions.put(name, new Function(new Function.Kind(language, memory), body(exchange)));
        answer(exchange, 201, "%s: %s, %s\n".formatted(name, language.label(), memory));
    }

    /// `POST /run/LANGUAGE`, with a function that is called once and has no input.
    private void run(HttpExchange exchange) throws IOException, Refusal {
        require(exchange, "POST");
        Language language = language(exchange.getRequestURI().getPath().substring("/run/".length()));
        Function.Kind kind = new Function.Kind(language, memory(Query.of(exchange)));
        call(exchange, new Function(kind, body(exchange)), new byte[0]);
    }

    private Language language(String label) throws Refusal {
        Language language = Language.of(label)
                .orElseThrow(() -> new Refusal(400, "no language %s: %s".formatted(label, Language.labels())));
        if (!languages.contains(language)) {
            throw new Refusal(400, "this server's image has no " + language.interpreter() + " for " + label);
        }
        return language;
    }

    private Memory memory(Query query) throws Refusal {
        Memory memory = Memory.mebibytes(query.number(
                "memory", options.memory.bytes() >> 20, LEAST_MEMORY.bytes() >> 20, options.mostMemory.bytes() >> 20));
        if (memory.bytes() % (2 << 20) != 0) {
            throw new Refusal(400, "memory is an even number of MiB");
        }
        return memory;
    }

    private void call(HttpExchange exchange, Function function, byte[] input) throws IOException, Refusal {
        Query query = Query.of(exchange);
        Limits limits = new Limits(
                Duration.ofMillis(query.number(
                        "timeout",
                        options.most.time().toMillis(),
                        1,
                        options.most.time().toMillis())),
                (int) query.number("output", options.most.outputBytes(), 0, options.most.outputBytes()));
        long start = System.nanoTime();
        Outcome outcome = caller.call(function, input, limits);
        long nanos = System.nanoTime() - start;
        metrics.called(function.kind().language(), outcome, nanos);
        exchange.getResponseHeaders().set("X-Duration-Micros", Long.toString(nanos / 1000));
        switch (outcome) {
            case Outcome.Result result -> answer(exchange, 200, "application/octet-stream", result.output());
            case Outcome.Failed(String how, String errors) -> answer(exchange, 500, how + "\n" + errors);
            case Outcome.Stopped(Outcome.Stopped.Limit limit, String how) ->
                answer(exchange, limit == Outcome.Stopped.Limit.TIME ? 504 : 507, how + "\n");
            case Outcome.Overloaded _ -> {
                exchange.getResponseHeaders().set("Retry-After", "1");
                answer(exchange, 503, "no sandbox within " + options.patience.toSeconds() + " s\n");
            }
        }
    }

    private void metrics(HttpExchange exchange) throws IOException, Refusal {
        require(exchange, "GET");
        byte[] text = metrics.text(caller.statistics()).getBytes(StandardCharsets.UTF_8);
        answer(exchange, 200, "text/plain; version=0.0.4", text);
    }

    private static void require(HttpExchange exchange, String method) throws Refusal {
        if (!exchange.getRequestMethod().equals(method)) {
            throw new Refusal(405, method + " " + exchange.getRequestURI().getPath());
        }
    }

    private byte[] body(HttpExchange exchange) throws IOException, Refusal {
        byte[] body = exchange.getRequestBody().readNBytes(options.bodyBytes + 1);
        if (body.length > options.bodyBytes) {
            throw new Refusal(413, "a request has at most %d bytes".formatted(options.bodyBytes));
        }
        return body;
    }

    private static void answer(HttpExchange exchange, int status, String text) throws IOException {
        answer(exchange, status, "text/plain; charset=utf-8", text.getBytes(StandardCharsets.UTF_8));
    }

    private static void answer(HttpExchange exchange, int status, String type, byte[] body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", type);
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        exchange.getResponseBody().write(body);
    }

    /// What stands behind the `?`.
    private record Query(Map<String, String> values) {
        static Query of(HttpExchange exchange) throws Refusal {
            String text = exchange.getRequestURI().getQuery();
            try {
                return new Query(
                        text == null || text.isEmpty()
                                ? Map.of()
                                : Arrays.stream(text.split("&", -1))
                                        .map(pair -> pair.split("=", 2))
                                        .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1])));
            } catch (ArrayIndexOutOfBoundsException | IllegalStateException e) {
                throw new Refusal(400, "not NAME=VALUE&…, each once: " + text);
            }
        }

        String text(String name, String otherwise) {
            return values.getOrDefault(name, otherwise);
        }

        long number(String name, long otherwise, long least, long most) throws Refusal {
            String value = values.get(name);
            try {
                long number = value == null ? otherwise : Long.parseLong(value);
                if (number >= least && number <= most) {
                    return number;
                }
            } catch (NumberFormatException e) {
                // Said below.
            }
            throw new Refusal(400, "%s=%s is not in %d … %d".formatted(name, value, least, most));
        }
    }

    /// Answers nothing any more; calls that run are ended.
    @Override
    public void close() {
        http.stop(0);
        caller.close();
        threads.shutdownNow();
        image.close();
    }
}
