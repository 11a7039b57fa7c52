// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.fetch.Digest;
import io.vivarium.guestimages.json.JsonException;
import io.vivarium.guestimages.json.JsonReader;
import java.util.Map;
import java.util.Optional;

/// Says what a blob is (OCI image specification, "OCI Content Descriptors").
///
/// @param mediaType what it holds
/// @param digest of its bytes
/// @param size in bytes
/// @param platform what it runs on, if it says so
/// @param annotations what its maker noted
record Descriptor(
        String mediaType, Digest digest, long size, Optional<Platform> platform, Map<String, String> annotations) {
    static Descriptor read(JsonReader json) throws JsonException {
        String digest = json.requiredText("digest");
        Optional<JsonReader> platform = json.object("platform");
        return new Descriptor(
                json.requiredText("mediaType"),
                Digest.parse(digest)
                        .orElseThrow(() -> new JsonException(
                                json.path() + "digest is not a sha256 or sha512 digest: '" + digest + "'")),
                json.requiredSize("size"),
                platform.isEmpty() ? Optional.empty() : Optional.of(Platform.read(platform.get())),
                json.textMembers("annotations"));
    }
}
