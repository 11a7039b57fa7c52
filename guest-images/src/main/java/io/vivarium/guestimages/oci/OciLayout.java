// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.ImageException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/// A directory with images (OCI image specification, "OCI Image Layout").
///
/// @param directory with `oci-layout`, `index.json` and `blobs`
public record OciLayout(Path directory) {
    /// The only image of the layout, or the only one that guests run.
    ///
    /// @throws ImageException this is no layout, or it has several such images
    /// @throws IOException the directory cannot be read
    public OciImage image() throws IOException {
        return new LayoutBlobs(directory).image(Optional.empty());
    }

    /// The image that the layout has under a name (annotation `org.opencontainers.image.ref.name`).
    ///
    /// @throws ImageException this is no layout, or it has no such image
    /// @throws IOException the directory cannot be read
    public OciImage image(String reference) throws IOException {
        return new LayoutBlobs(directory).image(Optional.of(reference));
    }
}
