// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.fetch;

import io.vivarium.guestimages.ImageException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// Gets resources over HTTP (1.1 and 2).
///
/// - Every wait is bounded by [FetchLimits].
/// - Without encryption only this host is spoken to, unless plain HTTP was asked for; a redirection cannot lead from
// HTTPS
///   to HTTP.
/// - Redirections are followed (at most ten); a header `Authorization` goes to nobody but the host, port and scheme
// that it
///   was given for.
/// - 429 and 5xx are tried again, after what `Retry-After` says.
///
/// Thread-safe.
public final class HttpFetcher implements AutoCloseable {
    private static final int MOST_REDIRECTIONS = 10;
    private static final Set<Integer> REDIRECTIONS = Set.of(301, 302, 303, 307, 308);
    private static final Set<Integer> WORTH_ANOTHER_TRY = Set.of(429, 500, 502, 503, 504);
    private static final String AUTHORIZATION = "Authorization";

    private final HttpClient client;
    private final FetchLimits limits;
    private final boolean plainHttp;
    private final Deadline deadline;

    /// @param limits whose total begins now
    /// @param plainHttp whether others than this host may be spoken to without encryption
    public HttpFetcher(FetchLimits limits, boolean plainHttp) {
        this.client = HttpClient.newBuilder()
                .connectTimeout(limits.connect())
                .followRedirects(HttpClient.Redirect.NEVER)
                .build();
        this.limits = limits;
        this.plainHttp = plainHttp;
        this.deadline = Deadline.in(limits.total());
    }

