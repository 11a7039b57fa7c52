// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// What one package says of others (Debian Policy §7.1): any of the alternatives will do.
///
/// @param alternatives in the order of preference; at least one
record Relation(List<Alternative> alternatives) {
    private static final Pattern ALTERNATIVE = Pattern.compile(
            "([A-Za-z0-9][A-Za-z0-9+.-]*)(?::[a-z0-9-]+)?" + "\\s*(?:\\(\\s*(<<|<=|=|>=|>>)\\s*([^\\s()]+)\\s*\\))?");

    /// How versions compare.
    enum Operator {
        EARLIER("<<"),
        AT_MOST("<="),
        EXACTLY("="),
        AT_LEAST(">="),
        LATER(">>");

        private final String text;

        Operator(String text) {
            this.text = text;
        }

        static Operator of(String text) {
            for (Operator operator : values()) {
                if (operator.text.equals(text)) {
                    return operator;
                }
            }
            throw new IllegalArgumentException(text);
        }

        boolean accepts(DebianVersion found, DebianVersion wanted) {
            int order = found.compareTo(wanted);
            return switch (this) {
                case EARLIER -> order < 0;
                case AT_MOST -> order <= 0;
                case EXACTLY -> order == 0;
                case AT_LEAST -> order >= 0;
                case LATER -> order > 0;
            };
        }
    }

    /// Which versions.
    record Range(Operator operator, DebianVersion version) {
        boolean accepts(DebianVersion found) {
            return operator.accepts(found, version);
        }
    }

    /// A package, or what packages provide.
    ///
    /// @param range empty for any version
    record Alternative(String name, Optional<Range> range) {
        boolean accepts(DebianVersion found) {
            return range.isEmpty() || range.get().accepts(found);
        }

        @Override
        public String toString() {
            return name
                    + range.map((Range r) -> " (" + r.operator.text + " " + r.version + ")")
                            .orElse("");
        }
    }

    /// A package of any version.
    static Relation to(String name) {
        return new Relation(List.of(new Alternative(name, Optional.empty())));
    }

    /// Reads the value of a field such as `Depends`.
    static List<Relation> parse(String text) throws DebianFormatException {
        List<Relation> relations = new ArrayList<>();
        for (String each : text.split(",", -1)) {
            if (each.isBlank()) {
                continue;
            }
            List<Alternative> alternatives = new ArrayList<>();
            for (String alternative : each.split("\\|", -1)) {
                alternatives.add(alternative(alternative.strip()));
            }
            relations.add(new Relation(List.copyOf(alternatives)));
        }
        return relations;
    }

    private static Alternative alternative(String text) throws DebianFormatException {
        Matcher matcher = ALTERNATIVE.matcher(text);
        if (!matcher.matches()) {
            throw new DebianFormatException("'" + text + "' is not a relation to a package");
        }
        Optional<Range> range = matcher.group(2) == null
                ? Optional.empty()
                : Optional.of(new Range(Operator.of(matcher.group(2)), DebianVersion.parse(matcher.group(3))));
        return new Alternative(matcher.group(1), range);
    }

    @Override
    public String toString() {
        return alternatives.stream().map(Alternative::toString).collect(Collectors.joining(" | "));
    }
}
