// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;

/// A root file system of programs of the host, under the paths that they have there.
///
/// @param directory holds them until this is closed
@NullMarked
record ProgramRoot(Path directory) implements AutoCloseable {
    /// What ldd(1) says of a library: where it is.
    private static final Pattern LIBRARY = Pattern.compile("(/\\S+) \\(0x[0-9a-f]+\\)$");

    static ProgramRoot create() throws IOException {
        return new ProgramRoot(Files.createTempDirectory("vivarium-programs-"));
    }

    /// Copies a program that needs no libraries.
    void copy(Path program) throws IOException {
        Path copy = directory.resolve(Path.of("/").relativize(program));
        Files.createDirectories(copy.getParent());
        Files.copy(program, copy, StandardCopyOption.COPY_ATTRIBUTES, StandardCopyOption.REPLACE_EXISTING);
    }

    /// Copies Python with its libraries and its own modules, none that were installed besides.
    ///
    /// @param link that leads to the interpreter
    void copyPython(Path link) throws IOException, InterruptedException {
        Path python = link.toRealPath();
        copy(python);
        Files.createSymbolicLink(directory.resolve(Path.of("/").relativize(link)), python);
        for (String line : HostCommand.run(List.of("ldd", python.toString()))) {
            Matcher library = LIBRARY.matcher(line);
            if (library.find()) {
                copy(Path.of(library.group(1)));
            }
        }
        List<String> modules = HostCommand.run(
                List.of(python.toString(), "-I", "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"));
        copyTree(Path.of(modules.getFirst()));
    }

    private void copyTree(Path tree) throws IOException {
        Files.walkFileTree(tree, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                if (attributes.isRegularFile()) {
                    copy(file);
                }
                return FileVisitResult.CONTINUE;
            }
        });
    }

    @Override
    public void close() throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
