// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.guestimages.debian.DebianOptions;
import io.vivarium.guestimages.debian.DebianSource;
import io.vivarium.guestimages.fetch.FetchListener;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/// Debian packages, and where they come from. Immutable; each `with…` gives a changed copy.
///
/// Packages are checked against the digests in their suite's index, and the index against the suite's file `Release`.
/// *Its OpenPGP signature is not checked:* it is believed because it comes over HTTPS from the mirror, or because its
// digest
/// is given ([#withSource(String, String, String)]). Over plain HTTP and without a digest it is refused.
///
/// Maintainer scripts are not run; `docs/images.md` says what is made in their place. The image's
/// `/var/lib/dpkg/status` calls the packages that have such scripts `unpacked`, not `installed`.
public final class DebianPackages {
    private final List<String> names;
    private final DebianOptions options;
    private final List<DebianSource> sources;
    private final PullLimits limits;

    private DebianPackages(List<String> names, DebianOptions options, List<DebianSource> sources, PullLimits limits) {
        this.names = names;
        this.options = options;
        this.sources = sources;
        this.limits = limits;
    }

    /// From Debian 12 (bookworm) and its security updates at `https://deb.debian.org`, kept in
    // `$XDG_CACHE_HOME/vivarium` or
    /// `~/.cache/vivarium`. What the packages need comes with them; what Debian calls essential does not, unless
    // they need
    /// it or it is [asked for][#withEssential].
    ///
    /// @param names of packages, at least one
    public static DebianPackages of(String... names) {
        if (names.length == 0) {
            throw new IllegalArgumentException("an image is made of one package or more");
        }
        return new DebianPackages(
                List.copyOf(Arrays.asList(names)), DebianOptions.defaults(), List.of(), PullLimits.DEFAULT);
    }

    /// From a suite's component `main`, instead of the default suites and besides others given so. Of several versions
    // of a
    /// package the newest counts.
    ///
    /// @param mirror such as `https://deb.debian.org/debian`
    /// @param suite such as `trixie`
    /// @throws IllegalArgumentException if these are no address and no suite
    public DebianPackages withSource(String mirror, String suite) {
        return withSource(DebianSource.of(mirror, suite));
    }

    /// As [#withSource(String, String)], from a mirror that need not be believed.
    ///
    /// @param releaseSha256 of the suite's file `Release`: 64 hexadecimal digits
    /// @throws IllegalArgumentException if these are no address, no suite and no digest
    public DebianPackages withSource(String mirror, String suite, String releaseSha256) {
        return withSource(DebianSource.of(mirror, suite).withReleaseDigest(releaseSha256));
    }

    private DebianPackages withSource(DebianSource source) {
        List<DebianSource> all = new ArrayList<>(sources);
        all.add(source);
        return new DebianPackages(names, options.withSources(all), List.copyOf(all), limits);
    }

    /// With all packages that Debian calls essential: a small but whole system.
    public DebianPackages withEssential() {
        return new DebianPackages(names, options.withEssential(), sources, limits);
    }

    /// Another place for what was downloaded and what was made of it. Nothing is removed from there.
    public DebianPackages withCache(Path directory) {
        return new DebianPackages(names, options.withCache(directory), sources, limits);
    }

    /// Other limits than [PullLimits#DEFAULT].
    public DebianPackages withLimits(PullLimits given) {
        return new DebianPackages(names, options.withLimits(given.ofTime()), sources, given);
    }

    /// Hears how the download goes on: at the beginning of each part, after each MiB, and at its end.
    ///
    /// @param listener called by the thread that makes the image
    public DebianPackages onProgress(Consumer<PullProgress> listener) {
        FetchListener adapted = (String item, long bytes, long total, boolean cached) ->
                listener.accept(new PullProgress(item, bytes, total, cached));
        return new DebianPackages(names, options.withListener(adapted), sources, limits);
    }

    List<String> names() {
        return names;
    }

    DebianOptions options() {
        return options;
    }

    PullLimits limits() {
        return limits;
    }

    /// The names.
    @Override
    public String toString() {
        return String.join(", ", names);
    }
}
