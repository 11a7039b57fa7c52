// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What an image brings along reaches its programs. The layout is written here, so that the test needs no tools.
class OciImagesTest {
    private static final String CONFIG = """
            "Entrypoint":["/bin/busybox","sh","-c"],
            "Cmd":["/bin/busybox pwd; /bin/busybox id -u; /bin/busybox id -g; echo $COLOUR $PATH"],
            "Env":["COLOUR=green","PATH=/opt/bin:/bin"],"WorkingDir":"/srv/data","User":"app"
            """;

    @TempDir
    private Path temporary;

    /// A tar entry with mode 0755.
    private static byte[] entry(String name, byte[] content) {
        byte[] header = new byte[512];
        put(header, 0, name);
        put(header, 100, "0000755\0" + "0000000\0".repeat(2) + "%011o\0".formatted(content.length) + "00000000000\0");
        put(header, 148, "        0");
        put(header, 257, "ustar\00000");
        int sum = 0;
        for (byte value : header) {
            sum += Byte.toUnsignedInt(value);
        }
        put(header, 148, "%06o\0 ".formatted(sum));
        ByteArrayOutputStream entry = new ByteArrayOutputStream();
        entry.writeBytes(header);
        entry.writeBytes(Arrays.copyOf(content, (content.length + 511) / 512 * 512));
        return entry.toByteArray();
    }

    private static void put(byte[] header, int at, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(bytes, 0, header, at, bytes.length);
    }

    private static String blob(Path layout, byte[] content) throws IOException, GeneralSecurityException {
        String hex =
                HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        Files.write(Files.createDirectories(layout.resolve("blobs/sha256")).resolve(hex), content);
        return hex;
    }

    private static String descriptor(String type, String hex, long size) {
        return "{\"mediaType\":\"application/vnd.oci.image.%s\",\"digest\":\"sha256:%s\",\"size\":%d}"
                .formatted(type, hex, size);
    }

    private Path layout(String config) throws IOException, GeneralSecurityException {
        Path layout = temporary.resolve("layout");
        ByteArrayOutputStream tar = new ByteArrayOutputStream();
        tar.writeBytes(entry("bin/busybox", Files.readAllBytes(Path.of("/bin/busybox"))));
        tar.writeBytes(entry("etc/passwd", "app:x:1000:1001:::\n".getBytes(StandardCharsets.US_ASCII)));
        tar.writeBytes(new byte[1024]);
        byte[] layer = tar.toByteArray();
        String layerHex = blob(layout, layer);
        byte[] document =
                "{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{%s},\"rootfs\":{\"diff_ids\":[\"sha256:%s\"]}}"
                        .formatted(config, layerHex)
                        .getBytes(StandardCharsets.UTF_8);
        byte[] manifest = "{\"config\":%s,\"layers\":[%s]}"
                .formatted(
                        descriptor("config.v1+json", blob(layout, document), document.length),
                        descriptor("layer.v1.tar", layerHex, layer.length))
                .getBytes(StandardCharsets.UTF_8);
        Files.writeString(layout.resolve("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}");
        Files.writeString(
                layout.resolve("index.json"),
                "{\"manifests\":[" + descriptor("manifest.v1+json", blob(layout, manifest), manifest.length) + "]}");
        return layout;
    }

    @Test
    @Tag("machine")
    @EnabledIfKvm
    void theConfigIsHonoured() throws Exception {
        try (Image image = Image.ociLayout(layout(CONFIG))) {
            assertThat(image.config().user()).isEqualTo(new User(1000, 1001));
            try (Sandbox sandbox = Sandbox.launch(image)) {
                assertThat(sandbox.exec(Command.ofImage(image))
                                .orThrow()
                                .stdout()
                                .toString())
                        .isEqualTo("/srv/data\n1000\n1001\ngreen /opt/bin:/bin\n");
                assertThat(sandbox.exec(Command.ofImage(image, "echo $1 $COLOUR", "sh", "given")
                                        .withEnv("COLOUR", "red"))
                                .orThrow()
                                .stdout()
                                .toString())
                        .isEqualTo("given red\n");
            }
            SandboxSpec own = SandboxSpec.of(image).withUser(0, 0).withWorkingDirectory("/");
            try (Sandbox sandbox = Sandbox.launch(own)) {
                assertThat(sandbox.exec(Command.ofImage(image))
                                .orThrow()
                                .stdout()
                                .toString())
                        .isEqualTo("/\n0\n0\ngreen /opt/bin:/bin\n");
            }
        }
    }

    @Test
    void aSpecTakesOverWhatItsImageSays() throws Exception {
        try (Image image = Image.ociLayout(layout(CONFIG));
                Image files = Image.directory(Files.createDirectory(temporary.resolve("files")))) {
            SandboxSpec spec = SandboxSpec.of(image).withEnv("A", "b");
            assertThat(spec.env()).isEqualTo(Map.of("COLOUR", "green", "PATH", "/opt/bin:/bin", "A", "b"));
            assertThat(spec.workingDirectory()).isEqualTo("/srv/data");
            assertThat(spec.user()).isEqualTo(new User(1000, 1001));
            SandboxSpec other = spec.withImage(files);
            assertThat(other.env())
                    .isEqualTo(Map.of("PATH", SandboxSpec.DEFAULT_ENV.getOrDefault("PATH", ""), "A", "b"));
            assertThat(other.workingDirectory()).isEqualTo("/");
            assertThat(other.user()).isEqualTo(User.ROOT);
            assertThat(Command.ofImage(image, "x").argv()).isEqualTo(List.of("/bin/busybox", "sh", "-c", "x"));
            assertThatThrownBy(() -> Command.ofImage(files))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageEndingWith("does not say what to run: it has neither an entrypoint nor a command");
        }
    }

    @Test
    void whatIsNoImageIsRefused() throws Exception {
        Path layout = layout("\"User\":\"nobody\"");
        assertThatThrownBy(() -> Image.ociLayout(temporary.resolve("layout")))
                .isInstanceOf(InvalidImageException.class)
                .hasMessage(layout + ": runs its programs as user 'nobody', who is not in its /etc/passwd");
        assertThatThrownBy(() -> Image.ociLayout(temporary))
                .isInstanceOf(InvalidImageException.class)
                .hasMessage(temporary + ": is no OCI layout: there is no oci-layout");
        assertThatThrownBy(() -> Image.ociLayout(layout, "v2"))
                .isInstanceOf(InvalidImageException.class)
                .hasMessageContaining("the layout has no image 'v2'");
        assertThatThrownBy(() -> Image.oci("Upper/Case"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("is not the name of a repository");
    }
}
