// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.vivarium.guestimages.fetch.Digest;
import io.vivarium.guestimages.fetch.Digest.Algorithm;
import io.vivarium.guestimages.tar.TarBytes;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;

/// A registry in this JVM that behaves until it is told not to.
final class FakeRegistry implements AutoCloseable {
    static final String MANIFEST = "application/vnd.oci.image.manifest.v1+json";
    static final String INDEX = "application/vnd.oci.image.index.v1+json";
    static final String CONFIG = "application/vnd.oci.image.config.v1+json";
    static final String LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";

    /// Answers a request in its own way.
    @FunctionalInterface
    interface Answer {
        /// Whether it did answer.
        boolean give(HttpExchange exchange) throws IOException;
    }

    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final Map<String, byte[]> blobs = new ConcurrentHashMap<>();
    private final Map<String, byte[]> manifests = new ConcurrentHashMap<>();
    private final Map<String, String> types = new ConcurrentHashMap<>();
    private volatile Answer special = _ -> false;

    /// Method, path and the headers of interest, of every request.
    final LinkedBlockingQueue<String> requests = new LinkedBlockingQueue<>();

    FakeRegistry() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.createContext("/", this::answer);
        server.start();
    }

    String host() {
        return "127.0.0.1:" + server.getAddress().getPort();
    }

    /// What to do with requests first.
    void first(Answer answer) {
        special = answer;
    }

    Answer first() {
        return special;
    }

    byte[] manifestBytes(String tag) {
        return manifests.getOrDefault(tag, new byte[0]);
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String range = String.valueOf(exchange.getRequestHeaders().getFirst("Range"));
            String who = String.valueOf(exchange.getRequestHeaders().getFirst("Authorization"));
            requests.add(exchange.getRequestURI() + " range=" + range + " authorization=" + who);
            if (special.give(exchange)) {
                return;
            }
            String path = exchange.getRequestURI().getPath();
            String name = path.substring(path.lastIndexOf('/') + 1);
            byte[] content = path.contains("/manifests/") ? manifests.get(name) : blobs.get(name);
            if (content == null) {
                send(exchange, 404, new byte[0]);
                return;
            }
            if (types.containsKey(name)) {
                exchange.getResponseHeaders().add("Content-Type", types.get(name));
            }
            if (range.startsWith("bytes=")) {
                int from = Integer.parseInt(range, 6, range.length() - 1, 10);
                exchange.getResponseHeaders()
                        .add("Content-Range", "bytes %d-%d/%d".formatted(from, content.length - 1, content.length));
                byte[] rest = Arrays.copyOfRange(content, from, content.length);
                send(exchange, 206, rest);
                return;
            }
            send(exchange, 200, content);
        }
    }

    static void send(HttpExchange exchange, int status, byte[] content) throws IOException {
        exchange.sendResponseHeaders(status, content.length == 0 ? -1 : content.length);
        try (OutputStream body = exchange.getResponseBody()) {
            body.write(content);
        }
    }

    String addBlob(byte[] content) {
        String digest = digest(content);
        blobs.put(digest, content);
        return digest;
    }

    void removeBlob(String digest) {
        blobs.remove(digest);
    }

    void replaceBlob(String digest, byte[] content) {
        blobs.put(digest, content);
    }

    byte[] blob(String digest) {
        return blobs.getOrDefault(digest, new byte[0]);
    }

    String addManifest(String tag, String type, String json) {
        byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
        String digest = digest(bytes);
        for (String name : List.of(tag, digest)) {
            manifests.put(name, bytes);
            types.put(name, type);
        }
        return digest;
    }

    /// An image whose layers are these tar archives.
    ///
    /// @return the digests of its layers
    List<String> addImage(String tag, String configMembers, byte[]... layers) {
        List<String> packed = new ArrayList<>();
        List<String> plain = new ArrayList<>();
        for (byte[] layer : layers) {
            plain.add(digest(layer));
            packed.add(addBlob(gzip(layer)));
        }
        addImage(tag, configMembers, packed, plain);
        return packed;
    }

    /// An image of layers that are there.
    void addImage(String tag, String configMembers, List<String> layers, List<String> uncompressed) {
        String config = """
                {"os":"linux","architecture":"amd64",%s"rootfs":{"type":"layers","diff_ids":[%s]}}""".formatted(
                configMembers,
                uncompressed.stream().map((String each) -> "\"" + each + "\"").collect(Collectors.joining(",")));
        addManifest(tag, MANIFEST, manifest(config, layers));
    }

    String manifest(String config, List<String> layers) {
        byte[] bytes = config.getBytes(StandardCharsets.UTF_8);
        return """
                {"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]}""".formatted(
                        MANIFEST,
                        descriptor(CONFIG, addBlob(bytes), bytes.length),
                        IntStream.range(0, layers.size())
                                .mapToObj((int i) -> descriptor(LAYER, layers.get(i), blob(layers.get(i)).length))
                                .collect(Collectors.joining(",")));
    }

    static String descriptor(String type, String digest, long size) {
        return "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%d}".formatted(type, digest, size);
    }

    static String digest(byte[] bytes) {
        return Digest.of(Algorithm.SHA256, bytes).toString();
    }

    static byte[] gzip(byte[] plain) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (OutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(plain);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    /// A layer with one file.
    static byte[] layer(String name, String content) {
        return new TarBytes().file(name, content).end();
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
