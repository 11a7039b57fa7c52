// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.compress.Compression;
import io.vivarium.guestimages.compress.CorruptDataException;
import io.vivarium.guestimages.fetch.BlobStore;
import io.vivarium.guestimages.fetch.Digest;
import io.vivarium.guestimages.fetch.HttpFetcher;
import io.vivarium.guestimages.fetch.HttpFetcher.Response;
import io.vivarium.guestimages.tar.Spool;
import io.vivarium.guestimages.tar.TarBudget;
import io.vivarium.guestimages.tar.TarLimits;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/// Debian archives while packages are fetched from them. Indexes and packages go through the store, where they stay;
// all
/// are checked against the digests that the suites' `Release` files give.
///
/// Not for use by several threads at once.
public final class DebianArchive implements AutoCloseable {
    private static final int MAX_RELEASE_BYTES = 16 << 20;
    private static final int MAX_INDEX_RATIO = 100;
    private static final String ARCHITECTURE = "amd64";

    private final DebianOptions options;
    private final HttpFetcher http;
    private final BlobStore store;

    /// Nothing is sent yet.
    public DebianArchive(DebianOptions options) {
        this.options = options;
        // What comes is checked against digests; how those came is looked at apart.
        this.http = new HttpFetcher(options.limits(), true);
        this.store = new BlobStore(options.cache());
    }

    /// Packages that are enough for each other.
    ///
    /// @param entries those asked for first
    public static final class Selection {
        private final List<PackageEntry> entries;

        private Selection(List<PackageEntry> entries) {
            this.entries = entries;
        }

        /// Name and version of each.
        public List<String> packages() {
            return entries.stream().map(PackageEntry::toString).toList();
        }

        /// Names the files of the packages, whatever they are called.
        ///
        /// @throws ImageException an index has no digest for a package
        public Digest digest() throws ImageException {
            try {
                StringBuilder all = new StringBuilder();
                for (PackageEntry entry : entries) {
                    all.append(entry.digest()).append('\n');
                }
                return Digest.of(Digest.Algorithm.SHA256, all.toString().getBytes(StandardCharsets.US_ASCII));
            } catch (DebianFormatException e) {
                throw new ImageException("Debian packages", e.reason(), e);
            }
        }
    }

    /// Finds packages and all that they need.
    ///
    /// @param names of packages
    /// @throws ImageException an index is missing, damaged or not to be believed, or what is needed is not there
    public Selection select(List<String> names) throws IOException {
        PackageIndex index = new PackageIndex();
        for (DebianSource source : options.sources()) {
            read(source, index);
        }
        List<Relation> wanted = names.stream().map(Relation::to).collect(Collectors.toCollection(ArrayList::new));
        if (options.essential()) {
            index.essential().stream()
                    .map(PackageEntry::name)
                    .filter((String name) -> !names.contains(name))
                    .map(Relation::to)
                    .forEach(wanted::add);
        }
        try {
            return new Selection(new Solver(index).solve(wanted));
        } catch (DebianFormatException e) {
            throw new ImageException("Debian packages " + String.join(", ", names), e.reason(), e);
        }
    }

    private void read(DebianSource source, PackageIndex index) throws IOException {
        Release release = release(source);
        for (String component : source.components()) {
            String path = component + "/binary-" + ARCHITECTURE + "/Packages.xz";
            Release.Listed listed = release.files().get(path);
            if (listed == null) {
                throw new ImageException(source.toString(), "the suite has no " + path);
            }
            String location = release.byHash()
                    ? path.replaceFirst(
                            "[^/]*$", "by-hash/SHA256/" + listed.digest().hex())
                    : path;
            Path file = fetch(
                    source.toString(),
                    source.suite() + "/" + path,
                    listed.digest(),
                    listed.size(),
                    source.file(location));
            try (InputStream packed = Files.newInputStream(file);
                    InputStream plain = Compression.decompress(packed, MAX_INDEX_RATIO)) {
                index.read(source.mirror(), plain);
            } catch (DebianFormatException e) {
                throw new ImageException(source + ", " + path, e.reason(), e);
            } catch (CorruptDataException e) {
                throw new ImageException(source + ", " + path, String.valueOf(e.getMessage()), e);
            } catch (EOFException e) {
                throw new ImageException(source + ", " + path, "truncated compressed data", e);
            }
        }
    }

