// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Finds packages that have all that each of them needs, and nothing that one of them excludes. Packages may need each
/// other: `libc6` and `libgcc-s1` do.
///
/// It takes the first alternative that fits, the newest version first, and goes back to the last choice where nothing
/// fits; after [#MAX_STEPS] it gives up, so that no index can make it search for ever.
final class Solver {
    private static final int MAX_STEPS = 200_000;

    private final PackageIndex index;
    private @Nullable String firstProblem;
    private int steps;

    Solver(PackageIndex index) {
        this.index = index;
    }

    /// What is needed, and by whom.
    private record Need(Relation relation, String by) {}

    /// Where another way was possible.
    ///
    /// @param chosen before
    /// @param agenda before
    /// @param others that were not tried yet
    private record Choice(Map<String, PackageEntry> chosen, Deque<Need> agenda, Deque<PackageEntry> others) {}

    /// The packages that are needed, those asked for first.
    ///
    /// @throws DebianFormatException there is no such set; the message names the first need that could not be met
    List<PackageEntry> solve(List<Relation> wanted) throws DebianFormatException {
        Map<String, PackageEntry> chosen = new LinkedHashMap<>();
        Deque<Need> agenda = new ArrayDeque<>();
        wanted.forEach((Relation relation) -> agenda.add(new Need(relation, "")));
        Deque<Choice> choices = new ArrayDeque<>();
        while (!agenda.isEmpty()) {
            Need need = agenda.pop();
            if (isMet(need.relation, chosen)) {
                continue;
            }
            Deque<PackageEntry> fitting = fitting(need, chosen);
            while (fitting.isEmpty()) {
                Choice last = choices.poll();
                if (last == null) {
                    throw new DebianFormatException(String.valueOf(firstProblem));
                }
                chosen.clear();
                chosen.putAll(last.chosen);
                agenda.clear();
                agenda.addAll(last.agenda);
                fitting = last.others;
            }
            PackageEntry taken = fitting.pop();
            if (!fitting.isEmpty()) {
                choices.push(new Choice(new LinkedHashMap<>(chosen), new ArrayDeque<>(agenda), fitting));
            }
            chosen.put(taken.name(), taken);
            taken.needs().forEach((Relation relation) -> agenda.add(new Need(relation, taken.toString())));
        }
        return List.copyOf(chosen.values());
    }

    private static boolean isMet(Relation relation, Map<String, PackageEntry> chosen) throws DebianFormatException {
        for (PackageEntry entry : chosen.values()) {
            if (satisfiesAny(entry, relation)) {
                return true;
            }
        }
        return false;
    }

    private static boolean satisfiesAny(PackageEntry entry, Relation relation) throws DebianFormatException {
        for (Relation.Alternative alternative : relation.alternatives()) {
            if (entry.satisfies(alternative)) {
                return true;
            }
        }
        return false;
    }

    private Deque<PackageEntry> fitting(Need need, Map<String, PackageEntry> chosen) throws DebianFormatException {
        Deque<PackageEntry> fitting = new ArrayDeque<>();
        List<String> reasons = new ArrayList<>();
        for (Relation.Alternative alternative : need.relation.alternatives()) {
            List<PackageEntry> candidates = index.candidates(alternative);
            if (candidates.isEmpty()) {
                reasons.add(missing(alternative));
            }
            for (PackageEntry candidate : candidates) {
                if (++steps > MAX_STEPS) {
                    throw new DebianFormatException("no solution was found in " + MAX_STEPS
                            + " steps; the first problem: " + (firstProblem == null ? "none" : firstProblem));
                }
                String obstacle = obstacle(candidate, chosen);
                if (obstacle == null) {
                    fitting.add(candidate);
                } else {
                    reasons.add(obstacle);
                }
            }
        }
        if (fitting.isEmpty() && firstProblem == null) {
            firstProblem =
                    (need.by.isEmpty() ? "" : need.by + " needs ") + need.relation + ": " + String.join("; ", reasons);
        }
        return fitting;
    }

    private String missing(Relation.Alternative alternative) {
        List<PackageEntry> versions = index.named(alternative.name());
        return versions.isEmpty()
                ? "there is no package " + alternative.name()
                : "there is only "
                        + versions.stream().map(PackageEntry::toString).collect(Collectors.joining(", "));
    }

    private static @Nullable String obstacle(PackageEntry candidate, Map<String, PackageEntry> chosen)
            throws DebianFormatException {
        PackageEntry other = chosen.get(candidate.name());
        if (other != null) {
            return other + " is needed otherwise";
        }
        for (PackageEntry entry : chosen.values()) {
            if (excludes(candidate, entry) || excludes(entry, candidate)) {
                return candidate + " and " + entry + " exclude each other";
            }
        }
        return null;
    }

    private static boolean excludes(PackageEntry one, PackageEntry other) throws DebianFormatException {
        for (Relation relation : one.excludes()) {
            if (satisfiesAny(other, relation)) {
                return true;
            }
        }
        return false;
    }
}
