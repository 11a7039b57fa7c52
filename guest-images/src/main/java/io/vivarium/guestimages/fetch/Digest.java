// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.fetch;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/// What names content: an algorithm and the hexadecimal digest of the bytes, `sha256:…` (OCI image specification,
/// "Digests").
///
/// @param algorithm which
/// @param hex in lower case, as long as the algorithm's
public record Digest(Algorithm algorithm, String hex) {
    /// The algorithms that OCI registers and Debian uses.
    public enum Algorithm {
        /// `sha256`
        SHA256("sha256", "SHA-256", 32),
        /// `sha512`
        SHA512("sha512", "SHA-512", 64);

        private final String title;
        private final String javaName;
        private final int bytes;

        Algorithm(String title, String javaName, int bytes) {
            this.title = title;
            this.javaName = javaName;
            this.bytes = bytes;
        }

        /// As it is written before the colon.
        public String title() {
            return title;
        }

        /// To feed bytes to.
        public MessageDigest start() {
            try {
                return MessageDigest.getInstance(javaName);
            } catch (NoSuchAlgorithmException e) {
                throw new AssertionError("every Java platform has " + javaName, e);
            }
        }
    }

    /// @throws IllegalArgumentException `hex` is not such a digest
    public Digest {
        if (hex.length() != 2 * algorithm.bytes || !hex.matches("[0-9a-f]+")) {
            throw new IllegalArgumentException("'%s' is not a %s digest".formatted(hex, algorithm.title));
        }
    }

    /// A SHA-256 digest.
    ///
    /// @throws IllegalArgumentException `hex` is not 64 digits in lower case
    public static Digest sha256(String hex) {
        return new Digest(Algorithm.SHA256, hex);
    }

    /// Reads `sha256:…` or `sha512:…`; empty for anything else.
    public static Optional<Digest> parse(String text) {
        int colon = text.indexOf(':');
        return Arrays.stream(Algorithm.values())
                .filter((Algorithm known) -> colon > 0 && known.title.equals(text.substring(0, colon)))
                .filter((Algorithm known) -> text.substring(colon + 1).matches("[0-9a-f]{" + 2 * known.bytes + "}"))
                .map((Algorithm known) -> new Digest(known, text.substring(colon + 1)))
                .findFirst();
    }

    /// The digest of some bytes.
    public static Digest of(Algorithm algorithm, byte[] bytes) {
        return finish(algorithm, algorithm.start(), bytes);
    }

    /// The digest of what was fed.
    static Digest finish(Algorithm algorithm, MessageDigest fed, byte... rest) {
        return new Digest(algorithm, HexFormat.of().formatHex(fed.digest(rest)));
    }

    /// The digest of what was fed.
    public static Digest finish(Algorithm algorithm, MessageDigest fed) {
        return finish(algorithm, fed, new byte[0]);
    }

    /// `sha256:…`
    @Override
    public String toString() {
        return algorithm.title + ":" + hex;
    }
}
