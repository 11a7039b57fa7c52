// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// What an image says of how its programs are run. Sandboxes take over environment, working directory and user unless
/// their [SandboxSpec] says otherwise; [Command#ofImage] takes over the program.
///
/// @param entrypoint what is run, before the arguments
/// @param cmd the arguments unless others are given, or all of the command when there is no entrypoint
/// @param env variables
/// @param workingDirectory absolute
/// @param user whom programs run as
public record ImageConfig(
        List<String> entrypoint, List<String> cmd, Map<String, String> env, String workingDirectory, User user) {
    /// Nothing to run, in `/`, as root: an image that is only files.
    public static final ImageConfig NONE = new ImageConfig(List.of(), List.of(), Map.of(), "/", User.ROOT);

    /// Copies the collections.
    public ImageConfig {
        entrypoint = List.copyOf(entrypoint);
        cmd = List.copyOf(cmd);
        env = Collections.unmodifiableMap(new LinkedHashMap<>(env));
    }
}
