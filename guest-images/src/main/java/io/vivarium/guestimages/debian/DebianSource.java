// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import io.vivarium.guestimages.fetch.Digest;
import java.net.URI;
import java.util.List;
import java.util.Optional;

/// A suite of a Debian archive, as one line of apt's `sources.list`.
///
/// What the suite's packages are, its file `Release` says, by digests. *That file's OpenPGP signature is not checked.*
// It is
/// believed because it comes over HTTPS from the mirror, or because its digest is given here; over plain HTTP and
// without
/// a digest it is refused.
///
/// @param mirror such as `https://deb.debian.org/debian`
/// @param suite such as `bookworm`
/// @param components such as `main`
/// @param releaseDigest SHA-256 of the file `Release`
public record DebianSource(URI mirror, String suite, List<String> components, Optional<Digest> releaseDigest) {
    /// @throws IllegalArgumentException a name could lead elsewhere
    public DebianSource {
        components = List.copyOf(components);
        if (!suite.matches("[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")) {
            throw new IllegalArgumentException("'" + suite + "' is not the name of a suite");
        }
        for (String component : components) {
            if (!component.matches("[A-Za-z0-9][A-Za-z0-9._/-]*") || component.contains("..")) {
                throw new IllegalArgumentException("'" + component + "' is not the name of a component");
            }
        }
        if (mirror.getHost() == null || mirror.getRawQuery() != null) {
            throw new IllegalArgumentException("'" + mirror + "' is not the address of a mirror");
        }
    }

    /// The component `main` of a suite.
    public static DebianSource of(String mirror, String suite) {
        return new DebianSource(URI.create(mirror), suite, List.of("main"), Optional.empty());
    }

    /// Believes the suite's `Release` when it has this digest, wherever it comes from.
    ///
    /// @param sha256 64 hexadecimal digits in lower case
    public DebianSource withReleaseDigest(String sha256) {
        return new DebianSource(mirror, suite, components, Optional.of(Digest.sha256(sha256)));
    }

    URI file(String name) {
        return below(mirror, "dists/" + suite + "/" + name);
    }

    static URI below(URI mirror, String path) {
        return URI.create(mirror.toString().replaceFirst("/*$", "/") + path);
    }

    /// Mirror and suite.
    @Override
    public String toString() {
        return mirror + " " + suite;
    }
}
