// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.Listing;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.fetch.FetchLimits;
import io.vivarium.guestimages.tar.TarBytes;
import io.vivarium.guestimages.tar.TarLimits;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Registries as they should be and as they should not.
class RegistryTest {
    /// Long enough for a busy machine; tests of silence take their own.
    private static final FetchLimits LIMITS = new FetchLimits(
            Duration.ofSeconds(60), Duration.ofSeconds(60), Duration.ofSeconds(300), 3, Duration.ofSeconds(5));

    @TempDir
    private Path temporary;

    private FakeRegistry registry;

    @BeforeEach
    void open() throws IOException {
        registry = new FakeRegistry();
    }

    @AfterEach
    void close() {
        registry.close();
    }

    private RegistryOptions options() {
        return RegistryOptions.defaults()
                .withCache(temporary.resolve("cache"))
                .withDockerConfig(temporary.resolve("config.json"))
                .withLimits(LIMITS);
    }

    private List<String> pull(String name) throws IOException {
        return pull(name, options(), TarLimits.DEFAULT);
    }

    private List<String> pull(String name, RegistryOptions options, TarLimits limits) throws IOException {
        try (Registry client = new Registry(ImageReference.parse(registry.host() + "/" + name), options);
                RootFs tree = client.image().read(limits)) {
            return Listing.of(tree).stream()
                    .map((String line) ->
                            line.replaceFirst(" 0[0-7]+ 0:0 1970\\S+", "").replaceFirst("[0-9a-f]{64}$", ""))
                    .map(String::strip)
                    .toList();
        }
    }

    @Test
    void layersOverEachOther() throws IOException {
        byte[] lower = new TarBytes()
                .entry('5', "lib/", "")
                .entry('2', "link", "lib")
                .file("lib/gone", "1")
                .file("lib/stays", "12")
                .file("dir/a", "1")
                .file("dir/sub/b", "1")
                .file("opaque/old", "1")
                .file("becomes", "1")
                .end();
        byte[] upper = new TarBytes()
                .file("lib/.wh.gone", "")
                .file(".wh.dir", "")
                .file("opaque/new", "123")
                .file("opaque/.wh..wh..opq", "")
                .file("link/through", "1234")
                .entry('5', "becomes", "")
                .file("becomes/directory", "12345")
                .entry('1', "lib/again", "lib/stays")
                .entry('3', "null", "")
                .file(".wh.never-was", "")
                .file(".wh..wh.plnk/1.2", "")
                .end();
        registry.addImage("1", "\"config\":{\"WorkingDir\":\"/work/dir\"},", lower, upper);

        assertThat(pull("a:1"))
                .containsExactly(
                        "/ directory",
                        "/becomes directory",
                        "/becomes/directory file 5",
                        "/lib directory",
                        "/lib/again file 2",
                        "/lib/stays = /lib/again",
                        "/lib/through file 4",
                        "/link link -> lib",
                        "/null CHARACTER 0:0",
                        "/opaque directory",
                        "/opaque/new file 3",
                        "/work directory",
                        "/work/dir directory");
    }

    @Test
    void configIsRead() throws IOException {
        registry.addImage(
                "1",
                """
                "config":{"Entrypoint":["/bin/a","b"],"Cmd":["c"],"Env":["X=1","Y="],"WorkingDir":"w","User":"app:staff"},""",
                new TarBytes()
                        .file("etc/passwd", "root:x:0:0:::\napp:x:7:8:::\n")
                        .file("etc/group", "staff:x:50:\n")
                        .end());
        try (Registry client = new Registry(ImageReference.parse(registry.host() + "/a:1"), options());
                RootFs tree = client.image().read(TarLimits.DEFAULT)) {
            OciImage image = client.image();
            assertThat(image.config())
                    .isEqualTo(new ImageConfig(
                            List.of("/bin/a", "b"), List.of("c"), Map.of("X", "1", "Y", ""), "/w", "app:staff"));
            assertThat(UserIds.find("i", tree, "app:staff")).isEqualTo(new UserIds(7, 50));
            assertThat(UserIds.find("i", tree, "app")).isEqualTo(new UserIds(7, 8));
            assertThat(UserIds.find("i", tree, "7")).isEqualTo(new UserIds(7, 8));
            assertThat(UserIds.find("i", tree, "99:1")).isEqualTo(new UserIds(99, 1));
            assertThatThrownBy(() -> UserIds.find("i", tree, "eve"))
                    .hasMessage("i: runs its programs as user 'eve', who is not in its /etc/passwd");
            assertThatThrownBy(() -> UserIds.find("i", tree, "app:eve"))
                    .hasMessage("i: runs its programs as group 'eve', which is not in its /etc/group");
        }
    }

