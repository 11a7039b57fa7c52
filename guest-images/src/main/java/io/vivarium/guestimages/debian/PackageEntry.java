// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import io.vivarium.guestimages.fetch.Digest;
import java.net.URI;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// A package as an index describes it. What it says of others is read when it is asked for: few of the many thousand
// are.
///
/// @param name of the package
/// @param version of the package
/// @param mirror whose index it is from
/// @param fields of the index that matter here
record PackageEntry(String name, DebianVersion version, URI mirror, Map<String, String> fields) {
    private static final List<String> PRIORITIES = List.of("required", "important", "standard", "optional");

    static final List<String> FIELDS = List.of(
            "package",
            "version",
            "architecture",
            "depends",
            "pre-depends",
            "provides",
            "conflicts",
            "breaks",
            "essential",
            "priority",
            "filename",
            "size",
            "sha256");

    static PackageEntry of(URI mirror, Map<String, String> stanza) throws DebianFormatException {
        String name = required(stanza, "package");
        if (!name.matches("[A-Za-z0-9][A-Za-z0-9+.-]*")) {
            throw new DebianFormatException("'" + name + "' is not the name of a package");
        }
        Map<String, String> kept = new HashMap<>(stanza);
        kept.keySet().retainAll(FIELDS);
        return new PackageEntry(name, DebianVersion.parse(required(stanza, "version")), mirror, Map.copyOf(kept));
    }

    private static String required(Map<String, String> stanza, String field) throws DebianFormatException {
        String value = stanza.get(field);
        if (value == null || value.isEmpty()) {
            throw new DebianFormatException("a package has no field '" + field + "'");
        }
        return value;
    }

    private List<Relation> relations(String field) throws DebianFormatException {
        try {
            return Relation.parse(fields.getOrDefault(field, ""));
        } catch (DebianFormatException e) {
            throw new DebianFormatException(this + ": " + field + ": " + e.reason());
        }
    }

    /// What must be there for it to work.
    List<Relation> needs() throws DebianFormatException {
        List<Relation> needs = new ArrayList<>(relations("pre-depends"));
        needs.addAll(relations("depends"));
        return needs;
    }

    /// What must not be there with it.
    List<Relation> excludes() throws DebianFormatException {
        List<Relation> excludes = new ArrayList<>(relations("conflicts"));
        excludes.addAll(relations("breaks"));
        return excludes;
    }

    /// What it stands for besides itself; the range, if there is one, is a version.
    List<Relation.Alternative> provides() throws DebianFormatException {
        return relations("provides").stream()
                .map((Relation each) -> each.alternatives().getFirst())
                .toList();
    }

    /// Whether it is, or stands for, what is asked for.
    boolean satisfies(Relation.Alternative wanted) throws DebianFormatException {
        if (name.equals(wanted.name()) && wanted.accepts(version)) {
            return true;
        }
        for (Relation.Alternative each : provides()) {
            if (each.name().equals(wanted.name())
                    && (wanted.range().isEmpty()
                            || each.range()
                                    .map(Relation.Range::version)
                                    .filter(wanted::accepts)
                                    .isPresent())) {
                return true;
            }
        }
        return false;
    }

    boolean isEssential() {
        return fields.getOrDefault("essential", "no").equals("yes");
    }

    /// The lower, the more systems have it.
    int priority() {
        int index = PRIORITIES.indexOf(fields.getOrDefault("priority", ""));
        return index < 0 ? PRIORITIES.size() : index;
    }

    long size() throws DebianFormatException {
        String text = required(fields, "size");
        if (!text.matches("[0-9]{1,15}")) {
            throw new DebianFormatException(this + ": '" + text + "' is not a size");
        }
        return Long.parseLong(text);
    }

    Digest digest() throws DebianFormatException {
        String hex = required(fields, "sha256");
        return Digest.parse("sha256:" + hex)
                .orElseThrow(() -> new DebianFormatException(this + ": '" + hex + "' is not a SHA-256 digest"));
    }

    /// Where the package is. Its path stays below the mirror.
    URI location() throws DebianFormatException {
        String path = required(fields, "filename");
        if (!path.matches("[A-Za-z0-9+._~%:-]+(/[A-Za-z0-9+._~%:-]+)*") || path.matches("(.*/)?\\.\\.?(/.*)?")) {
            throw new DebianFormatException(this + ": '" + path + "' is not the path of a package");
        }
        return DebianSource.below(mirror, path.replace("%", "%25"));
    }

    @Override
    public String toString() {
        return name + " " + version;
    }
}
