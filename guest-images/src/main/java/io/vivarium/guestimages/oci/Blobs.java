// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.fetch.Digest;
import io.vivarium.guestimages.json.JsonException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;

/// Where an image's blobs are: in a registry or in a layout.
interface Blobs {
    /// Most bytes of a manifest, a list or a config: 4 MiB, what registries take.
    int MAX_DOCUMENT_BYTES = 4 << 20;

    /// What to call the image in errors.
    String source();

    /// A manifest or list by its digest, not yet checked.
    Document manifest(Descriptor descriptor) throws IOException;

    /// A config or a layer, not yet checked; to be closed.
    InputStream open(Descriptor descriptor) throws IOException;

    /// A manifest or list as it came.
    ///
    /// @param bytes which nobody changes
    /// @param mediaType that was announced with it
    final class Document {
        private final byte[] bytes;
        private final Optional<String> mediaType;

        Document(byte[] bytes, Optional<String> mediaType) {
            this.bytes = bytes;
            this.mediaType = mediaType;
        }

        Digest digest(Digest.Algorithm algorithm) {
            return Digest.of(algorithm, bytes);
        }

        Manifest read() throws JsonException {
            return Manifest.read(bytes, mediaType);
        }

        int size() {
            return bytes.length;
        }
    }

    /// All bytes of a small blob, checked.
    default byte[] readAll(Descriptor descriptor) throws IOException {
        if (descriptor.size() > MAX_DOCUMENT_BYTES) {
            throw new ImageException(
                    source(),
                    descriptor.digest() + " has " + descriptor.size() + " bytes, more than " + MAX_DOCUMENT_BYTES);
        }
        try (VerifiedStream verified = new VerifiedStream(source(), descriptor, open(descriptor))) {
            byte[] bytes = verified.readNBytes((int) descriptor.size());
            verified.finish();
            return bytes;
        }
    }
}
