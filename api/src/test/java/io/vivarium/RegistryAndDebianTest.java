// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Packages of the Debian mirror that this host's apt uses, and a real registry on this host, all
/// the way to a program's output in a sandbox. Skipped without the network or the tools.
@Tag("network")
@EnabledIfKvm
class RegistryAndDebianTest {
    @TempDir
    private static Path temporary;

    private static Path cache;

    /// A suite as apt knows it.
    private record Suite(String mirror, String name) {}

    @BeforeAll
    static void cacheForAll() throws IOException {
        cache = Files.createDirectory(temporary.resolve("cache"));
    }

    private static String run(Object... command) throws IOException, InterruptedException {
        List<String> words = Arrays.stream(command).map(Object::toString).toList();
        Process process = new ProcessBuilder(words).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as("%s printed%n%s", words, output).isZero();
        return output;
    }

    private static void required(String... programs) {
        for (String program : programs) {
            assumeTrue(
                    Stream.of(System.getenv().getOrDefault("PATH", "").split(":", -1))
                            .anyMatch(directory -> Files.isExecutable(Path.of(directory, program))),
                    () -> program
                            + " is missing: apt install docker-registry skopeo umoci gpgv debian-archive-keyring");
        }
    }

    /// The main suite that apt takes Debian's packages from.
    private static Suite suite() throws IOException, InterruptedException {
        required("apt-get");
        for (String line : run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(LABEL)")
                .lines()
                .toList()) {
            String[] words = line.split(" ", -1);
            if (words.length == 4 && words[2].equals("main") && words[3].equals("Debian") && !words[1].contains("-")) {
                return new Suite(words[0], words[1]);
            }
        }
        return abort("apt on this host takes no packages from Debian");
    }

