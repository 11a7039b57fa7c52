// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.vivarium.guestimages.json.JsonException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Names, manifests and configs.
class DocumentsTest {
    @ParameterizedTest
    @CsvSource({
        "debian, docker.io/library/debian:latest, https://registry-1.docker.io/v2/library/debian/",
        "debian:12, docker.io/library/debian:12, https://registry-1.docker.io/v2/library/debian/",
        "docker.io/a/b, docker.io/a/b:latest, https://registry-1.docker.io/v2/a/b/",
        "a/b/c:T_1.x, docker.io/a/b/c:T_1.x, https://registry-1.docker.io/v2/a/b/c/",
        "ghcr.io/a/b, ghcr.io/a/b:latest, https://ghcr.io/v2/a/b/",
        "localhost/a, localhost/a:latest, http://localhost/v2/a/",
        "127.0.0.1:5000/a:1, 127.0.0.1:5000/a:1, http://127.0.0.1:5000/v2/a/",
        "host:5000/a, host:5000/a:latest, https://host:5000/v2/a/",
    })
    void names(String text, String full, String endpoint) {
        ImageReference reference = ImageReference.parse(text);
        assertThat(reference).hasToString(full);
        assertThat(reference.endpoint(false)).hasToString(endpoint);
    }

    @ParameterizedTest
    @CsvSource({
        "'', 'library/' is not the name of a repository",
        "A, 'library/A' is not the name of a repository",
        "a/../b, 'a/../b' is not the name of a repository",
        "a:, '' is not a tag",
        "a:-x, '-x' is not a tag",
        "a@md5:00, what follows '@' is not a sha256 or sha512 digest",
        "ho_st.x/a, 'ho_st.x' is not a host",
        "x.y:port/a, 'x.y:port' is not a host",
        "u@x.y/a, what follows '@' is not a sha256 or sha512 digest",
    })
    void badNames(String text, String message) {
        assertThatThrownBy(() -> ImageReference.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    @FuzzTest
    void anyBytesAreAManifestOrRefused(byte[] input) {
        try {
            switch (Manifest.read(input, Optional.empty())) {
                case Manifest.OfImage image -> assertThat(image.layers()).doesNotContainNull();
                case Manifest.OfPlatforms list ->
                    assertThat(list.forGuests().size()).isNotNegative();
            }
        } catch (JsonException e) {
            assertThat(e.reason()).isNotEmpty();
        }
    }

    @FuzzTest
    void anyBytesAreAConfigOrRefused(byte[] input) {
        try {
            assertThat(ImageConfig.read(input).runs().workingDirectory()).startsWith("/");
        } catch (JsonException e) {
            assertThat(e.reason()).isNotEmpty();
        }
    }

    @FuzzTest
    void anyTextIsAReferenceOrRefused(byte[] input) {
        try {
            ImageReference reference = ImageReference.parse(new String(input, StandardCharsets.UTF_8));
            assertThat(reference.endpoint(false).getPath()).isEqualTo("/v2/" + reference.repository() + "/");
        } catch (IllegalArgumentException e) {
            assertThat(e).hasMessageContaining("is not the name of an image");
        }
    }
}
