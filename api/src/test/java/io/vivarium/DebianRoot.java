// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// A root file system of Debian packages that are installed on this machine, with all that they depend on:
/// what a user gets who builds an image with debootstrap, or with `FROM debian` and `RUN apt-get install`.
final class DebianRoot {
    /// What programs do without, as in Debian's slim images.
    private static final Pattern LEFT_OUT = Pattern.compile("/usr/share/(doc|man|info|locale|lintian|bug|icons|pixmaps"
            + "|bash-completion|zsh|applications|gitweb|menu|doc-base)(/.*)?|.*/__pycache__(/.*)?");

    /// Directories of the root that are links into `/usr`, wherever the machine has them.
    private static final List<String> MERGED = List.of("bin", "sbin", "lib", "lib32", "lib64", "libx32");

    private final Path root;

    /// @param root an empty directory
    DebianRoot(Path root) throws IOException {
        this.root = root;
        // The guest's / is for all its users.
        Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwxr-xr-x"));
        for (String name : MERGED) {
            Path link = Path.of("/", name);
            if (Files.isSymbolicLink(link)) {
                Files.createDirectories(root.resolve("usr").resolve(name));
                Files.createSymbolicLink(root.resolve(name), Path.of("usr", name));
            }
        }
        for (String name : List.of("dev", "etc", "proc", "root", "run", "sys", "tmp", "var/tmp")) {
            Files.createDirectories(root.resolve(name));
        }
        Files.writeString(root.resolve("etc/passwd"), """
                root:x:0:0:root:/root:/bin/sh
                nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
                """);
        Files.writeString(root.resolve("etc/group"), "root:x:0:\nnogroup:x:65534:\n");
        Files.writeString(root.resolve("etc/hosts"), "127.0.0.1 localhost\n");
        Files.writeString(root.resolve("etc/nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n");
    }

    /// Those of the packages that are not installed on this machine.
    static List<String> missing(List<String> packages) throws IOException, InterruptedException {
        Installed installed = Installed.read();
        return packages.stream().filter(name -> !installed.has(name)).toList();
    }

    /// Copies the files of packages and of what they depend on.
    void add(List<String> packages) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("dpkg-query", "-L"));
        command.addAll(Installed.read().closure(packages));
        for (String line : output(command)) {
            if (line.startsWith("/")
                    && !line.equals("/.")
                    && !LEFT_OUT.matcher(line).matches()) {
                copy(Path.of(line));
            }
        }
        addAlternatives();
    }

    /// Copies a file, a link or an empty directory to the same place in the root.
    void copy(Path file) throws IOException {
        if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            return; // a machine may keep less of a package than it has, as container images do
        }
        Path copy = root.resolve(Path.of("/").relativize(file));
        if (Files.exists(copy, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
            Files.createDirectories(copy);
            return;
        }
        Files.createDirectories(copy.getParent());
        Files.copy(file, copy, LinkOption.NOFOLLOW_LINKS, StandardCopyOption.COPY_ATTRIBUTES);
    }

    /// Copies a whole directory to the same place in the root, if it is there.
    ///
    /// @param leftOut names of files or directories in it that are not wanted
    void copyTree(Path directory, String... leftOut) throws IOException {
        if (!Files.isDirectory(directory)) {
            return;
        }
        Set<String> names = Set.of(leftOut);
        try (Stream<Path> walk = Files.walk(directory)) {
            for (Path file : (Iterable<Path>) walk::iterator) {
                Stream<Path> parts = Stream.iterate(file, Path::getParent).takeWhile(part -> !part.equals(directory));
                if (parts.noneMatch(part -> names.contains(part.getFileName().toString()))) {
                    copy(file);
                }
            }
        }
    }

    /// Deletes a root; its links, which lead out of it, are only links.
    static void delete(Path root) throws IOException {
        try (Stream<Path> walk = Files.walk(root)) {
            for (Path file : walk.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    /// The names that packages leave to be chosen (`awk`, `cc`, `php`), as this machine has chosen.
    private void addAlternatives() throws IOException {
        try (Stream<Path> programs = Files.list(Path.of("/usr/bin"))) {
            for (Path link : (Iterable<Path>) programs.filter(Files::isSymbolicLink)::iterator) {
                Path alternative = Files.readSymbolicLink(link);
                if (alternative.startsWith("/etc/alternatives")
                        && Files.exists(link)
                        && Files.exists(root.resolve(Path.of("/").relativize(link.toRealPath())))) {
                    copy(link);
                    copy(alternative);
                }
            }
        }
    }

    private static List<String> output(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        try (Stream<String> lines = process.inputReader(StandardCharsets.UTF_8).lines()) {
            List<String> result = lines.toList();
            if (process.waitFor() != 0) {
                throw new IOException(String.join(" ", command.subList(0, 2)) + " ended with " + process.exitValue());
            }
            return result;
        }
    }

    /// What dpkg knows of the packages of this machine.
    ///
    /// @param dependencies by the package's name: for each dependency, the packages of which one is enough
    /// @param providers real packages by the virtual ones that they stand for
    private record Installed(Map<String, List<List<String>>> dependencies, Map<String, String> providers) {
        static Installed read() throws IOException, InterruptedException {
            Map<String, List<List<String>>> dependencies = new HashMap<>();
            Map<String, String> providers = new HashMap<>();
            List<String> query = List.of(
                    "dpkg-query",
                    "-W",
                    "-f",
                    "${db:Status-Status}|||${Package}|||${Pre-Depends}, ${Depends}|||${Provides}\n");
            for (String line : output(query)) {
                String[] fields = line.split("\\|\\|\\|", -1);
                if (fields[0].equals("installed")) {
                    dependencies.put(fields[1], names(fields[2]));
                    names(fields[3]).forEach(names -> providers.putIfAbsent(names.getFirst(), fields[1]));
                }
            }
            return new Installed(dependencies, providers);
        }

        /// `libc6 (>= 2.34), awk | mawk:any` without versions and architectures.
        private static List<List<String>> names(String field) {
            return Arrays.stream(field.split(",", -1))
                    .filter(dependency -> !dependency.isBlank())
                    .map(dependency -> Arrays.stream(dependency.split("\\|", -1))
                            .map(name -> name.replaceAll("\\(.*?\\)|:\\w+", "").strip())
                            .toList())
                    .toList();
        }

        boolean has(String name) {
            return dependencies.containsKey(name) || providers.containsKey(name);
        }

        Set<String> closure(List<String> wanted) {
            Set<String> found = new LinkedHashSet<>();
            Set<String> seen = new HashSet<>();
            Deque<String> left = new ArrayDeque<>(wanted);
            while (!left.isEmpty()) {
                String name = left.removeFirst();
                if (!seen.add(name)) {
                    continue;
                }
                String real = dependencies.containsKey(name) ? name : providers.get(name);
                if (real == null || !found.add(real)) {
                    continue;
                }
                for (List<String> choice : dependencies.getOrDefault(real, List.of())) {
                    choice.stream().filter(this::has).findFirst().ifPresent(left::addLast);
                }
            }
            return found;
        }
    }
}
