// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.TreeNode.RegularFile;
import io.vivarium.guestimages.TreeTarget;
import io.vivarium.guestimages.tar.Spool;
import io.vivarium.guestimages.tar.TarBudget;
import io.vivarium.guestimages.tar.TarLimits;
import io.vivarium.guestimages.tar.TarReader;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// What a package has besides its files (deb(5)).
///
/// @param control the file `control`
/// @param fields its fields
/// @param scripts the maintainer scripts, by name, which are not run
record DebFile(String control, Map<String, String> fields, Map<String, String> scripts) {
    private static final TarLimits CONTROL_LIMITS = new TarLimits(1000, 16 << 20);
    private static final List<String> SCRIPTS = List.of("preinst", "postinst", "prerm", "postrm", "config");

    /// Reads a package; its files go to `target`.
    ///
    /// @param source what to call it in errors
    static DebFile read(InputStream deb, String source, TarBudget budget, Spool spool, TreeTarget target)
            throws IOException {
        try {
            ArReader archive = new ArReader(deb);
            String version =
                    new String(member(archive, "debian-binary").content().readNBytes(16), StandardCharsets.US_ASCII);
            if (!version.startsWith("2.")) {
                throw new DebianFormatException("is of the format '" + version.strip() + "' instead of 2.0");
            }
            DebFile file;
            try (RootFs control =
                    TarReader.read(member(archive, "control.tar").content(), source + ", control", CONTROL_LIMITS)) {
                file = of(control);
            }
            TarReader.read(member(archive, "data.tar").content(), source, budget, spool, target);
            return file;
        } catch (DebianFormatException e) {
            throw new ImageException(source, e.reason(), e);
        } catch (EOFException e) {
            throw new ImageException(source, "truncated package", e);
        }
    }

    /// The next member that is not a private one (`_…`), which must be the one named, whatever it is compressed with.
    private static ArReader.Member member(ArReader archive, String name) throws IOException {
        while (true) {
            Optional<ArReader.Member> next = archive.next();
            if (next.isEmpty()) {
                throw new DebianFormatException("damaged package: it has no " + name);
            }
            String found = next.get().name();
            if (found.equals(name) || (name.endsWith(".tar") && found.startsWith(name + "."))) {
                return next.get();
            }
            if (!found.startsWith("_")) {
                throw new DebianFormatException("damaged package: it has " + found + " instead of " + name);
            }
        }
    }

    private static DebFile of(RootFs control) throws IOException {
        String text = text(control, "control")
                .orElseThrow(() -> new DebianFormatException("damaged package: it has no file control"));
        Map<String, String> fields = new Stanzas(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)))
                .next()
                .orElseThrow(() -> new DebianFormatException("damaged package: its file control is empty"));
        Map<String, String> scripts = new TreeMap<>();
        for (String name : SCRIPTS) {
            Optional<String> script = text(control, name);
            script.ifPresent((String content) -> scripts.put(name, content));
        }
        return new DebFile(text, fields, scripts);
    }

    private static Optional<String> text(RootFs tree, String path) throws IOException {
        if (tree.find(path).orElse(null) instanceof RegularFile file) {
            try (InputStream in = file.content().open()) {
                return Optional.of(new String(in.readAllBytes(), StandardCharsets.UTF_8));
            }
        }
        return Optional.empty();
    }

    /// Whether installing it would have run a script.
    boolean isConfiguredByScript() {
        return scripts.containsKey("preinst") || scripts.containsKey("postinst");
    }
}
