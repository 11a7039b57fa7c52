// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.Listing;
import io.vivarium.guestimages.Mutations;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.Tool;
import io.vivarium.guestimages.tar.Spool;
import io.vivarium.guestimages.tar.TarBudget;
import io.vivarium.guestimages.tar.TarLimits;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class DebFileTest {
    private static final TarLimits LIMITS = new TarLimits(1000, 1 << 20);

    @TempDir
    private Path temporary;

    private static PackageEntry entry(String name, String version) throws DebianFormatException {
        return PackageEntry.of(URI.create("https://mirror"), Map.of("package", name, "version", version));
    }

    private static RootFs unpack(byte[] deb) throws IOException {
        Spool spool = new Spool();
        DebianRoot root = new DebianRoot(new TarBudget("deb", LIMITS), spool);
        try {
            root.unpack(entry("hello", "1.0"), new ByteArrayInputStream(deb), "hello.deb");
            return root.build();
        } catch (IOException | RuntimeException e) {
            spool.close();
            throw e;
        }
    }

    private byte[] build(String compression) throws Exception {
        Path tree = Files.createDirectories(temporary.resolve("tree-" + compression));
        Files.createDirectories(tree.resolve("DEBIAN"));
        Files.writeString(
                tree.resolve("DEBIAN/control"),
                "Package: hello\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@b>\nDescription: d\n");
        Path postinst = Files.writeString(
                tree.resolve("DEBIAN/postinst"),
                "#!/bin/sh\nupdate-alternatives --install /usr/bin/hi hi \\\n  /usr/bin/hello 10\n");
        assertThat(postinst.toFile().setExecutable(true, false)).isTrue();
        Files.createDirectories(tree.resolve("bin"));
        Files.writeString(tree.resolve("bin/hello"), "hello\n");
        Files.createDirectories(tree.resolve("usr/bin"));
        Path deb = temporary.resolve(compression + ".deb");
        Tool.required("dpkg-deb", "dpkg").run("--root-owner-group", "-Z" + compression, "-b", tree, deb);
        return Files.readAllBytes(deb);
    }

    @ParameterizedTest
    @ValueSource(strings = {"xz", "zstd", "gzip", "none"})
    void readsWhatDpkgBuilds(String compression) throws Exception {
        try (RootFs tree = unpack(build(compression))) {
            assertThat(Listing.of(tree).stream().map((String line) -> line.replaceAll(" \\d+ \\S+$", "")))
                    .anyMatch((String line) -> line.startsWith("/usr/bin/hello 0644 0:0"))
                    .anyMatch((String line) -> line.startsWith("/bin 0777") && line.endsWith("link -> usr/bin"))
                    .anyMatch((String line) ->
                            line.startsWith("/usr/bin/hi 0777") && line.endsWith("link -> /etc/alternatives/hi"))
                    .anyMatch((String line) -> line.startsWith("/tmp 1777"))
                    .anyMatch((String line) -> line.startsWith("/etc/passwd 0644"));
        }
    }

    private static byte[] ar(Object... members) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes("!<arch>\n".getBytes(StandardCharsets.US_ASCII));
        for (int i = 0; i < members.length; i += 2) {
            byte[] content = (byte[]) members[i + 1];
            out.writeBytes("%-16s%-12d%-6d%-6d%-8s%-10d`\n"
                    .formatted(members[i], 0, 0, 0, "100644", content.length)
                    .getBytes(StandardCharsets.US_ASCII));
            out.writeBytes(content);
            out.writeBytes(new byte[content.length % 2]);
        }
        return out.toByteArray();
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static Stream<Arguments> mistakesAreNamed() {
        byte[] version = text("2.0\n");
        byte[] empty = new byte[1024];
        return Stream.of(
                arguments("none", text("PK"), "not a package: it is no ar archive"),
                arguments("empty", ar(), "damaged package: it has no debian-binary"),
                arguments(
                        "another version", ar("debian-binary", text("3.0\n")), "is of the format '3.0' instead of 2.0"),
                arguments(
                        "wrong order",
                        ar("debian-binary", version, "data.tar", empty),
                        "damaged package: it has data.tar instead of control.tar"),
                arguments(
                        "no control",
                        ar("debian-binary", version, "control.tar", empty),
                        "damaged package: it has no file control"),
                arguments("cut", Arrays.copyOf(ar("debian-binary", version), 60), "truncated package"),
                arguments(
                        "bad header",
                        text("!<arch>\n" + "x".repeat(60)),
                        "damaged package: a header of the ar archive is wrong"),
                arguments(
                        "bad compression",
                        ar("debian-binary", version, "_private", text("x"), "control.tar.gz", text("\u001fx")),
                        "control: not a tar archive: it is shorter than a header"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void mistakesAreNamed(String name, byte[] deb, String message) {
        assertThatThrownBy(() -> unpack(deb).close())
                .isInstanceOf(ImageException.class)
                .hasMessageStartingWith("hello.deb")
                .hasMessageEndingWith(message);
    }

    @Test
    void anotherPackageThanTheIndexSays() throws Exception {
        byte[] deb = build("none");
        try (Spool spool = new Spool()) {
            DebianRoot root = new DebianRoot(new TarBudget("deb", LIMITS), spool);
            assertThatThrownBy(() -> root.unpack(entry("hello", "2.0"), new ByteArrayInputStream(deb), "hello.deb"))
                    .hasMessage("is hello 1.0 instead of hello 2.0");
        }
    }

    private static boolean accepts(byte[] input) throws IOException {
        try (RootFs tree = unpack(input)) {
            return !Listing.of(tree).isEmpty();
        } catch (ImageException | DebianFormatException e) {
            assertThat(e.getMessage()).isNotEmpty();
            return false;
        }
    }

    @Test
    void damagedPackages() throws Exception {
        byte[] good = build("none");
        Mutations.of(good, good.length, 1_000, DebFileTest::accepts);
        assertThat(accepts(good)).isTrue();
    }

    @FuzzTest
    void anyBytesAreAPackageOrRefused(byte[] input) throws IOException {
        accepts(input);
        byte[] begun = ar("debian-binary", text("2.0\n"), "control.tar", input, "data.tar", input);
        accepts(begun);
    }
}