    @Test
    void anIndexLeadsToTheGuestsPlatform() throws IOException {
        registry.addImage("only", "", FakeRegistry.layer("amd64", "x"));
        String only = registry.addManifest("amd64", FakeRegistry.MANIFEST, manifestOf("only"));
        String entry =
                "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%d,\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}}";
        int size = manifestOf("only").length();
        String arm = entry.formatted(FakeRegistry.MANIFEST, "sha256:" + "0".repeat(64), 5, "arm64");
        String amd = entry.formatted(FakeRegistry.MANIFEST, only, size, "amd64");
        registry.addManifest("multi", FakeRegistry.INDEX, "{\"manifests\":[" + arm + "," + amd + "]}");
        registry.addManifest("arm", FakeRegistry.INDEX, "{\"manifests\":[" + arm + "]}");

        assertThat(pull("a:multi")).containsExactly("/ directory", "/amd64 file 1");
        assertThatThrownBy(() -> pull("a:arm"))
                .isInstanceOf(ImageException.class)
                .hasMessage(registry.host() + "/a:arm: there is no image for linux/amd64, but for linux/arm64");
    }

    private String manifestOf(String tag) {
        return new String(registry.manifestBytes(tag), StandardCharsets.UTF_8);
    }

    @Test
    void theSecondPullComesFromTheCache() throws IOException {
        registry.addImage("1", "", FakeRegistry.layer("a", "x"), FakeRegistry.layer("b", "y"));
        pull("a:1");
        registry.requests.clear();
        List<String> progress = new ArrayList<>();

        pull(
                "a:1",
                options()
                        .withListener((String item, long bytes, long total, boolean cached) ->
                                progress.add(bytes == total && cached ? "cached" : item)),
                TarLimits.DEFAULT);

        assertThat(registry.requests).hasSize(1).allMatch((String request) -> request.startsWith("/v2/a/manifests/1 "));
        assertThat(progress).containsExactly("cached", "cached", "cached");
    }

