// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class SolverTest {
    /// Packages in short: `name version | depends | provides | conflicts`.
    private static PackageIndex index(String... packages) throws IOException {
        StringBuilder text = new StringBuilder();
        for (String each : packages) {
            String[] parts = each.split("#", -1);
            String[] names = {"", "Depends", "Provides", "Conflicts"};
            String[] name = parts[0].strip().split(" ", -1);
            text.append("Package: ")
                    .append(name[0])
                    .append("\nVersion: ")
                    .append(name[1])
                    .append('\n');
            for (int i = 1; i < parts.length; i++) {
                if (!parts[i].isBlank()) {
                    text.append(names[i]).append(": ").append(parts[i].strip()).append('\n');
                }
            }
            text.append('\n');
        }
        PackageIndex index = new PackageIndex();
        index.read(
                URI.create("https://mirror"),
                new ByteArrayInputStream(text.toString().getBytes(StandardCharsets.UTF_8)));
        return index;
    }

    private static List<String> solve(PackageIndex index, String... wanted) throws DebianFormatException {
        return new Solver(index)
                .solve(Arrays.stream(wanted).map(Relation::to).toList()).stream()
                        .map(PackageEntry::toString)
                        .sorted()
                        .toList();
    }

    @Test
    void packagesMayNeedEachOther() throws IOException {
        assertThat(solve(index("a 1 # b", "b 1 # c (>= 1)", "c 1 # a, b"), "a")).containsExactly("a 1", "b 1", "c 1");
    }

    @Test
    void theNewestThatFits() throws IOException {
        PackageIndex index = index("a 1", "a 2", "a 10", "b 1 # a (<< 10)");
        assertThat(solve(index, "a")).containsExactly("a 10");
        assertThat(solve(index, "b")).containsExactly("a 2", "b 1");
    }

    @Test
    void aChoiceIsTakenBackWhereItLeadsNowhere() throws IOException {
        PackageIndex index = index("a 2", "a 1", "b 1 # a (= 1)");
        assertThat(solve(index, "a", "b")).containsExactly("a 1", "b 1");
        assertThat(solve(index("x 1 # y | z", "y 1 # nowhere", "z 1"), "x")).containsExactly("x 1", "z 1");
    }

    @Test
    void whatIsProvided() throws IOException {
        PackageIndex index = index(
                "a 1 # mta",
                "exim 4 # # mta",
                "b 1 # lib (>= 2)",
                "old 1 # # lib",
                "new 1 # # lib (= 3)",
                "c 1 # lib:any");
        assertThat(solve(index, "a")).containsExactly("a 1", "exim 4");
        assertThat(solve(index, "b")).containsExactly("b 1", "new 1");
        assertThat(solve(index, "c")).containsExactly("c 1", "new 1");
    }

    @Test
    void whatExcludesEachOtherIsNotTakenTogether() throws IOException {
        PackageIndex index = index("a 1 # x | y", "x 1 # # # b", "y 1", "b 1");
        assertThat(solve(index, "b", "a")).containsExactly("a 1", "b 1", "y 1");
        assertThatThrownBy(() -> solve(index, "b", "x")).hasMessage("x: x 1 and b 1 exclude each other");
    }

    @Test
    void whatCannotBeIsNamed() throws IOException {
        PackageIndex index = index("a 1 # b (>= 2)", "b 1", "c 1 # nowhere | a");
        assertThatThrownBy(() -> solve(index, "missing")).hasMessage("missing: there is no package missing");
        assertThatThrownBy(() -> solve(index, "a")).hasMessage("a 1 needs b (>= 2): there is only b 1");
        assertThatThrownBy(() -> solve(index, "c")).hasMessage("a 1 needs b (>= 2): there is only b 1");
    }

    @Test
    void searchingIsBounded() throws IOException {
        String[] packages = new String[60];
        for (int i = 0; i < 20; i++) {
            String next = i < 19 ? "p" + (i + 1) : "nowhere";
            packages[3 * i] = "p" + i + " 1 # q" + i + " | r" + i + ", " + next;
            packages[3 * i + 1] = "q" + i + " 1";
            packages[3 * i + 2] = "r" + i + " 1";
        }
        PackageIndex index = index(packages);
        assertThatThrownBy(() -> solve(index, "p0"))
                .hasMessage("no solution was found in 200000 steps; the first problem: "
                        + "p19 1 needs nowhere: there is no package nowhere");
    }

    @Test
    void badRelations() {
        for (String bad : new String[] {"a (1)", "a (>> )", "(>= 1)", "a (= 1", "a | ", "a b"}) {
            assertThatThrownBy(() -> Relation.parse(bad)).isInstanceOf(DebianFormatException.class);
        }
    }
}
