// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.json.JsonException;
import io.vivarium.guestimages.json.JsonReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/// What a registry or a layout has under a name: an image, or a list of images for several
/// platforms.
sealed interface Manifest {
    /// One image (OCI image specification, "OCI Image Manifest").
    ///
    /// @param config of the image
    /// @param layers the lowest first
    record OfImage(Descriptor config, List<Descriptor> layers) implements Manifest {
        /// How much there is to fetch.
        long size() {
            return config.size() + layers.stream().mapToLong(Descriptor::size).sum();
        }
    }

    /// Several (OCI image specification, "OCI Image Index").
    record OfPlatforms(List<Descriptor> manifests) implements Manifest {
        /// The one that guests run.
        Descriptor forGuests() throws JsonException {
            return manifests.stream()
                    .filter((Descriptor each) ->
                            each.platform().filter(Platform::runsInGuests).isPresent())
                    .findFirst()
                    .orElseThrow(() -> new JsonException("there is no image for %s, but for %s"
                            .formatted(
                                    Platform.GUEST,
                                    manifests.stream()
                                            .flatMap((Descriptor each) -> each.platform().stream())
                                            .map(Platform::toString)
                                            .distinct()
                                            .collect(Collectors.joining(", ")))));
        }
    }

    /// Reads either.
    ///
    /// @param announced the media type that came with the bytes; empty if none did
    /// @throws JsonException the bytes are neither an image nor a list, or one that is not
    ///     supported
    static Manifest read(byte[] bytes, Optional<String> announced) throws JsonException {
        JsonReader json = JsonReader.parse(bytes);
        Optional<String> stated = json.text("mediaType");
        String type = stated.or(() -> announced).orElse("");
        if (MediaTypes.DOCKER_SCHEMA_1.contains(type)) {
            throw new JsonException("is a Docker image of schema version 1, which is not supported; push it again");
        }
        if (MediaTypes.INDEXES.contains(type)
                || (type.isEmpty() && json.object().members().containsKey("manifests"))) {
            List<Descriptor> manifests = new ArrayList<>();
            for (JsonReader each : json.objects("manifests")) {
                manifests.add(Descriptor.read(each));
            }
            return new OfPlatforms(List.copyOf(manifests));
        }
        if (!type.isEmpty() && !MediaTypes.MANIFESTS.contains(type)) {
            throw new JsonException("is of the media type '" + type + "', which is not one of an image");
        }
        return image(json);
    }

    private static OfImage image(JsonReader json) throws JsonException {
        Descriptor config = Descriptor.read(json.requiredObject("config"));
        if (!MediaTypes.CONFIGS.contains(config.mediaType())) {
            throw new JsonException(
                    "is no image of a file system: its config is of the media type '" + config.mediaType() + "'");
        }
        List<Descriptor> layers = new ArrayList<>();
        for (JsonReader each : json.objects("layers")) {
            Descriptor layer = Descriptor.read(each);
            if (!MediaTypes.LAYERS.contains(layer.mediaType())) {
                throw new JsonException(
                        each.path() + "mediaType is '" + layer.mediaType() + "', which is not supported");
            }
            layers.add(layer);
        }
        return new OfImage(config, List.copyOf(layers));
    }
}
