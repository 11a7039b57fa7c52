// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.guestimages.fetch.FetchListener;
import io.vivarium.guestimages.oci.Credentials;
import io.vivarium.guestimages.oci.ImageReference;
import io.vivarium.guestimages.oci.RegistryOptions;
import java.nio.file.Path;
import java.util.function.Consumer;

/// An image in a registry, and how it is got from there. Immutable; each `with…` gives a changed copy.
public final class OciPull {
    private final ImageReference reference;
    private final RegistryOptions options;
    private final PullLimits limits;

    private OciPull(ImageReference reference, RegistryOptions options, PullLimits limits) {
        this.reference = reference;
        this.options = options;
        this.limits = limits;
    }

    /// Over HTTPS (a registry on this host: plain HTTP), with the names and passwords of docker's `config.json`, kept
    // in
    /// `$XDG_CACHE_HOME/vivarium` or `~/.cache/vivarium`.
    ///
    /// @param name as for `docker pull`: `[registry/]repository[:tag][@digest]`
    /// @throws IllegalArgumentException if it is not such a name
    public static OciPull of(String name) {
        return new OciPull(ImageReference.parse(name), RegistryOptions.defaults(), PullLimits.DEFAULT);
    }

    /// Speaks with the registry without encryption: who is on the way can read the password. The image is checked
    // against
    /// its digests all the same, but a tag stands for what the answer says.
    public OciPull withPlainHttp() {
        return new OciPull(reference, options.withPlainHttp(), limits);
    }

    /// A name and a password instead of those in docker's configuration.
    public OciPull withCredentials(String user, String password) {
        return new OciPull(reference, options.withCredentials(new Credentials(user, password)), limits);
    }

    /// Another configuration of docker's than the user's.
    ///
    /// @param file `config.json`; need not be there
    public OciPull withDockerConfig(Path file) {
        return new OciPull(reference, options.withDockerConfig(file), limits);
    }

    /// Another place for what was downloaded and what was made of it. Nothing is removed from there.
    public OciPull withCache(Path directory) {
        return new OciPull(reference, options.withCache(directory), limits);
    }

    /// Other limits than [PullLimits#DEFAULT].
    public OciPull withLimits(PullLimits given) {
        return new OciPull(reference, options.withLimits(given.ofTime()), given);
    }

    /// Hears how the download goes on: at the beginning of each part, after each MiB, and at its end.
    ///
    /// @param listener called by the thread that makes the image
    public OciPull onProgress(Consumer<PullProgress> listener) {
        FetchListener adapted = (String item, long bytes, long total, boolean cached) ->
                listener.accept(new PullProgress(item, bytes, total, cached));
        return new OciPull(reference, options.withListener(adapted), limits);
    }

    ImageReference reference() {
        return reference;
    }

    RegistryOptions options() {
        return options;
    }

    PullLimits limits() {
        return limits;
    }

    /// The name in full.
    @Override
    public String toString() {
        return reference.toString();
    }
}
