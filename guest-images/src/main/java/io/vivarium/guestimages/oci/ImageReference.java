// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.fetch.Digest;
import io.vivarium.guestimages.fetch.HttpFetcher;
import java.net.URI;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The name of an image in a registry, as `docker pull` takes it:
/// `[registry/]repository[:tag][@digest]`. Without a registry it is Docker Hub's; without a tag and
/// a digest, `latest`. What comes before the first `/` is a registry if it has a `.` or a `:`, or
/// is `localhost` (distribution reference grammar).
///
/// @param registry host, with a port if it has one
/// @param repository such as `library/debian`
/// @param tag such as `bookworm`; of no meaning beside a digest
/// @param digest of the manifest
public record ImageReference(String registry, String repository, String tag, Optional<Digest> digest) {
    /// Docker Hub, in references.
    public static final String DOCKER_HUB = "docker.io";

    private static final String DOCKER_HUB_HOST = "registry-1.docker.io";
    private static final String DEFAULT_TAG = "latest";
    private static final int MAX_REPOSITORY_LENGTH = 255;

    private static final Pattern REGISTRY =
            Pattern.compile("([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\\[[0-9a-fA-F:.]+])(:\\d{1,5})?");
    private static final Pattern REPOSITORY =
            Pattern.compile("[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*");
    private static final Pattern TAG = Pattern.compile("\\w[\\w.-]{0,127}");
    private static final Pattern WITH_TAG = Pattern.compile("(.*):([^/:]*)");

    /// Reads a name.
    ///
    /// @throws IllegalArgumentException `text` is not the name of an image
    public static ImageReference parse(String text) {
        String rest = text;
        Optional<Digest> digest = Optional.empty();
        int at = rest.indexOf('@');
        if (at >= 0) {
            digest = Digest.parse(rest.substring(at + 1));
            if (digest.isEmpty()) {
                throw wrong(text, "what follows '@' is not a sha256 or sha512 digest");
            }
            rest = rest.substring(0, at);
        }
        String registry = DOCKER_HUB;
        int slash = rest.indexOf('/');
        String first = slash < 0 ? "" : rest.substring(0, slash);
        if (first.contains(".") || first.contains(":") || first.equals("localhost")) {
            registry = first;
            rest = rest.substring(slash + 1);
        }
        String tag = DEFAULT_TAG;
        Matcher tagged = WITH_TAG.matcher(rest);
        if (tagged.matches()) {
            tag = tagged.group(2);
            rest = tagged.group(1);
        }
        if (registry.equals(DOCKER_HUB) && !rest.contains("/")) {
            rest = "library/" + rest;
        }
        if (!REGISTRY.matcher(registry).matches()) {
            throw wrong(text, "'" + registry + "' is not a host");
        }
        if (rest.length() > MAX_REPOSITORY_LENGTH || !REPOSITORY.matcher(rest).matches()) {
            throw wrong(text, "'" + rest + "' is not the name of a repository");
        }
        if (!TAG.matcher(tag).matches()) {
            throw wrong(text, "'" + tag + "' is not a tag");
        }
        return new ImageReference(registry, rest, tag, digest);
    }

    private static IllegalArgumentException wrong(String text, String why) {
        return new IllegalArgumentException("'" + text + "' is not the name of an image: " + why);
    }

    /// Where the registry's interface begins. A registry on this host is spoken to without
    /// encryption.
    URI endpoint(boolean plainHttp) {
        String host = registry.equals(DOCKER_HUB) ? DOCKER_HUB_HOST : registry;
        URI plain = URI.create("http://" + host + "/v2/" + repository + "/");
        return plainHttp || HttpFetcher.isLoopback(plain.getHost())
                ? plain
                : URI.create("https://" + host + "/v2/" + repository + "/");
    }

    /// The manifest's name in the registry's interface.
    String manifestName() {
        return digest.map(Digest::toString).orElse(tag);
    }

    /// The name in full.
    @Override
    public String toString() {
        return registry + "/" + repository + digest.map((Digest d) -> "@" + d).orElse(":" + tag);
    }
}
