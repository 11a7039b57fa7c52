// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import io.vivarium.guestimages.fetch.Digest;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/// The file `Release` of a suite: what its indexes are, by digests.
///
/// @param names what the suite calls itself
/// @param files path below the suite, and what is there
/// @param byHash whether files are there under their digests too, where they do not change while they are fetched
/// @param validUntil when it is no longer to be believed, if it says so
record Release(List<String> names, Map<String, Listed> files, boolean byHash, Optional<Instant> validUntil) {
    /// A file of the suite.
    record Listed(Digest digest, long size) {}

    static Release parse(byte[] bytes) throws IOException {
        Map<String, String> fields = new Stanzas(new ByteArrayInputStream(bytes))
                .next()
                .orElseThrow(() -> new DebianFormatException("the file Release is empty"));
        Map<String, Listed> files = new HashMap<>();
        for (String line : fields.getOrDefault("sha256", "")
                .strip()
                .lines()
                .map(String::strip)
                .toList()) {
            String[] words = line.split("\\s+", -1);
            Optional<Digest> digest = Digest.parse("sha256:" + words[0]);
            if (words.length != 3 || digest.isEmpty() || !words[1].matches("[0-9]{1,15}")) {
                throw new DebianFormatException("the file Release has a line that is not digest, size and name");
            }
            files.put(words[2], new Listed(digest.get(), Long.parseLong(words[1])));
        }
        if (files.isEmpty()) {
            throw new DebianFormatException("the file Release has no SHA256 digests");
        }
        return new Release(
                List.of(fields.getOrDefault("suite", ""), fields.getOrDefault("codename", "")),
                Map.copyOf(files),
                fields.getOrDefault("acquire-by-hash", "no").equals("yes"),
                validUntil(fields));
    }

    private static Optional<Instant> validUntil(Map<String, String> fields) throws DebianFormatException {
        String text = fields.get("valid-until");
        if (text == null) {
            return Optional.empty();
        }
        try {
            return Optional.of(
                    ZonedDateTime.parse(text, DateTimeFormatter.ofPattern("EEE, d MMM yyyy H:mm:ss zzz", Locale.ROOT))
                            .toInstant());
        } catch (DateTimeException e) {
            throw new DebianFormatException("the file Release has a Valid-Until that is no date: '" + text + "'");
        }
    }
}
