// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.fetch.BlobStore;
import io.vivarium.guestimages.fetch.Digest;
import io.vivarium.guestimages.fetch.HttpFetcher;
import io.vivarium.guestimages.fetch.HttpFetcher.Response;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// One image in a registry (OCI distribution specification 1.1). Blobs go through the store, where they stay.
///
/// Not for use by several threads at once.
public final class Registry implements Blobs, AutoCloseable {
    private static final String ACCEPT = Stream.concat(MediaTypes.MANIFESTS.stream(), MediaTypes.INDEXES.stream())
            .collect(Collectors.joining(", "));

    private final ImageReference image;
    private final RegistryOptions options;
    private final HttpFetcher http;
    private final RegistryLogin login;
    private final BlobStore store;
    private final URI endpoint;
    private @Nullable String authorization;

    /// Nothing is sent yet.
    public Registry(ImageReference image, RegistryOptions options) {
        this.image = image;
        this.options = options;
        this.http = new HttpFetcher(options.limits(), options.plainHttp());
        this.login = new RegistryLogin(http, image, options);
        this.store = new BlobStore(options.cache());
        this.endpoint = image.endpoint(options.plainHttp());
    }

    @Override
    public String source() {
        return image.toString();
    }

    /// Asks the registry what the name stands for.
    ///
    /// @throws ImageException the registry refuses, does not have it, or has what guests do not run
    public OciImage image() throws IOException {
        try (Response response = get("manifests/" + image.manifestName(), 0)) {
            Document document = document(response);
            Digest digest = image.digest()
                    .or(() -> response.headers()
                            .firstValue("Docker-Content-Digest")
                            .flatMap(Digest::parse))
                    .orElseGet(() -> document.digest(Digest.Algorithm.SHA256));
            OciImage.checkDigest(source(), digest, document);
            return OciImage.resolve(this, digest, document);
        }
    }

    @Override
    public Document manifest(Descriptor descriptor) throws IOException {
        try (Response response = get("manifests/" + descriptor.digest(), 0)) {
            return document(response);
        }
    }

    private Document document(Response response) throws IOException {
        if (response.status() != 200) {
            throw refused(response);
        }
        byte[] bytes = response.body().readNBytes(MAX_DOCUMENT_BYTES + 1);
        if (bytes.length > MAX_DOCUMENT_BYTES) {
            throw new ImageException(source(), "the manifest has more than " + MAX_DOCUMENT_BYTES + " bytes");
        }
        Optional<String> type = response.headers()
                .firstValue("Content-Type")
                .map((String value) -> value.replaceFirst(";.*", "").strip());
        return new Document(bytes, type);
    }

    @Override
    public InputStream open(Descriptor descriptor) throws IOException {
        BlobStore.Wanted wanted =
                new BlobStore.Wanted(source(), descriptor.digest().toString(), descriptor.digest(), descriptor.size());
        return Files.newInputStream(store.fetch(
                wanted,
                http,
                (long offset) -> BlobStore.part(get("blobs/" + descriptor.digest(), offset), offset, this::refused),
                options.listener()));
    }

    private Response get(String what, long offset) throws IOException {
        URI uri = endpoint.resolve(what);
        Response response = http.get(source(), uri, headers(offset));
        if (response.status() != 401) {
            return response;
        }
        try (response) {
            authorization = login.answer(response.headers());
        }
        return http.get(source(), uri, headers(offset));
    }

    private Map<String, String> headers(long offset) {
        Map<String, String> headers = new HashMap<>(Map.of("Accept", ACCEPT));
        if (offset > 0) {
            headers.put("Range", "bytes=" + offset + "-");
        }
        if (authorization != null) {
            headers.put("Authorization", authorization);
        }
        return headers;
    }

    private ImageException refused(Response response) {
        String why =
                switch (response.status()) {
                    case 401 -> "the registry refuses the name or the password (401)";
                    case 403 -> "the registry does not allow it (403)";
                    case 404 -> "the registry does not have it (404)";
                    case 429 ->
                        "the registry has had too many requests (429)"
                                + response.headers()
                                        .firstValue("Retry-After")
                                        .map((String value) -> "; it says to come back after " + value)
                                        .orElse("");
                    default -> "the registry answered with HTTP status " + response.status();
                };
        return new ImageException(source(), why);
    }

    /// Ends what is under way.
    @Override
    public void close() {
        http.close();
    }
}
