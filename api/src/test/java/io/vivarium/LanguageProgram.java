// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;

/// Statically linked programs in several languages, made from the sources among the test resources
/// with the compilers of the machine the tests run on.
@SuppressWarnings("ImmutableEnumChecker") // the list is one
enum LanguageProgram {
    LUA(
            "interpreter.c",
            "liblua5.4-dev",
            "/usr/include/lua5.4/lua.h",
            "gcc -O1 -Wall -static -I/usr/include/lua5.4 -o PROGRAM SOURCE -llua5.4 -lm -ldl"),
    GO("program.go", "golang-go", "go", "env CGO_ENABLED=0 go build -o PROGRAM SOURCE"),
    RUST("program.rs", "rustc", "rustc", "rustc --edition 2021 -O -C target-feature=+crt-static -o PROGRAM SOURCE"),
    GLIBC("program.c", "gcc", "gcc", "gcc -O1 -Wall -static -pthread -o PROGRAM SOURCE -lm"),
    GLIBC_PIE("program.c", "gcc", "gcc", "gcc -O1 -Wall -static-pie -fPIE -pthread -o PROGRAM SOURCE -lm"),
    MUSL("program.c", "musl-tools", "musl-gcc", "musl-gcc -O1 -Wall -static -o PROGRAM SOURCE"),
    CPP("program.cc", "g++", "g++", "g++ -std=c++17 -O1 -Wall -static -pthread -o PROGRAM SOURCE");

    private final String source;
    private final String debianPackage;
    private final String tool;
    private final String command;

    /// @param source resource in `languages`
    /// @param debianPackage has the tool
    /// @param tool a program in the PATH, or a file, without which this cannot be made
    /// @param command words with a space between them; `SOURCE` and `PROGRAM` stand for files
    LanguageProgram(String source, String debianPackage, String tool, String command) {
        this.source = source;
        this.debianPackage = debianPackage;
        this.tool = tool;
        this.command = command;
    }

    /// Its name in a directory of programs.
    String fileName() {
        return name().toLowerCase(Locale.ROOT);
    }

    /// What to install where it cannot be made.
    String debianPackage() {
        return debianPackage;
    }

    /// True when this machine has what it is made with, or has made it already.
    boolean canBeMade() {
        return Arrays.stream(Objects.requireNonNullElse(System.getenv("PATH"), "/usr/bin:/bin")
                                .split(":", -1))
                        .anyMatch(directory -> Files.exists(Path.of(directory).resolve(tool)))
                || compiled().isKept();
    }

    /// @param directory where the program goes, as [#fileName()]
    void make(Path directory) throws IOException, InterruptedException {
        compiled().make(directory.resolve(fileName()));
    }

    private CompiledProgram compiled() {
        return new CompiledProgram(
                List.of(command.split(" ", -1)), source, new String(resource(source), StandardCharsets.UTF_8));
    }

    private static byte[] resource(String name) {
        try (InputStream in = Objects.requireNonNull(
                LanguageProgram.class.getResourceAsStream("languages/" + name), "no resource languages/" + name)) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Copies one of the resources in `languages`.
    static void copySource(String name, Path to) throws IOException {
        Files.write(to, resource(name));
    }
}