    /// An answer, whatever its status.
    ///
    /// @param status such as 200
    /// @param headers all
    /// @param body to be closed
    public record Response(int status, HttpHeaders headers, InputStream body) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            body.close();
        }
    }

    FetchLimits limits() {
        return limits;
    }

    /// Whether a host name or address is this host's own: `localhost`, `127.0.0.0/8`, `::1`.
    public static boolean isLoopback(String host) {
        return host.equals("localhost") || host.matches("127(\\.\\d{1,3}){3}") || host.matches("\\[?::1]?");
    }

    /// Sends a request and follows redirections.
    ///
    /// @param source what is fetched for, for errors
    /// @return the answer of whoever gave one that is neither a redirection nor a reason to try again
    /// @throws ImageException an address may not be spoken to, there are too many redirections, or time is over
    /// @throws IOException the server cannot be reached or stopped answering
    public Response get(String source, URI uri, Map<String, String> headers) throws IOException {
        int failures = 0;
        while (true) {
            Response response;
            try {
                response = follow(source, uri, headers);
            } catch (ImageException e) {
                throw e;
            } catch (InterruptedIOException e) {
                throw e;
            } catch (IOException e) {
                if (++failures >= limits.attempts() || deadline.left().isZero()) {
                    throw unreachable(source, uri, e);
                }
                pause(backOff(failures));
                continue;
            }
            if (!WORTH_ANOTHER_TRY.contains(response.status) || ++failures >= limits.attempts()) {
                return response;
            }
            Duration wait = retryAfter(response.headers, failures);
            if (wait.compareTo(limits.longestWait()) > 0 || wait.compareTo(deadline.left()) > 0) {
                return response;
            }
            response.close();
            pause(wait);
        }
    }

    private ImageException unreachable(String source, URI uri, IOException e) {
        String what =
                switch (e) {
                    case HttpConnectTimeoutException _ ->
                        "no connection within " + limits.connect().toMillis() + " ms";
                    case HttpTimeoutException timeout -> String.valueOf(timeout.getMessage());
                    case ConnectException _ -> "no connection";
                    default -> e.getMessage() == null ? e.toString() : e.getMessage();
                };
        return new ImageException(source, uri.getScheme() + "://" + uri.getAuthority() + ": " + what, e);
    }

    private Response follow(String source, URI first, Map<String, String> headers) throws IOException {
        URI uri = first;
        for (int hops = 0; hops <= MOST_REDIRECTIONS; hops++) {
            checkScheme(source, uri);
            Response response = send(source, request(uri, headers, sameOrigin(first, uri)));
            if (!REDIRECTIONS.contains(response.status)) {
                return response;
            }
            response.close();
            uri = target(source, uri, response.headers.firstValue("Location").orElse(null));
        }
        throw new ImageException(source, first + " is redirected more than " + MOST_REDIRECTIONS + " times");
    }

    private static URI target(String source, URI from, @Nullable String location) throws ImageException {
        try {
            URI target = from.resolve(location == null ? "" : location);
            if (location == null || target.getHost() == null || target.getUserInfo() != null) {
                throw new ImageException(source, from + " is redirected to nowhere: " + location);
            }
            if (from.getScheme().equals("https") && !target.getScheme().equals("https")) {
                throw new ImageException(source, from + " is redirected to where nothing is encrypted: " + target);
            }
            return target;
        } catch (IllegalArgumentException e) {
            throw new ImageException(source, from + " is redirected to what is no address: " + location, e);
        }
    }

    private void checkScheme(String source, URI uri) throws ImageException {
        String scheme = uri.getScheme();
        String host = uri.getHost();
        if (host == null || scheme == null || !Set.of("http", "https").contains(scheme)) {
            throw new ImageException(source, "not an HTTP address: " + uri);
        }
        if (scheme.equals("http") && !plainHttp && !isLoopback(host)) {
            throw new ImageException(source, uri + " is not encrypted; plain HTTP to another host must be asked for");
        }
    }

    private static boolean sameOrigin(URI one, URI other) {
        return one.getScheme().equals(other.getScheme())
                && one.getHost().equalsIgnoreCase(other.getHost())
                && one.getPort() == other.getPort();
    }

    private static HttpRequest request(URI uri, Map<String, String> headers, boolean withAuthorization) {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri).header("User-Agent", "vivarium");
        for (Map.Entry<String, String> header : headers.entrySet()) {
            if (withAuthorization || !header.getKey().equalsIgnoreCase(AUTHORIZATION)) {
                request.header(header.getKey(), header.getValue());
            }
        }
        return request.build();
    }

    private Response send(String source, HttpRequest request) throws IOException {
        Duration left = deadline.left();
        if (left.isZero()) {
            throw new ImageException(
                    source, "not fetched within " + limits.total().toMillis() + " ms");
        }
        Duration patience = deadline.atMost(limits.connect().plus(limits.silence()));
        CompletableFuture<HttpResponse<InputStream>> answer =
                client.sendAsync(request, _ -> new ResponseBody(limits, deadline));
        try {
            HttpResponse<InputStream> response = answer.get(patience.toNanos(), TimeUnit.NANOSECONDS);
            return new Response(response.statusCode(), response.headers(), response.body());
        } catch (TimeoutException e) {
            answer.cancel(true);
            HttpTimeoutException silent =
                    new HttpTimeoutException("the server did not answer within " + patience.toMillis() + " ms");
            silent.initCause(e);
            throw silent;
        } catch (InterruptedException e) {
            answer.cancel(true);
            throw interrupted(e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException failure) {
                throw failure;
            }
            throw new IOException(String.valueOf(e.getCause()), e);
        }
    }

    private static InterruptedIOException interrupted(InterruptedException e) {
        Thread.currentThread().interrupt();
        InterruptedIOException interrupted = new InterruptedIOException("interrupted while fetching");
        interrupted.initCause(e);
        return interrupted;
    }

    private static Duration backOff(int failures) {
        return Duration.ofMillis(100L << Math.min(failures, 6));
    }

    /// RFC 9110 §10.2.3: seconds or a date.
    private static Duration retryAfter(HttpHeaders headers, int failures) {
        String text = headers.firstValue("Retry-After").orElse("").strip();
        if (text.matches("\\d{1,9}")) {
            return Duration.ofSeconds(Long.parseLong(text));
        }
        try {
            Instant date = ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME)
                    .toInstant();
            Duration wait = Duration.between(Instant.now(), date);
            return wait.isNegative() ? Duration.ZERO : wait;
        } catch (DateTimeException e) {
            return backOff(failures);
        }
    }

    void pause(Duration wait) throws InterruptedIOException {
        try {
            Thread.sleep(deadline.atMost(wait));
        } catch (InterruptedException e) {
            throw interrupted(e);
        }
    }

    void pauseAfter(int failures) throws InterruptedIOException {
        pause(backOff(failures));
    }

    boolean isOver() {
        return deadline.left().isZero();
    }

    /// Ends what is under way.
    @Override
    public void close() {
        client.shutdownNow();
    }
}
