// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.fetch.BlobStore;
import io.vivarium.guestimages.fetch.FetchLimits;
import io.vivarium.guestimages.fetch.FetchListener;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/// How a registry is spoken to. Immutable; each `with…` gives a changed copy.
///
/// @param plainHttp whether without encryption; a registry on this host always is
/// @param credentials instead of those of docker's configuration
/// @param dockerConfig instead of the user's `config.json`
/// @param cache where blobs are kept
/// @param limits of time
/// @param listener hears how it goes on
public record RegistryOptions(
        boolean plainHttp,
        Optional<Credentials> credentials,
        Optional<Path> dockerConfig,
        Path cache,
        FetchLimits limits,
        FetchListener listener) {
    /// HTTPS, the user's docker configuration and cache.
    public static RegistryOptions defaults() {
        return new RegistryOptions(
                false,
                Optional.empty(),
                Optional.empty(),
                BlobStore.defaultDirectory(),
                FetchLimits.DEFAULT,
                FetchListener.NONE);
    }

    /// Without encryption.
    public RegistryOptions withPlainHttp() {
        return new RegistryOptions(true, credentials, dockerConfig, cache, limits, listener);
    }

    /// See [#credentials].
    public RegistryOptions withCredentials(Credentials given) {
        return new RegistryOptions(plainHttp, Optional.of(given), dockerConfig, cache, limits, listener);
    }

    /// See [#dockerConfig].
    public RegistryOptions withDockerConfig(Path file) {
        return new RegistryOptions(plainHttp, credentials, Optional.of(file), cache, limits, listener);
    }

    /// See [#cache].
    public RegistryOptions withCache(Path directory) {
        return new RegistryOptions(plainHttp, credentials, dockerConfig, directory, limits, listener);
    }

    /// See [#limits].
    public RegistryOptions withLimits(FetchLimits given) {
        return new RegistryOptions(plainHttp, credentials, dockerConfig, cache, given, listener);
    }

    /// See [#listener].
    public RegistryOptions withListener(FetchListener given) {
        return new RegistryOptions(plainHttp, credentials, dockerConfig, cache, limits, given);
    }

    Optional<Credentials> credentialsFor(String registry) throws IOException {
        return credentials.isPresent()
                ? credentials
                : dockerConfig
                        .map(DockerConfig::new)
                        .orElseGet(DockerConfig::ofUser)
                        .credentials(registry);
    }
}
