// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples.functions;

import io.vivarium.samples.Busybox;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// A root file system of the interpreters that this host has: nothing has to be fetched. The shell
/// is its static busybox.
final class GuestRoot {
    /// Where the workers are in the guest.
    static final String WORKERS = "/workers";

    private static final Pattern LIBRARY = Pattern.compile("(/\\S+) \\(0x");
    private static final Path PYTHON = Language.PYTHON3.interpreter();

    // Of Python's library: what a function has no use for, and what was installed besides.
    private static final Set<String> LEFT_OUT = Set.of(
            "test", "dist-packages", "site-packages", "idlelib", "tkinter", "lib2to3", "ensurepip", "__pycache__");

    private final Path root;
    private final Set<Language> languages = EnumSet.noneOf(Language.class);

    private GuestRoot(Path root) {
        this.root = root;
    }

    /// Fills a directory with what this host has.
    ///
    /// @param root empty
    /// @return the languages that functions can be written in
    /// @throws FileNotFoundException if there is none
    static Set<Language> fill(Path root) throws IOException, InterruptedException {
        GuestRoot guest = new GuestRoot(root);
        guest.addShell();
        guest.addPython();
        guest.addNode();
        if (guest.languages.isEmpty()) {
            throw new FileNotFoundException(
                    "no interpreter here: install python3, busybox-static or nodejs (apt install python3)");
        }
        guest.addWorkers();
        return guest.languages;
    }

    private void addShell() throws IOException, InterruptedException {
        if (Busybox.isThere()) {
            Busybox.install(root);
            languages.add(Language.SH);
            languages.add(Language.PROGRAM);
        }
    }

    private void addPython() throws IOException, InterruptedException {
        if (!Files.exists(PYTHON)) {
            return;
        }
        addProgram(PYTHON);
        Path library = Path.of(output(PYTHON.toString(), "-c", "import os; print(os.path.dirname(os.__file__))")
                .strip());
        try (Stream<Path> walk = Files.walk(library)) {
            for (Path file : (Iterable<Path>) walk::iterator) {
                Path inside = library.relativize(file);
                boolean wanted = Stream.iterate(inside, path -> path != null, Path::getParent)
                        .noneMatch(part -> LEFT_OUT.contains(part.getFileName().toString()));
                if (wanted && Files.isRegularFile(file) && file.toString().matches(".*\\.(py|so)")) {
                    add(file);
                }
            }
        }
        languages.add(Language.PYTHON3);
    }

    private void addNode() throws IOException, InterruptedException {
        Path node = Language.NODE.interpreter();
        if (Files.exists(node)) {
            addProgram(node);
            languages.add(Language.NODE);
        }
    }

    private void addWorkers() throws IOException {
        Path folder = Files.createDirectories(root.resolve(WORKERS.substring(1)));
        Files.createDirectories(root.resolve("tmp"));
        for (Language language : languages) {
            try (InputStream source = GuestRoot.class.getResourceAsStream(language.worker())) {
                if (source == null) {
                    throw new FileNotFoundException("missing in this build: " + language.worker());
                }
                Files.copy(source, folder.resolve(language.worker()));
            }
        }
    }

    /// A program and the libraries that it loads.
    private void addProgram(Path program) throws IOException, InterruptedException {
        add(program);
        Matcher library = LIBRARY.matcher(output("ldd", program.toString()));
        while (library.find()) {
            add(Path.of(library.group(1)));
        }
    }

    private void add(Path file) throws IOException {
        Path copy = root.resolve(Path.of("/").relativize(file));
        if (!Files.exists(copy, LinkOption.NOFOLLOW_LINKS)) {
            Files.createDirectories(copy.getParent());
            Files.copy(file.toRealPath(), copy);
        }
    }

    private static String output(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(List.of(command))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException(String.join(" ", command) + " ended with " + process.exitValue());
        }
        return output;
    }
}
