// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.fetch.Digest;
import io.vivarium.guestimages.json.JsonException;
import io.vivarium.guestimages.json.JsonReader;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// What an image says of how its programs are run (OCI image specification, "OCI Image Configuration").
///
/// @param entrypoint what is run, before the arguments
/// @param cmd the arguments unless others are given, or all of the command when there is no entrypoint
/// @param env variables, in their order
/// @param workingDirectory absolute; `/` when the image says nothing
/// @param user `user[:group]`, in names or numbers; empty when the image says nothing
public record ImageConfig(
        List<String> entrypoint, List<String> cmd, Map<String, String> env, String workingDirectory, String user) {
    /// An image that says nothing.
    public static final ImageConfig EMPTY = new ImageConfig(List.of(), List.of(), Map.of(), "/", "");

    /// Copies the collections.
    public ImageConfig {
        entrypoint = List.copyOf(entrypoint);
        cmd = List.copyOf(cmd);
        env = Collections.unmodifiableMap(new LinkedHashMap<>(env));
    }

    /// A config as it stands in an image.
    ///
    /// @param runs what it says of programs
    /// @param layers digests of the uncompressed layers, the lowest first
    record Stated(ImageConfig runs, List<Digest> layers) {}

    static Stated read(byte[] bytes) throws JsonException {
        JsonReader json = JsonReader.parse(bytes);
        Platform platform = Platform.read(json);
        if (!platform.runsInGuests()) {
            throw new JsonException("is an image for %s, and guests run %s".formatted(platform, Platform.GUEST));
        }
        List<Digest> layers = new ArrayList<>();
        for (String digest : json.requiredObject("rootfs").texts("diff_ids")) {
            layers.add(Digest.parse(digest)
                    .orElseThrow(() -> new JsonException(
                            "rootfs.diff_ids has what is not a sha256 or sha512 digest: '" + digest + "'")));
        }
        JsonReader config = json.object("config").orElse(new JsonReader("config.", JsonReader.EMPTY));
        return new Stated(
                new ImageConfig(
                        config.texts("Entrypoint"),
                        config.texts("Cmd"),
                        env(config.texts("Env")),
                        workingDirectory(config),
                        config.text("User").orElse("")),
                List.copyOf(layers));
    }

    private static Map<String, String> env(List<String> variables) throws JsonException {
        Map<String, String> env = new LinkedHashMap<>();
        for (String variable : variables) {
            int equals = variable.indexOf('=');
            if (equals < 1 || variable.indexOf('\0') >= 0) {
                throw new JsonException(
                        "config.Env has what is not NAME=value: '" + variable.replace("\0", "\\0") + "'");
            }
            env.put(variable.substring(0, equals), variable.substring(equals + 1));
        }
        return env;
    }

    /// Docker takes a relative one from the root.
    private static String workingDirectory(JsonReader config) throws JsonException {
        String stated = config.text("WorkingDir").orElse("");
        if (stated.indexOf('\0') >= 0) {
            throw new JsonException("config.WorkingDir has a NUL in it");
        }
        return stated.startsWith("/") ? stated : "/" + stated;
    }
}