    private Release release(DebianSource source) throws IOException {
        URI uri = source.file("Release");
        if (!uri.getScheme().equals("https")
                && !HttpFetcher.isLoopback(uri.getHost())
                && source.releaseDigest().isEmpty()) {
            throw new ImageException(
                    source.toString(),
                    "what comes over plain HTTP cannot be believed, for signatures are not checked: use an HTTPS mirror, or "
                            + "give the SHA-256 digest of the suite's file Release");
        }
        byte[] bytes;
        try (Response response = http.get(source.toString(), uri, Map.of())) {
            if (response.status() != 200) {
                throw refused(source.toString(), uri, response);
            }
            bytes = response.body().readNBytes(MAX_RELEASE_BYTES + 1);
        }
        if (bytes.length > MAX_RELEASE_BYTES) {
            throw new ImageException(
                    source.toString(), "the file Release has more than " + MAX_RELEASE_BYTES + " bytes");
        }
        Digest found = Digest.of(Digest.Algorithm.SHA256, bytes);
        if (source.releaseDigest().isPresent() && !source.releaseDigest().get().equals(found)) {
            throw new ImageException(
                    source.toString(),
                    "the file Release has another digest: " + found + " instead of "
                            + source.releaseDigest().get());
        }
        try {
            Release release = Release.parse(bytes);
            if (!release.names().contains(source.suite())) {
                throw new ImageException(
                        source.toString(), "the suite there is " + String.join(" or ", release.names()));
            }
            if (release.validUntil().filter(Instant.now()::isAfter).isPresent()) {
                throw new ImageException(
                        source.toString(),
                        "the file Release is valid until "
                                + release.validUntil().get() + ", which is over");
            }
            return release;
        } catch (DebianFormatException e) {
            throw new ImageException(source.toString(), e.reason(), e);
        }
    }

    private static ImageException refused(String source, URI uri, Response response) {
        return new ImageException(
                source,
                response.status() == 404
                        ? "there is no " + uri
                        : "the mirror answered with HTTP status " + response.status() + " for " + uri);
    }

    private Path fetch(String source, String item, Digest digest, long size, URI uri) throws IOException {
        return store.fetch(
                new BlobStore.Wanted(source, item, digest, size),
                http,
                BlobStore.at(http, source, uri, (Response response) -> refused(source, uri, response)),
                options.listener());
    }

    /// Fetches packages that are not there yet, and unpacks them all.
    ///
    /// @param limits for all packages together
    /// @return to be closed
    /// @throws ImageException a package is missing or damaged, or has what a tree cannot
    public RootFs read(Selection selection, TarLimits limits) throws IOException {
        Spool spool = new Spool();
        try {
            DebianRoot root = new DebianRoot(new TarBudget("Debian packages", limits), spool);
            for (PackageEntry entry : selection.entries) {
                try {
                    Path deb = fetch(
                            entry.mirror().toString(),
                            entry.toString(),
                            entry.digest(),
                            entry.size(),
                            entry.location());
                    try (InputStream in = Files.newInputStream(deb)) {
                        root.unpack(entry, in, entry.toString());
                    }
                } catch (DebianFormatException e) {
                    throw new ImageException(entry.toString(), e.reason(), e);
                }
            }
            return root.build();
        } catch (IOException | RuntimeException e) {
            spool.close();
            throw e;
        }
    }

    /// Ends what is under way.
    @Override
    public void close() {
        http.close();
    }
}
