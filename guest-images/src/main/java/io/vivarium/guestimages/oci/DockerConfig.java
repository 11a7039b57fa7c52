// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.json.JsonException;
import io.vivarium.guestimages.json.JsonReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// What `docker login` left behind: names and passwords (`auths`), or the name of a program that keeps them
/// (`credHelpers`, `credsStore`), which is then asked for them as docker does it: `docker-credential-<name> get`.
///
/// @param file docker's `config.json`; one that is not there has nothing in it
record DockerConfig(Path file) {
    /// What Docker Hub is called there.
    private static final String DOCKER_HUB_KEY = "https://index.docker.io/v1/";

    private static final int MAX_ANSWER_BYTES = 1 << 20;
    private static final int HELPER_SECONDS = 60;

    /// `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json`.
    static DockerConfig ofUser() {
        String configured = System.getenv().getOrDefault("DOCKER_CONFIG", "");
        Path directory =
                configured.isEmpty() ? Path.of(System.getProperty("user.home"), ".docker") : Path.of(configured);
        return new DockerConfig(directory.resolve("config.json"));
    }

    /// What is there for a registry.
    ///
    /// @throws ImageException the file or a helper says something that cannot be used
    Optional<Credentials> credentials(String registry) throws IOException {
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            JsonReader config = JsonReader.parse(Files.readAllBytes(file));
            List<String> keys = registry.equals(ImageReference.DOCKER_HUB)
                    ? List.of(DOCKER_HUB_KEY, registry)
                    : List.of(registry, "https://" + registry);
            Optional<JsonReader> helpers = config.object("credHelpers");
            for (String key : keys) {
                Optional<String> helper =
                        helpers.isEmpty() ? Optional.empty() : helpers.get().text(key);
                if (helper.isPresent()) {
                    return ask(helper.get(), key);
                }
            }
            Optional<JsonReader> auths = config.object("auths");
            for (String key : keys) {
                Optional<JsonReader> entry =
                        auths.isEmpty() ? Optional.empty() : auths.get().object(key);
                if (entry.isPresent() && !entry.get().object().members().isEmpty()) {
                    return stored(registry, entry.get());
                }
            }
            Optional<String> store = config.text("credsStore");
            return store.isPresent() ? ask(store.get(), keys.getFirst()) : Optional.empty();
        } catch (JsonException e) {
            throw new ImageException(file.toString(), e.reason(), e);
        }
    }

    private Optional<Credentials> stored(String registry, JsonReader entry) throws ImageException, JsonException {
        if (entry.text("identitytoken").isPresent()) {
            throw identityToken(registry);
        }
        Optional<String> auth = entry.text("auth");
        if (auth.isEmpty()) {
            return Optional.empty();
        }
        String pair;
        try {
            pair = new String(Base64.getDecoder().decode(auth.get()), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw new ImageException(file.toString(), "what it has for " + registry + " is not base64", e);
        }
        int colon = pair.indexOf(':');
        if (colon < 1) {
            throw new ImageException(file.toString(), "what it has for " + registry + " is not name:password");
        }
        return Optional.of(new Credentials(pair.substring(0, colon), pair.substring(colon + 1)));
    }

    private ImageException identityToken(String registry) {
        return new ImageException(
                file.toString(),
                "has an identity token for " + registry
                        + ", which is not supported; log in with a password or access token");
    }

    private Optional<Credentials> ask(String helper, String key) throws IOException, JsonException {
        if (!helper.matches("[A-Za-z0-9_.-]+")) {
            throw new ImageException(file.toString(), "'" + helper + "' is not the name of a credential helper");
        }
        String program = "docker-credential-" + helper;
        Process process;
        try {
            process = new ProcessBuilder(program, "get")
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
        } catch (IOException e) {
            throw new ImageException(file.toString(), "names a credential helper that cannot be run: " + program, e);
        }
        try (OutputStream stdin = process.getOutputStream();
                InputStream stdout = process.getInputStream()) {
            stdin.write((key + "\n").getBytes(StandardCharsets.UTF_8));
            stdin.close();
            if (!process.waitFor(HELPER_SECONDS, TimeUnit.SECONDS)) {
                throw new ImageException(program, "did not answer within " + HELPER_SECONDS + " s");
            }
            byte[] answer = stdout.readNBytes(MAX_ANSWER_BYTES);
            if (process.exitValue() != 0) {
                // Its way to say that it has nothing.
                return Optional.empty();
            }
            JsonReader json = JsonReader.parse(answer);
            String user = json.requiredText("Username");
            if (user.equals("<token>")) {
                throw identityToken(key);
            }
            return Optional.of(new Credentials(user, json.requiredText("Secret")));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while waiting for " + program, e);
        } finally {
            process.destroyForcibly();
        }
    }
}
