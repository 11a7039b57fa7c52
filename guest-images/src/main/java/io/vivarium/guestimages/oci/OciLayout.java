// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.json.JsonException;
import io.vivarium.guestimages.json.JsonReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/// A directory with images (OCI image specification, "OCI Image Layout").
///
/// @param directory with `oci-layout`, `index.json` and `blobs`
public record OciLayout(Path directory) implements Blobs {
    private static final String REFERENCE = "org.opencontainers.image.ref.name";
    private static final String VERSION = "1.0.0";

    @Override
    public String source() {
        return directory.toString();
    }

    /// The only image of the layout, or the only one that guests run.
    ///
    /// @throws ImageException this is no layout, or it has several such images
    public OciImage image() throws IOException {
        return image(Optional.empty());
    }

    /// The image that the layout has under a name (annotation `org.opencontainers.image.ref.name`).
    ///
    /// @throws ImageException this is no layout, or it has no such image
    public OciImage image(String reference) throws IOException {
        return image(Optional.of(reference));
    }

    private OciImage image(Optional<String> reference) throws IOException {
        try {
            String version = JsonReader.parse(file("oci-layout")).requiredText("imageLayoutVersion");
            if (!version.equals(VERSION)) {
                throw new ImageException(source(), "is an OCI layout of version " + version + " instead of " + VERSION);
            }
            Descriptor chosen = choose(JsonReader.parse(file("index.json")), reference);
            Document document = manifest(chosen);
            return OciImage.resolve(this, chosen.digest(), document);
        } catch (JsonException e) {
            throw new ImageException(source(), e.reason(), e);
        }
    }

    private Descriptor choose(JsonReader index, Optional<String> reference) throws ImageException, JsonException {
        List<Descriptor> all = new ArrayList<>();
        for (JsonReader each : index.objects("manifests")) {
            all.add(Descriptor.read(each));
        }
        String names = all.stream()
                .flatMap((Descriptor each) ->
                        Optional.ofNullable(each.annotations().get(REFERENCE)).stream())
                .collect(Collectors.joining(", "));
        List<Descriptor> matching = all.stream()
                .filter((Descriptor each) -> reference.isEmpty()
                        || reference.get().equals(each.annotations().get(REFERENCE)))
                .toList();
        if (matching.isEmpty()) {
            throw new ImageException(
                    source(),
                    reference.isEmpty()
                            ? "the layout has no image"
                            : "the layout has no image '" + reference.get() + "', but: " + names);
        }
        if (matching.size() > 1) {
            List<Descriptor> runnable = matching.stream()
                    .filter((Descriptor each) ->
                            each.platform().filter(Platform::runsInGuests).isPresent())
                    .toList();
            if (runnable.size() != 1) {
                throw new ImageException(
                        source(), "the layout has " + matching.size() + " images: say which one (" + names + ")");
            }
            return runnable.getFirst();
        }
        return matching.getFirst();
    }

    private byte[] file(String name) throws IOException {
        Path file = directory.resolve(name);
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(MAX_DOCUMENT_BYTES + 1);
            if (bytes.length > MAX_DOCUMENT_BYTES) {
                throw new ImageException(file.toString(), "has more than " + MAX_DOCUMENT_BYTES + " bytes");
            }
            return bytes;
        } catch (NoSuchFileException e) {
            throw new ImageException(source(), "is no OCI layout: there is no " + name, e);
        }
    }

    @Override
    public Document manifest(Descriptor descriptor) throws IOException {
        return new Document(readAll(descriptor), Optional.of(descriptor.mediaType()));
    }

    @Override
    public InputStream open(Descriptor descriptor) throws IOException {
        Path blob = directory
                .resolve("blobs")
                .resolve(descriptor.digest().algorithm().title())
                .resolve(descriptor.digest().hex());
        try {
            return Files.newInputStream(blob);
        } catch (NoSuchFileException e) {
            throw new ImageException(source(), "the blob " + descriptor.digest() + " is missing", e);
        }
    }
}