    private static byte[] get(HttpClient client, String address) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(address))
                .timeout(Duration.ofSeconds(60))
                .build();
        HttpResponse<byte[]> response = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
        assumeTrue(response.statusCode() == 200, () -> address + ": HTTP status " + response.statusCode());
        return response.body();
    }

    /// The suite's packages, its file `Release` believed because gpgv(1) checked its signature
    /// here.
    private static DebianPackages packages(String... names)
            throws IOException, InterruptedException, GeneralSecurityException {
        required("gpgv");
        Suite suite = suite();
        Path keys = Path.of("/usr/share/keyrings/debian-archive-keyring.gpg");
        assumeTrue(Files.exists(keys), "Debian's keys are missing: apt install debian-archive-keyring");
        String base = suite.mirror + "dists/" + suite.name + "/Release";
        try (HttpClient client =
                HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(20)).build()) {
            byte[] release = get(client, base);
            Path file = Files.write(temporary.resolve("Release"), release);
            Path signature = Files.write(temporary.resolve("Release.gpg"), get(client, base + ".gpg"));
            run("gpgv", "--keyring", keys, signature, file);
            String digest = HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(release));
            return DebianPackages.of(names)
                    .withSource(suite.mirror, suite.name, digest)
                    .withCache(cache);
        } catch (IOException e) {
            return abort("no network: " + suite.mirror + ": " + e);
        }
    }

    private static String output(Sandbox sandbox, Command command) {
        return sandbox.exec(command).orThrow().stdout().toString();
    }

    @Test
    void packagesRun() throws Exception {
        List<String> parts = new ArrayList<>();
        DebianPackages packages = packages("python3-minimal", "mawk").onProgress(progress -> {
            if (progress.isComplete()) {
                parts.add(progress.item());
            }
        });
        try (Image image = Image.debian(packages);
                Sandbox sandbox = Sandbox.launch(image)) {
            assertThat(output(sandbox, Command.of("python3", "-c", "print(sum(n * n for n in range(1000)))")))
                    .isEqualTo("332833500\n");
            assertThat(output(sandbox, Command.of("awk", "BEGIN { print 6 * 7 }")))
                    .isEqualTo("42\n");
            assertThat(output(sandbox, Command.of("dpkg-query", "-W", "-f", "${Status}", "libc6")))
                    .isEqualTo("install ok unpacked");
        }
        assertThat(parts).anyMatch(part -> part.startsWith("libc6 ")).anyMatch(part -> part.endsWith("/Packages.xz"));
    }

    @Test
    void unsignedMirrorsAreRefused() {
        assertThatThrownBy(() -> Image.debian(DebianPackages.of("dash")
                        .withSource("http://mirror.invalid/debian", "bookworm")
                        .withCache(cache)))
                .isInstanceOf(InvalidImageException.class)
                .hasMessageContaining("what comes over plain HTTP cannot be believed");
    }

    /// A registry of Debian's package `docker-registry`, on a free port.
    private record RealRegistry(Process process, String host) implements AutoCloseable {
        static RealRegistry start(Path directory) throws IOException {
            required("docker-registry");
            int port;
            try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                port = free.getLocalPort();
            }
            Path config = Files.writeString(
                    directory.resolve("registry.yml"),
                    "version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: 127.0.0.1:%d}\n"
                            .formatted(directory.resolve("registry"), port));
            Process process = new ProcessBuilder("docker-registry", "serve", config.toString())
                    .redirectErrorStream(true)
                    .redirectOutput(directory.resolve("registry.log").toFile())
                    .start();
            while (process.isAlive()) {
                try (Socket connected = new Socket(InetAddress.getLoopbackAddress(), port)) {
                    assertThat(connected.isConnected()).isTrue();
                    return new RealRegistry(process, "127.0.0.1:" + port);
                } catch (IOException e) {
                    Thread.onSpinWait();
                }
            }
            return abort("docker-registry does not start: " + Files.readString(directory.resolve("registry.log")));
        }

        @Override
        public void close() {
            process.destroy();
            try {
                process.waitFor(60, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new UncheckedIOException(new IOException("interrupted", e));
            }
        }
    }

    @Test
    void packagesThroughARegistryAndBack() throws Exception {
        required("umoci", "skopeo", "docker-registry");
        Path layout = temporary.resolve("layout");
        Path tar = temporary.resolve("root.tar");
        String expected;
        try (Image image = Image.debian(packages("dash", "busybox-static"));
                Sandbox sandbox = Sandbox.launch(image)) {
            Command pack = Command.of("/bin/busybox", "tar", "-cf", "-", "bin", "etc", "lib", "lib64", "sbin", "usr")
                    .withOutputLimit(256 << 20);
            ExecResult packed = sandbox.exec(pack).orThrow();
            assertThat(packed.stdout().truncated()).isFalse();
            Files.write(tar, packed.stdout().bytes());
            expected = output(sandbox, Command.of("/bin/sh", "-c", "for f in /usr/lib/*; do echo $f; done"));
        }
        run("umoci", "init", "--layout", layout);
        run("umoci", "new", "--image", layout + ":made");
        run("umoci", "raw", "add-layer", "--image", layout + ":made", tar);
        run(
                "umoci",
                "config",
                "--image",
                layout + ":made",
                "--config.entrypoint",
                "/bin/sh",
                "--config.entrypoint",
                "-c",
                "--config.env",
                "WHO=registry");
        try (RealRegistry registry = RealRegistry.start(temporary)) {
            String name = registry.host + "/made/by-vivarium";
            String source = "oci:" + layout + ":made";
            run(
                    "skopeo",
                    "copy",
                    "--dest-tls-verify=false",
                    "--dest-compress",
                    "--dest-compress-format",
                    "zstd",
                    source,
                    "docker://" + name + ":zstd");
            run(
                    "skopeo",
                    "copy",
                    "--dest-tls-verify=false",
                    "--format",
                    "v2s2",
                    source,
                    "docker://" + name + ":docker");
            for (String tag : List.of("zstd", "docker")) {
                try (Image pulled = Image.oci(OciPull.of(name + ":" + tag).withCache(cache));
                        Sandbox sandbox = Sandbox.launch(pulled)) {
                    assertThat(output(sandbox, Command.ofImage(pulled, "for f in /usr/lib/*; do echo $f; done")))
                            .isEqualTo(expected)
                            .contains("/usr/lib/x86_64-linux-gnu");
                    assertThat(output(sandbox, Command.ofImage(pulled, "echo $WHO")))
                            .isEqualTo("registry\n");
                }
            }
            assertThatThrownBy(() -> Image.oci(OciPull.of(name + ":none").withCache(cache)))
                    .isInstanceOf(InvalidImageException.class)
                    .hasMessage(name + ":none: the registry does not have it (404)");
        }
    }
}
