// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import io.vivarium.guestimages.fetch.BlobStore;
import io.vivarium.guestimages.fetch.FetchLimits;
import io.vivarium.guestimages.fetch.FetchListener;
import java.nio.file.Path;
import java.util.List;

/// Where packages come from. Immutable; each `with…` gives a changed copy.
///
/// @param sources suites, of which the newest version of a package counts
/// @param essential whether all packages are taken that Debian calls essential
/// @param cache where packages are kept
/// @param limits of time
/// @param listener hears how it goes on
public record DebianOptions(
        List<DebianSource> sources, boolean essential, Path cache, FetchLimits limits, FetchListener listener) {
    /// Copies the list.
    ///
    /// @throws IllegalArgumentException there is no source
    public DebianOptions {
        sources = List.copyOf(sources);
        if (sources.isEmpty()) {
            throw new IllegalArgumentException("packages come from one source or more");
        }
    }

    /// Debian 12 (bookworm) with its security updates, over HTTPS; the user's cache.
    public static DebianOptions defaults() {
        return new DebianOptions(
                List.of(
                        DebianSource.of("https://deb.debian.org/debian", "bookworm"),
                        DebianSource.of("https://deb.debian.org/debian-security", "bookworm-security")),
                false,
                BlobStore.defaultDirectory(),
                FetchLimits.DEFAULT,
                FetchListener.NONE);
    }

    /// See [#sources].
    public DebianOptions withSources(List<DebianSource> given) {
        return new DebianOptions(given, essential, cache, limits, listener);
    }

    /// See [#essential].
    public DebianOptions withEssential() {
        return new DebianOptions(sources, true, cache, limits, listener);
    }

    /// See [#cache].
    public DebianOptions withCache(Path directory) {
        return new DebianOptions(sources, essential, directory, limits, listener);
    }

    /// See [#limits].
    public DebianOptions withLimits(FetchLimits given) {
        return new DebianOptions(sources, essential, cache, given, listener);
    }

    /// See [#listener].
    public DebianOptions withListener(FetchListener given) {
        return new DebianOptions(sources, essential, cache, limits, given);
    }
}
