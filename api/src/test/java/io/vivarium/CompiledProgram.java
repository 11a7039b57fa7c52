// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/// A program to be made of one source file. With `-Dvivarium.test.programs=<directory>` what was made is kept
/// there, by its source and how it is compiled, and is taken from there the next time: an emulated machine
/// compiles for minutes, and has not every compiler.
///
/// @param command words; `SOURCE` and `PROGRAM` stand for files
/// @param fileName of the source
/// @param source its text
record CompiledProgram(List<String> command, String fileName, String source) {
    private static final Optional<Path> KEPT =
            Optional.ofNullable(System.getProperty("vivarium.test.programs")).map(Path::of);

    /// True when it need not be compiled.
    boolean isKept() {
        return KEPT.filter(directory -> Files.exists(directory.resolve(key()))).isPresent();
    }

    /// @param program where the program goes
    void make(Path program) throws IOException, InterruptedException {
        if (isKept()) {
            Files.copy(KEPT.orElseThrow().resolve(key()), program, StandardCopyOption.COPY_ATTRIBUTES);
            return;
        }
        compile(program);
        if (KEPT.isPresent()) {
            keep(program, Files.createDirectories(KEPT.get()));
        }
    }

    private void compile(Path program) throws IOException, InterruptedException {
        Path scratch = Files.createTempDirectory("vivarium-test-");
        Path text = Files.writeString(scratch.resolve(fileName), source);
        try {
            List<String> words = command.stream()
                    .map(word -> switch (word) {
                        case "SOURCE" -> text.toString();
                        case "PROGRAM" -> program.toString();
                        default -> word;
                    })
                    .toList();
            Process compiler =
                    new ProcessBuilder(words).redirectErrorStream(true).start();
            String messages = new String(compiler.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(compiler.waitFor()).as(messages).isZero();
        } finally {
            Files.delete(text);
            Files.delete(scratch);
        }
    }

    private void keep(Path program, Path directory) throws IOException {
        if (Files.isWritable(directory)) {
            Path partial = Files.createTempFile(directory, "", ".partial");
            Files.copy(program, partial, StandardCopyOption.COPY_ATTRIBUTES, StandardCopyOption.REPLACE_EXISTING);
            Files.move(partial, directory.resolve(key()), StandardCopyOption.ATOMIC_MOVE);
        }
    }

    private String key() {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (String part : List.of(String.join("\0", command), "\0", fileName, "\0", source)) {
                digest.update(part.getBytes(StandardCharsets.UTF_8));
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
