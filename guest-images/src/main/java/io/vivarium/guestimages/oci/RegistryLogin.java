// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.fetch.HttpFetcher;
import io.vivarium.guestimages.json.JsonException;
import io.vivarium.guestimages.json.JsonReader;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Answers a registry's question who asks (RFC 9110 §11.6.1, and the "Token Authentication" of the distribution
// project):
/// with name and password, or with a token that another server gives for them.
final class RegistryLogin {
    private static final int MAX_TOKEN_BYTES = 1 << 20;
    private static final Pattern SCHEME = Pattern.compile("\\s*([A-Za-z0-9]+)(\\s+(.*))?", Pattern.DOTALL);
    private static final Pattern PARAMETER = Pattern.compile("([a-z_]+)\\s*=\\s*(\"([^\"]*)\"|[^\\s,\"]+)");

    private final HttpFetcher http;
    private final ImageReference image;
    private final RegistryOptions options;

    RegistryLogin(HttpFetcher http, ImageReference image, RegistryOptions options) {
        this.http = http;
        this.image = image;
        this.options = options;
    }

    /// What to put into the header `Authorization`.
    ///
    /// @throws ImageException there is no answer to this question
    String answer(HttpHeaders question) throws IOException {
        List<String> challenges = question.allValues("WWW-Authenticate");
        for (String challenge : challenges) {
            Matcher scheme = SCHEME.matcher(challenge);
            if (!scheme.matches()) {
                continue;
            }
            switch (scheme.group(1).toLowerCase(Locale.ROOT)) {
                case "basic" -> {
                    return credentials()
                            .orElseThrow(() -> new ImageException(
                                    image.toString(),
                                    "the registry wants a name and a password: docker login " + image.registry()
                                            + ", or give credentials"))
                            .header();
                }
                case "bearer" -> {
                    return "Bearer " + token(parameters(String.valueOf(scheme.group(3))));
                }
                default -> {} // another one may follow
            }
        }
        throw new ImageException(
                image.toString(), "the registry wants to know who asks in a way that is not supported: " + challenges);
    }

    private Optional<Credentials> credentials() throws IOException {
        return options.credentialsFor(image.registry());
    }

    private static Map<String, String> parameters(String text) {
        Map<String, String> parameters = new HashMap<>();
        Matcher parameter = PARAMETER.matcher(text);
        while (parameter.find()) {
            parameters.put(parameter.group(1), parameter.group(3) == null ? parameter.group(2) : parameter.group(3));
        }
        return parameters;
    }

    private String token(Map<String, String> parameters) throws IOException {
        String realm = parameters.getOrDefault("realm", "");
        String query =
                "scope=" + encode(parameters.getOrDefault("scope", "repository:" + image.repository() + ":pull"));
        if (parameters.containsKey("service")) {
            query += "&service=" + encode(parameters.get("service"));
        }
        URI uri;
        try {
            uri = URI.create(realm + (realm.contains("?") ? "&" : "?") + query);
        } catch (IllegalArgumentException e) {
            throw new ImageException(
                    image.toString(), "the registry wants a token from what is no address: " + realm, e);
        }
        Map<String, String> headers = credentials()
                .map((Credentials given) -> Map.of("Authorization", given.header()))
                .orElse(Map.of());
        try (HttpFetcher.Response response = http.get(image.toString(), uri, headers)) {
            if (response.status() != 200) {
                throw new ImageException(
                        image.toString(),
                        "no token from %s: HTTP status %d%s"
                                .formatted(
                                        realm,
                                        response.status(),
                                        headers.isEmpty() ? "" : "; the name or the password may be wrong"));
            }
            JsonReader json = JsonReader.parse(response.body().readNBytes(MAX_TOKEN_BYTES));
            String token = json.text("token").or(() -> quiet(json)).orElse("");
            if (!token.matches("[\\x21-\\x7E]+")) {
                throw new ImageException(image.toString(), "what " + realm + " gave is no token");
            }
            return token;
        } catch (JsonException e) {
            throw new ImageException(image.toString(), "what " + realm + " gave is no token: " + e.reason(), e);
        }
    }

    /// What OAuth 2 calls it.
    private static Optional<String> quiet(JsonReader json) {
        try {
            return json.text("access_token");
        } catch (JsonException e) {
            return Optional.empty();
        }
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
