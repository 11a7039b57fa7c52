// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.ImageException;
import java.io.IOException;

/// A registry that has an image. Not for use by several threads at once.
public final class Registry implements AutoCloseable {
    private final RegistryBlobs blobs;

    /// Nothing is sent yet.
    public Registry(ImageReference image, RegistryOptions options) {
        this.blobs = new RegistryBlobs(image, options);
    }

    /// Asks the registry what the name stands for.
    ///
    /// @throws ImageException the registry refuses, does not have it, or has what guests do not run
    /// @throws IOException the cache cannot be used
    public OciImage image() throws IOException {
        return blobs.image();
    }

    /// Ends what is under way.
    @Override
    public void close() {
        blobs.close();
    }
}
