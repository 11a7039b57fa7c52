// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/// The tables in `docs/` that say which test holds which rule: every test that they name is there, and every rule
/// names one, or says why it does not apply.
final class ConformanceTablesTest {
    /// Tests run in their module's directory.
    private static final Path TOP = Path.of("..");

    private static final Pattern CODE = Pattern.compile("`([^`]+)`");
    private static final Pattern ABBREVIATED = Pattern.compile("([A-Z])\\.(\\w+)");
    private static final Pattern QUALIFIED = Pattern.compile("(\\w+Test)(?:\\.(\\w+))?");

    /// A method of the class that was named before it: no other name in the tables has capitals inside.
    private static final Pattern METHOD = Pattern.compile("[a-z]+[A-Z]\\w*");

    private static final Pattern LEGEND = Pattern.compile("`([A-Z])`\\s+(?:stands\\s+)?for\\s+`(\\w+Test)`");
    private static final Pattern TEST_METHOD = Pattern.compile("void (\\w+)\\(");
    private static final Pattern EXCUSE =
            Pattern.compile("not applicable|not offered|there is no method to|nothing to commit");

    /// The header of the last column of a table of rules.
    private static final Set<String> HEADERS = Set.of("Test", "Held by");

    private record Row(int line, String rule, String holds) {}

    @TestFactory
    Stream<DynamicTest> everyRuleNamesTestsThatAreThere() throws IOException {
        Map<String, Set<String>> tests = tests();
        return Stream.of("virtio.md", "virtio-block.md", "virtio-vsock.md")
                .map(page -> DynamicTest.dynamicTest(page, () -> check(page, tests)));
    }

    private static void check(String page, Map<String, Set<String>> tests) throws IOException {
        String text = Files.readString(TOP.resolve("docs").resolve(page));
        Map<String, String> legend = new HashMap<>();
        for (Matcher matcher = LEGEND.matcher(text); matcher.find(); ) {
            legend.put(matcher.group(1), matcher.group(2));
        }
        List<Row> rows = rows(text);
        assertThat(rows).hasSizeGreaterThan(10);
        for (Row row : rows) {
            int named = named(row, legend, tests);
            assertThat(named > 0 || EXCUSE.matcher(row.holds).find())
                    .as("line %d: what holds “%s”?", row.line, row.rule)
                    .isTrue();
        }
    }

    private static List<Row> rows(String text) {
        List<Row> rows = new ArrayList<>();
        List<String> lines = text.lines().toList();
        boolean ofRules = false;
        for (int i = 0; i < lines.size(); i++) {
            // Nothing is before the first bar and behind the last.
            List<String> cells = List.of(lines.get(i).split("\\|", -1));
            int last = cells.size() - 2;
            if (last < 2) {
                ofRules = false;
            } else if (HEADERS.contains(cells.get(last).strip())) {
                ofRules = true;
                i++; // The line below the header.
            } else if (ofRules) {
                rows.add(new Row(
                        i + 1, cells.get(last - 1).strip(), cells.get(last).strip()));
            }
        }
        return rows;
    }

    /// How many tests a row names.
    private static int named(Row row, Map<String, String> legend, Map<String, Set<String>> tests) {
        int count = 0;
        String last = "";
        for (Matcher code = CODE.matcher(row.holds); code.find(); ) {
            String name = code.group(1);
            Matcher abbreviated = ABBREVIATED.matcher(name);
            Matcher qualified = QUALIFIED.matcher(name);
            String method;
            if (abbreviated.matches()) {
                last = legend.getOrDefault(abbreviated.group(1), "?");
                method = abbreviated.group(2);
            } else if (qualified.matches()) {
                last = qualified.group(1);
                method = qualified.group(2);
            } else if (METHOD.matcher(name).matches()) {
                method = name;
            } else {
                continue;
            }
            assertThat(tests.keySet().contains(last))
                    .as("line %d: %s is in a class that is there: %s", row.line, name, last)
                    .isTrue();
            if (method != null) {
                assertThat(tests.get(last)).as("line %d: %s", row.line, name).contains(method);
            }
            count++;
        }
        return count;
    }

    /// The names of test classes of all modules, and of their methods.
    private static Map<String, Set<String>> tests() throws IOException {
        Map<String, Set<String>> tests = new HashMap<>();
        try (Stream<Path> modules = Files.list(TOP)) {
            List<Path> roots = modules.map(module -> module.resolve("src/test/java"))
                    .filter(Files::isDirectory)
                    .toList();
            for (Path root : roots) {
                addTests(root, tests);
            }
        }
        return tests;
    }

    private static void addTests(Path root, Map<String, Set<String>> tests) throws IOException {
        try (Stream<Path> files = Files.walk(root)) {
            List<Path> sources =
                    files.filter(file -> file.toString().endsWith("Test.java")).toList();
            for (Path source : sources) {
                String name = source.getFileName().toString().replace(".java", "");
                tests.put(
                        name,
                        TEST_METHOD
                                .matcher(Files.readString(source))
                                .results()
                                .map(found -> found.group(1))
                                .collect(Collectors.toSet()));
            }
        }
    }
}
