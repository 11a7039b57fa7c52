// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The packages that there are, and what provides what. Not for use by several threads at once while it is filled.
final class PackageIndex {
    private static final int MAX_PACKAGES = 1_000_000;

    private final Map<String, List<PackageEntry>> byName = new HashMap<>();
    private final Map<String, List<PackageEntry>> byProvided = new HashMap<>();
    private int count;

    /// Adds what an index `Packages` has.
    void read(URI mirror, InputStream in) throws IOException {
        Stanzas stanzas = new Stanzas(in);
        for (Optional<Map<String, String>> stanza = stanzas.next(); stanza.isPresent(); stanza = stanzas.next()) {
            add(PackageEntry.of(mirror, stanza.get()));
        }
    }

    void add(PackageEntry entry) throws DebianFormatException {
        if (++count > MAX_PACKAGES) {
            throw new DebianFormatException("more than " + MAX_PACKAGES + " packages");
        }
        byName.computeIfAbsent(entry.name(), _ -> new ArrayList<>(1)).add(entry);
        for (Relation.Alternative provided : entry.provides()) {
            byProvided.computeIfAbsent(provided.name(), _ -> new ArrayList<>(1)).add(entry);
        }
    }

    /// All versions of a package.
    List<PackageEntry> named(String name) {
        return byName.getOrDefault(name, List.of());
    }

    /// The newest version of every essential package.
    List<PackageEntry> essential() {
        return byName.values().stream()
                .flatMap((List<PackageEntry> versions) ->
                        versions.stream().max(Comparator.comparing(PackageEntry::version)).stream())
                .filter(PackageEntry::isEssential)
                .sorted(Comparator.comparing(PackageEntry::name))
                .toList();
    }

    /// What satisfies an alternative: the packages of that name, the newest first; then what provides it, the most
    // common
    /// first.
    List<PackageEntry> candidates(Relation.Alternative wanted) throws DebianFormatException {
        List<PackageEntry> found = new ArrayList<>();
        named(wanted.name()).stream()
                .filter((PackageEntry entry) -> wanted.accepts(entry.version()))
                .sorted(Comparator.comparing(PackageEntry::version).reversed())
                .forEach(found::add);
        List<PackageEntry> providers = new ArrayList<>(byProvided.getOrDefault(wanted.name(), List.of()));
        providers.sort(Comparator.comparingInt(PackageEntry::priority)
                .thenComparing(PackageEntry::name)
                .thenComparing(Comparator.comparing(PackageEntry::version).reversed()));
        for (PackageEntry provider : providers) {
            if (!found.contains(provider) && provider.satisfies(wanted)) {
                found.add(provider);
            }
        }
        return found;
    }
}
