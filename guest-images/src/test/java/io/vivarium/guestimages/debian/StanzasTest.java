// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.vivarium.guestimages.fetch.Digest;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StanzasTest {
    private static Stanzas stanzas(String text) {
        return new Stanzas(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void fieldsAndContinuations() throws IOException {
        Stanzas stanzas = stanzas("\n\nPackage: a\nDescription: short\n long\n .\n# note\nEmpty:\r\n\n \nb: 2");
        assertThat(stanzas.next()).contains(Map.of("package", "a", "description", "short\nlong\n.", "empty", ""));
        assertThat(stanzas.next()).contains(Map.of("b", "2"));
        assertThat(stanzas.next()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "' a: 1'| line 1: a continuation of no field",
                "no colon| line 1: neither a field nor a continuation",
                "a b: 1| line 1: neither a field nor a continuation"
            })
    void mistakesAreNamed(String text, String message) {
        assertThatThrownBy(() -> stanzas(text).next()).hasMessage(message);
    }

    @Test
    void twiceAndTooLong() {
        assertThatThrownBy(() -> stanzas("a: 1\nA: 2").next()).hasMessage("line 2: the field 'a' is there twice");
        assertThatThrownBy(() -> stanzas("a: " + "x".repeat(2 << 20)).next())
                .hasMessage("line 1: more than 1048576 bytes");
    }

    @Test
    void releaseFile() throws IOException {
        String hex = "0123456789abcdef".repeat(4);
        Release release = Release.parse("""
                Suite: stable
                Codename: bookworm
                Acquire-By-Hash: yes
                Valid-Until: Sat, 11 Jul 2026 10:16:37 UTC
                SHA256:
                 %s 123 main/binary-amd64/Packages.xz
                """.formatted(hex).getBytes(StandardCharsets.UTF_8));
        assertThat(release)
                .isEqualTo(new Release(
                        List.of("stable", "bookworm"),
                        Map.of("main/binary-amd64/Packages.xz", new Release.Listed(Digest.sha256(hex), 123)),
                        true,
                        Optional.of(Instant.parse("2026-07-11T10:16:37Z"))));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "''| the file Release is empty",
                "Suite: x| the file Release has no SHA256 digests",
                "SHA256: 12 a b c| the file Release has a line that is not digest, size and name"
            })
    void releaseMistakesAreNamed(String text, String message) {
        assertThatThrownBy(() -> Release.parse(text.getBytes(StandardCharsets.UTF_8)))
                .hasMessage(message);
    }

    @ParameterizedTest
    @CsvSource({"../../etc/passwd", "/pool/a.deb", "pool/../a.deb", "pool//a.deb", "'pool/a b.deb'", "pool/a?b"})
    void pathsStayBelowTheMirror(String path) throws DebianFormatException {
        PackageEntry entry = PackageEntry.of(
                URI.create("https://mirror/debian"), Map.of("package", "a", "version", "1", "filename", path));
        assertThatThrownBy(entry::location).hasMessage("a 1: '" + path + "' is not the path of a package");
    }

    @FuzzTest
    void anyBytesAreAnIndexOrRefused(byte[] input) {
        try {
            PackageIndex index = new PackageIndex();
            index.read(URI.create("https://mirror"), new ByteArrayInputStream(input));
            for (PackageEntry entry : index.named("a")) {
                assertThat(entry.needs()).isNotNull();
                assertThat(entry.location().toString()).startsWith("https://mirror/");
            }
        } catch (DebianFormatException e) {
            assertThat(e.reason()).isNotEmpty();
        } catch (IOException e) {
            throw new AssertionError("reading from memory", e);
        }
    }
}
