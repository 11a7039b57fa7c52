// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal.strace;

import io.vivarium.guestimages.boot.Substrate;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What the arguments of each system call are: the guest kernel's own table.
final class Signatures {
    private static final Pattern LINE = Pattern.compile("^SIGNATURE\\d\\((\\w+)((?:, \\w+)*)\\)$", Pattern.MULTILINE);
    private static final List<ArgumentType> UNKNOWN = Collections.nCopies(6, ArgumentTypes.of("hex"));

    private final Map<String, List<ArgumentType>> byName;

    private Signatures(Map<String, List<ArgumentType>> byName) {
        this.byName = byName;
    }

    /// @throws IllegalArgumentException if it names a type that nobody can print
    static Signatures parse(String table) {
        Map<String, List<ArgumentType>> byName = new HashMap<>();
        Matcher line = LINE.matcher(table);
        while (line.find()) {
            String types = line.group(2);
            byName.put(
                    line.group(1),
                    types.isEmpty()
                            ? List.of()
                            : Arrays.stream(types.substring(2).split(", ", -1))
                                    .map(ArgumentTypes::of)
                                    .toList());
        }
        return new Signatures(Map.copyOf(byName));
    }

    /// Those of the guest kernel in this build.
    static Signatures ofSubstrate() {
        return Holder.SUBSTRATE;
    }

    private static final class Holder {
        static final Signatures SUBSTRATE = parse(Substrate.systemCallSignatures());
    }

    /// The types of a call's arguments; six numbers for a call that is not in the table.
    List<ArgumentType> of(String name) {
        return byName.getOrDefault(name, UNKNOWN);
    }

    int size() {
        return byName.size();
    }
}
