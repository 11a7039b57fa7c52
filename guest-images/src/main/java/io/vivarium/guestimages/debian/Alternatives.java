// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What maintainer scripts would have update-alternatives(1) install, as far as it stands in them in plain words:
/// `update-alternatives --install link name path priority [--slave link name path]…`. The highest priority wins.
final class Alternatives {
    private static final String WORDS = "\\s+(/[^\\s$\"'`*;|&]+)\\s+([^\\s$\"'`*;|&/]+)\\s+(/[^\\s$\"'`*;|&]+)";
    private static final Pattern INSTALL = Pattern.compile(
            "update-alternatives\\s+(?:--quiet\\s+)?--install" + WORDS + "\\s+([0-9]{1,6})([^\\n;&|]*)");
    private static final Pattern SLAVE = Pattern.compile("--slave" + WORDS);

    private final Map<String, Choice> choices = new HashMap<>();

    /// A link that leads to one of several programs.
    ///
    /// @param path where it leads
    record Link(String link, String name, String path) {}

    private record Choice(int priority, List<Link> links) {}

    void read(String script) {
        Matcher install = INSTALL.matcher(script.replaceAll("\\\\\\n\\s*", " "));
        while (install.find()) {
            List<Link> links = new ArrayList<>();
            links.add(new Link(install.group(1), install.group(2), install.group(3)));
            Matcher slave = SLAVE.matcher(install.group(5));
            while (slave.find()) {
                links.add(new Link(slave.group(1), slave.group(2), slave.group(3)));
            }
            Choice choice = new Choice(Integer.parseInt(install.group(4)), links);
            choices.merge(
                    install.group(2),
                    choice,
                    (Choice one, Choice other) -> other.priority > one.priority ? other : one);
        }
    }

    List<Link> links() {
        return choices.values().stream()
                .flatMap((Choice choice) -> choice.links.stream())
                .toList();
    }
}