    @Test
    void whoComesSecondWaitsForTheFirst() throws Exception {
        List<String> layers = registry.addImage("1", "", FakeRegistry.layer("a", "x"));
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Callable<List<String>>> pulls = Collections.nCopies(8, () -> pull("a:1"));
            for (Future<List<String>> pulled : threads.invokeAll(pulls)) {
                assertThat(pulled.get()).containsExactly("/ directory", "/a file 1");
            }
        }
        assertThat(registry.requests.stream().filter((String request) -> request.contains(layers.getFirst())))
                .hasSize(1);
    }

    @Test
    void aCutDownloadGoesOnWhereItEnded() throws IOException {
        byte[] noise = new byte[3_000_000];
        new Random(1).nextBytes(noise);
        List<String> layers = registry.addImage(
                "1", "", new TarBytes().entry('0', "noise", "", noise).end());
        byte[] content = registry.blob(layers.getFirst());
        AtomicInteger cuts = new AtomicInteger();
        registry.first((HttpExchange exchange) -> {
            if (!exchange.getRequestURI().getPath().endsWith(layers.getFirst()) || cuts.incrementAndGet() > 2) {
                return false;
            }
            String range = exchange.getRequestHeaders().getFirst("Range");
            int from = range == null ? 0 : Integer.parseInt(range, 6, range.length() - 1, 10);
            if (from > 0) {
                exchange.getResponseHeaders()
                        .add("Content-Range", "bytes %d-%d/%d".formatted(from, content.length - 1, content.length));
            }
            exchange.sendResponseHeaders(from > 0 ? 206 : 200, content.length - from);
            exchange.getResponseBody().write(content, from, 1_000_000);
            exchange.getResponseBody().flush();
            return true; // the exchange is closed with bytes missing
        });

        assertThat(pull("a:1")).containsExactly("/ directory", "/noise file 3000000");
        assertThat(registry.requests.stream().filter((String request) -> request.contains(layers.getFirst())))
                .hasSize(3)
                .anyMatch((String request) -> request.matches(".* range=bytes=[1-9][0-9]*- .*"));
    }

    @ParameterizedTest
    @CsvSource({
        "401, the registry wants to know who asks in a way that is not supported: []",
        "403, the registry does not allow it (403)",
        "404, the registry does not have it (404)",
        "418, the registry answered with HTTP status 418",
        "429, the registry has had too many requests (429); it says to come back after 3600",
        "500, the registry answered with HTTP status 500",
    })
    void refusals(int status, String message) {
        registry.first((HttpExchange exchange) -> {
            exchange.getResponseHeaders().add("Retry-After", status == 429 ? "3600" : "0");
            FakeRegistry.send(exchange, status, new byte[0]);
            return true;
        });
        assertThatThrownBy(() -> pull("a:1"))
                .isInstanceOf(ImageException.class)
                .hasMessage(registry.host() + "/a:1: " + message);
    }

    @Test
    void aServerThatIsBusyIsAskedAgain() throws IOException {
        registry.addImage("1", "", FakeRegistry.layer("a", "x"));
        AtomicInteger asked = new AtomicInteger();
        registry.first((HttpExchange exchange) -> {
            if (asked.incrementAndGet() > 2) {
                return false;
            }
            exchange.getResponseHeaders().add("Retry-After", "0");
            FakeRegistry.send(exchange, asked.get() == 1 ? 429 : 503, new byte[0]);
            return true;
        });
        assertThat(pull("a:1")).hasSize(2);
        assertThat(asked.get()).isEqualTo(5);
    }

    @Test
    void aServerThatHangsIsLeft() throws IOException {
        CountDownLatch end = new CountDownLatch(1);
        registry.addImage("1", "", FakeRegistry.layer("a", "x"));
        FetchLimits impatient = new FetchLimits(
                Duration.ofMillis(200), Duration.ofMillis(200), Duration.ofSeconds(60), 2, Duration.ZERO);
        registry.first((HttpExchange exchange) -> {
            if (exchange.getRequestURI().getPath().contains("/blobs/")) {
                exchange.sendResponseHeaders(200, 100);
                exchange.getResponseBody().write('x');
                exchange.getResponseBody().flush();
                await(end);
                return true;
            }
            await(end);
            return false;
        });
        assertThatThrownBy(() -> pull("a:1", options().withLimits(impatient), TarLimits.DEFAULT))
                .isInstanceOf(ImageException.class)
                .hasMessageMatching(".*: http://127.0.0.1:\\d+: .*(did not answer within|no connection within).*");
        end.countDown();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void timeInAllIsBounded() {
        registry.first((HttpExchange exchange) -> {
            exchange.getResponseHeaders().add("Retry-After", "0");
            FakeRegistry.send(exchange, 503, new byte[0]);
            return true;
        });
        FetchLimits short1 = new FetchLimits(
                Duration.ofSeconds(60),
                Duration.ofSeconds(60),
                Duration.ofMillis(300),
                1_000_000,
                Duration.ofSeconds(60));
        assertThatThrownBy(() -> pull("a:1", options().withLimits(short1), TarLimits.DEFAULT))
                .isInstanceOf(ImageException.class)
                .hasMessageMatching(
                        ".*(not fetched within 300 ms|within \\d+ ms|HTTP status 503|sent nothing for \\d+ ms)");
    }

    private void auth(String challenge, String accepted) {
        registry.first((HttpExchange exchange) -> {
            String who = exchange.getRequestHeaders().getFirst("Authorization");
            if (exchange.getRequestURI().getPath().equals("/token")) {
                String given =
                        "Basic " + Base64.getEncoder().encodeToString("me:secret".getBytes(StandardCharsets.UTF_8));
                boolean right = given.equals(who);
                FakeRegistry.send(
                        exchange, right ? 200 : 401, "{\"token\":\"t0ken\"}".getBytes(StandardCharsets.UTF_8));
                return true;
            }
            if (accepted.equals(who)) {
                return false;
            }
            exchange.getResponseHeaders().add("WWW-Authenticate", challenge.replace("HOST", registry.host()));
            FakeRegistry.send(exchange, 401, new byte[0]);
            return true;
        });
    }

    @Test
    void tokensAndPasswords() throws IOException {
        registry.addImage("1", "", FakeRegistry.layer("a", "x"));
        String challenge = "Bearer realm=\"http://HOST/token\",service=\"s\",scope=\"repository:a:pull\"";
        auth(challenge, "Bearer t0ken");
        assertThatThrownBy(() -> pull("a:1"))
                .hasMessageMatching(".*: no token from http://127.0.0.1:\\d+/token: HTTP status 401");
        assertThatThrownBy(
                        () -> pull("a:1", options().withCredentials(new Credentials("me", "wrong")), TarLimits.DEFAULT))
                .hasMessageEndingWith("HTTP status 401; the name or the password may be wrong");
        assertThat(pull("a:1", options().withCredentials(new Credentials("me", "secret")), TarLimits.DEFAULT))
                .hasSize(2);
        assertThat(registry.requests)
                .anyMatch((String request) -> request.startsWith("/token?scope=repository%3Aa%3Apull&service=s "));

        Files.writeString(
                temporary.resolve("config.json"),
                "{\"auths\":{\"%s\":{\"auth\":\"bWU6c2VjcmV0\"}}}".formatted(registry.host()));
        auth("Basic realm=\"r\"", "Basic bWU6c2VjcmV0");
        assertThat(pull("a:1")).hasSize(2);
        auth("Basic realm=\"r\"", "Basic other");
        assertThatThrownBy(() -> pull("a:1")).hasMessageEndingWith("refuses the name or the password (401)");
        auth("Negotiate", "never");
        assertThatThrownBy(() -> pull("a:1")).hasMessageEndingWith("in a way that is not supported: [Negotiate]");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"auths\":{\"HOST\":{\"auth\":\"???\"}}}| what it has for HOST is not base64",
                "{\"auths\":{\"HOST\":{\"auth\":\"bWU=\"}}}| what it has for HOST is not name:password",
                "{\"auths\":{\"HOST\":{\"identitytoken\":\"t\"}}}| has an identity token for HOST, which is not supported;"
                        + " log in with a password or access token",
                "{\"credHelpers\":{\"HOST\":\"../evil\"}}| '../evil' is not the name of a credential helper",
                "{\"credsStore\":\"vivarium-none\"}| names a credential helper that cannot be run:"
                        + " docker-credential-vivarium-none",
                "[]| JSON has an array where an object should be",
            })
    void badDockerConfigs(String json, String message) throws IOException {
        Path file = Files.writeString(temporary.resolve("config.json"), json.replace("HOST", registry.host()));
        auth("Basic realm=\"r\"", "never");
        assertThatThrownBy(() -> pull("a:1")).hasMessage(file + ": " + message.replace("HOST", registry.host()));
    }

    @Test
    void redirectionsTakeNoCredentialsAlong() throws IOException {
        try (FakeRegistry elsewhere = new FakeRegistry()) {
            List<String> layers = registry.addImage("1", "", FakeRegistry.layer("a", "x"));
            elsewhere.addBlob(registry.blob(layers.getFirst()));
            auth("Basic realm=\"r\"", "Basic bWU6c2VjcmV0");
            FakeRegistry.Answer asked = registry.first();
            registry.first((HttpExchange exchange) -> {
                if (asked.give(exchange)) {
                    return true;
                }
                if (!exchange.getRequestURI().getPath().endsWith(layers.getFirst())) {
                    return false;
                }
                exchange.getResponseHeaders()
                        .add("Location", "http://" + elsewhere.host() + "/blobs/" + layers.getFirst());
                FakeRegistry.send(exchange, 307, new byte[0]);
                return true;
            });
            assertThat(pull("a:1", options().withCredentials(new Credentials("me", "secret")), TarLimits.DEFAULT))
                    .hasSize(2);
            assertThat(registry.requests).anyMatch((String request) -> request.contains("authorization=Basic "));
            assertThat(elsewhere.requests)
                    .hasSize(1)
                    .allMatch((String request) -> request.endsWith("authorization=null"));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "ftp://x/y, not an HTTP address: ftp://x/y",
        "http://192.0.2.1/y, http://192.0.2.1/y is not encrypted; plain HTTP to another host must be asked for",
        "/v2/a/manifests/1, is redirected more than 10 times",
    })
    void badRedirections(String location, String message) {
        registry.first((HttpExchange exchange) -> {
            exchange.getResponseHeaders().add("Location", location);
            FakeRegistry.send(exchange, 302, new byte[0]);
            return true;
        });
        assertThatThrownBy(() -> pull("a:1")).isInstanceOf(ImageException.class).hasMessageEndingWith(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "text/html| <html>| not JSON: '<' instead of a value at character 0",
                "text/html| {}| is of the media type 'text/html', which is not one of an image",
                "application/vnd.docker.distribution.manifest.v1+json| {}| is a Docker image of schema version 1, which is"
                        + " not supported; push it again",
                "M| {}| config is missing",
                "M| {\"config\":[]}| config is an array instead of an object",
                "M| {\"config\":{\"mediaType\":\"x\",\"digest\":\"md5:00\",\"size\":1}}| config.digest is not a sha256 or"
                        + " sha512 digest: 'md5:00'",
                "M| {\"config\":{\"mediaType\":\"x\",\"digest\":\"D\",\"size\":-1}}| config.size is not a size",
                "M| {\"config\":{\"mediaType\":\"application/vnd.wasm\",\"digest\":\"D\",\"size\":1}}| is no image of a file"
                        + " system: its config is of the media type 'application/vnd.wasm'",
                "M| {\"config\":{\"mediaType\":\"C\",\"digest\":\"D\",\"size\":1},\"layers\":[{\"mediaType\":\"x/y\","
                        + "\"digest\":\"D\",\"size\":1}]}| layers[0].mediaType is 'x/y', which is not supported",
                "M| {\"config\":{\"mediaType\":\"C\",\"digest\":\"D\",\"size\":99999999},\"layers\":[]}| D has 99999999 bytes,"
                        + " more than 4194304",
            })
    void badManifests(String type, String json, String message) {
        String digest = "sha256:" + "ab".repeat(32);
        registry.addManifest(
                "1",
                type.equals("M") ? FakeRegistry.MANIFEST : type,
                json.replace("\"D\"", "\"" + digest + "\"").replace("\"C\"", "\"" + FakeRegistry.CONFIG + "\""));
        registry.addBlob(new byte[1]);
        assertThatThrownBy(() -> pull("a:1"))
                .isInstanceOf(ImageException.class)
                .hasMessage(registry.host() + "/a:1: " + message.replace("D has", digest + " has"));
    }

    @Test
    void contentThatIsNotWhatItsDigestSays() {
        List<String> layers = registry.addImage("1", "", FakeRegistry.layer("a", "x"));
        String layer = layers.getFirst();
        byte[] good = registry.blob(layer);
        byte[] wrong = good.clone();
        wrong[wrong.length / 2]++;
        registry.replaceBlob(layer, wrong);
        assertThatThrownBy(() -> pull("a:1")).hasMessageContaining(layer + ": the content has another digest: sha256:");
        registry.replaceBlob(layer, Arrays.copyOf(good, good.length + 1));
        assertThatThrownBy(() -> pull("a:1"))
                .hasMessageEndingWith("there is more than the " + good.length + " bytes promised");
        registry.replaceBlob(layer, Arrays.copyOf(good, good.length - 1));
        assertThatThrownBy(() -> pull("a:1"))
                .hasMessageMatching(".*only \\d+ of " + good.length + " bytes came: the connection was cut.*");
        registry.removeBlob(layer);
        assertThatThrownBy(() -> pull("a:1")).hasMessageEndingWith("the registry does not have it (404)");
        String other = "sha256:" + "cd".repeat(32);
        registry.first((HttpExchange exchange) -> {
            exchange.getResponseHeaders().add("Docker-Content-Digest", other);
            return false;
        });
        assertThatThrownBy(() -> pull("a:1")).hasMessageContaining(other + ": the manifest has another digest");
    }

    @Test
    void configsThatDoNotFit() {
        String layer = registry.addBlob(FakeRegistry.gzip(FakeRegistry.layer("a", "x")));
        String other = "sha256:" + "ef".repeat(32);
        registry.addImage("count", "", List.of(layer), List.of());
        registry.addImage("diff", "", List.of(layer), List.of(other));
        registry.addManifest(
                "arm",
                FakeRegistry.MANIFEST,
                registry.manifest("{\"os\":\"linux\",\"architecture\":\"arm64\",\"rootfs\":{}}", List.of()));
        registry.addImage("env", "\"config\":{\"Env\":[\"=x\"]},", FakeRegistry.layer("a", "x"));

        assertThatThrownBy(() -> pull("a:count")).hasMessageEndingWith("the manifest has 1 layers, and the config 0");
        assertThatThrownBy(() -> pull("a:diff")).hasMessageEndingWith("instead of the config's " + other);
        assertThatThrownBy(() -> pull("a:arm"))
                .hasMessageEndingWith("is an image for linux/arm64, and guests run linux/amd64");
        assertThatThrownBy(() -> pull("a:env")).hasMessageEndingWith("config.Env has what is not NAME=value: '=x'");
    }

    @Test
    void badLayers() throws IOException {
        registry.addImage("up", "", FakeRegistry.layer("../x", "x"));
        registry.addImage("below", "", FakeRegistry.layer("a", "x"), FakeRegistry.layer("a/b", "x"));
        registry.addImage(
                "loop", "", new TarBytes().entry('2', "l", "l").file("l/x", "").end());
        registry.addImage(
                "hard", "", new TarBytes().entry('1', "l", "/etc/shadow").end());
        registry.addImage("white", "", FakeRegistry.layer("a/.wh.", ""));
        byte[] cut = FakeRegistry.gzip(FakeRegistry.layer("a", "x"));
        String packed = registry.addBlob(Arrays.copyOf(cut, cut.length - 9));
        registry.addImage("cut", "", List.of(packed), List.of(FakeRegistry.digest(new byte[0])));
        byte[] zeros = new TarBytes().entry('0', "z", "", new byte[80 << 20]).end();
        registry.addImage("bomb", "", zeros);
        registry.addImage("many", "", FakeRegistry.layer("a/b/c/d", ""), FakeRegistry.layer("e", ""));

        assertThatThrownBy(() -> pull("a:up")).hasMessageEndingWith("../x: the path has '..' in it");
        assertThatThrownBy(() -> pull("a:below")).hasMessageEndingWith("a/b: 'a' on the way is not a directory");
        assertThatThrownBy(() -> pull("a:loop")).hasMessageEndingWith("there are too many symbolic links on the way");
        assertThatThrownBy(() -> pull("a:hard")).hasMessageEndingWith("hard link to /etc/shadow, which is not there");
        assertThatThrownBy(() -> pull("a:white")).hasMessageEndingWith("the whiteout names no file");
        assertThatThrownBy(() -> pull("a:cut")).hasMessageContaining("truncated");
        assertThatThrownBy(() -> pull("a:bomb")).hasMessageContaining("gzip data expand more than 250 times");
        assertThat(pull("a:bomb", options(), new TarLimits(10, 1 << 30, 2000))).hasSize(2);
        assertThatThrownBy(() -> pull("a:many", options(), new TarLimits(3, 1 << 20)))
                .hasMessageEndingWith("the archive has more than 3 entries");
        assertThatThrownBy(() -> pull("a:bomb", options(), new TarLimits(4, 1 << 20)))
                .hasMessageEndingWith("the archive holds more than 1048576 bytes");
    }

    @Test
    void nobodyIsThere() {
        String host = registry.host();
        registry.close();
        assertThatThrownBy(() -> pull("a:1")).hasMessage(host + "/a:1: http://" + host + ": no connection");
    }
}
